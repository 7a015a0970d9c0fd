//! Models and vectors.

use std::{future::Future, time::Duration};

use super::{PortResult, Usage};
use crate::domain::ai::{DIMENSIONS, EMBEDDING, Model};

/// A model that takes longer is given up. Below the deadline of a request, above what the largest
/// model takes for a summary.
pub const AI_TIMEOUT: Duration = Duration::from_secs(18);
/// A vector operation that takes longer is given up.
pub const VECTOR_TIMEOUT: Duration = Duration::from_secs(5);

/// The text that a model wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The text.
    pub text: String,
}

/// Language models.
pub trait Ai: Send + Sync {
    /// Lets a model answer `content` by an instruction, in at most `max_tokens`.
    ///
    /// # Errors
    /// [`super::PortFailure::Refused`] when it will not answer this; `Timeout` after
    /// [`AI_TIMEOUT`], or `Unavailable`.
    fn complete(
        &self,
        model: &'static Model,
        instruction: &str,
        content: &str,
        max_tokens: u32,
    ) -> impl Future<Output = PortResult<Completion>> + Send;

    /// Returns a vector of [`DIMENSIONS`] for a text, by [`EMBEDDING`].
    ///
    /// # Errors
    /// As above.
    fn embed(&self, text: &str) -> impl Future<Output = PortResult<Vec<f32>>> + Send;
}

/// A vector in an index.
#[derive(Clone, Debug, PartialEq)]
pub struct Vector {
    /// The identifier of the workflow.
    pub id: String,
    /// [`DIMENSIONS`] of them.
    pub values: Vec<f32>,
    /// The one group that may find it: at most 64 bytes, which is what Vectorize filters by.
    pub readers: String,
}

/// Something found.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// The identifier of the workflow.
    pub id: String,
    /// The cosine of the angle to the query.
    pub score: f64,
}

/// Vectors, found by nearness. Writes can take some seconds to be seen.
pub trait VectorIndex: Send + Sync {
    /// Puts a vector, in place of an older one of its id.
    ///
    /// # Errors
    /// [`super::PortFailure::Timeout`] after [`VECTOR_TIMEOUT`], or `Unavailable`.
    fn upsert(&self, vector: Vector) -> impl Future<Output = PortResult<()>> + Send;

    /// Forgets a vector, whether or not it is there.
    ///
    /// # Errors
    /// As above.
    fn delete(&self, id: &str) -> impl Future<Output = PortResult<()>> + Send;

    /// Returns the nearest vectors of these readers, the nearest first.
    ///
    /// # Errors
    /// As above.
    fn query(
        &self,
        values: Vec<f32>,
        readers: Vec<String>,
        limit: usize,
    ) -> impl Future<Output = PortResult<Vec<Match>>> + Send;
}

/// Returns the usage of this many tokens.
pub fn tokens(model: &Model, input: u64, output: u64) -> Usage {
    Usage {
        ai_input_tokens: input,
        ai_output_tokens: output,
        ai_millineurons: model.millineurons(input, output),
        ..Usage::default()
    }
}

/// Returns the usage of embedding a text. Workers AI does not say how many tokens it read of it: this is an
/// estimate, of four bytes each, up to the 512 that it reads.
pub fn embedding(text: &str) -> Usage {
    let read = (text.len() as u64).div_ceil(4).min(512);
    tokens(&EMBEDDING, read, 0)
}

/// Returns the usage of writing a vector.
pub fn one_written() -> Usage {
    Usage { vector_dimensions_written: DIMENSIONS as u64, ..Usage::default() }
}

/// Returns the usage of a query: its own dimensions. Those stored are billed by the month.
pub fn one_queried() -> Usage {
    Usage { vector_dimensions_queried: DIMENSIONS as u64, ..Usage::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_embedding_is_estimated_up_to_what_the_model_reads() {
        assert_eq!(embedding("").ai_input_tokens, 0);
        assert_eq!(embedding("abcde").ai_input_tokens, 2);
        assert_eq!(embedding(&"x".repeat(2_048)).ai_input_tokens, 512);
        assert_eq!(embedding(&"x".repeat(2_049)).ai_input_tokens, 512);
    }
}
