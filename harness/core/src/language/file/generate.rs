//! Requests whose bodies are made from a JSON Schema.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{ExpectFile, Json, RequestFile, Spanned};
use crate::language::{
    quantity::Whole,
    text::{JsonPath, PathText},
};

/// The most random bodies: what needs more is a load.
pub const MAX_RANDOM: u64 = 10_000;

/// The same request with bodies made from a JSON Schema: every rule broken alone, every pair of ends
/// of ranges, and random ones. Of a user with a `count`, each body is sent by the next person.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "generate", deny_unknown_fields)]
pub struct GenerateFile {
    /// The request, without a body and what is expected.
    pub request: Box<RequestFile>,
    /// What bodies are taken: `type`, `enum`, `required`, `properties`, `items`, and bounds of
    /// lengths, of numbers of items and of whole numbers.
    pub schema: Json,
    /// A body that is taken. Each of its lists has an item.
    pub valid: Json,
    /// How many random bodies come on top; none by default. What fails is made as simple as it can
    /// be.
    pub random: Option<Whole<1, MAX_RANDOM>>,
    /// Where a refusal names the places that broke a rule, such as `$.issues[*].path`: one of them
    /// is the place, or holds it.
    pub pointer: Option<Spanned<JsonPath>>,
    /// A path whose answer, to whoever sent it, is the same before and after a body that is refused.
    pub unchanged: Option<Spanned<PathText>>,
    /// What the answer is to a body that breaks a rule.
    pub refused: Spanned<ExpectFile>,
    /// What it is to one that breaks none.
    pub accepted: Spanned<ExpectFile>,
}
