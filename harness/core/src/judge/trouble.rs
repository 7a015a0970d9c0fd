//! Says where the measuring itself can have changed a verdict.
//!
//! A generator that sends late makes times longer that count from the planned instant, and never
//! shorter. So a figure that holds although the lag is in it holds; a figure that is missed by more than
//! the largest lag is missed whatever the lag was, and so is one that is missed from sending, too; only
//! between them nobody knows. The other troubles are judged alike: each can move a figure in one
//! direction, and matters only where that would turn the result.

use std::time::Duration;

use super::{
    reason::Reason,
    threshold::{Measured, ThresholdResult, ThresholdStatus},
};
use crate::{
    model::ErrorKind,
    plan::{Clock, Metric, Quantity},
    record::{Drift, Figure, Pace, StepRecord, float},
};

/// Lag above what is allowed is still harmless while it is a small part of what is measured: a tenth
/// shifts no percentile by more than the noise between two runs.
const LAG_SHARE: u32 = 10;

/// The part of the planned arrivals that must have left in time, but for one.
const PUNCTUAL_SHARE: f64 = 0.99;

/// The part of a core that a thread of the generator may use. Above it, answers wait for the
/// generator to read them, and their time is taken for the target's.
const BUSY: f64 = 0.95;

/// Memory that a development server may take more of in a load, in bytes: twice what Cloudflare
/// gives a Worker at all (128 MB), so what grows by more is not the Worker.
pub(super) const SERVER_GROWTH: u64 = 256 * 1000 * 1000;

/// What was wrong with the measuring of a load.
#[derive(Clone, Debug, Default)]
pub struct Trouble {
    late: Option<Reason>,
    /// The largest lag of an operation.
    largest_lag: Duration,
    busy: Option<Reason>,
    behind: Option<Reason>,
    exhausted: Option<Reason>,
    /// Nothing that was measured says anything about the target.
    worthless: Vec<Reason>,
}

impl Trouble {
    /// Returns the trouble of a generator with these operations. Its lag is judged at `percent`, and
    /// compared with the `allowed` one.
    pub fn of_generator(
        total: &StepRecord,
        pace: Option<Pace>,
        allowed: Duration,
        percent: f64,
    ) -> Self {
        let exhausted = total.errors.get(&ErrorKind::Exhausted);
        let pace = pace.unwrap_or_default();
        let missing = pace.planned.saturating_sub(pace.punctual);
        let behind = missing > 1 && float(pace.punctual) < PUNCTUAL_SHARE * float(pace.planned);
        let Pace { planned, punctual, busiest, .. } = pace;
        Self {
            late: late(total, allowed, percent),
            largest_lag: exact(total.lag.max()),
            busy: (busiest > BUSY).then_some(Reason::GeneratorBusy { busiest_thread: busiest }),
            behind: behind.then_some(Reason::GeneratorBehind { punctual, planned }),
            exhausted: exhausted.map(|&operations| Reason::GeneratorExhausted { operations }),
            worthless: Vec::new(),
        }
    }

    /// Adds the trouble of a development server.
    pub fn with_server(mut self, server: Option<Drift>) -> Self {
        let Some(Drift { memory, peak, errors, lost }) = server else { return self };
        if peak.saturating_sub(memory) > SERVER_GROWTH {
            self.worthless.push(Reason::ServerGrew { before: memory, peak });
        }
        if lost > 0 {
            self.worthless.push(Reason::ServerLost { processes: lost });
        }
        if errors > 0 {
            self.worthless.push(Reason::ServerErrors { errors });
        }
        self
    }

    /// Adds that the machine had too little of something for the load.
    pub fn with_starved(mut self, problem: Option<String>) -> Self {
        self.worthless.extend(problem.map(|problem| Reason::MachineTooSmall { problem }));
        self
    }

    /// Forgets arrivals that did not leave, because the load was ended early.
    pub fn cut_short(self) -> Self {
        Self { behind: None, ..self }
    }

    /// Returns the reasons of troubles that make every figure worthless.
    pub fn worthless(&self) -> &[Reason] {
        &self.worthless
    }

    /// Returns every trouble, for whoever trusts nothing that was measured in it.
    pub fn all(&self) -> Vec<Reason> {
        let Self { late, busy, behind, exhausted, worthless, .. } = self;
        let generator = [exhausted, late, busy, behind].into_iter().flatten().cloned();
        generator.chain(worthless.iter().cloned()).collect()
    }

    /// Returns true if the generator did not reach the rate.
    pub fn rate_was_missed(&self) -> bool {
        self.behind.is_some() || self.busy.is_some() || self.exhausted.is_some()
    }

    /// Returns whether the result of a threshold could have been another one without the trouble.
    pub fn undecides(&self, result: &ThresholdResult, books: &StepRecord) -> bool {
        let missed = result.status != ThresholdStatus::Passed;
        if !self.worthless.is_empty() {
            return missed;
        }
        let rises = !result.threshold.comparison.is_upper_bound();
        // Too small for a lower bound, or small enough for an upper one.
        let by_being_small = missed == rises;
        match result.threshold.metric {
            Metric::Percentile(clock, _) | Metric::Mean(clock) | Metric::Max(clock) => {
                match clock {
                    Clock::Lag => false,
                    Clock::Service if by_being_small => self.behind.is_some(),
                    Clock::Response if by_being_small => false,
                    Clock::Service => self.busy.is_some(),
                    Clock::Response => self.busy.is_some() || self.lag_decides(result),
                }
            }
            Metric::ErrorRate => missed && !rises && self.errors_decide(result, books),
            Metric::StatusShare(_) | Metric::Rate | Metric::Count => {
                by_being_small && self.rate_was_missed()
            }
        }
    }

    /// Returns whether a time would be on the other side of its bound if no operation had been late:
    /// it would be shorter by the largest lag at most, and no shorter than the time from sending.
    fn lag_decides(&self, result: &ThresholdResult) -> bool {
        let Some(Measured::Exact(Quantity::Time(time))) = result.measured else { return false };
        let by_lag = time.saturating_sub(self.largest_lag);
        let without = match result.from_sending {
            Some(Quantity::Time(from_sending)) => by_lag.max(from_sending),
            _ => by_lag,
        };
        let threshold = &result.threshold;
        let holds = threshold.comparison.holds(Quantity::Time(without), threshold.bound);
        self.late.is_some() && (holds == Some(true)) != (result.status == ThresholdStatus::Passed)
    }

    /// Returns whether an error rate would hold without the operations that failed because of the
    /// generator.
    fn errors_decide(&self, result: &ThresholdResult, books: &StepRecord) -> bool {
        let own = self.own_errors(books);
        let bad = books.failed + books.dropped + books.unfinished;
        if own == 0 || books.scheduled == 0 {
            return false;
        }
        let rate = float(bad.saturating_sub(own)) / float(books.scheduled);
        let threshold = &result.threshold;
        threshold.comparison.holds(Quantity::Share(rate), threshold.bound) == Some(true)
    }

    /// Returns how many operations may have failed because of the generator: those that it could not
    /// send, and, if it had no time left, those that took too long.
    pub fn own_errors(&self, books: &StepRecord) -> u64 {
        let of = |kind| books.errors.get(&kind).copied().unwrap_or_default();
        let slow = if self.busy.is_some() { of(ErrorKind::Timeout) } else { 0 };
        of(ErrorKind::Exhausted) + slow
    }
}

/// Judges the lag at a percentile. Arrivals that found no free slot are not the generator's fault, and
/// have none.
fn late(total: &StepRecord, allowed: Duration, percent: f64) -> Option<Reason> {
    let Figure::Exact(lag) = total.lag.percentile(percent) else { return None };
    let half = exact(total.response.percentile(50.0));
    let allowed = allowed.max(half / LAG_SHARE);
    (lag > allowed).then_some(Reason::GeneratorLate {
        percentile: percent,
        lag_ms: lag.as_secs_f64() * 1e3,
        allowed_ms: allowed.as_secs_f64() * 1e3,
    })
}

fn exact(figure: Figure) -> Duration {
    match figure {
        Figure::Exact(time) | Figure::AtLeast(time) => time,
        Figure::NoData => Duration::ZERO,
    }
}
