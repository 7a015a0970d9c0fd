//! The Durable Object of a run.
#![expect(missing_docs, reason = "the methods that the macro adds have none")]

use worker::{
    DurableObject, Env, Request, Response, ScheduledTime, SqlStorageValue, State, durable_object,
    js_sys, send::SendFuture, wasm_bindgen::JsValue,
};

use super::{AnalyticsEngine, D1, Fetcher, JsClock, config, system, unavailable};
use crate::config::Config;
use crate::domain::Millis;
use crate::engine::executor::Executor;
use crate::ports::{ActorContext, Meter, Metered, PortError, PortResult, Usage, used};

/// The class `WorkflowExecutor`: one object for each run, named by its id.
#[durable_object(alarm)]
pub struct WorkflowExecutor {
    context: Context,
    config: Result<Config, String>,
}

impl DurableObject for WorkflowExecutor {
    fn new(state: State, env: Env) -> Self {
        let config = config(&env).map_err(|error| error.to_string());
        let (database, analytics) = (D1::new(env.clone()), AnalyticsEngine::new(env));
        let (http, clock, unpaid) = (Fetcher, JsClock, Meter::default());
        let context = Context { state, database, http, clock, analytics, unpaid };
        // Should this fail, so will each statement after it, and their errors are handled.
        let _ = context.unpaid.charge(context.sql(SCHEMA, Vec::new()));
        Self { context, config }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let message = request.text().await?;
        match self.handle(&message).await {
            Ok(reply) => Response::ok(serde_json::to_string(&reply)?),
            Err(error) => Response::error(error.to_string(), 500),
        }
    }

    async fn alarm(&self) -> worker::Result<Response> {
        let rung = match &self.config {
            Ok(config) => Executor::new(&self.context, &config.http_allow_list).alarm().await,
            Err(error) => Err(PortError::unavailable("actor", error)),
        };
        // The platform rings again, a few times; the sweep pokes after that.
        rung.map_err(|error| worker::Error::RustError(error.to_string()))?;
        Response::empty()
    }
}

impl WorkflowExecutor {
    async fn handle(&self, message: &str) -> PortResult<serde_json::Value> {
        let failed = |error: &dyn ToString| PortError::unavailable("actor", error.to_string());
        let config = self.config.as_ref().map_err(|error| failed(error))?;
        let message = serde_json::from_str(message).map_err(|error| failed(&error))?;
        Executor::new(&self.context, &config.http_allow_list).message(message).await
    }
}

/// What the object has.
struct Context {
    state: State,
    database: D1,
    http: Fetcher,
    clock: JsClock,
    analytics: AnalyticsEngine,
    /// What making the table used, until somebody is charged for it. A table that is there costs
    /// nothing.
    unpaid: Meter,
}

/// Without a row beside the key, storing reads nothing.
const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS run \
     (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL) WITHOUT ROWID";
const LOAD: &str = "SELECT state FROM run WHERE id = 1";
const STORE: &str =
    "INSERT INTO run VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET state = excluded.state";

#[derive(serde::Deserialize)]
struct Row {
    state: String,
}

impl Context {
    /// The statement runs at once; the object's SQLite has no await.
    fn sql(&self, text: &str, params: Vec<SqlStorageValue>) -> PortResult<Option<String>> {
        let run = || -> worker::Result<Metered<Option<String>>> {
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

    /// No await between the two: the platform commits them together.
    async fn write(&self, state: &str, alarm: Option<Millis>) -> PortResult<()> {
        let mut stored = self.sql(STORE, vec![state.into()])?.map(|_| ());
        let storage = self.state.storage();
        let alarm_is = match alarm {
            Some(at) => storage.set_alarm(instant(at)).await,
            None => storage.delete_alarm().await,
        };
        alarm_is.map_err(unavailable("actor"))?;
        // The platform bills setting an alarm as one row written.
        stored.usage.rows_written += 1;
        Ok(stored)
    }
}

#[expect(clippy::cast_precision_loss, reason = "below 2^53 for the next 285,000 years")]
fn instant(at: Millis) -> ScheduledTime {
    ScheduledTime::new(js_sys::Date::new(&JsValue::from_f64(at as f64)))
}

impl ActorContext for Context {
    type Database = D1;
    type Http = Fetcher;
    type Clock = JsClock;
    type Analytics = AnalyticsEngine;
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

    fn database(&self) -> &D1 {
        &self.database
    }

    fn http(&self) -> &Fetcher {
        &self.http
    }

    fn clock(&self) -> &JsClock {
        &self.clock
    }

    fn analytics(&self) -> &AnalyticsEngine {
        &self.analytics
    }

    fn log(&self, line: &str) {
        system::log(line);
    }
}
