//! The API as a Worker.
//!
//! Bindings are looked up in the environment at each use: they belong to the request that got
//! them; the environment is the isolate's. Futures of the runtime are not `Send`; the adapters wrap
//! theirs, and nobody else has to.

mod actors;
mod ai;
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
mod product;
mod system;
mod vectors;

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
pub use objects::{AiMisses, OAuth, WorkflowExecutor};
pub use product::Product;
pub use system::{JsClock, JsRandom};
use worker::Env;

use crate::app::{App, FlushTimer, HealthMemo};
use crate::config::{Config, ConfigError};
use crate::ports::Breaker;
use crate::ports::{Platform, PortError};

/// All ports, on Workers.
#[derive(Clone, Debug)]
pub struct Cloudflare {
    database: D1,
    cache: Kv,
    sessions: Kv,
    limiter: RateLimiterBinding,
    actors: DurableObjects,
    backups: Bucket,
    ai: Option<Product>,
    vectors: Option<Product>,
    clock: JsClock,
    random: JsRandom,
    analytics: AnalyticsEngine,
    ledger: IsolateLedger,
}

impl Cloudflare {
    /// Ports on the bindings of `env`.
    pub fn new(env: &Env, config: &Config) -> Self {
        let database = D1::new(env.clone());
        Self {
            ledger: IsolateLedger::new(database.clone()),
            database,
            cache: Kv::new(env.clone(), "CACHE"),
            sessions: Kv::new(env.clone(), "SESSIONS"),
            limiter: RateLimiterBinding::new(env.clone()),
            actors: DurableObjects::new(env.clone()),
            backups: Bucket::new(env.clone()),
            ai: Product::find(env, config, ai::BINDING),
            vectors: Product::find(env, config, vectors::BINDING),
            clock: JsClock,
            random: JsRandom,
            analytics: AnalyticsEngine::new(env.clone()),
        }
    }
}

/// One for each isolate: plain data, which may outlive a request.
static HEALTH: LazyLock<Arc<HealthMemo>> = LazyLock::new(Arc::default);
static BREAKER: Breaker = Breaker::new();
static FLUSHES: LazyLock<Arc<FlushTimer>> = LazyLock::new(Arc::default);

/// Returns the application on the bindings, variables and secrets of `env`.
///
/// # Errors
/// [`ConfigError`] when a variable or secret is missing or wrong.
pub fn app(env: &Env) -> Result<App<Cloudflare>, ConfigError> {
    let config = Arc::new(config(env)?);
    let (health, flushes) = (Arc::clone(&HEALTH), Arc::clone(&FLUSHES));
    Ok(App { platform: Cloudflare::new(env, &config), config, health, flushes })
}

/// Reads the configuration from the variables and secrets of `env`.
///
/// # Errors
/// [`ConfigError`] for the first that is missing or wrong.
pub fn config(env: &Env) -> Result<Config, ConfigError> {
    Config::from_lookup(variables(env))
}

fn variables(env: &Env) -> impl Fn(&str) -> Option<String> {
    |name| env.var(name).ok().map(|value| value.to_string())
}

/// Returns the runtime's error as a port's. `Error::D1` holds an object whose own text can throw.
fn unavailable(port: &'static str) -> impl Fn(worker::Error) -> PortError {
    move |error| match error {
        worker::Error::D1(error) => PortError::unavailable(port, error.cause()),
        other => PortError::unavailable(port, other),
    }
}

impl Platform for Cloudflare {
    crate::define_ports! { self:
        database: D1 = &self.database;
        cache: Kv = &self.cache;
        sessions: Kv = &self.sessions;
        http_cache: EdgeCache = &EdgeCache;
        rate_limiter: RateLimiterBinding = &self.limiter;
        actors: DurableObjects = &self.actors;
        backups: Bucket = &self.backups;
        http: Fetcher = &Fetcher;
        ai: Product = self.ai.as_ref();
        breaker: Breaker = &BREAKER;
        vectors: Product = self.vectors.as_ref();
        clock: JsClock = &self.clock;
        random: JsRandom = &self.random;
        analytics: AnalyticsEngine = &self.analytics;
        ledger: IsolateLedger = &self.ledger;
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
