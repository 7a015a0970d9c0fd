//! The API as an ordinary server: hyper, SQLite, tokio. It keeps the limits of the platform it
//! stands in for, so that what passes here passes there.

mod actors;
mod database;
mod http;
mod http_cache;
mod kv;
mod limiter;
mod server;
mod sqlite;
mod system;

use std::{path::Path, sync::Arc};

pub use actors::NativeActors;
pub use database::SqliteDatabase;
pub use http::ReqwestHttp;
pub use http_cache::MemoryHttpCache;
pub use kv::SqliteKeyValue;
pub use limiter::SlidingCounter;
pub use server::{ServeError, Server};
pub use system::{OsRandom, SystemClock};

use crate::config::{Config, RATE_LIMIT, RATE_PERIOD_SECONDS};
use crate::ports::{Platform, PortError};

/// All ports, natively.
#[derive(Clone, Debug)]
pub struct Native {
    database: SqliteDatabase,
    cache: SqliteKeyValue,
    http_cache: Arc<MemoryHttpCache>,
    limiter: Arc<SlidingCounter>,
    actors: NativeActors,
    clock: SystemClock,
    random: OsRandom,
}

impl Native {
    /// Opens, or makes, the state in the directory `state`. Call it inside a tokio runtime: it
    /// starts the task that rings alarms.
    ///
    /// # Errors
    /// When the state cannot be opened or migrated.
    pub async fn open(state: &Path, config: Arc<Config>) -> Result<Self, PortError> {
        let clock = SystemClock;
        let database = SqliteDatabase::open(&state.join("database.sqlite"))?;
        let cache = SqliteKeyValue::open(&state.join("cache.sqlite"), clock)?;
        let http_cache = Arc::new(MemoryHttpCache::new(clock));
        let limiter = Arc::new(SlidingCounter::new(RATE_LIMIT, RATE_PERIOD_SECONDS, clock));
        let objects = state.join("objects.sqlite");
        let actors = NativeActors::open(&objects, database.clone(), config).await?;
        Ok(Self { database, cache, http_cache, limiter, actors, clock, random: OsRandom })
    }
}

impl Platform for Native {
    type Database = SqliteDatabase;
    type Cache = SqliteKeyValue;
    type HttpCache = MemoryHttpCache;
    type RateLimiter = SlidingCounter;
    type Actors = NativeActors;
    type Clock = SystemClock;
    type Random = OsRandom;

    fn database(&self) -> &SqliteDatabase {
        &self.database
    }

    fn cache(&self) -> &SqliteKeyValue {
        &self.cache
    }

    fn http_cache(&self) -> &MemoryHttpCache {
        &self.http_cache
    }

    fn rate_limiter(&self) -> &SlidingCounter {
        &self.limiter
    }

    fn actors(&self) -> &NativeActors {
        &self.actors
    }

    fn clock(&self) -> &SystemClock {
        &self.clock
    }

    fn random(&self) -> &OsRandom {
        &self.random
    }

    fn wait_until(&self, work: impl Future<Output = ()> + Send + 'static) {
        #[expect(clippy::disallowed_methods, reason = "this is the port")]
        tokio::spawn(work);
    }

    fn record(&self, line: &str) {
        system::log(line);
    }

    fn log(&self, line: &str) {
        system::log(line);
    }
}
