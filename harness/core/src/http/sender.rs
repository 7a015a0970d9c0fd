//! What sends the requests of an iteration.

use std::{rc::Rc, time::Duration};

use http::StatusCode;
use reqwest::Url;
use tokio::sync::Semaphore;

use super::{
    Client, Exchange, Prepared, SendError,
    budget::Budget,
    http1::{self, Wire},
    prepare::prepare,
    secure,
    values::{At, Scope},
};
use crate::plan::{LoadPlan, RequestPlan};

/// Sends requests, at most so many at once if somebody said so. Cheap to clone: clones share their
/// connections.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    client: Either,
    /// A place for each connection, if their number is bounded.
    places: Option<Rc<Semaphore>>,
}

/// Any of three clients that do the same.
#[derive(Clone, Debug)]
enum Either {
    /// Everything that is not a load.
    Full(Client),
    /// A load over plain HTTP/1.1, at the least cost.
    Plain(http1::Client),
    /// A load over TLS.
    Secure(secure::Client),
}

/// A request with nothing left to fill in.
#[derive(Clone, Debug)]
pub(crate) enum Filled {
    Full(Prepared),
    Plain(Wire),
    Secure(secure::Request),
}

impl Sender {
    /// For what runs once: setup, steps, teardown.
    pub(crate) fn once() -> Result<Self, SendError> {
        Ok(Self { client: Either::Full(Client::new(usize::MAX)?), places: None })
    }

    /// For a load; at most `idle` connections are kept open between requests, and at most `open`
    /// are open at all. Answers are kept within `budget`.
    pub(crate) fn load(
        target: &Url,
        load: &LoadPlan,
        idle: usize,
        open: Option<usize>,
        budget: Budget,
    ) -> Result<Self, SendError> {
        let client = match http1::Client::new(target, load, idle, budget.clone()) {
            Some(client) => Either::Plain(client),
            None => Either::Secure(secure::Client::new(target, load, idle, budget)?),
        };
        let places = open.map(|open| Rc::new(Semaphore::new(open.max(1))));
        Ok(Self { client, places })
    }

    /// The same with connections of its own.
    pub(crate) fn for_one_user(&self) -> Self {
        let client = match &self.client {
            Either::Full(client) => Either::Full(client.clone()),
            Either::Plain(client) => Either::Plain(client.for_one_user()),
            Either::Secure(client) => Either::Secure(client.for_one_user()),
        };
        Self { client, ..self.clone() }
    }

    /// Fills the templates of `request` in.
    ///
    /// # Errors
    /// Why the request cannot be built, for a reader.
    pub(crate) fn fill(
        &self,
        request: &RequestPlan,
        scope: &Scope,
        names: &At<'_>,
    ) -> Result<Filled, String> {
        match &self.client {
            Either::Full(_) => prepare(request, scope, names).map(Filled::Full),
            Either::Plain(client) => client.fill(request, scope, names).map(Filled::Plain),
            Either::Secure(client) => client.fill(request, scope, names).map(Filled::Secure),
        }
    }

    /// Sends what [`Self::fill`] made. Parts of the answer that no expectation or capture looks at
    /// may be missing, but not the body if `shows_body` says of the status that it is shown. Waits
    /// for a connection first, if their number is bounded.
    pub(crate) async fn send(
        &self,
        request: &Filled,
        timeout: Duration,
        shows_body: impl Fn(StatusCode) -> bool,
    ) -> Exchange {
        let _place = match &self.places {
            // It is never closed, so there always is a place in the end.
            Some(places) if !self.shares_one_connection() => places.acquire().await.ok(),
            _ => None,
        };
        match (&self.client, request) {
            (Either::Plain(client), Filled::Plain(wire)) => {
                client.send(wire, timeout, shows_body).await
            }
            (Either::Full(client), Filled::Full(request)) => {
                // Boxed: it is many times the size of the other, which most loads use.
                Box::pin(client.send(request, timeout)).await
            }
            (Either::Secure(client), Filled::Secure(request)) => {
                Box::pin(client.send(request, timeout, shows_body)).await
            }
            _ => Exchange::not_sent("filled in for another client"),
        }
    }

    fn shares_one_connection(&self) -> bool {
        matches!(&self.client, Either::Secure(client) if client.shares_one())
    }
}

impl Filled {
    /// The request as it can be shown.
    pub(crate) fn shown(&self, target: &Url) -> Option<Prepared> {
        match self {
            Self::Full(prepared) => Some(prepared.clone()),
            Self::Plain(wire) => wire.prepared(target),
            Self::Secure(request) => Some(request.prepared.clone()),
        }
    }
}
