//! Defines workflows, runs and plans, and the rules that they obey. Nothing here does I/O.

pub mod ai;
pub mod billing;
pub mod id;
pub mod json;
pub mod month;
pub mod notion;
pub mod outbound;
pub mod output;
pub mod page;
pub mod plan;
pub mod provider;
pub mod retention;
pub mod run;
pub mod template;
pub mod usage;
pub mod workflow;

/// An instant in milliseconds since 1970-01-01T00:00:00Z, or a span in milliseconds.
pub type Millis = i64;

/// Largest integer that the database and JSON keep exact: both pass through JavaScript numbers.
pub const MAX_INTEGER: i64 = (1 << 53) - 1;

/// A violated rule, and the place of the input that violates it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct Issue {
    /// The place, such as `steps[0].type`; empty for the whole document.
    pub path: String,
    /// A text that says what is wrong and what would be right.
    pub message: String,
}

impl Issue {
    /// Makes an issue at `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}
