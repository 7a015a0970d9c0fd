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

/// Sends the same request with bodies made from a JSON Schema: every rule broken alone, every pair
/// of ends of ranges, and random ones. If the user has a `count`, each body is sent by the next
/// person.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "generate", deny_unknown_fields)]
pub struct GenerateFile {
    /// The request, without a body and what is expected.
    pub request: Box<RequestFile>,
    /// The accepted bodies: `type`, `enum`, `required`, `properties`, `items`, and bounds of
    /// lengths, of numbers of items and of whole numbers.
    pub schema: Json,
    /// A body that is taken. Each of its lists has an item.
    pub valid: Json,
    /// The number of additional random bodies; none by default. A body that fails is simplified as
    /// far as possible.
    pub random: Option<Whole<1, MAX_RANDOM>>,
    /// The place in a refusal that names the parts which broke a rule, such as `$.issues[*].path`:
    /// one of them is the part, or holds it.
    pub pointer: Option<Spanned<JsonPath>>,
    /// A path whose answer, to whoever sent it, is the same before and after a body that is refused.
    pub unchanged: Option<Spanned<PathText>>,
    /// The expected answer to a body that breaks a rule.
    pub refused: Spanned<ExpectFile>,
    /// The expected answer to a body that breaks none.
    pub accepted: Spanned<ExpectFile>,
}
