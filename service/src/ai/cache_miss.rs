//! Implements the object of a question that is not in the cache.

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

/// The time that the object keeps an answer. KV may take a minute to show what was written, and
/// until then the object answers.
pub const REMEMBERED: Millis = 60_000;

/// Handles a message to the object: a [`Question`]. The first caller, for whom the model is called,
/// pays for it.
///
/// # Errors
/// [`PortError`] when the message is malformed, or when the first caller gave up.
pub async fn answer<C: ActorContext>(
    context: &C,
    quotas: &Quotas,
    message: Value,
) -> PortResult<Value> {
    let malformed = |error| PortError::unavailable("actor", error);
    let question: Question = serde_json::from_value(message).map_err(malformed)?;
    let leader = match context.single_flight().join(context.clock().now()) {
        Role::Lead(leader) => leader,
        Role::Follow(outcome) => {
            let gone = |_| PortError::unavailable("actor", "the first caller gave up");
            let reply = outcome.await.map_err(gone)?.reply;
            return Ok(Metered::free(reply_to(&reply, false)));
        }
    };
    let miss = CacheMiss { ports: ObjectPorts::new(context), quotas, question: &question };
    let reply = miss.reply().await;
    let is_answer = matches!(reply, Reply::Answer(_));
    let good_until = if is_answer { context.clock().now() + REMEMBERED } else { 0 };
    let reply = serde_json::to_value(reply).map_err(malformed)?;
    // This fails if no other caller waits, which is fine.
    let _ = leader.send(Outcome { reply: reply.clone(), good_until });
    miss.ports.metered(Ok(reply_to(&reply, true)))
}

/// Serialises a [`super::CallerReply`].
fn reply_to(reply: &Value, first: bool) -> Value {
    json!({"reply": reply, "first": first})
}

struct CacheMiss<'a, C> {
    ports: ObjectPorts<'a, C>,
    quotas: &'a Quotas,
    question: &'a Question,
}

impl<C: ActorContext> CacheMiss<'_, C> {
    async fn reply(&self) -> Reply {
        match self.call_model().await {
            Ok(reply) => reply,
            Err(PortError { cause: PortFailure::Refused(_), .. }) => Reply::Refused,
            Err(error) => {
                self.ports.log(&format!("summary: {error}"));
                Reply::Failed(error.to_string())
            }
        }
    }

    /// Calls the model. It takes an AI operation of the tenant's month before, and gives it back if
    /// there is no answer.
    async fn call_model(&self) -> Result<Reply, PortError> {
        let none = || PortError::unavailable("ai", "this deployment has none");
        let ai = self.ports.ai().ok_or_else(none)?;
        let model = Model::named(&self.question.model)
            .ok_or_else(|| PortError::unavailable("ai", "a model that is not configured"))?;
        let now = self.ports.now();
        let month = Month::of(now);
        let months = QuotaMonths::new(self.ports.database());
        let tenant = &self.question.tenant;
        if !months.take(tenant, now, Metric::AiOperations, self.quotas).await? {
            return Ok(Reply::OverQuota);
        }
        let written =
            ai.complete(model, INSTRUCTION, &self.question.content, MAX_SUMMARY_TOKENS).await;
        match written {
            Ok(written) => {
                let summary = Summary { summary: written.text, model: model.name.to_owned() };
                self.cache(&summary).await;
                Ok(Reply::Answer(summary))
            }
            Err(error) => {
                months.give_back(tenant, month, Metric::AiOperations).await?;
                Err(error)
            }
        }
    }

    /// Writes a summary to the cache. A failure is logged only, because the caller has its answer.
    async fn cache(&self, summary: &Summary) {
        let Ok(text) = serde_json::to_string(summary) else { return };
        let key = cache_key(&self.question.key());
        if let Err(error) = self.ports.cache().put(&key, &text, CACHED_FOR).await {
            self.ports.log(&format!("summary: {error}"));
        }
    }
}
