//! The reasons for a verdict, as facts that programs can tell apart.

use std::{collections::BTreeMap, fmt};

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::verdict::{Failed, Verdict};
use crate::{
    model::{ErrorKind, Signal},
    plan::{Quantity, Threshold},
};

/// Something that speaks against a pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Reason {
    /// The target does not offer what the scenario requires.
    NotApplicable {
        /// What is missing.
        missing: String,
    },
    /// This program has a defect, which makes every other figure worthless.
    Defect {
        /// What went wrong.
        problem: String,
    },
    /// The counts of a step do not add up, which only a defect of this program can cause.
    Unbalanced {
        /// The step.
        step: String,
    },
    /// This machine has too little of something for the load, so it was not sent.
    MachineTooSmall {
        /// What it lacks.
        problem: String,
    },
    /// A signal ended the run.
    Interrupted {
        /// Which one.
        signal: Signal,
    },
    /// The load ended early, as a threshold could no longer hold.
    Aborted {
        /// The threshold, as the author wrote it.
        threshold: String,
    },
    /// Nothing that was sent was answered.
    NeverAnswered {
        /// The errors by kind.
        errors: BTreeMap<ErrorKind, u64>,
    },
    /// Nobody listened any more at the end of the run.
    WentAway {
        /// Operations since the last one that was answered.
        operations: u64,
    },
    /// Something could not be done before or after the work, such as making a token.
    Problem {
        /// What went wrong.
        problem: String,
    },
    /// The setup failed, so the work was not done.
    SetupFailed,
    /// An expectation of the work does not hold.
    ExpectationFailed {
        /// The steps.
        steps: Vec<String>,
    },
    /// A check over the whole run does not hold.
    AuditFailed {
        /// The steps.
        steps: Vec<String>,
    },
    /// The teardown failed.
    TeardownFailed {
        /// The steps.
        steps: Vec<String>,
    },
    /// A model of the target could not decide.
    Undecided {
        /// What it could not decide, and why.
        question: String,
    },
    /// A threshold on latency, errors or rate does not hold.
    ThresholdMissed {
        /// The threshold, as the author wrote it.
        threshold: String,
        /// The figure; a lower bound of it where operations were never answered.
        measured: Quantity,
        /// What the figure had to satisfy.
        bound: Quantity,
    },
    /// A threshold may hold or not: the generator, or the server that it measured, was not well, and
    /// without that it could have come out otherwise.
    ThresholdUndecided {
        /// The threshold, as the author wrote it.
        threshold: String,
        /// The figure; absent if there is none.
        measured: Option<Quantity>,
        /// What the figure had to satisfy.
        bound: Quantity,
    },
    /// A search ended because the generator could not reach a rate.
    SearchCutShort {
        /// The rate that it could not reach, in iterations per second.
        rate: f64,
        /// The highest rate at which everything held; absent if there was none.
        held: Option<f64>,
    },
    /// Nothing was measured that a threshold could be judged by.
    ThresholdWithoutData {
        /// The threshold, as the author wrote it.
        threshold: String,
    },
    /// A threshold on cost or usage does not hold.
    CostMissed {
        /// The threshold, as the author wrote it.
        threshold: String,
        /// The figure: dollars, or units of a resource.
        #[schemars(with = "String")]
        measured: Decimal,
        /// Whether the figure is in US dollars.
        dollars: bool,
        /// The resources that most of the figure comes from; empty if it is about one resource.
        made_of: String,
    },
    /// Nothing was measured that a threshold on cost could be judged by.
    CostWithoutData {
        /// The threshold, as the author wrote it.
        threshold: String,
        /// What is missing.
        missing: String,
    },
    /// The service's answers and its own total disagree on what was used.
    UsageDisagrees {
        /// On what.
        disagreement: String,
    },
    /// A load measured no operation.
    NothingMeasured,
    /// Bursts had another number of matching responses than expected.
    BurstCounts {
        /// How many bursts.
        bursts: u64,
    },
    /// Operations of a load failed, and no threshold on the error rate allows any to.
    OperationsFailed {
        /// Answered otherwise than expected, or not at all.
        failed: u64,
        /// Never sent: no user slot was free.
        dropped: u64,
        /// Still running when the run ended.
        unfinished: u64,
    },
    /// This machine ran out of descriptors, ports or memory.
    GeneratorExhausted {
        /// Operations that could not be sent because of it.
        operations: u64,
    },
    /// The generator sent operations later than planned.
    GeneratorLate {
        /// The percentile of the lag that is judged, 0 to 100.
        percentile: f64,
        /// The lag, in milliseconds.
        lag_ms: f64,
        /// The lag that would have been harmless, in milliseconds.
        allowed_ms: f64,
    },
    /// A thread of the generator had no time left.
    GeneratorBusy {
        /// Part of a core that it used, 0 to 1.
        busiest_thread: f64,
    },
    /// The generator did not reach the planned rate.
    GeneratorBehind {
        /// Arrivals that left in time.
        punctual: u64,
        /// Arrivals in the plan.
        planned: u64,
    },
    /// The development server took more memory than a Worker can have.
    ServerGrew {
        /// Bytes before the load.
        before: u64,
        /// The most bytes in it.
        peak: u64,
    },
    /// Processes of the development server ended under the load.
    ServerLost {
        /// How many.
        processes: usize,
    },
    /// The development server reported errors of its own.
    ServerErrors {
        /// How many.
        errors: u64,
    },
}

impl Reason {
    /// A threshold that was judged on `measured`.
    pub(super) fn missed(threshold: &Threshold, measured: Quantity) -> Self {
        let (bound, threshold) = (threshold.bound, threshold.text.clone());
        Self::ThresholdMissed { threshold, measured, bound }
    }

    /// Returns the verdict that this reason would lead to by itself.
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::NotApplicable { .. } => Verdict::NotApplicable,
            Self::Defect { .. } | Self::Unbalanced { .. } => Verdict::Defect,
            Self::Interrupted { signal } => Verdict::Interrupted(*signal),
            Self::NeverAnswered { .. } | Self::WentAway { .. } => Verdict::Unreachable,
            Self::Problem { .. }
            | Self::SetupFailed
            | Self::ExpectationFailed { .. }
            | Self::AuditFailed { .. }
            | Self::TeardownFailed { .. }
            | Self::UsageDisagrees { .. } => Verdict::Fail(Failed::Conformance),
            Self::Aborted { .. }
            | Self::ThresholdMissed { .. }
            | Self::ThresholdWithoutData { .. }
            | Self::NothingMeasured
            | Self::BurstCounts { .. }
            | Self::OperationsFailed { .. } => Verdict::Fail(Failed::Threshold),
            Self::CostMissed { .. } | Self::CostWithoutData { .. } => Verdict::Fail(Failed::Cost),
            Self::MachineTooSmall { .. }
            | Self::Undecided { .. }
            | Self::ThresholdUndecided { .. }
            | Self::SearchCutShort { .. }
            | Self::GeneratorExhausted { .. }
            | Self::GeneratorLate { .. }
            | Self::GeneratorBusy { .. }
            | Self::GeneratorBehind { .. }
            | Self::ServerGrew { .. }
            | Self::ServerLost { .. }
            | Self::ServerErrors { .. } => Verdict::Inconclusive,
        }
    }

    /// Returns whether this is about a threshold, which is judged again when runs are added up.
    pub const fn is_about_threshold(&self) -> bool {
        matches!(
            self,
            Self::ThresholdMissed { .. }
                | Self::ThresholdUndecided { .. }
                | Self::ThresholdWithoutData { .. }
                | Self::CostMissed { .. }
                | Self::CostWithoutData { .. }
        )
    }
}

/// Decimals of a figure on cost that are shown: a thousand requests cost some thousandths of a
/// dollar.
const COST_DECIMALS: u32 = 6;

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotApplicable { missing: text } | Self::Problem { problem: text } => {
                f.write_str(text)
            }
            Self::Defect { problem } => write!(f, "a defect of workway: {problem}"),
            Self::Unbalanced { step } => write!(f, "the counts of `{step}` do not add up"),
            Self::MachineTooSmall { problem } => {
                write!(f, "this machine did not allow the run: {problem}")
            }
            Self::Interrupted { signal: Signal::Interrupt } => f.write_str("interrupted"),
            Self::Interrupted { signal: Signal::Terminate } => f.write_str("terminated"),
            Self::Aborted { threshold } => {
                write!(f, "ended early: `{threshold}` could no longer hold")
            }
            Self::NeverAnswered { errors } => {
                f.write_str("the target never answered")?;
                let kinds: Vec<_> =
                    errors.iter().map(|(kind, count)| format!("{kind}: {count}")).collect();
                if kinds.is_empty() { Ok(()) } else { write!(f, " ({})", kinds.join(", ")) }
            }
            Self::WentAway { operations } => write!(
                f,
                "the target went away: nobody listened for the last {operations} operations"
            ),
            Self::SetupFailed => f.write_str("the setup failed, so the work was not done"),
            Self::ExpectationFailed { steps } => {
                write!(f, "an expectation does not hold{}", Steps(steps))
            }
            Self::AuditFailed { steps } => write!(f, "the audit failed{}", Steps(steps)),
            Self::TeardownFailed { steps } => write!(f, "the teardown failed{}", Steps(steps)),
            Self::Undecided { question } => write!(f, "undecided: {question}"),
            Self::UsageDisagrees { disagreement } => write!(f, "usage: {disagreement}"),
            Self::ThresholdMissed { .. }
            | Self::ThresholdUndecided { .. }
            | Self::ThresholdWithoutData { .. }
            | Self::CostMissed { .. }
            | Self::CostWithoutData { .. } => self.threshold(f),
            Self::NothingMeasured => f.write_str("no operation was measured"),
            Self::BurstCounts { bursts } => write!(f, "the counts of {bursts} bursts do not hold"),
            Self::OperationsFailed { failed, dropped, unfinished } => write!(
                f,
                "{failed} failed, {dropped} dropped, {unfinished} unfinished, and no threshold on \
                 error_rate allows any"
            ),
            _ => self.untrusted(f),
        }
    }
}

impl Reason {
    fn threshold(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ThresholdMissed { threshold, .. } => write!(f, "threshold missed: {threshold}"),
            Self::ThresholdUndecided { threshold, .. } => {
                write!(f, "threshold undecided: {threshold}")
            }
            Self::ThresholdWithoutData { threshold } => {
                write!(f, "threshold without data: {threshold}")
            }
            Self::CostMissed { threshold, measured, dollars, made_of } => {
                let unit = if *dollars { " USD" } else { "" };
                let measured = measured.round_dp(COST_DECIMALS).normalize();
                write!(f, "cost missed: {threshold}: it is {measured}{unit}")?;
                if made_of.is_empty() { Ok(()) } else { write!(f, " ({made_of})") }
            }
            Self::CostWithoutData { threshold, missing } => {
                write!(f, "cost without data: {threshold}: {missing}")
            }
            _ => Ok(()),
        }
    }

    /// Writes the reason why the figures say nothing about the target.
    fn untrusted(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DEGRADED: &str = "the development server degraded";
        match self {
            Self::SearchCutShort { rate, held } => {
                write!(f, "the generator could not reach {rate:.1}/s; the target held ")?;
                match held {
                    Some(held) => write!(f, "{held:.1}/s, and may hold more"),
                    None => f.write_str("no rate that was tried"),
                }
            }
            Self::GeneratorExhausted { operations } => {
                write!(f, "this machine is {}: {operations} operations", ErrorKind::Exhausted)
            }
            Self::GeneratorLate { percentile, lag_ms, allowed_ms } => write!(
                f,
                "the generator was late: lag p{percentile} {lag_ms:.1} ms, allowed {allowed_ms:.1} ms"
            ),
            Self::GeneratorBusy { busiest_thread } => {
                let percent = busiest_thread * 100.0;
                write!(f, "the generator had no time left: a thread used {percent:.0} % of a core")
            }
            Self::GeneratorBehind { punctual, planned } => {
                write!(f, "the generator missed the rate: {punctual} of {planned} arrivals in time")
            }
            Self::ServerGrew { before, peak } => {
                let megabytes = |bytes: &u64| bytes / 1_000_000;
                let (from, to) = (megabytes(before), megabytes(peak));
                write!(f, "{DEGRADED}: its memory grew from {from} MB to {to} MB")
            }
            Self::ServerLost { processes } => {
                write!(f, "{DEGRADED}: {processes} of its processes ended")
            }
            Self::ServerErrors { errors } => {
                write!(f, "{DEGRADED}: it reported {errors} errors of its own")
            }
            _ => Ok(()),
        }
    }
}

/// Names of steps after a sentence; nothing if there are none.
struct Steps<'a>(&'a [String]);

impl fmt::Display for Steps<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            write!(f, "{} `{step}`", if index == 0 { ":" } else { "," })?;
        }
        Ok(())
    }
}
