//! Plain HTTP/1.1 for loads, on the sockets of the runtime.
//!
//! A load generator must not be the bottleneck, so this is only what a load needs: requests that
//! are bytes before they are due, one write for each, answers parsed in place, and bodies that
//! nobody reads counted instead of kept. Everything here belongs to one thread.

use std::{cell::RefCell, rc::Rc, time::Duration};

use http::StatusCode;
use reqwest::Url;

use super::{
    ErrorKind, Exchange, Phases, SendError,
    alarm::Alarm,
    budget::Budget,
    clock,
    place::Place,
    values::{At, Scope},
};
use crate::plan::{Connections, LoadPlan, RequestPlan};

mod answer;
mod connection;
mod pieces;
mod rehearsal;
mod site;

use answer::Answer;
pub(crate) use answer::Wanted;
use connection::{Condition, Connection};
pub use rehearsal::{Rehearsal, read_answer};
use site::Sites;
pub(crate) use site::{Wire, wanted};

/// What sends requests of one thread, or of one user if users have connections of their own.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    target: Rc<Target>,
    pool: Rc<Pool>,
}

#[derive(Debug)]
struct Target {
    place: Place,
    sites: Sites,
    budget: Budget,
}

/// Connections that wait for a request.
#[derive(Debug)]
struct Pool {
    idle: RefCell<Vec<Kept>>,
    limit: usize,
}

/// A connection between requests, and the timer of their deadlines.
#[derive(Debug)]
struct Kept {
    connection: Connection,
    alarm: Alarm,
}

impl Client {
    /// For the requests of `load`; at most `limit` connections are kept open between requests, and
    /// answers within `budget`. `None` if the target does not speak plain HTTP.
    pub(crate) fn new(target: &Url, load: &LoadPlan, limit: usize, budget: Budget) -> Option<Self> {
        if target.scheme() != "http" {
            return None;
        }
        let (place, sites) = (Place::of(target)?, Sites::new(target, load));
        let target = Target { place, sites, budget };
        let limit = if load.connections == Connections::PerOperation { 0 } else { limit };
        Some(Self { target: Rc::new(target), pool: Rc::new(Pool::new(limit)) })
    }

    /// The same with connections of its own, for one user who does one thing after another.
    pub(crate) fn for_one_user(&self) -> Self {
        Self { target: Rc::clone(&self.target), pool: Rc::new(Pool::new(1)) }
    }

    /// The bytes of a request.
    ///
    /// # Errors
    /// Why the request cannot be built, for a reader.
    pub(crate) fn fill(
        &self,
        request: &RequestPlan,
        scope: &Scope,
        names: &At<'_>,
    ) -> Result<Wire, String> {
        self.target.sites.fill(request.id, scope, names)
    }

    /// Sends `wire` and reads the whole answer within `timeout`. The body is also kept if
    /// `shows_body` says so of the status.
    pub(crate) async fn send(
        &self,
        wire: &Wire,
        timeout: Duration,
        shows_body: impl Fn(StatusCode) -> bool,
    ) -> Exchange {
        let Wanted { headers, body } = wire.wanted;
        let wanted = |status| Wanted { headers, body: body || shows_body(status) };
        let sent = clock::now();
        let deadline = clock::after(sent, timeout);
        let mut phases = Phases::default();
        let outcome = match self.pool.take(wire) {
            Err(error) => Err(error),
            Ok(kept) => {
                let (connection, mut alarm) = match kept {
                    Some(Kept { connection, alarm }) => (Some(connection), alarm),
                    None => (None, Alarm::at(deadline)),
                };
                let exchange = self.exchange(connection, wire, &wanted, &mut phases);
                let ended = alarm.guard(deadline, exchange).await;
                ended.unwrap_or_else(|| Err(SendError::late(timeout))).map(
                    |(answer, connection)| {
                        if answer.is_reusable() {
                            self.pool.put(Kept { connection, alarm });
                        }
                        answer.into_response()
                    },
                )
            }
        };
        Exchange { sent, received: clock::now(), phases, outcome }
    }

    async fn exchange(
        &self,
        connection: Option<Connection>,
        wire: &Wire,
        wanted: &impl Fn(StatusCode) -> Wanted,
        phases: &mut Phases,
    ) -> Result<(Answer, Connection), SendError> {
        let mut connection = match connection {
            Some(connection) => connection,
            None => self.connect(phases).await?,
        };
        let mut result = connection.exchange(wire, wanted, phases, &self.target.budget).await;
        if wire.idempotent && result.as_ref().is_err_and(|broken| broken.stale) {
            // RFC 9110, 9.2.2: only what may be done twice is sent again.
            connection = self.connect(phases).await?;
            result = connection.exchange(wire, wanted, phases, &self.target.budget).await;
        }
        result.map(|answer| (answer, connection)).map_err(|broken| broken.error)
    }

    async fn connect(&self, phases: &mut Phases) -> Result<Connection, SendError> {
        let connection = Connection::new(self.target.place.connect().await?);
        phases.connected = Some(clock::now());
        match connection.condition(true) {
            Condition::Spoken => Err(spoken()),
            // What is closed shows when it is used.
            Condition::Quiet | Condition::Closed => Ok(connection),
        }
    }
}

impl Pool {
    fn new(limit: usize) -> Self {
        Self { idle: RefCell::default(), limit }
    }

    /// The connection that was used last, so that those that are not needed become old.
    ///
    /// # Errors
    /// If the target said something on it that it was not asked for.
    fn take(&self, wire: &Wire) -> Result<Option<Kept>, SendError> {
        let mut idle = self.idle.borrow_mut();
        while let Some(kept) = idle.pop() {
            // What cannot be sent again is worth a system call.
            match kept.connection.condition(!wire.idempotent) {
                Condition::Quiet => return Ok(Some(kept)),
                Condition::Closed => {}
                Condition::Spoken => return Err(spoken()),
            }
        }
        Ok(None)
    }

    fn put(&self, kept: Kept) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < self.limit {
            idle.push(kept);
        }
    }
}

fn spoken() -> SendError {
    let detail = "the target spoke before it was asked".to_owned();
    SendError { kind: ErrorKind::Malformed, detail }
}

#[cfg(test)]
mod tests;
