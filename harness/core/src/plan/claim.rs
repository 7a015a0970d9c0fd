//! Describes the rule that an expectation represents.

use std::sync::Arc;

use crate::model::Severity;

/// A rule that a target keeps or breaks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Short and unique, such as `RL1`.
    pub id: String,
    /// The rule that must hold.
    pub says: String,
    /// The place where the rule is written.
    pub source: String,
}

/// The rule that an expectation represents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// The rule, if it stands for one.
    pub rule: Option<Arc<Rule>>,
    /// The severity of a failure.
    pub severity: Severity,
}

impl Claim {
    /// Returns whether the scenario fails when the expectation does not hold.
    pub fn is_required(&self) -> bool {
        self.severity == Severity::Required
    }
}
