//! Signals that end a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The signal that ends a run early; Ctrl-C outranks SIGTERM.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// SIGTERM.
    Terminate,
    /// Ctrl-C.
    Interrupt,
}
