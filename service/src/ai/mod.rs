//! What models are for: summaries, and [`search`].
//!
//! Summaries come from the cache; else from a model, which is asked once for all who want the same.
//!
//! Who asks and finds nothing in the cache turns to the object of this very question. The first one
//! there has the model asked; the others get its answer. The object goes on when whoever asked is
//! gone, and remembers an answer for as long as the cache may not show it yet. Failures are
//! remembered by nobody.

mod misses;
pub mod search;

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::{Either, select};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use crate::ports::breaker::{Breaker, FAILURES, Leave, OPEN_FOR};
pub use misses::{REMEMBERED, answer};

use crate::domain::ai::{INSTRUCTION, MAX_SUMMARY_TOKENS, Model};
use crate::ports::{
    AI_TIMEOUT, ActorClass, Actors, Clock, KeyValue, LOST_AFTER, MeteredActors, MeteredKeyValue,
    PortError, PortFailure,
};

/// A summary is kept this long (the guide's two hours).
pub const CACHED_FOR: Duration = Duration::from_hours(2);
/// Who waits for an answer waits no longer than this: what a model may take, and some for the way.
/// Below the deadline of a request.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(AI_TIMEOUT.as_secs() + 2);
const _: () = assert!(ANSWER_WITHIN.as_millis() < LOST_AFTER.unsigned_abs() as u128);

/// What somebody wants summarized. The same question has the same object and the same answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Whose it is: answers are never shared between people.
    pub tenant: String,
    /// The model's name.
    pub model: String,
    /// Of what.
    pub content: String,
}

/// A summary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The text.
    pub summary: String,
    /// The model that wrote it.
    pub model: String,
}

/// Why there is no summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoSummary {
    /// The month's AI operations are used up.
    OverQuota,
    /// The model will not answer this.
    Refused,
    /// The models are down, or too slow. Why is for the log.
    Failed(PortError),
}

/// What is needed to ask.
#[derive(Debug)]
pub struct Desk<'a, K, A, C> {
    /// The namespace `CACHE`.
    pub cache: MeteredKeyValue<'a, K>,
    /// Finds the question's object.
    pub actors: MeteredActors<'a, A>,
    /// For deadlines.
    pub clock: &'a C,
    /// Of the models.
    pub breaker: &'a Breaker,
}

/// What the object says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Answer(Summary),
    OverQuota,
    Refused,
    Failed(String),
}

/// To one of those who asked.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    reply: Reply,
    /// Whether the model was asked for them.
    first: bool,
}

impl Question {
    /// A question to a model.
    pub fn new(tenant: &str, model: &Model, content: String) -> Self {
        Self { tenant: tenant.to_owned(), model: model.name.to_owned(), content }
    }

    /// A hash of all that the answer depends on, in parts with their lengths: no two questions look
    /// alike.
    fn key(&self) -> String {
        let tokens = MAX_SUMMARY_TOKENS.to_string();
        let parts = [&*self.tenant, &*self.model, &*tokens, INSTRUCTION, &*self.content];
        let digest = parts.iter().fold(Sha256::new(), |digest, part| {
            digest.chain_update((part.len() as u64).to_le_bytes()).chain_update(part)
        });
        URL_SAFE_NO_PAD.encode(digest.finalize())
    }
}

/// Why nobody is asked while the breaker is open.
pub fn left_alone() -> PortError {
    let message = "the models failed over and over, and are left alone for a while";
    PortError::unavailable("ai", message)
}

fn cache_key(key: &str) -> String {
    format!("ai:summary:{key}")
}

impl<K: KeyValue, A: Actors, C: Clock> Desk<'_, K, A, C> {
    /// Answers a question; whether from the cache.
    ///
    /// # Errors
    /// [`NoSummary`].
    pub async fn summarize(&self, question: &Question) -> Result<(Summary, bool), NoSummary> {
        let key = question.key();
        // A cache that is down makes answers dear, and nothing else.
        let cached = self.cache.get(&cache_key(&key)).await.ok().flatten();
        if let Some(summary) = cached.and_then(|text| serde_json::from_str(&text).ok()) {
            return Ok((summary, true));
        }
        let leave = self.breaker.admit(self.clock.now());
        let leave = leave.ok_or_else(|| NoSummary::Failed(left_alone()))?;
        let told = self.ask(&key, question).await;
        // One call of a model is one success or failure, however many waited for it, or come while
        // its answer is remembered. What the model will not answer, and who may not ask, say nothing
        // about its health.
        match &told {
            Ok(Told { reply: Reply::Answer(_), first: true }) => leave.answered(),
            Ok(Told { reply: Reply::Failed(_), first: true }) | Err(_) => {
                leave.failed(self.clock.now());
            }
            Ok(_) => drop(leave),
        }
        match told.map_err(NoSummary::Failed)?.reply {
            Reply::Answer(summary) => Ok((summary, false)),
            Reply::OverQuota => Err(NoSummary::OverQuota),
            Reply::Refused => Err(NoSummary::Refused),
            Reply::Failed(why) => Err(NoSummary::Failed(PortError::unavailable("ai", why))),
        }
    }

    async fn ask(&self, key: &str, question: &Question) -> Result<Told, PortError> {
        let call = self.actors.call(ActorClass::AiMisses, key, question);
        let (call, deadline) =
            (std::pin::pin!(call), std::pin::pin!(self.clock.sleep(ANSWER_WITHIN)));
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
    fn whatever_the_answer_depends_on_is_in_its_key() {
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
