//! Single-writer objects: how they are called, and what they have.

use std::future::Future;

use serde_json::Value;

use super::{
    Ai, Analytics, Breaker, Clock, Database, Http, KeyValue, PortResult, Random, SingleFlight,
};
use crate::domain::Millis;

/// The classes of single-writer objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActorClass {
    /// One for each run.
    WorkflowExecutor,
    /// One for each person, and one for each sign-in that is under way.
    OAuth,
    /// One for each question to a model that is not answered from the cache.
    AiMisses,
}

impl ActorClass {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::WorkflowExecutor, Self::OAuth, Self::AiMisses];

    /// Returns the name of the class, as the platform knows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WorkflowExecutor => "WorkflowExecutor",
            Self::OAuth => "OAuth",
            Self::AiMisses => "AiMisses",
        }
    }

    /// Returns the name of its binding.
    pub const fn binding(self) -> &'static str {
        match self {
            Self::WorkflowExecutor => "WORKFLOW_EXECUTOR",
            Self::OAuth => "OAUTH",
            Self::AiMisses => "AI_MISSES",
        }
    }
}

/// Single-writer objects, found by class and name; made when first called.
pub trait Actors: Send + Sync {
    /// Sends a message and waits for the reply. Whoever stops waiting does not stop the object.
    ///
    /// # Errors
    /// [`super::PortFailure::Unavailable`]. The message may or may not have been handled.
    fn call(
        &self,
        class: ActorClass,
        name: &str,
        message: Value,
    ) -> impl Future<Output = PortResult<Value>> + Send;
}

/// The context of a single-writer object: the ports that its work needs, one document of durable state,
/// and one alarm.
pub trait ActorContext: Send + Sync {
    /// See [`Database`].
    type Database: Database;
    /// See [`KeyValue`].
    type KeyValue: KeyValue;
    /// See [`Actors`].
    type Actors: Actors;
    /// See [`Http`].
    type Http: Http;
    /// See [`Ai`].
    type Ai: Ai;
    /// See [`Clock`].
    type Clock: Clock;
    /// See [`Random`].
    type Random: Random;
    /// See [`Analytics`].
    type Analytics: Analytics;

    /// While somebody holds it, nobody else can get it: what is read and written under it is one
    /// step. It is not held while the object waits for anybody else.
    type Turn: Send;

    /// Waits for the turn.
    fn turn(&self) -> impl Future<Output = Self::Turn> + Send;

    /// Returns its state, if it has any yet.
    ///
    /// # Errors
    /// [`super::PortFailure::Unavailable`].
    fn load(&self) -> impl Future<Output = PortResult<Option<String>>> + Send;

    /// Replaces the state and the alarm, both or neither. It uses the same on every platform:
    /// one row for the state, and one for the alarm.
    ///
    /// # Errors
    /// [`super::PortFailure::Unavailable`].
    fn save(
        &self,
        state: &str,
        alarm: Option<Millis>,
    ) -> impl Future<Output = PortResult<()>> + Send;

    /// Removes the state and the alarm: an object without them costs nothing.
    ///
    /// # Errors
    /// [`super::PortFailure::Unavailable`].
    fn erase(&self) -> impl Future<Output = PortResult<()>> + Send;

    /// Returns the work that callers of this object share, which it remembers while it is in memory.
    fn single_flight(&self) -> &SingleFlight;
    /// Returns the database: D1, or SQLite.
    fn database(&self) -> &Self::Database;
    /// Returns the namespace `CACHE`.
    fn cache(&self) -> &Self::KeyValue;
    /// Returns access to other objects.
    fn actors(&self) -> &Self::Actors;
    /// Returns the client for outbound requests.
    fn http(&self) -> &Self::Http;
    /// Returns the models; see [`super::Platform::ai`].
    fn ai(&self) -> Option<&Self::Ai>;
    /// Returns the breaker; see [`super::Platform::breaker`].
    fn breaker(&self) -> &Breaker;
    /// Returns the clock.
    fn clock(&self) -> &Self::Clock;
    /// Randomness.
    fn random(&self) -> &Self::Random;
    /// Events for analysis.
    fn analytics(&self) -> &Self::Analytics;
    /// Writes a line about a problem to the log of the deployment.
    fn log(&self, line: &str);
}
