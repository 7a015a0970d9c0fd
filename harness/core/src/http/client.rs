//! The client: sends a request over a connection of its pool, and again where that is safe.

use std::{rc::Rc, sync::Arc, time::Duration};

use http::StatusCode;
use reqwest::Url;
use rustls::pki_types::ServerName;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_rustls::TlsConnector;

use super::{
    budget::Budget,
    exchange::{Broken, Exchange, Progress, Response, SendError, Trace, Wanted},
    http1, http2,
    place::Place,
    pool::{Origin, Pool},
    request::{EncodedRequest, Request},
    tls,
};
use crate::model::{ErrorKind, clock};

/// How many times a request is sent again at most. A target that refuses a request four times in a
/// row is refusing it, and not merely ending a connection.
pub const MAX_RESENDS: u32 = 3;

/// Sends requests to one origin. It belongs to one thread and is cheap to clone: clones share their
/// connections.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    origin: Rc<Origin>,
    pool: Rc<Pool>,
    /// A permit for each connection, if their number is bounded.
    permits: Option<Rc<Semaphore>>,
}

/// Says how a client holds connections.
#[derive(Clone, Debug)]
pub(crate) struct ClientConfig {
    /// Whether a connection may carry one request after another.
    pub(crate) reuse: bool,
    /// Connections that are kept open between requests.
    pub(crate) idle: usize,
    /// Connections that may be open at once, if their number is bounded.
    pub(crate) open: Option<usize>,
    /// Bounds what is kept of incomplete answers.
    pub(crate) budget: Budget,
}

impl ClientConfig {
    /// Returns the configuration for steps that run once: connections are reused, and their number
    /// is that of the requests that are sent at once.
    pub(crate) fn for_steps() -> Self {
        Self { reuse: true, idle: usize::MAX, open: None, budget: Budget::of_one(1) }
    }
}

impl Client {
    /// Makes a client for the origin of `target`.
    ///
    /// # Errors
    /// If the target names no host, or the system has no root certificates.
    pub(crate) fn new(target: &Url, config: ClientConfig) -> Result<Self, SendError> {
        let connector = match target.scheme() {
            "https" => {
                let tls = tls::client()
                    .map_err(|error| SendError::new(ErrorKind::Tls, error.to_string()))?;
                Some(TlsConnector::from(Arc::new(tls)))
            }
            _ => None,
        };
        Self::with(connector, target, config)
    }

    /// Makes a client that trusts whom `connector` trusts.
    fn with(
        connector: Option<TlsConnector>,
        target: &Url,
        config: ClientConfig,
    ) -> Result<Self, SendError> {
        let tls_error = |detail: &str| SendError::new(ErrorKind::Tls, detail);
        let no_host = || SendError::new(ErrorKind::NotSent, "the target names no host");
        let place = Place::of(target).ok_or_else(no_host)?;
        let security = match connector {
            None => None,
            Some(connector) => {
                let name = ServerName::try_from(place.host.clone())
                    .map_err(|_| tls_error("no certificate can name the target"))?;
                Some((connector, name))
            }
        };
        let ClientConfig { reuse, idle, open, budget } = config;
        Ok(Self {
            origin: Rc::new(Origin::new(place, security, reuse, budget)),
            pool: Rc::new(Pool::new(if reuse { idle } else { 0 })),
            permits: open.map(|open| Rc::new(Semaphore::new(open.max(1)))),
        })
    }

    /// Returns a client with connections of its own, for one user who does one thing after another.
    pub(crate) fn for_one_user(&self) -> Self {
        Self { pool: Rc::new(Pool::new(1)), ..self.clone() }
    }

    /// Sends `request` and reads the whole answer within `timeout`. `wanted` is asked with the
    /// status which parts of the answer are kept. Waits for a connection first, if their number is
    /// bounded.
    pub(crate) async fn send(
        &self,
        request: &Request,
        timeout: Duration,
        wanted: impl Fn(StatusCode) -> Wanted,
    ) -> Exchange {
        let _permit = self.permit().await;
        let sent = clock::now();
        let deadline = clock::after(sent, timeout);
        let mut progress = Progress::default();
        let mut alarm = self.pool.alarm(deadline);
        let exchange = self.exchange(request, &wanted, &mut progress);
        let ended = alarm.guard(deadline, exchange).await;
        self.pool.put_alarm(alarm);
        let outcome = ended.unwrap_or_else(|| Err(SendError::late(timeout, progress.has_head)));
        let Progress { phases, refused: resent, .. } = progress;
        Exchange { sent, received: clock::now(), phases, resent, outcome }
    }

    async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        match &self.permits {
            // The semaphore is never closed, so there always is a permit in the end.
            Some(permits) if !self.origin.shares_one_connection() => permits.acquire().await.ok(),
            _ => None,
        }
    }

    /// Sends `request`, and sends it again where the target proves that it has not processed it:
    ///
    /// * the connection was closed before anything of the request was written to it,
    /// * HTTP/2: the stream was reset with `REFUSED_STREAM` (RFC 9113, 8.7),
    /// * HTTP/2: the stream is above the last one that a GOAWAY promises to process (6.8).
    ///
    /// Then nothing happens twice, whatever the method. In every other case the target may have
    /// done what was asked, and what a user would see is a failed request; RFC 9110, 9.2.2 lets a
    /// client repeat what is idempotent all the same, but a client that measures would forget the
    /// failure.
    async fn exchange(
        &self,
        request: &Request,
        wanted: &impl Fn(StatusCode) -> Wanted,
        progress: &mut Progress,
    ) -> Result<Response, SendError> {
        loop {
            let broken = match self.attempt(request, wanted, progress).await {
                Ok(response) => return Ok(response),
                Err(broken) => broken,
            };
            let Progress { mut refused, mut unsent, .. } = *progress;
            if refused + unsent >= MAX_RESENDS {
                return Err(broken.error);
            }
            match broken.trace {
                Trace::Unknown => return Err(broken.error),
                Trace::Refused => refused += 1,
                // It was never sent, so this is no resend that anybody could count.
                Trace::Unsent => unsent += 1,
            }
            *progress = Progress { refused, unsent, ..Progress::default() };
        }
    }

    /// Sends `request` on one connection.
    async fn attempt(
        &self,
        request: &Request,
        wanted: &impl Fn(StatusCode) -> Wanted,
        progress: &mut Progress,
    ) -> Result<Response, Broken> {
        let connection = match self.pool.take_http1().await? {
            Some(connection) => Connection::Http1(connection),
            // Boxed: making a connection takes many times the memory of using one.
            None => Box::pin(self.pool.connection(&self.origin, progress)).await?,
        };
        match connection {
            Connection::Http1(connection) => {
                let encoded;
                let request = match request {
                    Request::Encoded(request) => request,
                    Request::Prepared(request) => {
                        encoded = EncodedRequest::encode(request, !self.origin.reuse);
                        &encoded
                    }
                };
                self.over_http1(connection, request, wanted, progress).await
            }
            Connection::Http2(connection) => {
                let shown;
                let request = match request {
                    Request::Prepared(request) => request,
                    Request::Encoded(request) => {
                        let unreadable =
                            || SendError::new(ErrorKind::NotSent, "the request is no HTTP/2");
                        shown = request.prepared(&self.origin.place.url).ok_or_else(unreadable)?;
                        &shown
                    }
                };
                let budget = &self.origin.budget;
                Box::pin(connection.exchange(request, wanted, progress, budget)).await
            }
        }
    }

    async fn over_http1(
        &self,
        mut connection: http1::Connection,
        request: &EncodedRequest,
        wanted: &impl Fn(StatusCode) -> Wanted,
        progress: &mut Progress,
    ) -> Result<Response, Broken> {
        let answer = connection.exchange(request, wanted, progress, &self.origin.budget).await?;
        if answer.is_reusable() {
            self.pool.put_http1(connection);
        }
        Ok(answer.into_response())
    }
}

/// A connection that can carry a request now.
#[derive(Debug)]
pub(super) enum Connection {
    Http1(http1::Connection),
    Http2(http2::Connection),
}

#[cfg(test)]
mod plain_tests;
#[cfg(test)]
mod secure_tests;
#[cfg(test)]
mod tests;
