//! Histories of runs: what clients were told of each, and what reached the outside.
//!
//! Time is real time here, not the target's: that an answer came before the next question was asked
//! holds whatever clocks say.

use std::{fmt, time::Duration};

pub mod effects;
pub mod legal;
pub mod linear;

/// The status of a run. The last four never change again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Stored, not started.
    Queued,
    /// An attempt of a step is under way.
    Running,
    /// The run is between attempts, or in a pause.
    Waiting,
    /// Every step succeeded.
    Succeeded,
    /// A step failed for good.
    Failed,
    /// Somebody stopped it.
    Cancelled,
    /// It ran out of time.
    TimedOut,
}

impl Status {
    /// All statuses.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Running,
        Self::Waiting,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::TimedOut,
    ];

    /// Returns whether the status never changes again.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled | Self::TimedOut)
    }

    /// Returns whether a run with this status may have the later one afterwards: at once, or by way
    /// of others.
    pub fn may_become(self, later: Self) -> bool {
        self == later || (!self.is_final() && later != Self::Queued)
    }

    /// Returns the name as it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// All that clients asked about one run, in the order of sending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Its id.
    pub run: String,
    /// The requests about the run, and their answers.
    pub operations: Vec<Operation>,
}

/// A question about a run, or an order to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The time of sending, from the start of the scenario.
    pub sent: Duration,
    /// The time of the answer, likewise; it is unknown without an answer.
    pub received: Option<Duration>,
    /// The kind of the operation, and its answer.
    pub what: What,
}

/// See [`Operation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It was acknowledged.
    Started,
    /// It was looked at, and was so.
    Read(Progress),
    /// It was looked at, and was not there.
    Absent,
    /// It was looked at, and was in no state that there is.
    Odd(String),
    /// Somebody stopped it, and was told so.
    Cancelled,
    /// Somebody stopped it, and was told that it had been stopped before.
    CancelledBefore,
    /// Somebody wanted to stop it, and was told that it had ended otherwise.
    Ended,
    /// Somebody wanted to stop it, and was told nothing: it may be stopped, now or later, or not.
    MayCancel,
}

/// A run as somebody saw it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Progress {
    /// The status of the run.
    pub status: Status,
    /// Its steps, in order.
    #[serde(default)]
    pub steps: Vec<StepProgress>,
}

/// A step as somebody saw it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct StepProgress {
    /// `pending`, `running`, `succeeded`, `failed` or `cancelled`.
    pub status: String,
    /// Attempts that were begun.
    #[serde(default)]
    pub attempts: u64,
}

impl StepProgress {
    /// Returns whether the run never changes again.
    pub fn is_final(&self) -> bool {
        matches!(self.status.as_str(), "succeeded" | "failed" | "cancelled")
    }
}

impl History {
    /// Returns the progress of the run at the last read.
    pub fn last(&self) -> Option<&Progress> {
        self.reads().last().map(|(_, progress)| progress)
    }

    /// Returns whether the run was acknowledged.
    pub fn is_acknowledged(&self) -> bool {
        self.operations.iter().any(|operation| operation.what == What::Started)
    }

    /// Lists the observed states of the run, in the order of the answers.
    pub fn reads(&self) -> impl DoubleEndedIterator<Item = (&Operation, &Progress)> {
        let mut reads: Vec<_> = self
            .operations
            .iter()
            .filter_map(|operation| match &operation.what {
                What::Read(progress) => Some((operation, progress)),
                _ => None,
            })
            .collect();
        reads.sort_by_key(|(operation, _)| operation.received);
        reads.into_iter()
    }
}

impl Operation {
    /// Returns whether the operation was over when `later` was sent.
    pub fn is_before(&self, later: &Self) -> bool {
        self.received.is_some_and(|received| received < later.sent)
    }
}

#[cfg(test)]
mod tests;
