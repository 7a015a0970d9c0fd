//! Holds the metrics of a part of a run.

use std::{collections::BTreeMap, sync::Arc};

use super::{Failure, Reach, StepRecord, Timeline};
use crate::{
    model::usage::Tallies,
    plan::{Rule, Severity},
};

/// Closed metrics.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// The record of each step, indexed by [`StepId`](crate::plan::StepId).
    pub steps: Vec<StepRecord>,
    /// The results of the rules.
    pub claims: Claims,
    /// Failures of steps that send no request.
    pub failures: Vec<Failure>,
    /// The questions that models could not decide.
    pub undecided: Vec<String>,
    /// The remarks that no verdict depends on.
    pub remarks: Vec<String>,
    /// The evidence on whether the target was there.
    pub reach: Reach,
    /// The events of each second; empty unless it was a load.
    pub timeline: Timeline,
    /// The usage that all answers reported, those of a warm-up too.
    pub used: Tallies,
}

impl Metrics {
    /// Adds what another thread saw at the same time.
    pub fn merge(&mut self, other: &Self) {
        merge(&mut self.steps, &other.steps);
        merge_claims(&mut self.claims, &other.claims);
        self.failures.extend(other.failures.iter().cloned());
        self.undecided.extend(other.undecided.iter().cloned());
        self.remarks.extend(other.remarks.iter().cloned());
        self.reach.merge(&other.reach);
        self.timeline.merge(&other.timeline);
        self.used.add(&other.used);
    }
}

/// Adds the metrics of `part`, step by step.
pub fn merge(steps: &mut Vec<StepRecord>, part: &[StepRecord]) {
    steps.resize_with(steps.len().max(part.len()), StepRecord::default);
    for (sum, step) in steps.iter_mut().zip(part) {
        sum.merge(step);
    }
}

/// The number of times that each rule was checked, and held.
pub type Claims = BTreeMap<(Arc<Rule>, Severity), Tally>;

/// The number of times that something was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// It held.
    pub held: u64,
    /// It did not.
    pub broken: u64,
}

/// Adds the claims of a part.
pub fn merge_claims(claims: &mut Claims, part: &Claims) {
    for (claim, tally) in part {
        let sum = claims.entry(claim.clone()).or_default();
        sum.held += tally.held;
        sum.broken += tally.broken;
    }
}
