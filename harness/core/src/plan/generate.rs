//! Requests whose bodies are made from a JSON Schema.

use super::{Claim, Expectation, JsonSchemaOf, JsonTemplate, RequestPlan, Span};
use crate::generate::Shape;

/// See [`GenerateFile`](crate::language::file::GenerateFile).
#[derive(Clone, Debug)]
pub struct GeneratePlan {
    /// The request, without a body and what is expected.
    pub request: RequestPlan,
    /// What cases are made from.
    pub shape: Shape,
    /// Says which bodies are right.
    pub schema: JsonSchemaOf,
    /// A body that is.
    pub valid: JsonTemplate,
    /// Where that stands in the file.
    pub valid_span: Span,
    /// How many random bodies.
    pub random: usize,
    /// Where a refusal names places.
    pub pointer: Option<(String, Span)>,
    /// What a refusal is.
    pub refused: Outcome,
    /// What an acceptance is.
    pub accepted: Outcome,
    /// A look at what is the same before and after a refusal.
    pub unchanged: Option<RequestPlan>,
}

/// What an answer must be.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// All of these hold.
    pub expect: Vec<Expectation>,
    /// What that stands for.
    pub claim: Claim,
}
