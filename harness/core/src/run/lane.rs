//! What one thread works with.

use std::{
    cell::RefCell,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Sender, progress::Gauge, values::World};
use crate::{
    plan::ScenarioPlan,
    record::{Metrics, Recorder},
};

/// The plan, a sender and the metrics of one thread. Never shared between threads.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) plan: Arc<ScenarioPlan>,
    pub(super) world: Arc<World>,
    pub(super) sender: Sender,
    pub(super) recorder: RefCell<Recorder>,
    pub(super) gauge: Arc<Gauge>,
}

impl Lane {
    /// A lane with these metrics, which should be empty.
    pub(super) fn new(
        plan: Arc<ScenarioPlan>,
        world: Arc<World>,
        sender: Sender,
        recorder: Recorder,
    ) -> Self {
        let recorder = RefCell::new(recorder);
        Self { plan, world, sender, recorder, gauge: Arc::default() }
    }

    /// `instant` as an offset from the scenario's start.
    pub(super) fn offset(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.world.origin)
    }

    /// Closes the metrics now.
    pub(super) fn finish(&self, now: Instant) -> Metrics {
        let end = self.offset(now);
        self.recorder.replace(Recorder::new(0, Duration::ZERO)).finish(end)
    }
}
