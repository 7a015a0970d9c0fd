//! Everything that is known about a scenario after it ran.

use std::time::Duration;

use super::{Claims, Failure, StepRecord, Timeline};
use crate::model::{
    ErrorKind, Signal,
    stub::Arrivals,
    usage::{RunUsage, Tallies},
};

/// The events of one scenario; the judge decides what they mean.
#[derive(Clone, Debug, Default)]
pub struct ScenarioRecord {
    /// The time from the first preparation to the end of the teardown.
    pub elapsed: Duration,
    /// The measured time: what rates are divided by. A load's warm-up is not part of it.
    pub window: Duration,
    /// The metrics, indexed by [`StepId`](crate::plan::StepId).
    pub steps: Vec<StepRecord>,
    /// The reasons why nothing could be sent at all: a token or a variable that cannot be made.
    pub problems: Vec<String>,
    /// The end of the setup.
    pub setup: PhaseEnd,
    /// The end of the work; a load is done when its time is over, whatever failed in it.
    pub work: PhaseEnd,
    /// The end of the audit.
    pub audit: PhaseEnd,
    /// The results of the rules.
    pub claims: Claims,
    /// Failures of steps that send no request.
    pub failures: Vec<Failure>,
    /// The questions that models could not decide, and the reasons.
    pub undecided: Vec<String>,
    /// The remarks that no verdict depends on.
    pub remarks: Vec<String>,
    /// The end of the teardown.
    pub teardown: PhaseEnd,
    /// The evidence on whether anything answered.
    pub reach: Reach,
    /// The punctuality of the generator; only a load has one.
    pub pace: Option<Pace>,
    /// The load, second by second.
    pub timeline: Timeline,
    /// The rates that a search tried, in order. The metrics are those of the highest that held, or
    /// of the first if none did.
    pub levels: Vec<Level>,
    /// The state of the development server under the load, if the target runs on one.
    pub server: Option<Drift>,
    /// The usage that all answers reported, those of a warm-up too.
    pub used: Tallies,
    /// The usage of the scenario, audited against the service; only one that measures it has it.
    pub usage: Option<RunUsage>,
    /// The arrivals at the stub during the load, if there is one that can be asked.
    pub upstream: Option<Arrivals>,
    /// The threshold that ended the load early.
    pub hopeless: Option<String>,
    /// The signal that ended the run early.
    pub stopped: Option<Signal>,
    /// The reason why the generator itself could not go on.
    pub starved: Option<String>,
    /// A defect of this program, which makes every other figure worthless.
    pub defect: Option<String>,
}

/// The end of a phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PhaseEnd {
    /// Not started, or cut short by a signal.
    #[default]
    Skipped,
    /// It ran to its end.
    Done,
    /// A step failed.
    Failed,
}

/// The evidence on whether the target was there. Warm-up operations count here too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Operations sent.
    pub sent: u64,
    /// Operations to which the target reacted, be it with garbage or a reset.
    pub reacted: u64,
    /// Operations since the last reaction that found nobody listening.
    pub absent_since: u64,
}

impl Reach {
    /// Counts one operation that was answered (`None`) or ended with an error.
    pub fn count(&mut self, error: Option<ErrorKind>) {
        self.sent += 1;
        match error {
            Some(kind) if kind.is_absence() => self.absent_since += 1,
            Some(kind) if !kind.is_reaction() => {}
            _ => {
                self.reacted += 1;
                self.absent_since = 0;
            }
        }
    }

    /// Adds another thread's view of the same target, at the same time.
    pub fn merge(&mut self, other: &Self) {
        self.sent += other.sent;
        self.reacted += other.reacted;
        self.absent_since += other.absent_since;
    }

    /// Adds what was seen of the target later.
    pub fn then(&mut self, later: &Self) {
        self.sent += later.sent;
        self.absent_since = if later.reacted > 0 {
            later.absent_since
        } else {
            self.absent_since + later.absent_since
        };
        self.reacted += later.reacted;
    }
}

/// The punctuality of the generator.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    /// Arrivals in the plan.
    pub planned: u64,
    /// Arrivals that were dealt with (sent, or dropped for want of a slot) before the plan's end.
    pub punctual: u64,
    /// Set if the arrivals ended early because nobody was listening.
    pub gave_up: bool,
    /// Part of a core, 0 to 1, that the busiest thread of the generator used.
    pub busiest: f64,
}

/// The changes of a development server under a load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drift {
    /// Memory of all its processes before the load, in bytes.
    pub memory: u64,
    /// The most that they had in it, in bytes.
    pub peak: u64,
    /// Errors of its own that it wrote down in it.
    pub errors: u64,
    /// Processes that served before, and were gone.
    pub lost: usize,
}

/// A rate that a search tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// Iterations per second.
    pub rate: f64,
    /// The conditions that failed; empty if everything held.
    pub fell: Vec<String>,
    /// Set if it was the generator that could not keep up.
    pub generator_bound: bool,
    /// 95th percentile of the response time of all steps; `None` if it is not known.
    pub p95: Option<Duration>,
}

impl Level {
    /// Returns true if everything held at this rate, and the generator reached it.
    pub fn holds(&self) -> bool {
        self.fell.is_empty() && !self.generator_bound
    }
}

impl Pace {
    /// Adds another thread's share.
    pub fn merge(&mut self, other: &Self) {
        self.planned += other.planned;
        self.punctual += other.punctual;
        self.gave_up |= other.gave_up;
        self.busiest = self.busiest.max(other.busiest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_target_shows() {
        let mut reach = Reach::default();
        reach.count(None);
        reach.count(Some(ErrorKind::Refused));
        reach.count(Some(ErrorKind::Timeout));
        reach.count(Some(ErrorKind::Refused));
        assert_eq!(reach, Reach { sent: 4, reacted: 1, absent_since: 2 });
        reach.count(Some(ErrorKind::Reset));
        assert_eq!(reach, Reach { sent: 5, reacted: 2, absent_since: 0 });
        let absent = Reach { sent: 1, reacted: 0, absent_since: 1 };
        reach.then(&absent);
        reach.then(&absent);
        assert_eq!(reach, Reach { sent: 7, reacted: 2, absent_since: 2 });
    }
}
