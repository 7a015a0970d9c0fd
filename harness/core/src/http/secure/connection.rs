//! One connection, owned by its thread.

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue, Uri,
    header::{ACCEPT, CONNECTION, HOST, USER_AGENT},
};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
    rt::Executor,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::super::{
    ErrorKind, MAX_BODY, Prepared, Response, SendError, Stage, budget::Budget, causes, classify,
    client::USER_AGENT as OURS, http1::Wanted,
};

/// The longest head of an answer, in bytes, as on plain connections.
const MAX_HEAD: u32 = 64 * 1024;

type Body = Full<Bytes>;
type Stream = TlsStream<TcpStream>;

/// A connection; what drives it is a task of the same thread, which ends with it.
#[derive(Debug)]
pub(crate) struct Connection {
    link: Link,
    used: bool,
}

#[derive(Debug)]
enum Link {
    /// One request at a time.
    Http1(http1::SendRequest<Body>),
    /// Any number of requests.
    Http2(http2::SendRequest<Body>),
}

/// A request that came to nothing.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) error: SendError,
    /// Nothing of it left this machine.
    pub(crate) unsent: bool,
    /// The target gave up a connection that had been used before, without a word of an answer.
    pub(crate) stale: bool,
}

/// Runs what drives a connection of HTTP/2 on this thread.
#[derive(Clone, Copy, Debug)]
struct SameThread;

impl<F: Future + 'static> Executor<F> for SameThread {
    fn execute(&self, future: F) {
        drop(tokio::task::spawn_local(future));
    }
}

impl SendError {
    /// The connection could not be made secure.
    pub(crate) fn handshake(error: &std::io::Error) -> Self {
        Self { kind: classify(error, Stage::Head), detail: error.to_string() }
    }

    fn hyper(error: &hyper::Error, stage: Stage) -> Self {
        Self { kind: classify(error, stage), detail: causes(Some(error)) }
    }
}

impl Connection {
    /// Speaks HTTP/1.1 on `stream`.
    pub(crate) async fn http1(stream: Stream) -> Result<Self, SendError> {
        let (sender, driver) = http1::Builder::new()
            .max_header_size(MAX_HEAD as usize)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| SendError::hyper(&error, Stage::Head))?;
        // What goes wrong on it, its requests hear.
        drop(tokio::task::spawn_local(driver));
        Ok(Self { link: Link::Http1(sender), used: false })
    }

    /// Speaks HTTP/2 on `stream`.
    pub(crate) async fn http2(stream: Stream) -> Result<Self, SendError> {
        let (sender, driver) = http2::Builder::new(SameThread)
            .max_header_list_size(MAX_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| SendError::hyper(&error, Stage::Head))?;
        drop(tokio::task::spawn_local(driver));
        Ok(Self { link: Link::Http2(sender), used: false })
    }

    /// The same connection for another request, if it can carry several at once.
    pub(crate) fn another(&self) -> Option<Self> {
        match &self.link {
            Link::Http1(_) => None,
            Link::Http2(sender) => Some(Self { link: Link::Http2(sender.clone()), used: true }),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        match &self.link {
            Link::Http1(sender) => sender.is_closed(),
            Link::Http2(sender) => sender.is_closed(),
        }
    }

    /// Whether it takes another request, if need be as soon as the last one is done.
    pub(crate) async fn is_ready(&mut self) -> bool {
        match &mut self.link {
            Link::Http1(sender) => sender.ready().await.is_ok(),
            Link::Http2(sender) => sender.ready().await.is_ok(),
        }
    }

    /// Sends a request and waits for the head of its answer. `close` says the target that it is
    /// the last one on this connection.
    pub(crate) async fn ask(
        &mut self,
        prepared: &Prepared,
        close: bool,
    ) -> Result<http::Response<Incoming>, Broken> {
        let was_used = std::mem::replace(&mut self.used, true);
        let broken = |error: TrySendError<_>| {
            let (unsent, error) = (error.message().is_some(), error.into_error());
            let error = SendError::hyper(&error, Stage::Head);
            let stale = was_used && error.kind == ErrorKind::Reset;
            Broken { error, unsent, stale }
        };
        match &mut self.link {
            Link::Http1(sender) => {
                let request = origin_form(prepared, close)?;
                sender.try_send_request(request).await.map_err(broken)
            }
            Link::Http2(sender) => {
                let request = absolute_form(prepared)?;
                sender.try_send_request(request).await.map_err(broken)
            }
        }
    }
}

/// A request for HTTP/1.1.
fn origin_form(prepared: &Prepared, close: bool) -> Result<http::Request<Body>, Broken> {
    let url = &prepared.url;
    let query = url.query().map_or(String::new(), |query| format!("?{query}"));
    let mut request = request(prepared, &format!("{}{query}", url.path()))?;
    let port = url.port().map_or(String::new(), |port| format!(":{port}"));
    let host = format!("{}{port}", url.host_str().unwrap_or_default());
    let host = HeaderValue::try_from(host).map_err(not_sent)?;
    request.headers_mut().entry(HOST).or_insert(host);
    if close {
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(request)
}

/// A request for HTTP/2, where the address has the host.
fn absolute_form(prepared: &Prepared) -> Result<http::Request<Body>, Broken> {
    request(prepared, prepared.url.as_str())
}

fn request(prepared: &Prepared, uri: &str) -> Result<http::Request<Body>, Broken> {
    let uri: Uri = uri.parse().map_err(not_sent)?;
    let mut request = http::Request::new(Full::new(prepared.body.clone()));
    *request.method_mut() = prepared.method.clone();
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.clone_from(&prepared.headers);
    for (name, ours) in [(USER_AGENT, OURS), (ACCEPT, "*/*")] {
        headers.entry(name).or_insert(HeaderValue::from_static(ours));
    }
    Ok(request)
}

fn not_sent(error: impl std::fmt::Display) -> Broken {
    let error = SendError { kind: ErrorKind::NotSent, detail: error.to_string() };
    Broken { error, unsent: false, stale: false }
}

/// The rest of an answer, within `budget`. What is not wanted is only counted.
pub(crate) async fn read(
    answer: http::Response<Incoming>,
    wanted: Wanted,
    budget: &Budget,
) -> Result<Response, SendError> {
    let (parts, mut rest) = answer.into_parts();
    let mut body = BytesMut::new();
    let mut held = budget.hold();
    let mut length = 0;
    while let Some(frame) = rest.frame().await {
        let frame = frame.map_err(|error| SendError::hyper(&error, Stage::Body))?;
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
    let headers = if wanted.headers { parts.headers } else { HeaderMap::new() };
    Ok(Response { status: parts.status, headers, body: body.freeze() })
}
