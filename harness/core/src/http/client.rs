//! One HTTP exchange, timed.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};
use reqwest::{Url, redirect, retry};

use super::{ErrorKind, Phases, Stage, causes, classify, clock};

/// The largest response body that is read; more is an error. Far above any answer of an API, far
/// below what a hostile target could make the harness hold.
pub const MAX_BODY: usize = 8 * 1024 * 1024;

/// What requests say that they come from.
pub(crate) const USER_AGENT: &str = concat!("workway/", env!("CARGO_PKG_VERSION"));

/// Connections, kept open between requests. Each thread has its own.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
}

/// A request with nothing left to fill in.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// HTTP method.
    pub method: Method,
    /// Where it goes.
    pub url: Url,
    /// Headers, secrets included and marked as sensitive.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// A complete answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status code.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// The body, at most [`MAX_BODY`] bytes.
    pub body: Bytes,
}

/// A request and what came back.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Before the first byte was sent; connecting, if needed, comes after it.
    pub sent: Instant,
    /// After the last byte of the answer, or when it was known that there is none.
    pub received: Instant,
    /// What is known of the time between.
    pub phases: Phases,
    /// The answer.
    pub outcome: Result<Response, SendError>,
}

/// Why there is no complete answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {detail}")]
pub struct SendError {
    /// The kind, counted in reports.
    pub kind: ErrorKind,
    /// All causes, outermost first.
    pub detail: String,
}

impl Exchange {
    /// Of a request that could not be sent.
    pub(crate) fn not_sent(why: &str) -> Self {
        let now = clock::now();
        let error = SendError { kind: ErrorKind::NotSent, detail: why.to_owned() };
        Self { sent: now, received: now, phases: Phases::default(), outcome: Err(error) }
    }
}

impl SendError {
    /// An error of the system, with the kind it has at this point of an exchange.
    pub(crate) fn system(error: &std::io::Error, stage: Stage) -> Self {
        Self { kind: classify(error, stage), detail: error.to_string() }
    }

    /// The body has no end, or one that is too far away.
    pub(crate) fn too_large() -> Self {
        let detail = format!("the body is longer than {MAX_BODY} bytes");
        Self { kind: ErrorKind::TooLarge, detail }
    }

    /// The whole answer did not come within `timeout`.
    pub(crate) fn late(timeout: Duration) -> Self {
        let detail = format!("no complete answer within {timeout:?}");
        Self { kind: ErrorKind::Timeout, detail }
    }
}

impl Client {
    /// A client that goes to the target itself: no redirects, retries or proxies. It keeps at most
    /// `idle` connections open between requests.
    ///
    /// # Errors
    /// What the HTTP library says, for instance that the system has no root certificates.
    pub fn new(idle: usize) -> Result<Self, SendError> {
        crate::http::tls::install();
        let http = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_proxy()
            .pool_max_idle_per_host(idle)
            .user_agent(USER_AGENT)
            .build()
            .map_err(|error| send_error(&error, Stage::Head))?;
        Ok(Self { http })
    }

    /// Sends `request` and reads the whole answer within `timeout`.
    pub async fn send(&self, request: &Prepared, timeout: Duration) -> Exchange {
        let sent = clock::now();
        let outcome = tokio::time::timeout(timeout, self.exchange(request)).await;
        let received = clock::now();
        let outcome = outcome.unwrap_or_else(|_| Err(SendError::late(timeout)));
        Exchange { sent, received, phases: Phases::default(), outcome }
    }

    async fn exchange(&self, prepared: &Prepared) -> Result<Response, SendError> {
        let mut request = reqwest::Request::new(prepared.method.clone(), prepared.url.clone());
        *request.headers_mut() = prepared.headers.clone();
        if !prepared.body.is_empty() {
            *request.body_mut() = Some(prepared.body.clone().into());
        }
        let response =
            self.http.execute(request).await.map_err(|error| send_error(&error, Stage::Head))?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Response { status, headers, body: read(response).await? })
    }
}

async fn read(mut response: reqwest::Response) -> Result<Bytes, SendError> {
    let mut body = BytesMut::new();
    while let Some(chunk) =
        response.chunk().await.map_err(|error| send_error(&error, Stage::Body))?
    {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(SendError::too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn send_error(error: &reqwest::Error, stage: Stage) -> SendError {
    // The outermost text repeats the address, which the failure shows anyway.
    SendError { kind: classify(error, stage), detail: causes(std::error::Error::source(error)) }
}

#[cfg(test)]
mod tests;
