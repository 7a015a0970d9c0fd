//! The control socket: what a test does to the server that no client of the API can. It moves the
//! clock, fires the cron, reads counters, and says whether anything is left to do.
//!
//! HTTP on a Unix socket in a folder that only its owner can enter: a page in a browser cannot
//! reach it by any URL, and neither can other users of the machine. A loopback port is open to both.

use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{Request, StatusCode},
    routing::{get, post},
};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::net::UnixListener;
use tower_service::Service;

use super::{Native, database::execute, layers::Scheduled, system::log};
use crate::domain::Millis;
use crate::ports::{Cause, Clock, Platform, PortError, PortResult, Rows, Sql, Tally, Usage};
use crate::store::metering;

/// The folder of the socket in the state directory.
const FOLDER: &str = "control";
/// The name of the socket in that folder.
const SOCKET: &str = "socket";
/// The accept loop's pause when there are no descriptors left.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

const OPEN_RUNS: Sql = Sql {
    name: "count_open_runs",
    text: "SELECT count(*) AS count FROM workflow_runs \
           WHERE status IN ('queued', 'running', 'waiting')",
};

const ACCOUNTS: Sql =
    Sql { name: "all_accounts", text: "SELECT cause, written, usage FROM usage_accounts" };
const PENDING: Sql = Sql { name: "all_pending", text: "SELECT cause, tally FROM usage_pending" };
const RUNS: Sql =
    Sql { name: "all_runs", text: "SELECT report ->> '$.usage' AS usage FROM workflow_runs" };

/// Returns the path of the control socket of a state directory.
pub fn socket(state: &Path) -> PathBuf {
    state.join(FOLDER).join(SOCKET)
}

/// The counters of a server since its start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Requests that the router was given.
    pub(super) requests: AtomicU64,
    /// Sweeps, whether the schedule or the control socket asked for them.
    pub(super) sweeps: AtomicU64,
}

/// The socket of one server, ready to be served.
#[derive(Debug)]
pub(super) struct Control {
    listener: UnixListener,
    router: Router,
}

#[derive(Clone)]
struct Controlled {
    platform: Native,
    scheduled: Scheduled,
    counters: Arc<Counters>,
}

#[derive(Serialize)]
struct ClockFace {
    now: Millis,
    frozen: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockChange {
    frozen: Option<bool>,
    /// The advance in milliseconds, after `frozen` was obeyed.
    advance_ms: Option<Millis>,
}

#[derive(Serialize)]
struct Swept {
    /// Overdue runs whose executor was visited.
    visited: usize,
}

#[derive(Serialize)]
struct Counts {
    requests: u64,
    sweeps: u64,
    alarms_rung: u64,
    /// The usage of all port calls, whoever they were for.
    usage: Usage,
}

/// Usage by its cause.
#[derive(Default, Serialize)]
struct Billed {
    requests: Usage,
    events: Usage,
    scheduled_tasks: Usage,
    metering: Usage,
    runs: Usage,
    total: Usage,
}

#[derive(Deserialize)]
struct AccountRow {
    cause: Cause,
    written: u64,
    usage: String,
}

#[derive(Deserialize)]
struct PendingRow {
    cause: Cause,
    tally: String,
}

#[derive(Deserialize)]
struct RunRow {
    usage: String,
}

#[derive(Serialize)]
struct Rest {
    /// True if nothing will happen until somebody asks for something.
    quiet: bool,
    /// Runs that are not finished, as far as the database knows.
    open_runs: i64,
    /// Alarms set or ringing.
    alarms: i64,
}

impl Control {
    /// Makes the socket. One that a dead server left behind makes way.
    pub(super) fn open(
        state: &Path,
        platform: Native,
        scheduled: Scheduled,
        counters: Arc<Counters>,
    ) -> io::Result<Self> {
        let path = socket(state);
        DirBuilder::new().recursive(true).mode(0o700).create(state.join(FOLDER))?;
        // Whoever made a socket that is there has lost the lock of the state.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        Ok(Self { listener, router: router(Controlled { platform, scheduled, counters }) })
    }

    /// Serves for ever.
    pub(super) async fn serve(&self) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let router = self.router.clone();
                    #[expect(clippy::disallowed_methods, reason = "a task for each connection")]
                    tokio::spawn(connection(stream, router));
                }
                Err(error) => {
                    log(&format!("control: {error}"));
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }
}

async fn connection(stream: tokio::net::UnixStream, router: Router) {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        router.clone().call(request.map(Body::new))
    });
    // A peer that went away has had its answer.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

fn router(controlled: Controlled) -> Router {
    Router::new()
        .route("/clock", get(clock).post(set_clock))
        .route("/cron", post(cron))
        .route("/counters", get(counters))
        .route("/billed", get(billed))
        .route("/analytics", get(analytics))
        .route("/rest", get(rest))
        .with_state(controlled)
}

async fn clock(State(controlled): State<Controlled>) -> Json<ClockFace> {
    let clock = controlled.platform.clock();
    Json(ClockFace { now: clock.now(), frozen: clock.is_frozen() })
}

async fn set_clock(
    State(controlled): State<Controlled>,
    Json(change): Json<ClockChange>,
) -> Json<ClockFace> {
    let clock = controlled.platform.clock();
    if let Some(frozen) = change.frozen {
        clock.freeze(frozen);
    }
    if let Some(by) = change.advance_ms {
        clock.advance(by);
    }
    self::clock(State(controlled)).await
}

/// Runs the scheduled tasks now.
async fn cron(State(controlled): State<Controlled>) -> Result<Json<Swept>, Failed> {
    controlled.counters.sweeps.fetch_add(1, Relaxed);
    let due = controlled.platform.clock().now();
    let done = controlled.scheduled.every_minute(due).await;
    let visited =
        done.map_err(|failures| (StatusCode::SERVICE_UNAVAILABLE, failures.to_string()))?;
    Ok(Json(Swept { visited }))
}

async fn counters(State(controlled): State<Controlled>) -> Json<Counts> {
    let Controlled { platform, counters, .. } = controlled;
    let alarms_rung = platform.actors().alarms_rung();
    let (requests, sweeps) = (counters.requests.load(Relaxed), counters.sweeps.load(Relaxed));
    Json(Counts { requests, sweeps, alarms_rung, usage: platform.usage() })
}

async fn rest(State(controlled): State<Controlled>) -> Result<Json<Rest>, Failed> {
    let platform = controlled.platform;
    let open = peek(&platform, OPEN_RUNS).await.map_err(failed)?;
    let count = open.value.rows.first().and_then(|row| row.get("count")?.as_i64());
    let open_runs = count.unwrap_or_default();
    let alarms = platform.actors().alarms().await.map_err(failed)?;
    Ok(Json(Rest { quiet: open_runs == 0 && alarms == 0, open_runs, alarms }))
}

/// Returns everything that was billed, whoever it was billed to: at rest it is what the ports
/// counted, since the state folder was made.
async fn billed(State(controlled): State<Controlled>) -> Result<Json<Billed>, Failed> {
    let platform = controlled.platform;
    // In this order: what moves in between is missing once, rather than counted twice.
    let accounts = peek(&platform, ACCOUNTS).await.map_err(failed)?;
    let pending = peek(&platform, PENDING).await.map_err(failed)?;
    let runs = peek(&platform, RUNS).await.map_err(failed)?;
    let mut billed = Billed::default();
    for row in accounts.value.decode::<AccountRow>().map_err(failed)? {
        billed.add(row.cause, parse(&row.usage)?);
        billed.metering += metering(row.written).usage;
    }
    for row in pending.value.decode::<PendingRow>().map_err(failed)? {
        billed.add(row.cause, parse::<Tally>(&row.tally)?.usage);
    }
    for row in runs.value.decode::<RunRow>().map_err(failed)? {
        billed.runs += parse(&row.usage)?;
    }
    let Billed { requests, events, scheduled_tasks, metering, runs, .. } = billed;
    billed.total = [requests, events, scheduled_tasks, metering, runs].into_iter().sum();
    Ok(Json(billed))
}

impl Billed {
    fn add(&mut self, cause: Cause, usage: Usage) {
        *match cause {
            Cause::Requests => &mut self.requests,
            Cause::Events => &mut self.events,
            Cause::ScheduledTasks => &mut self.scheduled_tasks,
        } += usage;
    }
}

/// Returns the last events for analysis.
async fn analytics(State(controlled): State<Controlled>) -> Json<Vec<Value>> {
    Json(controlled.platform.analytics().points())
}

/// Queries the database at nobody's expense.
async fn peek(platform: &Native, sql: Sql) -> PortResult<Rows> {
    platform.database().sqlite().run(move |connection| execute(connection, &sql.bind([]))).await
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Failed> {
    serde_json::from_str(text).map_err(|error| failed(PortError::unavailable("database", error)))
}

type Failed = (StatusCode, String);

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: PortError) -> Failed {
    (StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}
