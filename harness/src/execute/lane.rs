//! What one thread works with.

use std::{
    cell::RefCell,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{progress::Gauge, sender::Sender, values::World};
use crate::{
    plan::ScenarioPlan,
    record::{Reach, Recorder, StepRecord},
};

/// The plan, a sender and the books of one thread. Never shared between threads.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) plan: Arc<ScenarioPlan>,
    pub(super) world: Arc<World>,
    pub(super) sender: Sender,
    pub(super) recorder: RefCell<Recorder>,
    pub(super) gauge: Arc<Gauge>,
}

impl Lane {
    /// A lane with empty books. Answers after `window_end`, an offset from the scenario's start,
    /// do not count towards the rate achieved.
    pub(super) fn new(
        plan: Arc<ScenarioPlan>,
        world: Arc<World>,
        sender: Sender,
        window_end: Duration,
    ) -> Self {
        let recorder = RefCell::new(Recorder::new(plan.labels.len(), window_end));
        Self { plan, world, sender, recorder, gauge: Arc::default() }
    }

    /// `instant` as an offset from the scenario's start.
    pub(super) fn offset(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.world.origin)
    }

    /// Closes the books now.
    pub(super) fn finish(&self, now: Instant) -> (Vec<StepRecord>, Reach) {
        let end = self.offset(now);
        self.recorder.replace(Recorder::new(0, Duration::ZERO)).finish(end)
    }
}
