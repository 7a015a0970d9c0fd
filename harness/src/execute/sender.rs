//! What sends the requests of an iteration.

use std::{rc::Rc, time::Duration};

use http::StatusCode;
use reqwest::Url;
use tokio::sync::Semaphore;

use super::{
    Client, Exchange, Prepared, SendError,
    http1::{self, Wire},
    prepare::prepare,
    values::{At, Scope},
};
use crate::plan::{Connections, LoadPlan, RequestPlan};

/// Sends requests, at most so many at once if somebody said so. Cheap to clone: clones share their
/// connections.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    client: Either,
    /// A place for each connection, if their number is bounded.
    places: Option<Rc<Semaphore>>,
}

/// Either of two clients that do the same.
#[derive(Clone, Debug)]
enum Either {
    /// Speaks everything: HTTP/2, TLS.
    Full(Client),
    /// Plain HTTP/1.1 at the least cost.
    Plain(http1::Client),
}

/// A request with nothing left to fill in.
#[derive(Clone, Debug)]
pub(super) enum Filled {
    Full(Prepared),
    Plain(Wire),
}

/// Connections of one user who does one thing after another.
const ONE_USER: usize = 1;

impl Sender {
    /// For what runs once: setup, steps, teardown.
    pub(super) fn once() -> Result<Self, SendError> {
        Ok(Self { client: Either::Full(Client::new(usize::MAX)?), places: None })
    }

    /// For a load; at most `idle` connections are kept open between requests, and at most `open`
    /// are open at all.
    pub(super) fn load(
        target: &Url,
        load: &LoadPlan,
        idle: usize,
        open: Option<usize>,
    ) -> Result<Self, SendError> {
        let client = match http1::Client::new(target, load, idle) {
            Some(client) => Either::Plain(client),
            None if load.connections == Connections::PerOperation => Either::Full(Client::new(0)?),
            None => Either::Full(Client::new(idle)?),
        };
        let places = open.map(|open| Rc::new(Semaphore::new(open.max(1))));
        Ok(Self { client, places })
    }

    /// The same with connections of its own.
    pub(super) fn for_one_user(&self) -> Result<Self, SendError> {
        let client = match &self.client {
            Either::Full(_) => Either::Full(Client::new(ONE_USER)?),
            Either::Plain(client) => Either::Plain(client.for_one_user()),
        };
        Ok(Self { client, ..self.clone() })
    }

    /// Fills the templates of `request` in.
    ///
    /// # Errors
    /// Why the request cannot be built, for a reader.
    pub(super) fn fill(
        &self,
        request: &RequestPlan,
        scope: &Scope,
        names: &At<'_>,
    ) -> Result<Filled, String> {
        match &self.client {
            Either::Full(_) => prepare(request, scope, names).map(Filled::Full),
            Either::Plain(client) => client.fill(request, scope, names).map(Filled::Plain),
        }
    }

    /// Sends what [`Self::fill`] made. Parts of the answer that no expectation or capture looks at
    /// may be missing, but not the body if `shows_body` says of the status that it is shown. Waits
    /// for a connection first, if their number is bounded.
    pub(super) async fn send(
        &self,
        request: &Filled,
        timeout: Duration,
        shows_body: impl Fn(StatusCode) -> bool,
    ) -> Exchange {
        let _place = match &self.places {
            // It is never closed, so there always is a place in the end.
            Some(places) => places.acquire().await.ok(),
            None => None,
        };
        match (&self.client, request) {
            (Either::Plain(client), Filled::Plain(wire)) => {
                client.send(wire, timeout, shows_body).await
            }
            (Either::Full(client), Filled::Full(request)) => {
                // Boxed: it is many times the size of the other, which most loads use.
                Box::pin(client.send(request, timeout)).await
            }
            (Either::Plain(_), Filled::Full(_)) | (Either::Full(_), Filled::Plain(_)) => {
                Exchange::not_sent("filled in for another client")
            }
        }
    }
}

impl Filled {
    /// The request as it can be shown.
    pub(super) fn shown(&self, target: &Url) -> Option<Prepared> {
        match self {
            Self::Full(prepared) => Some(prepared.clone()),
            Self::Plain(wire) => wire.prepared(target),
        }
    }
}
