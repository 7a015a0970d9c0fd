//! The state of one thread.

use std::{
    cell::RefCell,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{context::RunContext, progress::Gauge, request::RequestBuilder};
use crate::{
    http::Client,
    plan::Destination,
    record::{Metrics, Recorder},
};

/// The state of one thread that sends requests: how they are built, and its metrics. Never shared
/// between threads.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) context: Arc<RunContext>,
    pub(super) requests: RequestBuilder,
    pub(super) recorder: RefCell<Recorder>,
    pub(super) gauge: Arc<Gauge>,
}

/// Sends requests to the target and, where steps go there too, to the stub of its upstreams. Cheap
/// to clone: clones share their connections.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    pub(super) target: Client,
    pub(super) upstream: Option<Client>,
}

impl Worker {
    /// Returns a worker with these metrics, which should be empty.
    pub(super) fn new(
        context: Arc<RunContext>,
        requests: RequestBuilder,
        recorder: Recorder,
        gauge: Arc<Gauge>,
    ) -> Self {
        Self { context, requests, recorder: RefCell::new(recorder), gauge }
    }

    /// Closes the metrics now.
    pub(super) fn finish(&self, now: Instant) -> Metrics {
        let end = self.context.offset(now);
        self.recorder.replace(Recorder::new(0, Duration::ZERO)).finish(end)
    }
}

impl Clients {
    /// Returns the client for requests that go there.
    pub(super) fn to(&self, destination: Destination) -> &Client {
        match (destination, &self.upstream) {
            (Destination::Upstream, Some(upstream)) => upstream,
            _ => &self.target,
        }
    }

    /// Returns clients with connections of their own, for one user.
    pub(super) fn for_one_user(&self) -> Self {
        Self { target: self.target.for_one_user(), upstream: self.upstream.clone() }
    }
}
