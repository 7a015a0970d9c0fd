//! Durable Objects' stand-in: rows of state, durable alarms, one turn at a time for each object.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use serde_json::Value;
use tokio::{
    sync::{Mutex as AsyncMutex, Notify, OwnedMutexGuard, Semaphore},
    task::JoinHandle,
};

use super::{
    Counted, SqliteKeyValue,
    analytics::NativeAnalytics,
    clock::NativeClock,
    counted,
    database::{SqliteDatabase, execute},
    http::ReqwestHttp,
    layers::Objects,
    sqlite::Sqlite,
    system::{OsRandom, log},
};
use crate::config::Config;
use crate::domain::Millis;
use crate::platform::rest::Rest;
use crate::ports::Breaker;
use crate::ports::{
    ActorClass, ActorContext, Actors, Clock, Meter, PortError, PortResult, Rows, SingleFlight, Sql,
    Statement, Usage, used,
};

/// `firing`: the alarm rang and its handler has not ended. A handler that ends without a new alarm
/// leaves none; a process that dies leaves `firing`, and rings it again when it comes back.
const SCHEMA: &[&str] = &[
    "CREATE TABLE objects (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE states (
  id INTEGER PRIMARY KEY,
  state TEXT NOT NULL
) STRICT;
CREATE TABLE alarms (
  name TEXT PRIMARY KEY,
  at INTEGER NOT NULL,
  firing INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_alarms_due ON alarms (at) WHERE firing = 0",
    // As an object's own table there: found by its key without a row beside it.
    "CREATE TABLE object_states (
  id INTEGER PRIMARY KEY,
  state TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO object_states SELECT id, state FROM states;
DROP TABLE states",
];

/// Our own bookkeeping: on the platform an object is found without reading rows.
const FIND: Sql = Sql { name: "find", text: "SELECT id FROM objects WHERE name = ?1" };
const MAKE: Sql = Sql { name: "make", text: "INSERT INTO objects (name) VALUES (?1) RETURNING id" };
/// These two count rows as an object's own table with one row does.
const LOAD: Sql = Sql { name: "load", text: "SELECT state FROM object_states WHERE id = ?1" };
const STORE: Sql = Sql {
    name: "store",
    text: "INSERT INTO object_states VALUES (?1, ?2) \
           ON CONFLICT (id) DO UPDATE SET state = excluded.state",
};
/// An object there has a table of its own, and pays for it when it is first read; one that stores
/// nothing has none.
const TABLE_USAGE: Usage = Usage { rows_read: 1, rows_written: 2, ..Usage::NONE };
const SET_ALARM: Sql = Sql {
    name: "set_alarm",
    text: "INSERT INTO alarms VALUES (?1, ?2, 0) \
           ON CONFLICT (name) DO UPDATE SET at = ?2, firing = 0",
};
const CLEAR_ALARM: Sql = Sql { name: "clear_alarm", text: "DELETE FROM alarms WHERE name = ?1" };
const DUE: Sql = Sql {
    name: "due",
    text: "UPDATE alarms SET firing = 1 WHERE firing = 0 AND at <= ?1 RETURNING name",
};
const NEXT: Sql = Sql { name: "next", text: "SELECT min(at) AS at FROM alarms WHERE firing = 0" };
const FIRED: Sql = Sql { name: "fired", text: "DELETE FROM alarms WHERE name = ?1 AND firing = 1" };
const AGAIN: Sql = Sql {
    name: "again",
    text: "UPDATE alarms SET at = ?2, firing = 0 WHERE name = ?1 AND firing = 1",
};
const ERASE: Sql = Sql { name: "erase", text: "DELETE FROM object_states WHERE id = ?1" };
const ALARMS: Sql = Sql { name: "alarms", text: "SELECT count(*) AS count FROM alarms" };
const REARM: Sql = Sql { name: "rearm", text: "UPDATE alarms SET firing = 0 WHERE firing = 1" };

/// The pause of the alarm task when it knows of no alarm.
const IDLE: Duration = Duration::from_mins(1);
/// The pause of the alarm task when it could not read the alarms. An alarm whose handler failed
/// rings again after as long.
const RETRY: Duration = Duration::from_secs(1);

/// The number of alarms that are handled at once; the others wait for their turn. Each may hold a connection
/// to another server, and a process has 1,024 descriptors where nobody raised the limit.
pub const MAX_RINGING: usize = 500;

/// The ports that objects can reach.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    pub(super) database: SqliteDatabase,
    pub(super) cache: SqliteKeyValue,
    pub(super) http: ReqwestHttp,
    pub(super) ai: Option<Counted<Rest<ReqwestHttp>>>,
    pub(super) breaker: Arc<Breaker>,
    pub(super) clock: NativeClock,
    pub(super) analytics: NativeAnalytics,
}

/// All objects of a process.
#[derive(Clone, Debug)]
pub struct NativeActors(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    objects: Sqlite,
    reach: Reach,
    config: Arc<Config>,
    handler: Arc<dyn Objects>,
    total: Meter,
    alarms_rung: AtomicU64,
    ringing: Semaphore,
    turns: Mutex<HashMap<String, Weak<AsyncMutex<()>>>>,
    single_flights: Mutex<HashMap<String, Arc<SingleFlight>>>,
    alarms_changed: Notify,
}

impl NativeActors {
    /// Opens, or makes, the objects in a file, and starts the task that rings their alarms; it
    /// ends with the last handle.
    ///
    /// # Errors
    /// [`PortError`].
    pub(super) async fn open(
        path: &Path,
        reach: Reach,
        config: Arc<Config>,
        handler: Arc<dyn Objects>,
    ) -> Result<Self, PortError> {
        let inner = Arc::new(Inner {
            objects: Sqlite::open(path, SCHEMA)?,
            reach,
            config,
            handler,
            total: Meter::default(),
            alarms_rung: AtomicU64::new(0),
            ringing: Semaphore::new(MAX_RINGING),
            turns: Mutex::default(),
            single_flights: Mutex::default(),
            alarms_changed: Notify::new(),
        });
        inner.sql(REARM.bind([])).await?;
        #[expect(clippy::disallowed_methods, reason = "this adapter owns its task")]
        tokio::spawn(ring_alarms(Arc::downgrade(&inner)));
        Ok(Self(inner))
    }

    /// Returns the thread of the database.
    pub(super) fn sqlite(&self) -> &Sqlite {
        &self.0.objects
    }

    /// Returns an object, which is made when first called.
    async fn object<'a>(&'a self, name: &'a str) -> Result<Context<'a>, PortError> {
        let (find, make) = (FIND.bind([name.into()]), MAKE.bind([name.into()]));
        let found = self.0.objects.run(move |connection| {
            let found = execute(connection, &find)?.value;
            if found.rows.is_empty() {
                execute(connection, &make).map(|made| (made.value, TABLE_USAGE))
            } else {
                Ok((found, Usage::NONE))
            }
        });
        let (found, table) = found.await?;
        let id = found.rows.first().and_then(|row| row.get("id")?.as_i64());
        let id = id.ok_or_else(|| PortError::unavailable("actor", "it got no number"))?;
        let unpaid = Meter::default();
        unpaid.add(table);
        let single_flight = self.0.single_flight(name);
        Ok(Context { actors: self, inner: &self.0, name, id, single_flight, unpaid })
    }

    /// Returns what all objects used in their own storage, the requests included.
    pub(super) fn usage(&self) -> Usage {
        self.0.total.usage()
    }

    /// Alarms that rang.
    pub(super) fn alarms_rung(&self) -> u64 {
        self.0.alarms_rung.load(Relaxed)
    }

    /// Alarms set or ringing.
    pub(super) async fn alarms(&self) -> Result<i64, PortError> {
        let alarms = self.0.sql(ALARMS.bind([])).await?.value;
        let count = alarms.rows.first().and_then(|row| row.get("count")?.as_i64());
        Ok(count.unwrap_or_default())
    }
}

impl Actors for NativeActors {
    async fn call(&self, class: ActorClass, name: &str, message: Value) -> PortResult<Value> {
        self.0.total.add(one_request());
        let handled = handle(self.clone(), class, full_name(class, name), message).await;
        let gone = |error| PortError::unavailable("actor", error);
        used(handled.map_err(gone).and_then(|handled| handled), one_request())
    }
}

/// Starts a task for the message. The object goes on when its caller waits no more.
fn handle(
    actors: NativeActors,
    class: ActorClass,
    name: String,
    message: Value,
) -> JoinHandle<PortResult<Value>> {
    #[expect(clippy::disallowed_methods, reason = "objects run side by side")]
    tokio::spawn(async move {
        let context = actors.object(&name).await?;
        let inner = &actors.0;
        inner.handler.message(class, &context, &inner.config, message).await
    })
}

impl Inner {
    async fn sql(&self, statement: Statement) -> PortResult<Rows> {
        self.objects.run(move |connection| execute(connection, &statement)).await
    }

    async fn alarm(self: &Arc<Self>, name: &str) -> Result<(), PortError> {
        let class =
            class_of(name).ok_or_else(|| PortError::unavailable("actor", "no such class"))?;
        let actors = NativeActors(Arc::clone(self));
        let context = actors.object(name).await?;
        self.handler.alarm(class, &context, &self.config).await
    }

    /// Returns the shared work of an object. That of objects whose work is over is forgotten.
    fn single_flight(&self, name: &str) -> Arc<SingleFlight> {
        let mut single_flights = self.single_flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(single_flight) = single_flights.get(name) {
            return Arc::clone(single_flight);
        }
        let now = self.reach.clock.now();
        single_flights.retain(|_, single_flight| {
            Arc::strong_count(single_flight) > 1 || !single_flight.is_over(now)
        });
        let single_flight = Arc::<SingleFlight>::default();
        single_flights.insert(name.to_owned(), Arc::clone(&single_flight));
        single_flight
    }

    /// Returns the lock of an object. Objects that nobody waits for are forgotten.
    fn turn(&self, name: &str) -> Arc<AsyncMutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(name).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(name.to_owned(), Arc::downgrade(&turn));
        turn
    }

    async fn due(&self) -> Result<Vec<String>, PortError> {
        let due = self.sql(DUE.bind([self.reach.clock.now().into()])).await?.value;
        let names =
            due.rows.into_iter().filter_map(|row| row.get("name")?.as_str().map(str::to_owned));
        Ok(names.collect())
    }

    /// Returns the time of the next alarm, if there is one.
    async fn next_alarm(&self) -> Result<Option<Millis>, PortError> {
        let next = self.sql(NEXT.bind([])).await?.value;
        Ok(next.rows.first().and_then(|row| row.get("at")?.as_i64()))
    }

    /// Returns the time until an alarm, at most [`IDLE`].
    fn until(&self, alarm: Option<Millis>) -> Duration {
        alarm.map_or(IDLE, |at| {
            let millis = (at - self.reach.clock.now()).max(0).unsigned_abs();
            Duration::from_millis(millis).min(IDLE)
        })
    }

    async fn ring(self: &Arc<Self>, name: &str) {
        // It is never closed.
        let _place = self.ringing.acquire().await;
        self.total.add(one_request());
        self.alarms_rung.fetch_add(1, Relaxed);
        // One alarm at a time, as there; messages are handled meanwhile.
        let _alarm = self.turn(&format!("alarm of {name}")).lock_owned().await;
        let ended = match self.alarm(name).await {
            Ok(()) => FIRED.bind([name.into()]),
            Err(error) => {
                log(&format!("alarm of {name}: {error}"));
                let again = self.reach.clock.now().saturating_add_unsigned(RETRY.as_secs() * 1000);
                AGAIN.bind([name.into(), again.into()])
            }
        };
        if let Err(error) = self.sql(ended).await {
            log(&format!("alarm of {name}: {error}"));
        }
        self.alarms_changed.notify_one();
    }
}

/// Returns the name of an object here: names belong to their class.
fn full_name(class: ActorClass, name: &str) -> String {
    format!("{}/{name}", class.name())
}

fn class_of(full_name: &str) -> Option<ActorClass> {
    let (class, _) = full_name.split_once('/')?;
    ActorClass::ALL.into_iter().find(|known| known.name() == class)
}

/// Returns the usage of calling an object, and of ringing its alarm.
fn one_request() -> Usage {
    Usage { actor_requests: 1, ..Usage::default() }
}

async fn ring_alarms(actors: Weak<Inner>) {
    while let Some(inner) = actors.upgrade() {
        let pause = match ring_due(&inner).await {
            // The clock may have been put forward while the alarms were read, so it is read now: a
            // pause of before would be one too many.
            Ok(next) => inner.until(next),
            Err(error) => {
                log(&format!("alarms: {error}"));
                RETRY
            }
        };
        let changed = inner.alarms_changed.notified();
        tokio::select! {
            () = inner.reach.clock.sleep(pause) => {}
            () = changed => {}
        }
    }
}

/// Rings the alarms that are due, and returns the time of the next one.
async fn ring_due(inner: &Arc<Inner>) -> Result<Option<Millis>, PortError> {
    for name in inner.due().await? {
        let inner = Arc::clone(inner);
        #[expect(clippy::disallowed_methods, reason = "objects run side by side")]
        tokio::spawn(async move { inner.ring(&name).await });
    }
    inner.next_alarm().await
}

/// One object, while it handles one event.
#[derive(Debug)]
pub struct Context<'a> {
    actors: &'a NativeActors,
    inner: &'a Inner,
    name: &'a str,
    id: i64,
    single_flight: Arc<SingleFlight>,
    /// The usage of making its table, until somebody is charged for it.
    unpaid: Meter,
}

impl ActorContext for Context<'_> {
    crate::define_ports! { self:
        database: SqliteDatabase = &self.inner.reach.database;
        cache: SqliteKeyValue = &self.inner.reach.cache;
        actors: NativeActors = self.actors;
        http: ReqwestHttp = &self.inner.reach.http;
        ai: Counted<Rest<ReqwestHttp>> = self.inner.reach.ai.as_ref();
        breaker: Breaker = &self.inner.reach.breaker;
        clock: NativeClock = &self.inner.reach.clock;
        random: OsRandom = &OsRandom;
        analytics: NativeAnalytics = &self.inner.reach.analytics;
    }

    type Turn = OwnedMutexGuard<()>;

    async fn turn(&self) -> Self::Turn {
        self.inner.turn(self.name).lock_owned().await
    }

    async fn load(&self) -> PortResult<Option<String>> {
        let loaded = self.inner.sql(LOAD.bind([self.id.into()])).await;
        let table = self.unpaid.take();
        self.inner.total.add(table);
        let loaded = used(counted(&self.inner.total, loaded), table)?;
        Ok(loaded.map(|rows| Some(rows.rows.first()?.get("state")?.as_str()?.to_owned())))
    }

    async fn save(&self, state: &str, alarm: Option<Millis>) -> PortResult<()> {
        let store = STORE.bind([self.id.into(), state.into()]);
        let sets_alarm = alarm.is_some();
        let alarm = match alarm {
            Some(at) => SET_ALARM.bind([self.name.into(), at.into()]),
            None => CLEAR_ALARM.bind([self.name.into()]),
        };
        let stored =
            self.inner.objects.run(move |connection| in_one(connection, &store, &alarm)).await;
        // Our table of alarms is not the platform's: it bills setting an alarm as one row written, and
        // deleting it as none.
        let set = Usage { rows_written: u64::from(sets_alarm), ..Usage::default() };
        let stored = used(stored, set);
        self.inner.alarms_changed.notify_one();
        counted(&self.inner.total, stored)
    }

    /// Erases the state, but keeps the number: somebody may be on the way to the object.
    async fn erase(&self) -> PortResult<()> {
        let erase = ERASE.bind([self.id.into()]);
        let clear = CLEAR_ALARM.bind([self.name.into()]);
        let erased =
            self.inner.objects.run(move |connection| in_one(connection, &erase, &clear)).await;
        counted(&self.inner.total, erased)
    }

    fn single_flight(&self) -> &SingleFlight {
        &self.single_flight
    }

    fn log(&self, line: &str) {
        log(line);
    }
}

/// Executes two statements in one transaction. The usage of the second is our own bookkeeping.
fn in_one(
    connection: &mut rusqlite::Connection,
    first: &Statement,
    second: &Statement,
) -> PortResult<()> {
    let unavailable = |error: rusqlite::Error| super::sqlite::unavailable(&error);
    let transaction = connection.transaction().map_err(unavailable)?;
    let done = execute(&transaction, first)?.map(|_| ());
    execute(&transaction, second)?;
    transaction.commit().map_err(unavailable)?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::{super::layers::Bare, *};

    #[tokio::test]
    async fn an_alarm_whose_handler_failed_rings_again() {
        let directory = tempfile::tempdir().unwrap();
        let database = SqliteDatabase::open(&directory.path().join("database")).unwrap();
        let config = Config::from_lookup(|name| (name == "JWT_SECRET").then(|| "s".repeat(32)));
        let objects = directory.path().join("objects");
        let config = Arc::new(config.unwrap());
        let http = ReqwestHttp::new(&config.http_allow_list).unwrap();
        let clock = NativeClock::default();
        let cache = directory.path().join("cache");
        let cache = SqliteKeyValue::open(&cache, clock.clone()).unwrap();
        let (ai, breaker, analytics) = (None, Arc::default(), NativeAnalytics::default());
        let reach = Reach { database, cache, http, ai, breaker, clock, analytics };
        let actors = NativeActors::open(&objects, reach, config, Arc::new(Bare)).await;
        let inner = actors.unwrap().0;

        let ringing = "INSERT INTO alarms VALUES (?1, ?2, 1)";
        let ringing =
            Sql { name: "ringing", text: ringing }.bind(["WorkflowExecutor/run".into(), 1.into()]);
        inner.sql(ringing).await.unwrap();
        let actors = NativeActors(Arc::clone(&inner));
        actors.object("WorkflowExecutor/run").await.unwrap();
        let unreachable = Sql { name: "drop", text: "DROP TABLE object_states" };
        inner.sql(unreachable.bind([])).await.unwrap();
        let before = inner.reach.clock.now();
        inner.ring("WorkflowExecutor/run").await;
        let next = Sql { name: "alarm", text: "SELECT at FROM alarms" }.bind([]);
        let next = inner.sql(next).await.unwrap().value;
        assert!(next.rows[0]["at"].as_i64().is_some_and(|at| at > before), "{next:?}");
    }
}
