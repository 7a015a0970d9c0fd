//! The providers that people sign in with or connect. What is said to them is in
//! `identity::provider`.

use serde::{Deserialize, Serialize};

/// Who hands out tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub enum Provider {
    /// Signs people in, and says who they are.
    Google,
    /// A connection of somebody who is signed in.
    Notion,
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Google, Self::Notion];

    /// As it is written in paths.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Google => "google",
            Self::Notion => "notion",
        }
    }

    /// The provider of a path.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.name() == name)
    }
}
