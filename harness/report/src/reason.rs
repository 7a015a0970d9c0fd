//! A reason in a document.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::judge::Reason;

/// Something that speaks against a pass, with its text for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReasonReport {
    /// The fact.
    #[serde(flatten)]
    pub reason: Reason,
    /// The same as a sentence.
    text: String,
}

impl From<Reason> for ReasonReport {
    fn from(reason: Reason) -> Self {
        let text = reason.to_string();
        Self { reason, text }
    }
}

impl fmt::Display for ReasonReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
