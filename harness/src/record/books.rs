//! What a part of a run hands back.

use super::{Reach, StepRecord, Timeline};
use crate::cost::Tallies;

/// Closed books.
#[derive(Clone, Debug, Default)]
pub struct Books {
    /// Of each step, indexed by [`StepId`](crate::plan::StepId).
    pub steps: Vec<StepRecord>,
    /// Whether the target was there.
    pub reach: Reach,
    /// Second by second; empty unless it was a load.
    pub timeline: Timeline,
    /// What all answers said that they used, those of a warm-up too.
    pub used: Tallies,
}

impl Books {
    /// Adds what another thread saw at the same time.
    pub fn merge(&mut self, other: &Self) {
        merge(&mut self.steps, &other.steps);
        self.reach.merge(&other.reach);
        self.timeline.merge(&other.timeline);
        self.used.add(&other.used);
    }
}

/// Adds the books of `part`, step by step.
pub(crate) fn merge(steps: &mut Vec<StepRecord>, part: &[StepRecord]) {
    steps.resize_with(steps.len().max(part.len()), StepRecord::default);
    for (sum, step) in steps.iter_mut().zip(part) {
        sum.merge(step);
    }
}
