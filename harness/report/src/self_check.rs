//! What is known of a target before a run.

use serde::{Deserialize, Serialize};

/// Something that was found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Fact {
    /// What was looked at.
    pub name: String,
    /// What was found, and how.
    pub found: String,
}
