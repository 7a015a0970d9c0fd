//! The API as an ordinary server: hyper, SQLite, tokio. It keeps the limits of the platform it
//! stands in for, so that what passes here passes there.

mod actors;
mod address;
mod analytics;
mod clock;
mod control;
mod counted;
mod database;
mod http;
mod http_cache;
mod kv;
mod layers;
mod ledger;
mod limiter;
mod objects;
mod server;
mod sqlite;
mod state;
mod system;
mod vectors;
mod wal;

use std::{path::Path, sync::Arc};

pub use actors::{Context as NativeContext, MAX_RINGING, NativeActors};
pub use analytics::NativeAnalytics;
pub use clock::NativeClock;
pub use control::socket as control_socket;
pub use database::SqliteDatabase;
pub use http::ReqwestHttp;
pub use http_cache::MemoryHttpCache;
pub use kv::SqliteKeyValue;
pub use layers::{Bare, Layers, Objects, Work};
pub use ledger::SqliteLedger;
pub use limiter::SlidingCounter;
pub use objects::FolderObjectStore;
pub use server::{ServeError, Server};
pub use state::StateError;
pub use system::OsRandom;
pub use vectors::{MAX_VECTORS, SqliteVectors};

use actors::Reach;
pub use counted::Counted;
use futures_util::future::join_all;
use sqlite::Sqlite;

use super::rest::Rest;
use crate::config::Config;
use crate::ports::Breaker;
use crate::ports::{Meter, Platform, PortError, PortResult, Usage};

/// The ports of the native server. Each request has a copy, so a copy is a counter.
#[derive(Clone, Debug)]
pub struct Native(Arc<Adapters>);

/// The adapters behind the ports.
#[derive(Debug)]
struct Adapters {
    database: SqliteDatabase,
    cache: SqliteKeyValue,
    sessions: SqliteKeyValue,
    http_cache: MemoryHttpCache,
    limiter: SlidingCounter,
    actors: NativeActors,
    backups: FolderObjectStore,
    http: ReqwestHttp,
    ai: Option<Counted<Rest<ReqwestHttp>>>,
    breaker: Arc<Breaker>,
    vectors: SqliteVectors,
    clock: NativeClock,
    random: OsRandom,
    analytics: NativeAnalytics,
    ledger: SqliteLedger,
}

impl Native {
    /// Opens, or makes, the state in the directory `state`. Call it inside a tokio runtime: it
    /// starts the task that rings alarms.
    ///
    /// # Errors
    /// [`PortError`] when the state cannot be opened or migrated.
    pub async fn open(state: &Path, config: Arc<Config>) -> Result<Self, PortError> {
        Self::open_with(state, config, Arc::new(Bare)).await
    }

    /// Opens the state with another handler of the events of objects.
    ///
    /// # Errors
    /// Those of [`Native::open`].
    pub async fn open_with(
        state: &Path,
        config: Arc<Config>,
        handler: Arc<dyn Objects>,
    ) -> Result<Self, PortError> {
        let clock = NativeClock::default();
        let database = SqliteDatabase::open(&state.join("database.sqlite"))?;
        let cache = SqliteKeyValue::open(&state.join("cache.sqlite"), clock.clone())?;
        let sessions = SqliteKeyValue::open(&state.join("sessions.sqlite"), clock.clone())?;
        let http_cache = MemoryHttpCache::new(clock.clone());
        let limiter = SlidingCounter::new(config.rate_limit, clock.clone());
        let objects = state.join("objects.sqlite");
        let http = ReqwestHttp::new(&config.trusted_origins())?;
        let account = config.cloudflare.clone();
        let ai = account.map(|account| Counted::new(Rest::new(http.clone(), account)));
        let breaker = Arc::default();
        let vectors = SqliteVectors::open(&state.join("vectors.sqlite"))?;
        let analytics = NativeAnalytics::default();
        let reach = Reach {
            database: database.clone(),
            cache: cache.clone(),
            http: http.clone(),
            ai: ai.clone(),
            breaker: Arc::clone(&breaker),
            clock: clock.clone(),
            analytics: analytics.clone(),
        };
        let actors = NativeActors::open(&objects, reach, config, handler).await?;
        let backups = FolderObjectStore::new(state.join("backups"));
        let ledger = SqliteLedger::open(database.clone()).await?;
        Ok(Self(Arc::new(Adapters {
            database,
            cache,
            sessions,
            http_cache,
            limiter,
            actors,
            backups,
            http,
            ai,
            breaker,
            vectors,
            clock,
            random: OsRandom,
            analytics,
            ledger,
        })))
    }

    /// Writes all that the databases hold into their files, so that nothing depends on their logs.
    ///
    /// # Errors
    /// [`PortError`] of the first database that could not be written; the others are all the same.
    async fn checkpoint(&self) -> Result<(), PortError> {
        let adapters = &self.0;
        let databases = [
            adapters.database.sqlite(),
            adapters.cache.sqlite(),
            adapters.sessions.sqlite(),
            adapters.vectors.sqlite(),
            adapters.actors.sqlite(),
        ];
        let all = databases.map(Sqlite::checkpoint);
        join_all(all).await.into_iter().collect()
    }

    /// Returns what all port calls used since the start, whoever they were for.
    fn usage(&self) -> Usage {
        let mut usage = self.0.database.usage();
        usage += self.0.cache.usage();
        usage += self.0.sessions.usage();
        usage += self.0.http.usage();
        usage += self.0.actors.usage();
        usage += self.0.backups.usage();
        usage += self.0.vectors.usage();
        usage += self.0.ai.as_ref().map(Counted::usage).unwrap_or_default();
        usage += self.0.analytics.usage();
        usage
    }
}

impl Platform for Native {
    crate::define_ports! { self:
        database: SqliteDatabase = &self.0.database;
        cache: SqliteKeyValue = &self.0.cache;
        sessions: SqliteKeyValue = &self.0.sessions;
        http_cache: MemoryHttpCache = &self.0.http_cache;
        rate_limiter: SlidingCounter = &self.0.limiter;
        actors: NativeActors = &self.0.actors;
        backups: FolderObjectStore = &self.0.backups;
        http: ReqwestHttp = &self.0.http;
        ai: Counted<Rest<ReqwestHttp>> = self.0.ai.as_ref();
        breaker: Breaker = &self.0.breaker;
        vectors: SqliteVectors = Some(&self.0.vectors);
        clock: NativeClock = &self.0.clock;
        random: OsRandom = &self.0.random;
        analytics: NativeAnalytics = &self.0.analytics;
        ledger: SqliteLedger = &self.0.ledger;
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

/// Adds what a call used, whatever became of it, to the total of its adapter.
fn counted<T>(total: &Meter, outcome: PortResult<T>) -> PortResult<T> {
    total.add(match &outcome {
        Ok(metered) => metered.usage,
        Err(error) => *error.usage,
    });
    outcome
}
