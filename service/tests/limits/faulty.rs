//! A platform whose ports can fail and hang, and whose clock is set by hand. Underneath is the
//! native one.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use tokio::sync::{Notify, watch};
use workway_service::{
    config::{Config, RateLimit},
    define_ports,
    domain::Millis,
    platform::native::{
        MemoryHttpCache, Native, NativeActors, SlidingCounter, SqliteDatabase, SqliteKeyValue,
    },
    ports::{
        ActorClass, Actors, Admission, Clock, Database, KeyValue, Platform, PortError, PortResult,
        RateLimiter, Rows, Statement,
    },
};

/// Stands until it is moved.
#[derive(Clone, Debug)]
pub(crate) struct HandClock(Arc<watch::Sender<Millis>>);

impl HandClock {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        Self(Arc::new(watch::Sender::new(Millis::try_from(now).unwrap())))
    }

    pub(crate) fn advance(&self, by: Millis) {
        self.0.send_modify(|now| *now += by);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Millis {
        *self.0.borrow()
    }

    async fn sleep(&self, duration: Duration) {
        let until = self.now() + Millis::try_from(duration.as_millis()).unwrap();
        let _ = self.0.subscribe().wait_for(|now| *now >= until).await;
    }
}

/// What is wrong with a port.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Fault {
    #[default]
    None,
    Fails,
    Hangs,
    /// Only at the statement of this name.
    HangsAt(&'static str),
    /// Only at the statement of this name.
    FailsAt(&'static str),
}

/// What goes wrong at a call: an error, or the end of the host; before it took effect, or after.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Break {
    ErrorBefore,
    ErrorAfter,
    DeathBefore,
    DeathAfter,
}

pub(crate) const BREAKS: [Break; 4] =
    [Break::ErrorBefore, Break::ErrorAfter, Break::DeathBefore, Break::DeathAfter];

/// The calls of all ports, and what goes wrong at one of them.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    made: Mutex<Vec<String>>,
    breaks: Mutex<Option<(usize, Break)>>,
    died: Notify,
}

impl Calls {
    /// From now on: the call of this number, from 1, goes wrong.
    pub(crate) fn begin(&self, breaks: Option<(usize, Break)>) {
        self.made.lock().unwrap().clear();
        *self.breaks.lock().unwrap() = breaks;
    }

    /// Their names since then.
    pub(crate) fn made(&self) -> Vec<String> {
        self.made.lock().unwrap().clone()
    }

    /// Ends when the host does.
    pub(crate) async fn died(&self) {
        self.died.notified().await;
    }

    fn next(&self, name: &str) -> Option<Break> {
        let mut made = self.made.lock().unwrap();
        made.push(name.to_owned());
        let breaks = *self.breaks.lock().unwrap();
        breaks.filter(|(call, _)| *call == made.len()).map(|(_, breaks)| breaks)
    }

    async fn die<T>(&self) -> T {
        self.died.notify_one();
        std::future::pending().await
    }
}

/// A port with a fault.
#[derive(Clone, Debug)]
pub(crate) struct Port<T> {
    inner: T,
    fault: Arc<Mutex<Fault>>,
    calls: Arc<Calls>,
}

fn broken() -> PortError {
    PortError::unavailable("port", "at /src/secret.rs: SELECT broke")
}

impl<T> Port<T> {
    fn new(inner: T, calls: &Arc<Calls>) -> Self {
        Self { inner, fault: Arc::default(), calls: Arc::clone(calls) }
    }

    pub(crate) fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    /// Acts, fails, or never comes back.
    async fn call<R>(&self, name: &str, act: impl Future<Output = PortResult<R>>) -> PortResult<R> {
        self.pass(name).await?;
        match self.calls.next(name) {
            None => act.await,
            Some(Break::ErrorBefore) => Err(broken()),
            Some(Break::ErrorAfter) => act.await.and(Err(broken())),
            Some(Break::DeathBefore) => self.calls.die().await,
            Some(Break::DeathAfter) => {
                let _ = act.await;
                self.calls.die().await
            }
        }
    }

    async fn pass(&self, name: &str) -> Result<(), PortError> {
        let fault = *self.fault.lock().unwrap();
        match fault {
            Fault::Fails => Err(broken()),
            Fault::FailsAt(at) if at == name => Err(broken()),
            Fault::Hangs => std::future::pending().await,
            Fault::HangsAt(at) if at == name => std::future::pending().await,
            Fault::None | Fault::HangsAt(_) | Fault::FailsAt(_) => Ok(()),
        }
    }
}

impl<T: Database> Database for Port<T> {
    async fn query(&self, statement: Statement) -> PortResult<Rows> {
        self.call(statement.sql.name, self.inner.query(statement)).await
    }
}

impl<T: KeyValue> KeyValue for Port<T> {
    async fn get(&self, key: &str) -> PortResult<Option<String>> {
        self.call("kv get", self.inner.get(key)).await
    }

    async fn put(&self, key: &str, value: &str, ttl: Duration) -> PortResult<()> {
        self.call("kv put", self.inner.put(key, value, ttl)).await
    }

    async fn delete(&self, key: &str) -> PortResult<()> {
        self.call("kv delete", self.inner.delete(key)).await
    }
}

impl<T: Actors> Actors for Port<T> {
    async fn call(&self, class: ActorClass, name: &str, message: Value) -> PortResult<Value> {
        Port::call(self, "object", self.inner.call(class, name, message)).await
    }
}

impl RateLimiter for Port<Arc<SlidingCounter<HandClock>>> {
    async fn admit(&self, key: &str) -> PortResult<Admission> {
        self.call("limiter", self.inner.admit(key)).await
    }
}

/// All ports. Objects keep the system's time.
#[derive(Clone, Debug)]
pub(crate) struct Faulty {
    native: Native,
    pub(crate) calls: Arc<Calls>,
    pub(crate) clock: HandClock,
    pub(crate) database: Port<SqliteDatabase>,
    pub(crate) cache: Port<SqliteKeyValue>,
    pub(crate) actors: Port<NativeActors>,
    pub(crate) limiter: Port<Arc<SlidingCounter<HandClock>>>,
    sessions: Port<SqliteKeyValue>,
    http_cache: Arc<MemoryHttpCache<HandClock>>,
}

impl Faulty {
    pub(crate) async fn open(state: &Path, config: Arc<Config>) -> Self {
        let native = Native::open(state, config).await.unwrap();
        let clock = HandClock::new();
        // Not what is tested here: enough for everybody.
        let limiter =
            SlidingCounter::new(RateLimit { requests: 100_000, period_seconds: 60 }, clock.clone());
        let calls = Arc::default();
        Self {
            database: Port::new(native.database().clone(), &calls),
            cache: Port::new(native.cache().clone(), &calls),
            sessions: Port::new(native.sessions().clone(), &calls),
            actors: Port::new(native.actors().clone(), &calls),
            limiter: Port::new(Arc::new(limiter), &calls),
            http_cache: Arc::new(MemoryHttpCache::new(clock.clone())),
            native,
            calls,
            clock,
        }
    }
}

impl Platform for Faulty {
    define_ports! { self:
        database: Port<SqliteDatabase> = &self.database;
        cache: Port<SqliteKeyValue> = &self.cache;
        sessions: Port<SqliteKeyValue> = &self.sessions;
        http_cache: MemoryHttpCache<HandClock> = &self.http_cache;
        rate_limiter: Port<Arc<SlidingCounter<HandClock>>> = &self.limiter;
        actors: Port<NativeActors> = &self.actors;
        clock: HandClock = &self.clock;
        ..(backups, http, ai, breaker, vectors, random, analytics, ledger, wait_until) of Native = self.native;
    }

    fn record(&self, _: &str) {}

    fn log(&self, _: &str) {}
}
