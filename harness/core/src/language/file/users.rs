//! `users`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Spanned;
use crate::language::{quantity::Whole, text::EnvironmentName};

/// The most people in one feed. Their tokens are minted before the run and held in memory, about
/// 500 bytes each.
pub const MAX_USERS: u64 = 100_000;

/// One person, or a feed of people.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "user", deny_unknown_fields)]
pub struct UserFile {
    /// The number of different people; each iteration takes the next one. The default is 1.
    pub count: Option<Spanned<Whole<1, MAX_USERS>>>,
    /// The `scope` claim of their tokens, separated by spaces.
    pub scope: Option<Spanned<String>>,
    /// A token that exists already, for a target whose secret is not known.
    pub token: Option<TokenFile>,
}

/// The place where a token is found.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "token", deny_unknown_fields)]
pub struct TokenFile {
    /// The environment variable that holds it.
    pub env: EnvironmentName,
}
