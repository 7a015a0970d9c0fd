//! Names the providers that people sign in with or connect. `identity::provider` holds the requests
//! to them.

use serde::{Deserialize, Serialize};

/// A provider of OAuth tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub enum Provider {
    /// Google, which signs people in and tells who they are.
    Google,
    /// Notion, which people can connect once they are signed in.
    Notion,
}

impl Provider {
    /// All providers.
    pub const ALL: [Self; 2] = [Self::Google, Self::Notion];

    /// Returns the name as paths write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Google => "google",
            Self::Notion => "notion",
        }
    }

    /// Returns the provider with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.name() == name)
    }
}
