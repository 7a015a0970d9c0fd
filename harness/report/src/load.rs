//! What only a load has in a report.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::number::{milliseconds, rounded};
use crate::{
    judge::{LAG_PERCENTILE, Trouble},
    plan::LoadPlan,
    record::{Drift, Level, Pace, StepRecord, Timeline, TimelineSpan},
};

/// How well the generator kept its schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GeneratorReport {
    /// Iterations that were due, or that users started.
    pub planned: u64,
    /// Iterations of those that left before the plan's end.
    pub punctual: u64,
    /// Part of a core, 0 to 1, that its busiest thread used.
    pub busiest_thread: f64,
    /// The lag that decides nothing, in milliseconds.
    #[serde(default = "default_allowed_lag")]
    pub allowed_lag_ms: f64,
}

fn default_allowed_lag() -> f64 {
    milliseconds(LoadPlan::DEFAULT_ALLOWED_LAG)
}

/// What happened in a span of time after the first arrival.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SpanReport {
    /// Seconds from the first arrival to its beginning.
    pub at_s: u64,
    /// Operations that were due in it.
    pub planned: u64,
    /// Operations that were sent in it.
    pub sent: u64,
    /// Operations that ended in it, however they did.
    pub ended: u64,
    /// Operations of those that failed or did not finish.
    pub failed: u64,
    /// Median response time of the answered operations that were due in it, in milliseconds, at
    /// most a sixteenth too long.
    pub p50: Option<f64>,
    /// 95th percentile, likewise.
    pub p95: Option<f64>,
    /// The largest, exactly.
    pub max: Option<f64>,
    /// The same by the service clock, from sending; absent in reports of older versions.
    #[serde(default)]
    pub service: ServiceSpan,
}

/// Service times of the answered operations that were due in a span, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceSpan {
    /// Median, at most a sixteenth too long.
    pub p50: Option<f64>,
    /// 95th percentile, likewise.
    pub p95: Option<f64>,
    /// The largest, exactly.
    pub max: Option<f64>,
}

/// What became of the development server under a load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerReport {
    /// Memory of all its processes before the load, in bytes.
    pub memory: u64,
    /// The most that they had in it, in bytes.
    pub peak: u64,
    /// Errors of its own that it wrote down in it.
    pub errors: u64,
    /// Processes that served before, and were gone.
    pub lost: usize,
}

impl ServerReport {
    pub(super) fn new(drift: Drift) -> Self {
        let Drift { memory, peak, errors, lost } = drift;
        Self { memory, peak, errors, lost }
    }

    /// Returns the worst that two looks at one server saw.
    pub(super) fn worst(self, other: &Self) -> Self {
        Self {
            memory: self.memory.min(other.memory),
            peak: self.peak.max(other.peak),
            errors: self.errors.max(other.errors),
            lost: self.lost.max(other.lost),
        }
    }
}

/// A rate that a search tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LevelReport {
    /// Iterations per second.
    pub rate: f64,
    /// Whether everything held.
    pub held: bool,
    /// What did not.
    pub fell: Vec<String>,
    /// Whether it was the generator that could not keep up, so that the target may do better.
    pub generator_bound: bool,
    /// 95th percentile of the response time, in milliseconds.
    pub p95: Option<f64>,
}

impl GeneratorReport {
    pub(super) fn new(pace: Pace, allowed_lag: Duration) -> Self {
        let Pace { planned, punctual, busiest, .. } = pace;
        let allowed_lag_ms = milliseconds(allowed_lag);
        Self { planned, punctual, busiest_thread: rounded(busiest), allowed_lag_ms }
    }

    /// Returns the trouble that the generator had with these operations.
    pub(super) fn trouble(&self, total: &StepRecord) -> Trouble {
        let Self { planned, punctual, busiest_thread, allowed_lag_ms } = *self;
        let pace = Pace { planned, punctual, busiest: busiest_thread, ..Pace::default() };
        let allowed = Duration::try_from_secs_f64(allowed_lag_ms / 1e3).unwrap_or_default();
        Trouble::of_generator(total, Some(pace), allowed, LAG_PERCENTILE)
    }
}

impl LevelReport {
    pub(super) fn new(level: &Level) -> Self {
        Self {
            rate: rounded(level.rate),
            held: level.fell.is_empty(),
            fell: level.fell.clone(),
            generator_bound: level.generator_bound,
            p95: level.p95.map(milliseconds),
        }
    }
}

pub(super) fn timeline(timeline: &Timeline) -> Vec<SpanReport> {
    let width = timeline.width().as_secs();
    let spans = timeline.spans().iter().zip(0..);
    spans.map(|(span, index)| SpanReport::new(span, index * width)).collect()
}

impl SpanReport {
    fn new(span: &TimelineSpan, at_s: u64) -> Self {
        let TimelineSpan { planned, sent, ended, failed, ref waits, ref services } = *span;
        let time = |time: Option<Duration>| time.map(milliseconds);
        Self {
            at_s,
            planned,
            sent,
            ended,
            failed,
            p50: time(waits.percentile(50)),
            p95: time(waits.percentile(95)),
            max: time(waits.max()),
            service: ServiceSpan {
                p50: time(services.percentile(50)),
                p95: time(services.percentile(95)),
                max: time(services.max()),
            },
        }
    }
}
