//! Holds the measurements: windows, in pairs.

use std::time::Duration;

use super::statistics::Failures;
use crate::{
    model::{stub::Arrivals, usage::RunUsage},
    plan::{Prices, PricingError, RequestUsage, ScenarioPlan},
    record::{Figure, Latency, ScenarioRecord, StepRecord},
};

/// The measurements of one version in one window.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// All steps of the work together.
    pub total: StepRecord,
    /// The steps, indexed by [`StepId`](crate::plan::StepId).
    pub steps: Vec<StepRecord>,
    /// The usage of the version, if that is known.
    pub usage: Option<RunUsage>,
    /// The arrivals at the stub of upstreams, if there is one.
    pub upstream: Option<Arrivals>,
}

/// Two windows side by side in time.
#[derive(Clone, Debug, Default)]
pub struct Pair {
    /// The version that is known.
    pub base: Window,
    /// The version that is judged.
    pub head: Window,
}

impl Window {
    /// Returns the window of a scenario that was run.
    pub fn new(plan: &ScenarioPlan, record: &ScenarioRecord) -> Self {
        let total = crate::judge::work_total(plan, record);
        let (steps, usage) = (record.steps.clone(), record.usage.clone());
        Self { total, steps, usage, upstream: record.upstream }
    }

    /// Adds another window of the same version.
    pub fn merge(&mut self, other: &Self) {
        self.total.merge(&other.total);
        crate::record::merge(&mut self.steps, &other.steps);
        match (&mut self.usage, &other.usage) {
            (Some(mine), Some(other)) => mine.add(other),
            (mine @ None, Some(other)) => *mine = Some(other.clone()),
            (_, None) => {}
        }
        match (&mut self.upstream, &other.upstream) {
            (Some(mine), Some(other)) => *mine = mine.and(*other),
            (mine, other) => *mine = mine.or(*other),
        }
    }

    /// A percentile of the response time in nanoseconds; a lower bound where operations were never
    /// answered, which both sides have in the same way.
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        percentile(&self.total.response, percent)
    }

    /// Operations that did not end as expected.
    pub fn failures(&self) -> Failures {
        let StepRecord { scheduled, failed, dropped, unfinished, .. } = self.total;
        Failures { failed: failed + dropped + unfinished, of: scheduled }
    }

    /// Returns the usage of each request.
    ///
    /// # Errors
    /// A resource that nobody knows, or one without a price.
    pub fn unit(&self, prices: &dyn Prices) -> Result<Option<RequestUsage>, PricingError> {
        match self.usage.as_ref().filter(|usage| !usage.is_empty()) {
            Some(usage) => prices.per_request(usage),
            None => Ok(None),
        }
    }
}

fn percentile(latency: &Latency, percent: f64) -> Option<f64> {
    // A time of zero has no logarithm; nothing is faster than the clock.
    let nanos = |time: Duration| time.max(Duration::from_nanos(1)).as_secs_f64() * 1e9;
    match latency.percentile(percent) {
        Figure::Exact(time) | Figure::AtLeast(time) => Some(nanos(time)),
        Figure::NoData => None,
    }
}
