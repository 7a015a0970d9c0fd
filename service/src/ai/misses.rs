//! The object of a question that is not in the cache.

use serde_json::{Value, json};

use super::{CACHED_FOR, Question, Reply, Summary, cache_key};
use crate::domain::{
    Millis,
    ai::{INSTRUCTION, MAX_SUMMARY_TOKENS, Model},
    month::Month,
    plan::{Metric, Quotas},
};
use crate::ports::{
    ActorContext, Clock, Metered, ObjectPorts, Outcome, PortError, PortFailure, PortResult, Role,
};
use crate::store::QuotaMonths;

/// For so long after its end an answer is also for those who come now: KV shows what was written
/// within a minute.
pub const REMEMBERED: Millis = 60_000;

/// Handles a message to the object: a [`Question`]. The one for whom the model is asked pays for it.
///
/// # Errors
/// When it is no question.
pub async fn answer<C: ActorContext>(
    context: &C,
    quotas: &Quotas,
    message: Value,
) -> PortResult<Value> {
    let no_question = |error| PortError::unavailable("actor", error);
    let question: Question = serde_json::from_value(message).map_err(no_question)?;
    let leader = match context.single_flight().join(context.clock().now()) {
        Role::Lead(leader) => leader,
        Role::Follow(outcome) => {
            let gone = |_| PortError::unavailable("actor", "whoever asked first gave up");
            let reply = outcome.await.map_err(gone)?.reply;
            return Ok(Metered::free(told(&reply, false)));
        }
    };
    let miss = Miss { ports: ObjectPorts::new(context), quotas, question: &question };
    let reply = miss.ask().await;
    let is_answer = matches!(reply, Reply::Answer(_));
    let good_until = if is_answer { context.clock().now() + REMEMBERED } else { 0 };
    let reply = serde_json::to_value(reply).map_err(no_question)?;
    // Nobody has to be listening.
    let _ = leader.send(Outcome { reply: reply.clone(), good_until });
    miss.ports.metered(Ok(told(&reply, true)))
}

/// As [`super::Told`] reads it.
fn told(reply: &Value, first: bool) -> Value {
    json!({"reply": reply, "first": first})
}

struct Miss<'a, C> {
    ports: ObjectPorts<'a, C>,
    quotas: &'a Quotas,
    question: &'a Question,
}

impl<C: ActorContext> Miss<'_, C> {
    async fn ask(&self) -> Reply {
        match self.try_to_ask().await {
            Ok(reply) => reply,
            Err(PortError { cause: PortFailure::Refused(_), .. }) => Reply::Refused,
            Err(error) => {
                self.ports.log(&format!("summary: {error}"));
                Reply::Failed(error.to_string())
            }
        }
    }

    /// Takes an AI operation of the tenant's month, and gives it back if there is no answer.
    async fn try_to_ask(&self) -> Result<Reply, PortError> {
        let none = || PortError::unavailable("ai", "this deployment has none");
        let ai = self.ports.ai().ok_or_else(none)?;
        let model = Model::named(&self.question.model)
            .ok_or_else(|| PortError::unavailable("ai", "a model that is not configured"))?;
        let month = Month::of(self.ports.now());
        let months = QuotaMonths::new(self.ports.database());
        let tenant = &self.question.tenant;
        if !months.take(tenant, month, Metric::AiOperations, self.quotas).await? {
            return Ok(Reply::OverQuota);
        }
        let written =
            ai.complete(model, INSTRUCTION, &self.question.content, MAX_SUMMARY_TOKENS).await;
        match written {
            Ok(written) => {
                let summary = Summary { summary: written.text, model: model.name.to_owned() };
                self.keep(&summary).await;
                Ok(Reply::Answer(summary))
            }
            Err(error) => {
                months.give_back(tenant, month, Metric::AiOperations).await?;
                Err(error)
            }
        }
    }

    /// An answer that cannot be kept is an answer all the same.
    async fn keep(&self, summary: &Summary) {
        let Ok(text) = serde_json::to_string(summary) else { return };
        let key = cache_key(&self.question.key());
        if let Err(error) = self.ports.cache().put(&key, &text, CACHED_FOR).await {
            self.ports.log(&format!("summary: {error}"));
        }
    }
}
