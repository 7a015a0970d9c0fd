//! Counts what models used.

use super::counted;
use crate::domain::ai::Model;
use crate::ports::{Ai, Completion, Meter, PortResult, Usage};

/// Counts the tokens of an adapter. Its requests are counted where they are sent.
#[derive(Clone, Debug)]
pub struct Counted<A> {
    inner: A,
    total: Meter,
}

impl<A> Counted<A> {
    pub(super) fn new(inner: A) -> Self {
        Self { inner, total: Meter::default() }
    }

    /// Returns what all calls used, their requests apart.
    pub(super) fn usage(&self) -> Usage {
        Usage { outbound_requests: 0, ..self.total.usage() }
    }
}

impl<A: Ai> Ai for Counted<A> {
    async fn complete(
        &self,
        model: &'static Model,
        instruction: &str,
        content: &str,
        max_tokens: u32,
    ) -> PortResult<Completion> {
        let done = self.inner.complete(model, instruction, content, max_tokens).await;
        counted(&self.total, done)
    }

    async fn embed(&self, text: &str) -> PortResult<Vec<f32>> {
        counted(&self.total, self.inner.embed(text).await)
    }
}
