//! Kinds of targets.

use std::fmt;

/// How a target came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// A child process of this program.
    Embedded,
    /// A Worker under `wrangler dev`, started here.
    Wrangler,
    /// Something that runs already.
    Url,
}

impl TargetKind {
    /// Returns the word for it in reports.
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
