//! What was measured: windows, two and two.

use std::time::Duration;

use rust_decimal::{Decimal, prelude::ToPrimitive};

use super::statistics::Failures;
use crate::{
    cost::{
        Amounts, PriceBook, Resource, RunUsage, Tiers, UnitUsage, UsageError, per_1000_requests,
    },
    plan::ScenarioPlan,
    record::{Figure, Latency, ScenarioRecord, StepRecord},
    upstream::Arrivals,
};

/// What one version did in one window.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// All steps of the work together.
    pub total: StepRecord,
    /// The steps, indexed by [`StepId`](crate::plan::StepId).
    pub steps: Vec<StepRecord>,
    /// What it used, if that is known.
    pub usage: Option<RunUsage>,
    /// What the stub of upstreams saw, if there is one.
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

/// What one version used for each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideUsage {
    /// By resource.
    pub amounts: Amounts,
    /// Dollars for a thousand requests at list price.
    pub dollars: Decimal,
}

impl Window {
    /// Of a scenario that was run.
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

    /// What each request used.
    ///
    /// # Errors
    /// A resource that nobody knows, or one without a price.
    pub fn unit(
        &self,
        tiers: &Tiers,
        book: &PriceBook,
    ) -> Result<Option<SideUsage>, crate::cost::CostError> {
        let Some(usage) = self.usage.as_ref().filter(|usage| !usage.is_empty()) else {
            return Ok(None);
        };
        let unit = UnitUsage::measured(usage)?;
        let ai = ai_share(usage);
        let dollars = per_1000_requests(&unit, ai, tiers, book)?;
        Ok(Some(SideUsage { amounts: per_request(usage)?, dollars }))
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

/// The part of operations that are AI operations.
fn ai_share(usage: &RunUsage) -> Decimal {
    let count = |ai: bool| -> u64 {
        usage.steps.iter().filter(|step| step.ai == ai).map(|step| step.used.all().count).sum()
    };
    let (ai, rest) = (count(true), count(false));
    Decimal::from(ai) / Decimal::from((ai + rest).max(1))
}

/// Everything that was used over everything that was asked.
fn per_request(usage: &RunUsage) -> Result<Amounts, UsageError> {
    let mut all = crate::cost::Tally::default();
    usage.steps.iter().for_each(|step| all.add(&step.used.all()));
    for (name, amount) in usage.runs.usage.iter().chain(&usage.background.usage) {
        *all.usage.entry(name.clone()).or_default() += amount;
    }
    Ok(all.mean()?.unwrap_or_default())
}

impl SideUsage {
    /// Units of one resource for each request.
    pub fn of(&self, resource: Resource) -> f64 {
        self.amounts.get(resource).to_f64().unwrap_or(0.0)
    }

    /// Dollars for a thousand requests.
    pub fn cost(&self) -> f64 {
        self.dollars.to_f64().unwrap_or(0.0)
    }
}
