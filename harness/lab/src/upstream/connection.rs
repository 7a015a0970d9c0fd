//! Breaks connections in the ways that faults ask for.

use std::{
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::{ConnectInfo, connect_info::Connected},
    http::{Extensions, StatusCode, header},
    response::{IntoResponse, Response},
    serve::IncomingStream,
};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use tokio::net::TcpListener;

use super::ConnectionFault;

/// A hanging answer is given up after this: longer than any client of the stub waits.
const HANG: Duration = Duration::from_mins(5);
/// Between the first half of a body and the break: the half is on its way by then.
const HALF_PAUSE: Duration = Duration::from_millis(20);

/// A second handle of a connection, to break it with.
#[derive(Clone, Debug)]
pub(super) struct Socket(Option<Arc<OwnedFd>>);

impl Connected<IncomingStream<'_, TcpListener>> for Socket {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self(stream.io().as_fd().try_clone_to_owned().ok().map(Arc::new))
    }
}

impl Socket {
    /// Returns the connection of a request.
    pub(super) fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get::<ConnectInfo<Self>>().map(|info| info.0.clone())
    }

    /// Makes the last handle that closes send a reset.
    fn reset_at_close(&self) {
        if let Some(socket) = &self.0 {
            // Without it the connection closes in order, which is a broken answer, too.
            let _ = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO));
        }
    }
}

/// Returns the answer of a call that breaks; `answer` has the effect.
pub(super) async fn break_off(
    how: ConnectionFault,
    socket: Option<Socket>,
    answer: impl Future<Output = Response>,
) -> Response {
    match how {
        ConnectionFault::Hang => {
            tokio::time::sleep(HANG).await;
            StatusCode::GATEWAY_TIMEOUT.into_response()
        }
        ConnectionFault::Nonsense => "\u{0}<nonsense]}".into_response(),
        ConnectionFault::Reset => broken(socket, Bytes::new(), None),
        ConnectionFault::HalfBody => {
            let (parts, body) = answer.await.into_parts();
            let body = body.collect().await.map(http_body_util::Collected::to_bytes);
            let body = body.unwrap_or_default();
            let mut half = broken(socket, body.slice(..body.len() / 2), Some(body.len()));
            *half.status_mut() = parts.status;
            half
        }
    }
}

/// Returns an answer that ends in a reset after `sent` of `promised` bytes.
fn broken(socket: Option<Socket>, sent: Bytes, promised: Option<usize>) -> Response {
    let pause = if promised.is_some() { HALF_PAUSE } else { Duration::ZERO };
    let end = stream::once(async move {
        tokio::time::sleep(pause).await;
        if let Some(socket) = socket {
            socket.reset_at_close();
        }
        Err(std::io::Error::other("as programmed"))
    });
    let first = promised.map(|_| Ok(sent));
    let mut response = Response::new(Body::from_stream(stream::iter(first).chain(end)));
    if let Some(promised) = promised {
        response.headers_mut().insert(header::CONTENT_LENGTH, promised.max(1).into());
    }
    response
}
