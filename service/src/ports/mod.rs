//! The outside world, as traits. [`crate::platform`] implements them for Cloudflare Workers and
//! natively; nothing else in this crate names either.
//!
//! Methods return `impl Future + Send`, so that handlers fit axum on both platforms. Every call
//! that the platform bills returns what it used, beside its value: see [`Metered`].

mod ai;
mod analytics;
mod joint;
mod usage;

use std::{collections::BTreeMap, future::Future, time::Duration};

pub use ai::{
    AI_TIMEOUT, Ai, Completion, Match, VECTOR_TIMEOUT, Vector, VectorIndex,
    embedding as embedding_usage, one_queried, one_written, tokens as ai_tokens,
};
pub use analytics::{Analytics, DataPoint, Event, ONE_POINT};
pub use joint::{Joint, LOST_AFTER, Outcome, Part};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
pub(crate) use usage::resources;
pub use usage::{Cause, Meter, Metered, NOBODY, Share, Tally, Usage, used};

use crate::ai::Breaker;
use crate::domain::{Millis, month::Month};

/// All ports of one deployment. Cheap to clone.
pub trait Platform: Clone + Send + Sync + 'static {
    /// See [`Database`].
    type Database: Database;
    /// See [`KeyValue`].
    type KeyValue: KeyValue;
    /// See [`HttpCache`].
    type HttpCache: HttpCache;
    /// See [`RateLimiter`].
    type RateLimiter: RateLimiter;
    /// See [`Actors`].
    type Actors: Actors;
    /// See [`ObjectStore`].
    type ObjectStore: ObjectStore;
    /// See [`Http`].
    type Http: Http;
    /// See [`Ai`].
    type Ai: Ai;
    /// See [`VectorIndex`].
    type VectorIndex: VectorIndex;
    /// See [`Clock`].
    type Clock: Clock;
    /// See [`Random`].
    type Random: Random;
    /// See [`Analytics`].
    type Analytics: Analytics;
    /// See [`Ledger`].
    type Ledger: Ledger;

    /// D1, or SQLite.
    fn database(&self) -> &Self::Database;
    /// The namespace `CACHE`.
    fn cache(&self) -> &Self::KeyValue;
    /// The namespace `SESSIONS`.
    fn sessions(&self) -> &Self::KeyValue;
    /// Answers for everyone.
    fn http_cache(&self) -> &Self::HttpCache;
    /// The limiter for API requests.
    fn rate_limiter(&self) -> &Self::RateLimiter;
    /// Single-writer objects.
    fn actors(&self) -> &Self::Actors;
    /// The bucket `BACKUPS`.
    fn backups(&self) -> &Self::ObjectStore;
    /// Outbound requests.
    fn http(&self) -> &Self::Http;
    /// Models, if this deployment has any.
    fn ai(&self) -> Option<&Self::Ai>;
    /// Guards the models; as long-lived as the process or isolate.
    fn breaker(&self) -> &Breaker;
    /// The vectors of workflows, if this deployment has any.
    fn vectors(&self) -> Option<&Self::VectorIndex>;
    /// Time.
    fn clock(&self) -> &Self::Clock;
    /// Randomness.
    fn random(&self) -> &Self::Random;
    /// Events for analysis.
    fn analytics(&self) -> &Self::Analytics;
    /// Usage that is not in the database yet.
    fn ledger(&self) -> &Self::Ledger;
    /// Does `work` after the response, whether or not its client is still there. It may be cut off
    /// half a minute later.
    fn wait_until(&self, work: impl Future<Output = ()> + Send + 'static);
    /// Where ordinary things are told that no client should see.
    fn record(&self, line: &str);
    /// Where problems that no client should see are told.
    fn log(&self, line: &str);
}

/// A port could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct PortError {
    /// Why.
    pub cause: PortFailure,
    /// What the call used before it failed: that is billed, too. Boxed, as errors are rare.
    pub usage: Box<Usage>,
}

/// Why a port could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortFailure {
    /// A constraint of the database forbids it.
    #[error("conflict: {0}")]
    Conflict(String),
    /// The other side will not do this, however often it is asked.
    #[error("{0} refused the request")]
    Refused(&'static str),
    /// No answer in time.
    #[error("{0} did not answer in time")]
    Timeout(&'static str),
    /// The other side failed or cannot be reached.
    #[error("{port} failed: {message}")]
    Unavailable {
        /// Which port.
        port: &'static str,
        /// For the log, never for a client.
        message: String,
    },
}

impl PortError {
    /// [`PortFailure::Unavailable`].
    #[expect(clippy::needless_pass_by_value, reason = "reads better with `map_err`")]
    pub fn unavailable(port: &'static str, error: impl ToString) -> Self {
        PortFailure::Unavailable { port, message: error.to_string() }.into()
    }
}

impl From<PortFailure> for PortError {
    fn from(cause: PortFailure) -> Self {
        Self { cause, usage: Box::default() }
    }
}

/// What a metered port call gives.
pub type PortResult<T> = Result<Metered<T>, PortError>;

/// A statement with a name, for logs and for the test that looks at its query plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sql {
    /// Unique in the service.
    pub name: &'static str,
    /// One statement in SQLite's dialect, with `?1`-style parameters. It never names the current
    /// time: instants are bound.
    pub text: &'static str,
}

impl Sql {
    /// This statement with its parameters.
    pub fn bind(self, params: impl IntoIterator<Item = Param>) -> Statement {
        Statement { sql: self, params: params.into_iter().collect() }
    }
}

/// Most parameters of a statement (D1's limit).
pub const MAX_PARAMS: usize = 100;
/// Largest integer that D1 keeps exact: its values pass through JavaScript numbers.
pub const MAX_INTEGER: i64 = (1 << 53) - 1;
/// Most arguments of a function in SQL (D1's limit).
pub const MAX_FUNCTION_ARGS: u8 = 32;
/// Longest string or BLOB in a row, in bytes (D1's limit).
pub const MAX_VALUE_BYTES: usize = 2_000_000;

/// A statement, ready to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// What to run.
    pub sql: Sql,
    /// `?1`, `?2`, … At most [`MAX_PARAMS`].
    pub params: Vec<Param>,
}

/// A bound value.
#[derive(Clone, Debug, PartialEq)]
pub enum Param {
    /// `NULL`.
    Null,
    /// At most [`MAX_INTEGER`] away from zero.
    Integer(i64),
    /// At most [`MAX_VALUE_BYTES`] long.
    Text(String),
}

impl From<i64> for Param {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<&str> for Param {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Param {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Param>> From<Option<T>> for Param {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// What a statement gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// One object for each row.
    pub rows: Vec<Value>,
    /// Rows inserted, updated or deleted.
    pub changes: u64,
}

impl Rows {
    /// The rows as `T`.
    ///
    /// # Errors
    /// [`PortFailure::Unavailable`] when a row is not a `T`: the schema and the code disagree.
    pub fn decode<T: DeserializeOwned>(self) -> Result<Vec<T>, PortError> {
        self.rows
            .into_iter()
            .map(|row| {
                serde_json::from_value(row).map_err(|e| PortError::unavailable("database", e))
            })
            .collect()
    }
}

/// D1, or SQLite with D1's limits.
pub trait Database: Send + Sync {
    /// Runs one statement.
    ///
    /// # Errors
    /// [`PortFailure::Conflict`] when a constraint forbids it, [`PortFailure::Unavailable`] otherwise.
    fn query(&self, statement: Statement) -> impl Future<Output = PortResult<Rows>> + Send;
}

/// Usage that is not in the database yet. A row for each request would cost more than most
/// requests do, so shares are added up here, and moved together now and then.
pub trait Ledger: Send + Sync {
    /// Adds a share. Natively it is on disk when this returns, and a server that dies loses none.
    /// On Workers it is in the memory of the isolate: nothing there is durable and cheaper than a
    /// row, so an isolate that dies loses what it has not moved yet.
    ///
    /// # Errors
    /// [`PortFailure::Unavailable`].
    fn add(&self, share: Share) -> impl Future<Output = Result<(), PortError>> + Send;

    /// What is here of an account's month, by cause.
    ///
    /// # Errors
    /// [`PortFailure::Unavailable`].
    fn pending(
        &self,
        account: &str,
        month: Month,
    ) -> impl Future<Output = Result<BTreeMap<Cause, Tally>, PortError>> + Send;

    /// Moves everything to the database, by one statement for each account, month and cause. The
    /// rows count these statements; nobody else has to be charged.
    ///
    /// # Errors
    /// The first. What could not be moved is still here.
    fn flush(&self) -> impl Future<Output = Result<(), PortError>> + Send;
}
/// Shortest life of an entry in KV (the platform's limit).
pub const MIN_KV_TTL: Duration = Duration::from_mins(1);
/// Longest key in KV, in bytes (the platform's limit).
pub const MAX_KV_KEY_BYTES: usize = 512;

/// A KV namespace: eventually consistent, up to a minute stale.
pub trait KeyValue: Send + Sync {
    /// The value of a key, if there is one.
    ///
    /// # Errors
    /// [`PortFailure::Unavailable`].
    fn get(&self, key: &str) -> impl Future<Output = PortResult<Option<String>>> + Send;

    /// Keeps a value for `ttl`, at least [`MIN_KV_TTL`]. Keys have at most [`MAX_KV_KEY_BYTES`].
    ///
    /// # Errors
    /// [`PortFailure::Unavailable`].
    fn put(
        &self,
        key: &str,
        value: &str,
        ttl: Duration,
    ) -> impl Future<Output = PortResult<()>> + Send;

    /// Forgets a key, whether or not it is there.
    ///
    /// # Errors
    /// [`PortFailure::Unavailable`].
    fn delete(&self, key: &str) -> impl Future<Output = PortResult<()>> + Send;
}

/// Bodies of public answers, kept close to the clients that ask for them. What it holds may vanish
/// at any time, and differs between places. It costs nothing.
pub trait HttpCache: Send + Sync {
    /// The body under a key: an absolute path with its query.
    ///
    /// # Errors
    /// [`PortFailure::Unavailable`].
    fn get(&self, key: &str) -> impl Future<Output = PortResult<Option<String>>> + Send;

    /// Keeps a body of JSON for `ttl`.
    ///
    /// # Errors
    /// [`PortFailure::Unavailable`].
    fn put(
        &self,
        key: &str,
        body: &str,
        ttl: Duration,
    ) -> impl Future<Output = PortResult<()>> + Send;
}

/// Admits or refuses, by key. It says nothing else: no budget left, no time of reset.
pub trait RateLimiter: Send + Sync {
    /// Whether a request of this key is admitted now.
    ///
    /// # Errors
    /// [`PortFailure::Unavailable`].
    fn admit(&self, key: &str) -> impl Future<Output = PortResult<bool>> + Send;
}

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

    /// The name of the class, as the platform knows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WorkflowExecutor => "WorkflowExecutor",
            Self::OAuth => "OAuth",
            Self::AiMisses => "AiMisses",
        }
    }

    /// The name of its binding.
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
    /// [`PortFailure::Unavailable`]. The message may or may not have been handled.
    fn call(
        &self,
        class: ActorClass,
        name: &str,
        message: Value,
    ) -> impl Future<Output = PortResult<Value>> + Send;
}

/// [`Actors::call`] with types.
///
/// # Errors
/// [`PortFailure::Unavailable`].
pub async fn call_actor<A: Actors, M: Serialize, R: DeserializeOwned>(
    actors: &A,
    class: ActorClass,
    name: &str,
    message: &M,
) -> PortResult<R> {
    let unavailable = |error: serde_json::Error| PortError::unavailable("actor", error);
    let message = serde_json::to_value(message).map_err(unavailable)?;
    let reply = actors.call(class, name, message).await?;
    let value = serde_json::from_value(reply.value).map_err(unavailable)?;
    Ok(Metered { value, usage: reply.usage })
}

/// What a single-writer object has: the ports that its work needs, one document of durable state,
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

    /// Its state, if it has any yet.
    ///
    /// # Errors
    /// [`PortFailure::Unavailable`].
    fn load(&self) -> impl Future<Output = PortResult<Option<String>>> + Send;

    /// Replaces the state and the alarm, both or neither. It uses the same on every platform:
    /// one row for the state, and one for the alarm.
    ///
    /// # Errors
    /// [`PortFailure::Unavailable`].
    fn save(
        &self,
        state: &str,
        alarm: Option<Millis>,
    ) -> impl Future<Output = PortResult<()>> + Send;

    /// Removes the state and the alarm: an object without them costs nothing.
    ///
    /// # Errors
    /// [`PortFailure::Unavailable`].
    fn erase(&self) -> impl Future<Output = PortResult<()>> + Send;

    /// What it remembers while it is in memory, for all events alike.
    fn joint(&self) -> &Joint;
    /// D1, or SQLite.
    fn database(&self) -> &Self::Database;
    /// The namespace `CACHE`.
    fn cache(&self) -> &Self::KeyValue;
    /// Other objects.
    fn actors(&self) -> &Self::Actors;
    /// Outbound requests.
    fn http(&self) -> &Self::Http;
    /// See [`Platform::ai`].
    fn ai(&self) -> Option<&Self::Ai>;
    /// See [`Platform::breaker`].
    fn breaker(&self) -> &Breaker;
    /// Time.
    fn clock(&self) -> &Self::Clock;
    /// Randomness.
    fn random(&self) -> &Self::Random;
    /// Events for analysis.
    fn analytics(&self) -> &Self::Analytics;
    /// Where problems that no client should see are told.
    fn log(&self, line: &str);
}

/// Longest key of an object, in bytes (R2's limit).
pub const MAX_OBJECT_KEY_BYTES: usize = 1024;
/// Most keys of one listing or deletion (R2's limit).
pub const MAX_OBJECT_KEYS: usize = 1000;

/// A bucket of objects: strongly consistent, kept until deleted. Slashes in keys make folders.
pub trait ObjectStore: Send + Sync {
    /// The object under a key, if there is one.
    ///
    /// # Errors
    /// [`PortFailure::Unavailable`].
    fn get(&self, key: &str) -> impl Future<Output = PortResult<Option<Vec<u8>>>> + Send;

    /// Keeps an object, in place of what was there. Keys have at most [`MAX_OBJECT_KEY_BYTES`].
    ///
    /// # Errors
    /// [`PortFailure::Unavailable`].
    fn put(&self, key: &str, body: Vec<u8>) -> impl Future<Output = PortResult<()>> + Send;

    /// The folders right below a folder, each with its closing slash, at most [`MAX_OBJECT_KEYS`].
    ///
    /// # Errors
    /// [`PortFailure::Unavailable`].
    fn folders(&self, folder: &str) -> impl Future<Output = PortResult<Vec<String>>> + Send;

    /// The keys of the objects right below a folder, in order, at most [`MAX_OBJECT_KEYS`].
    ///
    /// # Errors
    /// [`PortFailure::Unavailable`].
    fn objects(&self, folder: &str) -> impl Future<Output = PortResult<Vec<String>>> + Send;

    /// Deletes objects, at most [`MAX_OBJECT_KEYS`], whether or not they are there.
    ///
    /// # Errors
    /// [`PortFailure::Unavailable`].
    fn delete(&self, keys: Vec<String>) -> impl Future<Output = PortResult<()>> + Send;
}

/// A request to somebody else.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboundRequest {
    /// HTTP method.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// Header names in lower case.
    pub headers: BTreeMap<&'static str, String>,
    /// Body.
    pub body: Option<Vec<u8>>,
    /// For the whole exchange.
    pub timeout: Duration,
    /// A longer response is an error.
    pub max_body_bytes: usize,
}

/// The answer to it.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboundResponse {
    /// HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: Vec<u8>,
}

/// Outbound HTTP. Redirects are not followed.
pub trait Http: Send + Sync {
    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// [`PortFailure::Timeout`], or [`PortFailure::Unavailable`] when no whole answer came.
    fn send(
        &self,
        request: OutboundRequest,
    ) -> impl Future<Output = PortResult<OutboundResponse>> + Send;
}

/// Time.
pub trait Clock: Send + Sync {
    /// Now. On Workers it stands still while code runs.
    fn now(&self) -> Millis;
    /// Returns after `duration`.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}

/// Randomness fit for identifiers.
pub trait Random: Send + Sync {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// [`PortFailure::Unavailable`].
    fn fill(&self, bytes: &mut [u8]) -> Result<(), PortError>;
}
