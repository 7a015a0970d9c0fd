//! A connection of HTTP/2, which any number of requests share. hyper speaks on it.

use std::{error::Error, io, rc::Rc};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue, StatusCode, Uri,
    header::{ACCEPT, USER_AGENT as AGENT},
};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::{Body as _, Incoming},
    client::conn::{TrySendError, http2},
    rt::Executor,
};
use hyper_util::rt::TokioIo;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::{AsFd as _, OwnedFd},
};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::{
    budget::Budget,
    exchange::{Broken, MAX_BODY, Progress, Response, SendError, Trace, Wanted},
    request::{Prepared, USER_AGENT},
};
use crate::model::{ErrorKind, Stage, causes, classify, clock};

/// The longest head of an answer, in bytes, as on connections of HTTP/1.1.
const MAX_HEAD: u32 = 64 * 1024;

/// How often the task of a connection gets a turn to read what has come before a request is sent on
/// it: the first turn reads it, the second ends the task if that was the end of the connection.
const TURNS: usize = 2;

type Body = Full<Bytes>;

/// A connection; a task of the same thread drives it, and ends with it. Clones are the same
/// connection.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    sender: http2::SendRequest<Body>,
    /// The socket, to ask whether something has come that the task has not read yet.
    socket: Rc<OwnedFd>,
}

/// Runs the task of a connection on its own thread.
#[derive(Clone, Copy, Debug)]
struct SameThread;

impl<F: Future + 'static> Executor<F> for SameThread {
    fn execute(&self, future: F) {
        drop(tokio::task::spawn_local(future));
    }
}

impl Connection {
    /// Speaks HTTP/2 on `stream`.
    pub(super) async fn new(stream: TlsStream<TcpStream>) -> Result<Self, SendError> {
        let socket = stream.get_ref().0.as_fd().try_clone_to_owned();
        let socket = socket.map_err(|error| SendError::system(&error, Stage::Head))?;
        let (sender, driver) = http2::Builder::new(SameThread)
            .max_header_list_size(MAX_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| hyper_error(&error, Stage::Head))?;
        // The requests on it hear of what goes wrong.
        drop(tokio::task::spawn_local(driver));
        Ok(Self { sender, socket: Rc::new(socket) })
    }

    /// Says whether this is the same connection as `other`.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.socket, &other.socket)
    }

    /// Says whether a request can be sent. What the target has said meanwhile, which may be that it
    /// ends the connection, is read first.
    pub(super) async fn is_open(&self) -> bool {
        for _ in 0..TURNS {
            if self.sender.is_closed() {
                return false;
            }
            // To read would take the error of a reset away from the task, which tells it to requests.
            let mut sockets = [PollFd::new(&*self.socket, PollFlags::IN)];
            match poll(&mut sockets, Some(&Timespec::default())) {
                Ok(0) => return true,
                // Something has come, or the end.
                _ => tokio::task::yield_now().await,
            }
        }
        !self.sender.is_closed()
    }

    /// Sends `request` and reads the whole answer, within `budget`.
    pub(super) async fn exchange(
        mut self,
        request: &Prepared,
        wanted: &impl Fn(StatusCode) -> Wanted,
        progress: &mut Progress,
        budget: &Budget,
    ) -> Result<Response, Broken> {
        let request = absolute_form(request)?;
        let answer = self.sender.try_send_request(request).await.map_err(broken)?;
        progress.phases.first_byte = Some(clock::now());
        progress.has_head = true;
        let wanted = wanted(answer.status());
        Ok(read(answer, wanted, budget).await?)
    }
}

fn broken(error: TrySendError<http::Request<Body>>) -> Broken {
    // hyper hands a request back of which nothing was written.
    let unsent = error.message().is_some();
    let error = error.into_error();
    let trace = if unsent {
        Trace::Unsent
    } else if is_refused(&error) {
        Trace::Refused
    } else {
        Trace::Unknown
    };
    Broken { error: hyper_error(&error, Stage::Head), trace }
}

/// Says whether the target promises that it did not process a request: it refused the stream, or
/// the stream is above the last one of a GOAWAY. (h2 gives that error to no other stream.)
fn is_refused(error: &hyper::Error) -> bool {
    let Some(error) = error.source().and_then(|source| source.downcast_ref::<h2::Error>()) else {
        return false;
    };
    let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    error.is_remote() && (refused || error.is_go_away())
}

fn hyper_error(error: &hyper::Error, stage: Stage) -> SendError {
    let kind = if is_end(error) { stage.ended() } else { classify(error, stage) };
    SendError::new(kind, causes(Some(error)))
}

/// Says whether this is the end of the connection, in the two cases in which the error does not say so
/// itself: in the middle of a frame, and while the request waited for the target to allow another stream.
/// (Such a request may have been written at the last moment, so it is not known to be unsent.)
fn is_end(error: &hyper::Error) -> bool {
    let within_frame = |error: &io::Error| {
        // This is an error of the codec, which has neither a kind nor a number of the system.
        error.kind() == io::ErrorKind::Other
            && error.raw_os_error().is_none()
            && error.get_ref().is_some_and(|inner| inner.source().is_none())
    };
    let cause = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    error.is_user() || cause.is_some_and(within_frame)
}

/// Makes a request for HTTP/2, where the address has the host.
fn absolute_form(prepared: &Prepared) -> Result<http::Request<Body>, SendError> {
    let uri: Uri = prepared
        .url
        .as_str()
        .parse()
        .map_err(|error| SendError::new(ErrorKind::NotSent, format!("no URI: {error}")))?;
    let mut request = http::Request::new(Full::new(prepared.body.clone()));
    *request.method_mut() = prepared.method.clone();
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.clone_from(&prepared.headers);
    for (name, ours) in [(AGENT, USER_AGENT), (ACCEPT, "*/*")] {
        headers.entry(name).or_insert(HeaderValue::from_static(ours));
    }
    Ok(request)
}

/// Reads the rest of an answer, within `budget`. A body that is not wanted is only counted.
async fn read(
    answer: http::Response<Incoming>,
    wanted: Wanted,
    budget: &Budget,
) -> Result<Response, SendError> {
    let (parts, mut rest) = answer.into_parts();
    let mut body = BytesMut::new();
    let mut held = budget.hold();
    let mut length = 0;
    while let Some(frame) = rest.frame().await {
        let frame = frame.map_err(|error| hyper_error(&error, Stage::Body))?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length > MAX_BODY {
            return Err(SendError::too_large());
        }
        if wanted.body {
            body.extend_from_slice(&data);
            held.grow(body.len())?;
        }
    }
    // hyper takes NO_ERROR, in a reset or in a GOAWAY, for the end of a body. RFC 9113, 8.1: it is that
    // only after the complete answer, which a frame with END_STREAM ends.
    if !rest.is_end_stream() {
        let detail = format!("the stream was reset after {length} bytes of the body");
        return Err(SendError::new(ErrorKind::Truncated, detail));
    }
    let headers = if wanted.headers { parts.headers } else { HeaderMap::new() };
    Ok(Response { status: parts.status, headers, body: body.freeze() })
}
