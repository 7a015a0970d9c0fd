//! What Workers AI takes and gives, which is the same through the binding and the public API.

use serde::{Deserialize, Serialize};

use crate::domain::ai::DIMENSIONS;
use crate::ports::PortError;

/// The input of a chat model. Structs, never maps: the binding drops maps silently.
#[derive(Serialize)]
pub(super) struct Chat<'a> {
    messages: [Message<'a>; 2],
    max_tokens: u32,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

impl<'a> Chat<'a> {
    pub(super) fn new(instruction: &'a str, content: &'a str, max_tokens: u32) -> Self {
        let system = Message { role: "system", content: instruction };
        Self { messages: [system, Message { role: "user", content }], max_tokens }
    }
}

/// Its answer.
#[derive(Deserialize)]
pub(super) struct Written {
    pub(super) response: String,
    pub(super) usage: Tokens,
}

#[derive(Deserialize)]
pub(super) struct Tokens {
    pub(super) prompt_tokens: u64,
    pub(super) completion_tokens: u64,
}

/// The input of an embedding model.
#[derive(Serialize)]
pub(super) struct Embeddings<'a> {
    pub(super) text: [&'a str; 1],
}

/// Its answer: a vector for each text.
#[derive(Deserialize)]
pub(super) struct Embedded {
    data: Vec<Vec<f32>>,
}

/// The one vector, if it is what we expect: finite, and of our dimensions.
pub(super) fn read_embedding(embedded: Embedded) -> Result<Vec<f32>, PortError> {
    let vector = embedded.data.into_iter().next().unwrap_or_default();
    if vector.len() == DIMENSIONS && vector.iter().all(|value| value.is_finite()) {
        Ok(vector)
    } else {
        Err(PortError::unavailable("ai", "the answer is no vector of ours"))
    }
}
