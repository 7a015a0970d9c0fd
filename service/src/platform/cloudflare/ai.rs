//! Workers AI: the binding `AI` where there is one, else the public API.

use futures_util::future::{Either, select};
use serde::{Serialize, de::DeserializeOwned};
use worker::{
    Delay, Env,
    js_sys::Reflect,
    send::SendFuture,
    wasm_bindgen::{JsCast, JsValue},
};

use super::{Fetcher, unavailable};
use crate::config::Config;
use crate::domain::ai::{EMBEDDING, Model};
use crate::platform::{
    rest::Rest,
    shapes::{Chat, Embedded, Embeddings, Written, read_embedding},
};
use crate::ports::{
    AI_TIMEOUT, Ai, Completion, Metered, PortError, PortFailure, PortResult, embedding_usage,
};

/// Either way to the models.
#[derive(Clone, Debug)]
pub enum WorkersAi {
    /// The binding `AI`.
    Binding(Env),
    /// The public API.
    Rest(Box<Rest<Fetcher>>),
}

impl WorkersAi {
    /// Returns the way that this deployment has, if it has one.
    pub(super) fn new(env: &Env, config: &Config) -> Option<Self> {
        if has_binding(env, "AI") {
            return Some(Self::Binding(env.clone()));
        }
        let account = config.cloudflare.clone()?;
        Some(Self::Rest(Box::new(Rest::new(Fetcher, account))))
    }
}

/// Returns whether a binding is there, of whatever kind.
pub(super) fn has_binding(env: &Env, name: &str) -> bool {
    let binding = Reflect::get(env.unchecked_ref(), &JsValue::from_str(name));
    binding.is_ok_and(|binding| !binding.is_undefined() && !binding.is_null())
}

async fn run<T: DeserializeOwned>(
    env: &Env,
    model: &Model,
    input: impl Serialize,
) -> Result<T, PortError> {
    let ai = env.ai("AI").map_err(unavailable("ai"))?;
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

impl Ai for WorkersAi {
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
