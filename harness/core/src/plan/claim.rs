//! What an expectation stands for.

use std::sync::Arc;

use crate::model::Severity;

/// A rule that a target keeps or breaks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Short and unique, such as `RL1`.
    pub id: String,
    /// What must hold.
    pub says: String,
    /// Where that is written.
    pub source: String,
}

/// What an expectation stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// The rule, if it stands for one.
    pub rule: Option<Arc<Rule>>,
    /// How bad it is.
    pub severity: Severity,
}

impl Claim {
    /// Whether the scenario fails when it does not hold.
    pub fn is_required(&self) -> bool {
        self.severity == Severity::Required
    }
}
