//! What the stub does to calls instead of, or before, answering them.

use std::{
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::{ConnectInfo, Request, State, connect_info::Connected},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
    serve::IncomingStream,
};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use super::{Shared, is_upstream, lock};
use crate::glob;

/// A hanging answer is given up after this: longer than any client of the stub waits.
const HANG: Duration = Duration::from_mins(5);
/// Between the first half of a body and the break: the half is on its way by then.
const HALF_PAUSE: Duration = Duration::from_millis(20);

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Broken {
    /// None comes, without effect; the connection stays open.
    Hang,
    /// The connection is reset, without effect.
    Reset,
    /// The effect happens; half of its answer arrives, and the connection is reset.
    HalfBody,
    /// 200 with a body that means nothing, without effect.
    Nonsense,
}

/// Faults at a time: a scenario has a few.
pub const MAX_FAULTS: usize = 1000;

/// A fault that calls meet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which calls: a path and query, in which `*` stands for anything.
    pub path: String,
    /// The answer comes after this many milliseconds. The effect is there before.
    pub latency_ms: Option<u64>,
    /// The answer has this status, and there is no effect.
    pub status: Option<u16>,
    /// `Retry-After` of that answer.
    #[serde(default)]
    pub retry_after: Option<String>,
    /// The answer breaks like this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<Broken>,
    /// How many calls meet it; all if absent.
    pub times: Option<u64>,
    /// How many calls pass before that.
    #[serde(default)]
    pub skip: u64,
}

/// The faults that are set, in order; a call meets the first that it matches.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    /// # Errors
    /// If there are [`MAX_FAULTS`] already.
    pub(super) fn add(&mut self, fault: Fault) -> Result<(), String> {
        if self.0.len() == MAX_FAULTS {
            return Err(format!("there are {MAX_FAULTS} faults already; remove them first"));
        }
        self.0.push(fault);
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault that this call meets.
    pub(super) fn meet(&mut self, path: &str) -> Option<Fault> {
        for fault in self.0.iter_mut().filter(|fault| glob::matches(&fault.path, path)) {
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            match &mut fault.times {
                Some(0) => {}
                Some(times) => {
                    *times -= 1;
                    return Some(fault.clone());
                }
                None => return Some(fault.clone()),
            }
        }
        None
    }
}

/// Applies the fault that a call meets, and takes note of calls of other upstreams than the sink.
pub(super) async fn apply(State(stub): State<Shared>, request: Request, next: Next) -> Response {
    let path = request.uri().to_string();
    if path.starts_with("/_workway/") {
        return next.run(request).await;
    }
    let socket = request.extensions().get::<ConnectInfo<Socket>>().map(|info| info.0.clone());
    let fault = {
        let mut stub = lock(&stub);
        let fault = stub.faults.meet(&path).unwrap_or_default();
        let effect =
            fault.status.is_none() && matches!(fault.broken, None | Some(Broken::HalfBody));
        match effect {
            true if is_upstream(&path) => stub.ledger.upstream(request.method().as_str(), &path),
            true => {}
            false => stub.ledger.refuse(path),
        }
        fault
    };
    let answer = match (fault.broken, fault.status) {
        (Some(Broken::Hang), _) => {
            tokio::time::sleep(HANG).await;
            StatusCode::GATEWAY_TIMEOUT.into_response()
        }
        (Some(Broken::Reset), _) => broken(socket, Bytes::new(), None),
        (Some(Broken::Nonsense), _) => "\u{0}<nonsense]}".into_response(),
        (None, Some(status)) => refusal(status, fault.retry_after.as_deref()),
        (Some(Broken::HalfBody), _) => half(socket, next.run(request).await).await,
        (None, None) => next.run(request).await,
    };
    if let Some(latency) = fault.latency_ms {
        tokio::time::sleep(Duration::from_millis(latency)).await;
    }
    answer
}

fn refusal(status: u16, retry_after: Option<&str>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = status.into_response();
    if let Some(value) = retry_after.and_then(|value| HeaderValue::from_str(value).ok()) {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

async fn half(socket: Option<Socket>, response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let mut half = broken(socket, body.slice(..body.len() / 2), Some(body.len()));
    *half.status_mut() = parts.status;
    half
}

/// A second handle of a connection, to break it with.
#[derive(Clone, Debug)]
pub(super) struct Socket(Option<Arc<OwnedFd>>);

impl Connected<IncomingStream<'_, TcpListener>> for Socket {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self(stream.io().as_fd().try_clone_to_owned().ok().map(Arc::new))
    }
}

impl Socket {
    /// The last handle that closes sends a reset.
    fn reset_at_close(&self) {
        if let Some(socket) = &self.0 {
            // Without it the connection closes in order, which is a broken answer, too.
            let _ = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO));
        }
    }
}

/// An answer that ends in a reset after `sent` of `promised` bytes.
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
    let body = Body::from_stream(stream::iter(first).chain(end));
    let mut response = Response::new(body);
    if let Some(promised) = promised {
        response.headers_mut().insert(header::CONTENT_LENGTH, promised.max(1).into());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_meets_so_many_calls_after_so_many() {
        let mut faults = Faults::default();
        let fault = Fault { path: "/a*".into(), times: Some(2), skip: 1, ..Fault::default() };
        faults.add(fault).unwrap();
        let met: Vec<_> =
            ["/b", "/a", "/a1", "/a2", "/a3"].map(|path| faults.meet(path).is_some()).into();
        assert_eq!(met, [false, false, true, true, false]);
        faults.add(Fault { path: "*".into(), ..Fault::default() }).unwrap();
        assert!(faults.meet("/b").is_some());
        faults.clear();
        assert!(faults.meet("/b").is_none());
    }

    #[test]
    fn the_limit_and_one_past_it() {
        let mut faults = Faults::default();
        for _ in 0..MAX_FAULTS {
            faults.add(Fault::default()).unwrap();
        }
        assert!(faults.add(Fault::default()).unwrap_err().contains("already"));
    }
}
