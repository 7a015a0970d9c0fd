//! The Durable Objects, from the inside.
#![expect(missing_docs, reason = "the methods that the macro adds have none")]

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use worker::{
    DurableObject, Env, Request, Response, ScheduledTime, SqlStorageValue, State, durable_object,
    js_sys, send::SendFuture, wasm_bindgen::JsValue,
};

use super::{
    AnalyticsEngine, BREAKER, D1, DurableObjects, Fetcher, JsClock, JsRandom, Kv, Product, ai,
    config, system, unavailable,
};
use crate::config::{Config, ConfigError};
use crate::domain::Millis;
use crate::objects;
use crate::ports::Breaker;
use crate::ports::{
    ActorClass, ActorContext, Meter, Metered, PortError, PortResult, SingleFlight, Usage, used,
};

/// A class of the runtime that hosts one of ours.
macro_rules! class {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[durable_object(alarm)]
        pub struct $name(Host);

        impl DurableObject for $name {
            fn new(state: State, env: Env) -> Self {
                Self(Host::new(ActorClass::$name, state, env))
            }

            async fn fetch(&self, request: Request) -> worker::Result<Response> {
                self.0.fetch(request).await
            }

            async fn alarm(&self) -> worker::Result<Response> {
                self.0.alarm().await
            }
        }
    };
}

class! {
    /// One object for each run, named by its id.
    WorkflowExecutor
}

class! {
    /// One object for each person, and one for each sign-in that is under way.
    OAuth
}

class! {
    /// One object for each question to a model, named by its hash.
    AiMisses
}

/// An object of any class.
struct Host {
    class: ActorClass,
    context: Context,
    config: Result<Config, ConfigError>,
}

impl Host {
    fn new(class: ActorClass, state: State, env: Env) -> Self {
        let config = config(&env);
        let ai = config.as_ref().ok().and_then(|config| Product::find(&env, config, ai::BINDING));
        let context = Context {
            state,
            single_flight: SingleFlight::default(),
            database: D1::new(env.clone()),
            cache: Kv::new(env.clone(), "CACHE"),
            actors: DurableObjects::new(env.clone()),
            ai,
            analytics: AnalyticsEngine::new(env),
            unpaid: Meter::default(),
            bare: AtomicBool::new(true),
        };
        Self { class, context, config }
    }

    fn config(&self) -> Result<&Config, PortError> {
        self.config.as_ref().map_err(|error| PortError::unavailable("actor", error))
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let message = request.text().await?;
        match self.message(&message).await {
            Ok(reply) => Response::ok(serde_json::to_string(&reply)?),
            Err(error) => Response::error(error.to_string(), 500),
        }
    }

    async fn message(&self, message: &str) -> PortResult<serde_json::Value> {
        let config = self.config()?;
        let message = serde_json::from_str(message)
            .map_err(|error| PortError::unavailable("actor", error))?;
        objects::message(self.class, &self.context, config, message).await
    }

    async fn alarm(&self) -> worker::Result<Response> {
        let rung = match self.config() {
            Ok(config) => objects::alarm(self.class, &self.context, config).await,
            Err(error) => Err(error),
        };
        // The platform rings again, a few times; the sweep pokes after that.
        rung.map_err(|error| worker::Error::RustError(error.to_string()))?;
        Response::empty()
    }
}

/// The context of the object.
struct Context {
    state: State,
    single_flight: SingleFlight,
    database: D1,
    cache: Kv,
    actors: DurableObjects,
    ai: Option<Product>,
    analytics: AnalyticsEngine,
    /// The usage of making the table, until somebody is charged for it. A table that is there costs
    /// nothing.
    unpaid: Meter,
    /// The table may not be there. It is made before the first statement: an object that stores
    /// nothing, such as that of a question to a model, has no storage to pay for.
    bare: AtomicBool,
}

/// Creates the table without a row beside the key, so that storing reads nothing.
const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS object \
     (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL) WITHOUT ROWID";
const LOAD: &str = "SELECT state FROM object WHERE id = 1";
const ERASE: &str = "DELETE FROM object WHERE id = 1";
const STORE: &str =
    "INSERT INTO object VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET state = excluded.state";

#[derive(serde::Deserialize)]
struct Row {
    state: String,
}

impl Context {
    /// Runs a statement at once; the object's SQLite has no await.
    fn sql(&self, text: &str, params: Vec<SqlStorageValue>) -> PortResult<Option<String>> {
        let run = || -> worker::Result<Metered<Option<String>>> {
            if self.bare.swap(false, Relaxed) {
                // Should this fail, so will the statement after it, and its error is handled.
                let _ = self.unpaid.charge(self.sql(SCHEMA, Vec::new()));
            }
            let cursor = self.state.storage().sql().exec(text, params)?;
            let row = cursor.to_array::<Row>()?.into_iter().next();
            let usage = Usage {
                rows_read: cursor.rows_read() as u64,
                rows_written: cursor.rows_written() as u64,
                ..Usage::default()
            };
            Ok(Metered { value: row.map(|row| row.state), usage })
        };
        run().map_err(unavailable("actor"))
    }

    async fn forget(&self) -> PortResult<()> {
        // At once: nobody who comes while the rest is under way finds the state.
        let erased = self.sql(ERASE, Vec::new())?.map(|_| ());
        let storage = self.state.storage();
        storage.delete_alarm().await.map_err(unavailable("actor"))?;
        // The table, too: an object with nothing in it is not billed.
        storage.delete_all().await.map_err(unavailable("actor"))?;
        self.bare.store(true, Relaxed);
        Ok(erased)
    }

    /// Writes state and alarm without an await between the two: the platform commits them together.
    async fn write(&self, state: &str, alarm: Option<Millis>) -> PortResult<()> {
        let mut stored = self.sql(STORE, vec![state.into()])?.map(|_| ());
        let storage = self.state.storage();
        let alarm_is = match alarm {
            Some(at) => storage.set_alarm(instant(at)).await,
            None => storage.delete_alarm().await,
        };
        alarm_is.map_err(unavailable("actor"))?;
        // The platform bills setting an alarm as one row written, and deleting it as none.
        stored.usage.rows_written += u64::from(alarm.is_some());
        Ok(stored)
    }
}

#[expect(clippy::cast_precision_loss, reason = "below 2^53 for the next 285,000 years")]
fn instant(at: Millis) -> ScheduledTime {
    ScheduledTime::new(js_sys::Date::new(&JsValue::from_f64(at as f64)))
}

impl ActorContext for Context {
    crate::define_ports! { self:
        database: D1 = &self.database;
        cache: Kv = &self.cache;
        actors: DurableObjects = &self.actors;
        http: Fetcher = &Fetcher;
        ai: Product = self.ai.as_ref();
        breaker: Breaker = &BREAKER;
        clock: JsClock = &JsClock;
        random: JsRandom = &JsRandom;
        analytics: AnalyticsEngine = &self.analytics;
    }

    /// The object's SQLite has no await: nobody comes between `load` and the writes of `save`.
    type Turn = ();

    async fn turn(&self) {}

    async fn load(&self) -> PortResult<Option<String>> {
        used(self.sql(LOAD, Vec::new()), self.unpaid.take())
    }

    fn save(
        &self,
        state: &str,
        alarm: Option<Millis>,
    ) -> impl Future<Output = PortResult<()>> + Send {
        SendFuture::new(self.write(state, alarm))
    }

    fn erase(&self) -> impl Future<Output = PortResult<()>> + Send {
        SendFuture::new(self.forget())
    }

    fn single_flight(&self) -> &SingleFlight {
        &self.single_flight
    }

    fn log(&self, line: &str) {
        system::log(line);
    }
}
