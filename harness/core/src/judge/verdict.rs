//! The verdict on a scenario.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Signal;

/// How a scenario ended. Verdicts are ordered from the one that weighs least to the one that weighs
/// most: the verdict on several scenarios is the largest of theirs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(tag = "verdict", content = "by", rename_all = "kebab-case")]
pub enum Verdict {
    /// The target does not offer what the scenario requires; nothing was sent.
    NotApplicable,
    /// Everything asked for was shown to hold.
    Pass,
    /// The generator was the bottleneck, the development server was not well, or a model could not
    /// decide, so the figures say nothing about the target.
    Inconclusive,
    /// Something asked for does not hold, or was not shown to.
    Fail(Failed),
    /// The target was never there, or went away.
    Unreachable,
    /// A defect of this program.
    Defect,
    /// A signal ended the run.
    Interrupted(Signal),
}

/// The kind of demand that a failed scenario does not meet, the one that weighs least first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Failed {
    /// A threshold on cost or usage.
    Cost,
    /// A threshold on latency, errors or rate.
    Threshold,
    /// An expectation, or a rule.
    Conformance,
}

impl Verdict {
    /// Returns the verdict that several reasons lead to together: the one that weighs most. A
    /// threshold that nobody can judge is no missed one, and so does not weigh as much.
    pub fn of_reasons(verdicts: impl IntoIterator<Item = Self>) -> Self {
        verdicts.into_iter().max().unwrap_or(Self::Pass)
    }

    /// Returns the verdict as the documents spell it, without what it failed by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotApplicable => "not-applicable",
            Self::Pass => "pass",
            Self::Inconclusive => "inconclusive",
            Self::Fail(_) => "fail",
            Self::Unreachable => "unreachable",
            Self::Defect => "defect",
            Self::Interrupted(_) => "interrupted",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_ordered_by_weight() {
        let ascending = [
            Verdict::NotApplicable,
            Verdict::Pass,
            Verdict::Inconclusive,
            Verdict::Fail(Failed::Cost),
            Verdict::Fail(Failed::Threshold),
            Verdict::Fail(Failed::Conformance),
            Verdict::Unreachable,
            Verdict::Defect,
            Verdict::Interrupted(Signal::Terminate),
            Verdict::Interrupted(Signal::Interrupt),
        ];
        assert!(ascending.is_sorted());
    }

    #[test]
    fn the_verdict_that_weighs_most_is_that_of_all() {
        let of = |verdicts: &[Verdict]| Verdict::of_reasons(verdicts.iter().copied());
        let (missed, unknown) = (Verdict::Fail(Failed::Threshold), Verdict::Inconclusive);
        assert_eq!(of(&[]), Verdict::Pass);
        assert_eq!(of(&[missed]), missed);
        assert_eq!(of(&[missed, unknown]), missed);
        let cost = Verdict::Fail(Failed::Cost);
        assert_eq!(of(&[unknown, cost]), cost);
        assert_eq!(of(&[unknown, Verdict::Unreachable]), Verdict::Unreachable);
    }

    #[test]
    fn a_verdict_is_one_word_and_what_it_failed_by() {
        let json = serde_json::to_value(Verdict::Fail(Failed::Threshold)).unwrap();
        assert_eq!(json, serde_json::json!({"verdict": "fail", "by": "threshold"}));
        let json = serde_json::to_value(Verdict::Pass).unwrap();
        assert_eq!(json, serde_json::json!({"verdict": "pass"}));
    }
}
