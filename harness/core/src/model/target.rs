//! The kind of a target in a document.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a target came to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TargetKind {
    /// The program started the service that it has built in.
    Embedded,
    /// The program started a Worker under `wrangler dev`.
    Wrangler,
    /// It ran already, at this URL.
    Url,
}

impl TargetKind {
    /// Returns the kind as documents spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Wrangler => "wrangler",
            Self::Url => "url",
        }
    }
}

impl fmt::Display for TargetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
