//! Workers AI: the binding `AI` where there is one, else the public API.

use futures_util::future::{Either, select};
use serde::{Serialize, de::DeserializeOwned};
use worker::{Delay, Env, send::SendFuture};

use super::{Product, unavailable};
use crate::domain::ai::{EMBEDDING, Model};
use crate::platform::shapes::{Chat, Embedded, Embeddings, Written, read_embedding};
use crate::ports::{
    AI_TIMEOUT, Ai, Completion, Metered, PortError, PortFailure, PortResult, embedding_usage,
};

/// The name of the binding.
pub(super) const BINDING: &str = "AI";

async fn run<T: DeserializeOwned>(
    env: &Env,
    model: &Model,
    input: impl Serialize,
) -> Result<T, PortError> {
    let ai = env.ai(BINDING).map_err(unavailable("ai"))?;
    let answer = std::pin::pin!(ai.run::<_, T>(model.name, input));
    match select(answer, Delay::from(AI_TIMEOUT)).await {
        Either::Left((answer, _)) => answer.map_err(unavailable("ai")),
        Either::Right(_) => Err(PortFailure::Timeout("ai").into()),
    }
}

async fn complete(env: &Env, model: &'static Model, chat: Chat<'_>) -> PortResult<Completion> {
    run(env, model, chat).await.map(|written: Written| written.by(model))
}

async fn embed(env: &Env, text: &str) -> PortResult<Vec<f32>> {
    let embedded: Embedded = run(env, &EMBEDDING, Embeddings { text: [text] }).await?;
    Ok(Metered { value: read_embedding(embedded)?, usage: embedding_usage(text) })
}

impl Ai for Product {
    async fn complete(
        &self,
        model: &'static Model,
        instruction: &str,
        content: &str,
        max_tokens: u32,
    ) -> PortResult<Completion> {
        match self {
            Self::Binding(env) => {
                let chat = Chat::new(instruction, content, max_tokens);
                SendFuture::new(complete(env, model, chat)).await
            }
            Self::Rest(rest) => rest.complete(model, instruction, content, max_tokens).await,
        }
    }

    async fn embed(&self, text: &str) -> PortResult<Vec<f32>> {
        match self {
            Self::Binding(env) => SendFuture::new(embed(env, text)).await,
            Self::Rest(rest) => rest.embed(text).await,
        }
    }
}
