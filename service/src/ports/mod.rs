//! The outside world, as traits. `platform` implements them for Cloudflare Workers and
//! natively; nothing else in this crate names either.
//!
//! Methods return `impl Future + Send`, so that handlers fit axum on both platforms. Every call
//! that the platform bills returns what it used, beside its value: see [`Metered`].

mod actors;
mod ai;
mod analytics;
pub mod breaker;
mod cache;
mod database;
mod define;
mod http;
mod meter;
mod metered;
mod objects;
mod single_flight;

use std::{future::Future, time::Duration};

pub use actors::{ActorClass, ActorContext, Actors};

pub use ai::{
    AI_TIMEOUT, Ai, Completion, Match, VECTOR_TIMEOUT, Vector, VectorIndex,
    embedding as embedding_usage, one_queried, one_written, tokens as ai_tokens,
};
pub use analytics::{Analytics, DataPoint, Event, ONE_POINT};
pub use cache::{HttpCache, KeyValue, MAX_KV_KEY_BYTES, MIN_KV_TTL};
pub use database::{
    Database, Ledger, MAX_FUNCTION_ARGS, MAX_PARAMS, MAX_VALUE_BYTES, Param, Rows, Sql, Statement,
};
pub use http::{Http, OutboundRequest, OutboundResponse};
pub use meter::{Meter, Metered, used};
pub use metered::{
    MeteredActors, MeteredAi, MeteredAnalytics, MeteredDatabase, MeteredHttp, MeteredHttpCache,
    MeteredKeyValue, MeteredObjectStore, MeteredRateLimiter, MeteredVectorIndex, ObjectPorts,
    Ports,
};
pub use objects::{MAX_OBJECT_KEY_BYTES, MAX_OBJECT_KEYS, ObjectStore};
pub use single_flight::{LOST_AFTER, Outcome, Role, SingleFlight};

pub use breaker::Breaker;

use crate::domain::Millis;
pub(crate) use crate::domain::usage::resources;
pub use crate::domain::{
    MAX_INTEGER,
    usage::{Cause, NOBODY, Share, Tally, Usage},
};

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

    /// Returns the database: D1, or SQLite.
    fn database(&self) -> &Self::Database;
    /// Returns the namespace `CACHE`.
    fn cache(&self) -> &Self::KeyValue;
    /// Returns the namespace `SESSIONS`.
    fn sessions(&self) -> &Self::KeyValue;
    /// Answers for everyone.
    fn http_cache(&self) -> &Self::HttpCache;
    /// Returns the limiter for API requests.
    fn rate_limiter(&self) -> &Self::RateLimiter;
    /// Returns the single-writer objects.
    fn actors(&self) -> &Self::Actors;
    /// Returns the bucket `BACKUPS`.
    fn backups(&self) -> &Self::ObjectStore;
    /// Returns the client for outbound requests.
    fn http(&self) -> &Self::Http;
    /// Models, if this deployment has any.
    fn ai(&self) -> Option<&Self::Ai>;
    /// Guards the models; as long-lived as the process or isolate.
    fn breaker(&self) -> &Breaker;
    /// Returns the vectors of workflows, if this deployment has any.
    fn vectors(&self) -> Option<&Self::VectorIndex>;
    /// Returns the clock.
    fn clock(&self) -> &Self::Clock;
    /// Returns the source of randomness.
    fn random(&self) -> &Self::Random;
    /// Returns the sink of events for analysis.
    fn analytics(&self) -> &Self::Analytics;
    /// Returns the ledger of usage that is not in the database yet.
    fn ledger(&self) -> &Self::Ledger;
    /// Does `work` after the response, whether or not its client is still there. It may be cut off
    /// half a minute later.
    fn wait_until(&self, work: impl Future<Output = ()> + Send + 'static);
    /// Writes a line about ordinary work to the log of the deployment.
    fn record(&self, line: &str);
    /// Writes a line about a problem to the log of the deployment.
    fn log(&self, line: &str);
}

/// A port could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct PortError {
    /// The reason.
    pub cause: PortFailure,
    /// The usage of the call before it failed, which is billed, too. Boxed, as errors are rare.
    pub usage: Box<Usage>,
}

/// The reason why a port could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortFailure {
    /// A constraint of the database forbids it.
    #[error("conflict: {0}")]
    Conflict(String),
    /// The other side will not do this, however often it is asked.
    #[error("{0} refused the request")]
    Refused(&'static str),
    /// The port gave no answer in time.
    #[error("{0} did not answer in time")]
    Timeout(&'static str),
    /// The other side failed or cannot be reached.
    #[error("{port} failed: {message}")]
    Unavailable {
        /// The name of the port.
        port: &'static str,
        /// The details, for the log and never for a client.
        message: String,
    },
}

impl PortFailure {
    /// Returns what may leave the service: which port failed, and how, without the text of the
    /// other side.
    pub fn kind(&self) -> String {
        match self {
            Self::Conflict(_) => "conflict".to_owned(),
            Self::Refused(port) => format!("{port} refused"),
            Self::Timeout(port) => format!("{port} timed out"),
            Self::Unavailable { port, .. } => format!("{port} failed"),
        }
    }
}

impl PortError {
    /// Returns an error of the kind [`PortFailure::Unavailable`].
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

/// The outcome of a port call that is billed.
pub type PortResult<T> = Result<Metered<T>, PortError>;

/// Admits or refuses, by key. It says nothing else: no budget left, no time of reset.
pub trait RateLimiter: Send + Sync {
    /// Asks whether a request of this key is admitted now.
    ///
    /// # Errors
    /// [`PortFailure::Unavailable`].
    fn admit(&self, key: &str) -> impl Future<Output = PortResult<Admission>> + Send;
}

/// The answer of a [`RateLimiter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The request is within the budget.
    Admitted,
    /// The budget is used up.
    Refused {
        /// The time after which a request is admitted if none comes before it; `None` where the
        /// limiter does not say.
        retry_after: Option<Duration>,
    },
}

/// Time.
pub trait Clock: Send + Sync {
    /// Returns the current time. On Workers it stands still while code runs.
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
