//! What sends the requests of an iteration.

use std::time::Duration;

use http::StatusCode;
use reqwest::Url;

use super::{
    Client, Exchange, Prepared, SendError,
    http1::{self, Wire},
    prepare::prepare,
    values::{At, Scope},
};
use crate::plan::{Connections, LoadPlan, RequestPlan};

/// Either of two clients that do the same. Cheap to clone: clones share their connections.
#[derive(Clone, Debug)]
pub(super) enum Sender {
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
        Client::new(usize::MAX).map(Self::Full)
    }

    /// For a load; at most `limit` connections are kept open between requests.
    pub(super) fn load(target: &Url, load: &LoadPlan, limit: usize) -> Result<Self, SendError> {
        if let Some(client) = http1::Client::new(target, load, limit) {
            return Ok(Self::Plain(client));
        }
        let idle = if load.connections == Connections::PerOperation { 0 } else { limit };
        Client::new(idle).map(Self::Full)
    }

    /// The same with connections of its own.
    pub(super) fn for_one_user(&self) -> Result<Self, SendError> {
        match self {
            Self::Full(_) => Client::new(ONE_USER).map(Self::Full),
            Self::Plain(client) => Ok(Self::Plain(client.for_one_user())),
        }
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
        match self {
            Self::Full(_) => prepare(request, scope, names).map(Filled::Full),
            Self::Plain(client) => client.fill(request, scope, names).map(Filled::Plain),
        }
    }

    /// Sends what [`Self::fill`] made. Parts of the answer that no expectation or capture looks at
    /// may be missing, but not the body if `shows_body` says of the status that it is shown.
    pub(super) async fn send(
        &self,
        request: &Filled,
        timeout: Duration,
        shows_body: impl Fn(StatusCode) -> bool,
    ) -> Exchange {
        match (self, request) {
            (Self::Plain(client), Filled::Plain(wire)) => {
                client.send(wire, timeout, shows_body).await
            }
            (Self::Full(client), Filled::Full(request)) => {
                // Boxed: it is many times the size of the other, which most loads use.
                Box::pin(client.send(request, timeout)).await
            }
            (Self::Plain(_), Filled::Full(_)) | (Self::Full(_), Filled::Plain(_)) => {
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
