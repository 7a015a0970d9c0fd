//! Requests whose bodies are made from a JSON Schema.

use super::{Claim, Expectation, JsonSchemaOf, JsonTemplate, RequestPlan, Span};
use crate::generate::Shape;

/// See [`GenerateFile`](crate::language::file::GenerateFile).
#[derive(Clone, Debug)]
pub struct GeneratePlan {
    /// The request, without a body and what is expected.
    pub request: RequestPlan,
    /// The shape that cases are made from.
    pub shape: Shape,
    /// Says which bodies are right.
    pub schema: JsonSchemaOf,
    /// A body that is.
    pub valid: JsonTemplate,
    /// The place of the valid body in the file.
    pub valid_span: Span,
    /// The number of random bodies.
    pub random: usize,
    /// The place in a refusal that names the parts of a body, and where it is written.
    pub pointer: Option<(String, Span)>,
    /// The expected refusal.
    pub refused: Outcome,
    /// The expected acceptance.
    pub accepted: Outcome,
    /// A look at what is the same before and after a refusal.
    pub unchanged: Option<RequestPlan>,
}

/// The expectations on an answer.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// All of these hold.
    pub expect: Vec<Expectation>,
    /// The rule that the expectations represent.
    pub claim: Claim,
}
