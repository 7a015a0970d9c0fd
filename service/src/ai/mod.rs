//! Uses models for summaries and for [`search`].
//!
//! A summary comes from the cache, or else from a model. A request that finds nothing in the cache
//! calls the object of its question. The first caller has the object call the model; concurrent
//! callers wait for the same answer. The object goes on when the caller is gone, and keeps an answer
//! for as long as the cache may not show it yet. Failures are not cached.

mod cache_miss;
pub mod search;

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::{Either, select};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use crate::ports::breaker::{Breaker, FAILURES, OPEN_FOR, Permit};
pub use cache_miss::{REMEMBERED, answer};

use crate::domain::ai::{INSTRUCTION, MAX_SUMMARY_TOKENS, Model};
use crate::ports::{
    AI_TIMEOUT, ActorClass, Actors, Clock, KeyValue, LOST_AFTER, MeteredActors, MeteredKeyValue,
    PortError, PortFailure,
};

/// The time that a summary stays in the cache (the guide's two hours).
pub const CACHED_FOR: Duration = Duration::from_hours(2);
/// The longest time that a caller waits for an answer: what a model may take, and two seconds for
/// the way. It is below the deadline of a request.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(AI_TIMEOUT.as_secs() + 2);
const _: () = assert!(ANSWER_WITHIN.as_millis() < LOST_AFTER.unsigned_abs() as u128);

/// A request to a model for a summary. Equal questions have the same object and the same answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The user who asks. Answers are never shared between users.
    pub tenant: String,
    /// The name of the model.
    pub model: String,
    /// The text to summarise.
    pub content: String,
}

/// A summary that a model has written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The text of the summary.
    pub summary: String,
    /// The model that wrote it.
    pub model: String,
}

/// The reason why there is no summary.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SummaryError {
    /// The month's AI operations are used up.
    #[error("the AI operations of this month are used up")]
    OverQuota,
    /// The model will not summarise this content.
    #[error("the model refused the content")]
    Refused,
    /// The models are down, or too slow. The reason is for the log.
    #[error(transparent)]
    Failed(PortError),
}

/// Answers questions, through the ports of one request.
#[derive(Debug)]
pub struct Summarizer<'a, K, A, C> {
    /// The namespace `CACHE`.
    pub cache: MeteredKeyValue<'a, K>,
    /// The objects, one of which answers the question.
    pub actors: MeteredActors<'a, A>,
    /// The clock, for deadlines.
    pub clock: &'a C,
    /// The circuit breaker of the models.
    pub breaker: &'a Breaker,
}

/// The object's reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Answer(Summary),
    OverQuota,
    Refused,
    Failed(String),
}

/// The object's reply to one of its callers.
#[derive(Debug, Serialize, Deserialize)]
struct CallerReply {
    reply: Reply,
    /// True if the model was called for this caller.
    first: bool,
}

impl Question {
    /// Makes a question to a model.
    pub fn new(tenant: &str, model: &Model, content: String) -> Self {
        Self { tenant: tenant.to_owned(), model: model.name.to_owned(), content }
    }

    /// Returns a hash of everything that the answer depends on. Each part is preceded by its length,
    /// so that no two questions have the same input.
    fn key(&self) -> String {
        let tokens = MAX_SUMMARY_TOKENS.to_string();
        // The limit of tokens and the instruction are parts of the key, so that a new version of this
        // service does not return summaries that were made under other ones.
        let parts = [&*self.tenant, &*self.model, &*tokens, INSTRUCTION, &*self.content];
        let digest = parts.iter().fold(Sha256::new(), |digest, part| {
            digest.chain_update((part.len() as u64).to_le_bytes()).chain_update(part)
        });
        URL_SAFE_NO_PAD.encode(digest.finalize())
    }
}

/// Returns the error of a call that an open breaker prevents.
pub fn circuit_open() -> PortError {
    PortError::unavailable("ai", "the models failed repeatedly, and are not called for a while")
}

fn cache_key(key: &str) -> String {
    format!("ai:summary:{key}")
}

impl<K: KeyValue, A: Actors, C: Clock> Summarizer<'_, K, A, C> {
    /// Answers a question. The flag is true if the answer comes from the cache.
    ///
    /// # Errors
    /// [`SummaryError`].
    pub async fn summarize(&self, question: &Question) -> Result<(Summary, bool), SummaryError> {
        let key = question.key();
        // If the cache is down the model is called, which costs more and has the same result.
        let cached = self.cache.get(&cache_key(&key)).await.ok().flatten();
        if let Some(summary) = cached.and_then(|text| serde_json::from_str(&text).ok()) {
            return Ok((summary, true));
        }
        let permit = self.breaker.admit(self.clock.now());
        let permit = permit.ok_or_else(|| SummaryError::Failed(circuit_open()))?;
        let reply = self.call_object(&key, question).await;
        // The breaker counts calls of the model, and not callers: only the first of them reports its
        // outcome. A refusal and a used-up quota say nothing about the health of the model.
        match &reply {
            Ok(CallerReply { reply: Reply::Answer(_), first: true }) => permit.answered(),
            Ok(CallerReply { reply: Reply::Failed(_), first: true }) | Err(_) => {
                permit.failed(self.clock.now());
            }
            Ok(_) => drop(permit),
        }
        match reply.map_err(SummaryError::Failed)?.reply {
            Reply::Answer(summary) => Ok((summary, false)),
            Reply::OverQuota => Err(SummaryError::OverQuota),
            Reply::Refused => Err(SummaryError::Refused),
            Reply::Failed(why) => Err(SummaryError::Failed(PortError::unavailable("ai", why))),
        }
    }

    async fn call_object(&self, key: &str, question: &Question) -> Result<CallerReply, PortError> {
        let call = std::pin::pin!(self.actors.call(ActorClass::AiMisses, key, question));
        let deadline = std::pin::pin!(self.clock.sleep(ANSWER_WITHIN));
        match select(call, deadline).await {
            Either::Left((told, _)) => told,
            Either::Right(_) => Err(PortFailure::Timeout("ai").into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_covers_everything_that_the_answer_depends_on() {
        let question = |tenant: &str, model: &str, content: &str| Question {
            tenant: tenant.into(),
            model: model.into(),
            content: content.into(),
        };
        let base = question("ann", "m", "text");
        assert_eq!(base.key(), base.clone().key());
        for other in [
            question("bob", "m", "text"),
            question("ann", "n", "text"),
            question("ann", "m", "text "),
            question("annm", "", "text"),
        ] {
            assert_ne!(base.key(), other.key(), "{other:?}");
        }
        assert!(cache_key(&base.key()).len() <= crate::ports::MAX_KV_KEY_BYTES);
    }
}
