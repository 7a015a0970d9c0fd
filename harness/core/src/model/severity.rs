//! Severities of expectations.

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
