//! Connections between requests, and new ones.
//!
//! Requests that may share connections share one of HTTP/2, as a browser's do, and as many of
//! HTTP/1.1 as they need at once.

use std::{
    cell::{Cell, RefCell},
    fmt,
    time::Instant,
};

use rustls::pki_types::ServerName;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

use super::{
    alarm::Alarm,
    budget::Budget,
    client::Connection,
    exchange::{Phases, Progress, SendError},
    http1::{self, Condition},
    http2,
    place::Place,
    stream::Stream,
};
use crate::model::{Stage, clock};

/// The target, and how connections to it are made.
pub(super) struct Origin {
    pub(super) place: Place,
    /// How connections are made secure, and whom they must lead to; `None` in the clear.
    security: Option<(TlsConnector, ServerName<'static>)>,
    /// Whether a connection may carry one request after another.
    pub(super) reuse: bool,
    pub(super) budget: Budget,
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
pub(super) struct Pool {
    /// Those of HTTP/1.1 that wait for a request.
    pub(super) idle: RefCell<Vec<http1::Connection>>,
    /// Timers that wait for a request: making one costs more than moving one.
    alarms: RefCell<Vec<Alarm>>,
    limit: usize,
    /// The one of HTTP/2, which any number of requests share.
    shared: RefCell<Option<http2::Connection>>,
    /// Held by whoever makes it.
    making: Mutex<()>,
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, reuse, protocol, .. } = self;
        f.debug_struct("Origin")
            .field("place", place)
            .field("reuse", reuse)
            .field("protocol", protocol)
            .finish_non_exhaustive()
    }
}

impl Origin {
    pub(super) fn new(
        place: Place,
        security: Option<(TlsConnector, ServerName<'static>)>,
        reuse: bool,
        budget: Budget,
    ) -> Self {
        let protocol = Cell::new(security.is_none().then_some(Protocol::Http1));
        Self { place, security, reuse, budget, protocol }
    }

    /// Says whether any number of requests share one connection.
    pub(super) fn shares_one_connection(&self) -> bool {
        self.reuse && self.protocol.get() == Some(Protocol::Http2)
    }

    async fn open(&self, phases: &mut Phases) -> Result<Connection, SendError> {
        *phases = Phases::default();
        let stream = self.place.connect().await?;
        phases.connected = Some(clock::now());
        let Some((connector, name)) = &self.security else {
            let mut connection = http1::Connection::new(Stream::Plain(stream));
            return match connection.condition().await {
                Condition::Unsolicited => Err(SendError::unsolicited()),
                // A connection that is closed already shows it when it is used.
                Condition::Quiet | Condition::Closed => Ok(Connection::Http1(connection)),
            };
        };
        let stream = connector.connect(name.clone(), stream).await;
        let stream = stream.map_err(|error| SendError::system(&error, Stage::Head))?;
        phases.secured = Some(clock::now());
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            self.protocol.set(Some(Protocol::Http2));
            http2::Connection::new(stream).await.map(Connection::Http2)
        } else {
            self.protocol.set(Some(Protocol::Http1));
            Ok(Connection::Http1(http1::Connection::new(Stream::Secure(Box::new(stream)))))
        }
    }
}

impl Pool {
    /// Makes an empty pool that keeps at most `limit` connections of HTTP/1.1 between requests.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            idle: RefCell::default(),
            alarms: RefCell::default(),
            limit,
            shared: RefCell::default(),
            making: Mutex::default(),
        }
    }

    /// Takes the connection of HTTP/1.1 that was used last, so that those that are not needed
    /// become old. Those that the target closed are dropped: nothing was sent on them.
    ///
    /// # Errors
    /// If the target said something on it that it was not asked for.
    pub(super) async fn take_http1(&self) -> Result<Option<http1::Connection>, SendError> {
        loop {
            let Some(mut connection) = self.idle.borrow_mut().pop() else { return Ok(None) };
            match connection.condition().await {
                Condition::Quiet => return Ok(Some(connection)),
                Condition::Closed => {}
                Condition::Unsolicited => return Err(SendError::unsolicited()),
            }
        }
    }

    /// Keeps a connection of HTTP/1.1 if there is room for it.
    pub(super) fn put_http1(&self, connection: http1::Connection) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < self.limit {
            idle.push(connection);
        }
    }

    /// Returns the shared connection of HTTP/2, or makes a connection.
    pub(super) async fn connection(
        &self,
        origin: &Origin,
        progress: &mut Progress,
    ) -> Result<Connection, SendError> {
        let phases = &mut progress.phases;
        if !origin.reuse || origin.protocol.get() == Some(Protocol::Http1) {
            return origin.open(phases).await;
        }
        if let Some(shared) = self.shared().await {
            return Ok(Connection::Http2(shared));
        }
        // Whoever comes first makes the connection that all share, unless it turns out that they
        // cannot.
        let _making = self.making.lock().await;
        if let Some(shared) = self.shared().await {
            phases.joined = Some(clock::now());
            return Ok(Connection::Http2(shared));
        }
        if let Some(connection) = self.take_http1().await? {
            phases.joined = Some(clock::now());
            return Ok(Connection::Http1(connection));
        }
        let connection = origin.open(phases).await?;
        if let Connection::Http2(connection) = &connection {
            *self.shared.borrow_mut() = Some(connection.clone());
        }
        Ok(connection)
    }

    /// Returns the shared connection, if it is still open.
    async fn shared(&self) -> Option<http2::Connection> {
        let shared = self.shared.borrow().clone()?;
        if shared.is_open().await {
            return Some(shared);
        }
        self.shared.borrow_mut().take_if(|current| current.is_same(&shared));
        None
    }

    pub(super) fn alarm(&self, deadline: Instant) -> Alarm {
        let alarm = self.alarms.borrow_mut().pop();
        alarm.unwrap_or_else(|| Alarm::at(deadline))
    }

    pub(super) fn put_alarm(&self, alarm: Alarm) {
        let mut alarms = self.alarms.borrow_mut();
        if alarms.len() < self.limit {
            alarms.push(alarm);
        }
    }
}
