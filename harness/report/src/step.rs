//! The operations of one step.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    number::{self, milliseconds},
    stored::{self, StoredError, StoredLatency},
};
use crate::{
    model::{ErrorKind, usage::Tallies},
    plan::{Phase, StepLabel},
    record::{Figure, Latency, StepRecord},
};

/// A step whose histograms cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("step `{step}` {error}")]
pub struct StepError {
    step: String,
    error: StoredError,
}

/// The operations of one step. `scheduled = ok + failed + dropped + unfinished`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepReport {
    /// Its name.
    pub name: String,
    /// Where it belongs.
    pub phase: Phase,
    /// Operations that were due.
    pub scheduled: u64,
    /// Answered as expected.
    pub ok: u64,
    /// Answered otherwise, or not because of an error or a timeout.
    pub failed: u64,
    /// Never sent: no user slot was free.
    pub dropped: u64,
    /// Still running when the run ended.
    pub unfinished: u64,
    /// Answers by status code.
    pub statuses: BTreeMap<u16, u64>,
    /// Failures without a complete answer, by kind.
    pub errors: BTreeMap<ErrorKind, u64>,
    /// Part of all answers that are 429, 0 to 1; absent without answers.
    pub share_of_429: Option<f64>,
    /// From the planned time to the end of the answer: what users wait.
    pub response: LatencyReport,
    /// From the moment of sending to the end of the answer.
    pub service: LatencyReport,
    /// From the planned time until it could be sent: the generator's own lateness.
    pub lag: LatencyReport,
    /// From sending until a connection was there, where one had to be made and that is known.
    #[serde(default)]
    pub connect: LatencyReport,
    /// From then until it was secure, likewise.
    #[serde(default)]
    pub tls: LatencyReport,
    /// From then, or from sending, to the first byte of the answer, where that is known.
    #[serde(default)]
    pub first_byte: LatencyReport,
    /// From the first to the last byte of the answer, likewise.
    #[serde(default)]
    pub body: LatencyReport,
    /// Answered before the measured time was over; the base of the rate achieved.
    #[serde(default)]
    pub in_window: u64,
    /// Times that a request was sent again, because the target had proved not to process it: it
    /// refused the stream, or a GOAWAY left it out. These are no failures. A connection that was
    /// closed before anything was written to it does not count: nothing had been sent.
    #[serde(default)]
    pub resent: u64,
    /// Bursts whose number of matching responses was not the expected one.
    #[serde(default)]
    pub broken_counts: u64,
    /// The response clock of answered operations in nanoseconds: an HDR histogram, V2 encoding,
    /// base64. Absent without answers.
    pub response_hdr: Option<String>,
}

/// One clock of one step, in milliseconds. A figure is null without data, and when it depends on
/// operations that were never answered; then `at_least` has its lower bound.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LatencyReport {
    /// Operations it stands on, never answered ones included.
    pub count: u64,
    /// Median.
    pub p50: Option<f64>,
    /// 90th percentile.
    pub p90: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
    /// 99.9th percentile.
    #[serde(rename = "p99.9")]
    pub p99_9: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
    /// The arithmetic mean.
    pub mean: Option<f64>,
    /// Lower bounds of the figures that are not known, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub at_least: BTreeMap<String, f64>,
    /// Every value, so that reports can be added up.
    #[serde(default, skip_serializing_if = "StoredLatency::is_empty")]
    pub stored: StoredLatency,
}

impl StepReport {
    /// Returns true if every operation that was due is accounted for.
    pub(super) fn is_balanced(&self) -> bool {
        let parts = [self.failed, self.dropped, self.unfinished];
        let sum = parts.into_iter().try_fold(self.ok, u64::checked_add);
        sum == Some(self.scheduled)
    }

    pub(super) fn new(label: &StepLabel, step: &StepRecord) -> Self {
        const TOO_MANY_REQUESTS: u16 = 429;
        let limited = step.statuses.get(&TOO_MANY_REQUESTS).copied().unwrap_or(0);
        Self {
            name: label.name.clone(),
            phase: label.phase,
            scheduled: step.scheduled,
            ok: step.ok,
            failed: step.failed,
            dropped: step.dropped,
            unfinished: step.unfinished,
            statuses: step.statuses.clone(),
            errors: step.errors.clone(),
            share_of_429: number::share(limited, step.answered()),
            response: LatencyReport::new(&step.response),
            service: LatencyReport::new(&step.service),
            lag: LatencyReport::new(&step.lag),
            connect: LatencyReport::new(&step.connect),
            tls: LatencyReport::new(&step.tls),
            first_byte: LatencyReport::new(&step.first_byte),
            body: LatencyReport::new(&step.body),
            in_window: step.in_window,
            resent: step.resent,
            broken_counts: step.broken_counts,
            response_hdr: step.response.histogram().and_then(stored::encode),
        }
    }

    /// The books that it was made from, without the failures in full.
    ///
    /// # Errors
    /// A histogram that cannot be read, or is not there: an early version did not write them.
    pub fn record(&self) -> Result<StepRecord, StepError> {
        let clock = |latency: &LatencyReport| {
            let stored = if latency.count > 0 && latency.stored.is_empty() {
                Err(StoredError::Missing)
            } else {
                latency.stored.latency()
            };
            stored.map_err(|error| StepError { step: self.name.clone(), error })
        };
        Ok(StepRecord {
            scheduled: self.scheduled,
            ok: self.ok,
            failed: self.failed,
            dropped: self.dropped,
            unfinished: self.unfinished,
            in_window: self.in_window,
            resent: self.resent,
            broken_counts: self.broken_counts,
            statuses: self.statuses.clone(),
            errors: self.errors.clone(),
            response: clock(&self.response)?,
            service: clock(&self.service)?,
            lag: clock(&self.lag)?,
            connect: clock(&self.connect)?,
            tls: clock(&self.tls)?,
            first_byte: clock(&self.first_byte)?,
            body: clock(&self.body)?,
            // Usage is kept with the scenario's cost, failures with the scenario.
            used: Tallies::default(),
            samples: Vec::new(),
        })
    }
}

impl LatencyReport {
    fn new(latency: &Latency) -> Self {
        let stored = StoredLatency::new(latency);
        let mut report = Self { count: latency.len(), stored, ..Self::default() };
        let at_least = &mut report.at_least;
        let mut figure = |name: &str, figure| match figure {
            Figure::Exact(time) => Some(milliseconds(time)),
            Figure::AtLeast(time) => {
                at_least.insert(name.to_owned(), milliseconds(time));
                None
            }
            Figure::NoData => None,
        };
        report.p50 = figure("p50", latency.percentile(50.0));
        report.p90 = figure("p90", latency.percentile(90.0));
        report.p95 = figure("p95", latency.percentile(95.0));
        report.p99 = figure("p99", latency.percentile(99.0));
        report.p99_9 = figure("p99.9", latency.percentile(99.9));
        report.max = figure("max", latency.max());
        report.mean = figure("mean", latency.mean());
        report
    }
}
