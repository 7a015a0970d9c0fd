//! What the API is about: workflows, runs, and the rules they obey. No I/O.

pub mod ai;
pub mod billing;
pub mod id;
pub mod json;
pub mod month;
pub mod notion;
pub mod outbound;
pub mod page;
pub mod plan;
pub mod provider;
pub mod run;
pub mod template;
pub mod usage;
pub mod workflow;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = i64;

/// Largest integer that the database and JSON keep exact: both pass through JavaScript numbers.
pub const MAX_INTEGER: i64 = (1 << 53) - 1;

/// One violated rule, at one place of the input.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct Issue {
    /// Where: `steps[0].type`; empty for the whole document.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Issue {
    /// An issue at `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}
