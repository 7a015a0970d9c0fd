//! The requests and answers of Workers AI and Vectorize, which are the same through the bindings
//! and the public API.

use serde::{Deserialize, Serialize};

use crate::domain::ai::{DIMENSIONS, Model};
use crate::ports::{Completion, Match, Metered, PortError, ai_tokens, one_queried};

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

/// The answer of a language model.
#[derive(Deserialize)]
pub(super) struct Written {
    response: String,
    usage: Tokens,
}

#[derive(Deserialize)]
struct Tokens {
    prompt_tokens: u64,
    completion_tokens: u64,
}

impl Written {
    /// Returns the text, with the tokens that it used.
    pub(super) fn by(self, model: &'static Model) -> Metered<Completion> {
        let usage = ai_tokens(model, self.usage.prompt_tokens, self.usage.completion_tokens);
        Metered { value: Completion { text: self.response }, usage }
    }
}

/// The input of an embedding model.
#[derive(Serialize)]
pub(super) struct Embeddings<'a> {
    pub(super) text: [&'a str; 1],
}

/// The answer of the embedding model: a vector for each text.
#[derive(Deserialize)]
pub(super) struct Embedded {
    data: Vec<Vec<f32>>,
}

/// Returns the one vector, if it is finite and of our dimensions.
pub(super) fn read_embedding(embedded: Embedded) -> Result<Vec<f32>, PortError> {
    let vector = embedded.data.into_iter().next().unwrap_or_default();
    if vector.len() == DIMENSIONS && vector.iter().all(|value| value.is_finite()) {
        Ok(vector)
    } else {
        Err(PortError::unavailable("ai", "the answer is no vector of ours"))
    }
}

/// The answer of an index to a query.
#[derive(Deserialize)]
pub(super) struct Matches {
    matches: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    id: String,
    score: f64,
}

impl Matches {
    /// Returns the vectors that were found, with the dimensions that were looked through.
    pub(super) fn found(self) -> Metered<Vec<Match>> {
        let matches = self.matches.into_iter();
        let value = matches.map(|Found { id, score }| Match { id, score }).collect();
        Metered { value, usage: one_queried() }
    }
}
