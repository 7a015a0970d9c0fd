//! The API as a Worker.
//!
//! Bindings are looked up in the environment at each use: they belong to the request that got
//! them; the environment is the isolate's. Futures of the runtime are not `Send`; the adapters wrap
//! theirs, and nobody else has to.

mod actors;
mod analytics;
mod bucket;
mod database;
mod events;
mod exchange;
mod http;
mod http_cache;
mod invocation;
mod kv;
mod ledger;
mod limiter;
mod objects;
mod system;

use std::sync::{Arc, LazyLock};

pub use actors::DurableObjects;
pub use analytics::AnalyticsEngine;
pub use bucket::Bucket;
pub use database::D1;
pub use http::Fetcher;
pub use http_cache::EdgeCache;
pub use kv::Kv;
pub use ledger::IsolateLedger;
pub use limiter::RateLimiterBinding;
pub use objects::{OAuth, WorkflowExecutor};
pub use system::{JsClock, JsRandom};
use worker::Env;

use crate::config::{Config, ConfigError};
use crate::guard::FlushTimer;
use crate::ports::{Platform, PortError};
use crate::routes::{App, HealthMemo};

/// All ports, on Workers.
#[derive(Clone, Debug)]
pub struct Cloudflare {
    database: D1,
    cache: Kv,
    sessions: Kv,
    limiter: RateLimiterBinding,
    actors: DurableObjects,
    backups: Bucket,
    clock: JsClock,
    random: JsRandom,
    analytics: AnalyticsEngine,
    ledger: IsolateLedger,
}

impl Cloudflare {
    /// Ports on the bindings of `env`.
    pub fn new(env: &Env) -> Self {
        let database = D1::new(env.clone());
        Self {
            ledger: IsolateLedger::new(database.clone()),
            database,
            cache: Kv::new(env.clone(), "CACHE"),
            sessions: Kv::new(env.clone(), "SESSIONS"),
            limiter: RateLimiterBinding::new(env.clone()),
            actors: DurableObjects::new(env.clone()),
            backups: Bucket::new(env.clone()),
            clock: JsClock,
            random: JsRandom,
            analytics: AnalyticsEngine::new(env.clone()),
        }
    }
}

/// One for each isolate: plain data, which may outlive a request.
static HEALTH: LazyLock<Arc<HealthMemo>> = LazyLock::new(Arc::default);
static FLUSHES: LazyLock<Arc<FlushTimer>> = LazyLock::new(Arc::default);

/// The application on the bindings, variables and secrets of `env`.
///
/// # Errors
/// When a variable or secret is missing or wrong.
pub fn app(env: &Env) -> Result<App<Cloudflare>, ConfigError> {
    let config = Arc::new(config(env)?);
    let (health, flushes) = (Arc::clone(&HEALTH), Arc::clone(&FLUSHES));
    Ok(App { platform: Cloudflare::new(env), config, health, flushes })
}

fn config(env: &Env) -> Result<Config, ConfigError> {
    Config::from_lookup(|name| env.var(name).ok().map(|value| value.to_string()))
}

/// The runtime's error as a port's. `Error::D1` holds an object whose own text can throw.
fn unavailable(port: &'static str) -> impl Fn(worker::Error) -> PortError {
    move |error| match error {
        worker::Error::D1(error) => PortError::unavailable(port, error.cause()),
        other => PortError::unavailable(port, other),
    }
}

impl Platform for Cloudflare {
    type Database = D1;
    type KeyValue = Kv;
    type HttpCache = EdgeCache;
    type RateLimiter = RateLimiterBinding;
    type Actors = DurableObjects;
    type ObjectStore = Bucket;
    type Http = Fetcher;
    type Clock = JsClock;
    type Random = JsRandom;
    type Analytics = AnalyticsEngine;
    type Ledger = IsolateLedger;

    fn database(&self) -> &D1 {
        &self.database
    }

    fn cache(&self) -> &Kv {
        &self.cache
    }

    fn sessions(&self) -> &Kv {
        &self.sessions
    }

    fn http_cache(&self) -> &EdgeCache {
        &EdgeCache
    }

    fn rate_limiter(&self) -> &RateLimiterBinding {
        &self.limiter
    }

    fn actors(&self) -> &DurableObjects {
        &self.actors
    }

    fn backups(&self) -> &Bucket {
        &self.backups
    }

    fn http(&self) -> &Fetcher {
        &Fetcher
    }

    fn clock(&self) -> &JsClock {
        &self.clock
    }

    fn random(&self) -> &JsRandom {
        &self.random
    }

    fn analytics(&self) -> &AnalyticsEngine {
        &self.analytics
    }

    fn ledger(&self) -> &IsolateLedger {
        &self.ledger
    }

    fn wait_until(&self, work: impl Future<Output = ()> + Send + 'static) {
        invocation::wait_until(work);
    }

    fn record(&self, line: &str) {
        system::record(line);
    }

    fn log(&self, line: &str) {
        system::log(line);
    }
}
