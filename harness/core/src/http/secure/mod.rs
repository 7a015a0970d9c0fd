//! HTTP over TLS for loads: HTTP/2 if the target offers it, else HTTP/1.1.
//!
//! hyper speaks both, on connections that belong to one thread. Requests that may share connections
//! share one of HTTP/2, as a browser's do, and as many of HTTP/1.1 as they need at once.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use http::StatusCode;
use reqwest::Url;
use rustls::pki_types::ServerName;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

use super::{
    ErrorKind, Exchange, Phases, Prepared, Response, SendError,
    budget::Budget,
    clock,
    http1::{Wanted, wanted},
    place::Place,
    prepare::prepare,
    values::{At, Scope},
};
use crate::{
    http::tls,
    plan::{Connections, LoadPlan, RequestPlan},
};

mod connection;

use connection::{Broken, Connection};

/// What sends requests of one thread, or of one user if users have connections of their own.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    target: Rc<Target>,
    pool: Rc<Pool>,
}

/// A request with nothing left to fill in.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) prepared: Prepared,
    wanted: Wanted,
}

struct Target {
    place: Place,
    name: ServerName<'static>,
    tls: TlsConnector,
    connections: Connections,
    /// By [`StepId`](crate::plan::StepId).
    wanted: Vec<Wanted>,
    budget: Budget,
    /// What the first connection spoke.
    protocol: Cell<Option<Protocol>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// Connections that are open.
#[derive(Debug)]
struct Pool {
    /// Those of HTTP/1.1 that wait for a request.
    idle: RefCell<Vec<Connection>>,
    limit: usize,
    /// The one of HTTP/2, which any number of requests share.
    shared: RefCell<Option<Connection>>,
    /// Held by who makes it.
    making: Mutex<()>,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { place, protocol, .. } = self;
        f.debug_struct("Target")
            .field("place", place)
            .field("protocol", protocol)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// For the requests of `load`; at most `limit` connections are kept open between requests, and
    /// answers within `budget`.
    ///
    /// # Errors
    /// If the system has no root certificates.
    pub(crate) fn new(
        target: &Url,
        load: &LoadPlan,
        limit: usize,
        budget: Budget,
    ) -> Result<Self, SendError> {
        let config = tls::client().map_err(|error| tls_error(&error.to_string()))?;
        let tls = TlsConnector::from(std::sync::Arc::new(config));
        Self::with(tls, target, load, limit, budget)
    }

    fn with(
        tls: TlsConnector,
        target: &Url,
        load: &LoadPlan,
        limit: usize,
        budget: Budget,
    ) -> Result<Self, SendError> {
        let place = Place::of(target).ok_or_else(|| tls_error("the target has no host"))?;
        let name = ServerName::try_from(place.host.clone())
            .map_err(|_| tls_error("no certificate can name the target"))?;
        let connections = load.connections;
        let target = Target {
            place,
            name,
            tls,
            connections,
            wanted: all_wanted(load),
            budget,
            protocol: Cell::default(),
        };
        Ok(Self { target: Rc::new(target), pool: Rc::new(Pool::new(limit)) })
    }

    /// The same with connections of its own, for one user who does one thing after another.
    pub(crate) fn for_one_user(&self) -> Self {
        Self { target: Rc::clone(&self.target), pool: Rc::new(Pool::new(1)) }
    }

    /// Whether any number of requests share one connection.
    pub(crate) fn shares_one(&self) -> bool {
        self.target.connections == Connections::Reuse
            && self.target.protocol.get() == Some(Protocol::Http2)
    }

    /// A request as it can be sent.
    ///
    /// # Errors
    /// Why the request cannot be built, for a reader.
    pub(crate) fn fill(
        &self,
        request: &RequestPlan,
        scope: &Scope,
        names: &At<'_>,
    ) -> Result<Request, String> {
        let wanted = self.target.wanted.get(request.id.0).copied().unwrap_or_default();
        Ok(Request { prepared: prepare(request, scope, names)?, wanted })
    }

    /// Sends `request` and reads the whole answer within `timeout`. The body is also kept if
    /// `shows_body` says so of the status.
    pub(crate) async fn send(
        &self,
        request: &Request,
        timeout: Duration,
        shows_body: impl Fn(StatusCode) -> bool,
    ) -> Exchange {
        let sent = clock::now();
        let mut phases = Phases::default();
        let exchange = self.exchange(request, &shows_body, &mut phases);
        let outcome = tokio::time::timeout(timeout, exchange).await;
        let received = clock::now();
        let outcome = outcome.unwrap_or_else(|_| Err(SendError::late(timeout)));
        Exchange { sent, received, phases, outcome }
    }

    async fn exchange(
        &self,
        request: &Request,
        shows_body: &impl Fn(StatusCode) -> bool,
        phases: &mut Phases,
    ) -> Result<Response, SendError> {
        let Request { prepared, wanted } = request;
        let close = self.target.connections == Connections::PerOperation;
        let mut connection = self.connection(phases).await?;
        let mut result = connection.ask(prepared, close).await;
        if let Err(Broken { stale, unsent, .. }) = &result
            // RFC 9110, 9.2.2: only what may be done twice is sent again.
            && (*unsent || *stale && prepared.method.is_idempotent())
        {
            connection = self.connection(phases).await?;
            result = connection.ask(prepared, close).await;
        }
        let answer = result.map_err(|broken| broken.error)?;
        phases.first_byte = Some(clock::now());
        let wanted =
            Wanted { body: wanted.body || shows_body(answer.status()), headers: wanted.headers };
        let response = connection::read(answer, wanted, &self.target.budget).await?;
        if !close {
            self.pool.put(connection);
        }
        Ok(response)
    }

    /// A connection for one request.
    async fn connection(&self, phases: &mut Phases) -> Result<Connection, SendError> {
        if self.target.connections == Connections::PerOperation {
            return self.open(phases).await;
        }
        if let Some(connection) = self.pool.take().await {
            return Ok(connection);
        }
        if self.target.protocol.get() == Some(Protocol::Http1) {
            return self.open(phases).await;
        }
        // Whoever comes first makes the connection that all share, unless it turns out that they
        // cannot.
        let _making = self.pool.making.lock().await;
        if let Some(connection) = self.pool.take().await {
            phases.joined = Some(clock::now());
            return Ok(connection);
        }
        let connection = self.open(phases).await?;
        self.pool.share(&connection);
        Ok(connection)
    }

    async fn open(&self, phases: &mut Phases) -> Result<Connection, SendError> {
        let Target { place, name, tls, protocol, .. } = &*self.target;
        *phases = Phases::default();
        let stream = place.connect().await?;
        phases.connected = Some(clock::now());
        let stream = tls.connect(name.clone(), stream).await;
        let stream = stream.map_err(|error| SendError::handshake(&error))?;
        phases.secured = Some(clock::now());
        let offered = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        protocol.set(Some(if offered { Protocol::Http2 } else { Protocol::Http1 }));
        if offered { Connection::http2(stream).await } else { Connection::http1(stream).await }
    }
}

fn tls_error(detail: &str) -> SendError {
    SendError { kind: ErrorKind::Tls, detail: detail.to_owned() }
}

/// What is wanted of the answers of each step.
fn all_wanted(load: &LoadPlan) -> Vec<Wanted> {
    let mut all = Vec::new();
    for step in load.journeys.iter().flat_map(|journey| &journey.steps) {
        let Some(request) = step.request() else { continue };
        let index = request.id.0;
        all.resize(all.len().max(index + 1), Wanted::default());
        all[index] = wanted(load, step);
    }
    all
}

impl Pool {
    fn new(limit: usize) -> Self {
        Self {
            idle: RefCell::default(),
            limit,
            shared: RefCell::default(),
            making: Mutex::default(),
        }
    }

    /// The shared connection, or the one that was used last.
    async fn take(&self) -> Option<Connection> {
        if let Some(shared) = self.shared() {
            return Some(shared);
        }
        loop {
            let mut connection = self.idle.borrow_mut().pop()?;
            if connection.is_ready().await {
                return Some(connection);
            }
        }
    }

    /// The shared connection, if it is still open.
    fn shared(&self) -> Option<Connection> {
        let mut shared = self.shared.borrow_mut();
        if shared.as_ref().is_some_and(Connection::is_closed) {
            *shared = None;
        }
        shared.as_ref().and_then(Connection::another)
    }

    fn share(&self, connection: &Connection) {
        *self.shared.borrow_mut() = connection.another();
    }

    /// Keeps a connection that only one request at a time can use.
    fn put(&self, connection: Connection) {
        let mut idle = self.idle.borrow_mut();
        if connection.another().is_none() && idle.len() < self.limit {
            idle.push(connection);
        }
    }
}

#[cfg(test)]
mod tests;
