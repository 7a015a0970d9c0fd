//! What an expectation stands for.

use std::sync::Arc;

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

/// How bad it is when an expectation does not hold.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The scenario fails.
    #[default]
    Required,
    /// It should hold; the report says that it does not.
    Optimal,
    /// Neither way is wrong; the report says which it is.
    Check,
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
