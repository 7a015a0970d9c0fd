//! A load: many iterations at once, on threads that share nothing but the plan and a stop flag.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, OnceLock, PoisonError, atomic::AtomicBool},
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use super::{
    Environment, LoadTick, ProgressEvent, StopFlag,
    context::RunContext,
    progress::{self, Gauge},
    server_monitor::ServerMonitor,
    thread::{ThreadError, on_own_thread},
};
use crate::{
    http::unsolicited,
    judge,
    model::clock,
    plan::{LoadPlan, ScenarioPlan, Values},
    record::{Drift, Level, Metrics, Pace, ScenarioRecord, Sketch, StepRecord, float},
};

mod arrivals;
mod pacer;
mod users;
mod worker;

use worker::{Part, WorkerConfig};

/// A thread whose first operations, this many, all found nobody listening ends the load: the
/// target is not there, and waiting for the plan's end would teach nothing.
pub const FAIL_FAST: u64 = 25;

/// The time that operations in flight may still run after a signal. It is short because somebody
/// waits at a keyboard.
pub const INTERRUPTED_DRAIN: Duration = Duration::from_millis(500);

/// The time from the start of the threads to the first arrival, so that every thread is ready for
/// it.
const LEAD: Duration = Duration::from_millis(20);

/// The interval at which a watcher hears of a load, and missed thresholds are looked for.
const TICK: Duration = Duration::from_secs(1);

/// The result of a load.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) metrics: Metrics,
    pub(super) pace: Pace,
    /// The measured time, without the warm-up.
    pub(super) window: Duration,
    /// The threshold that ended it early.
    pub(super) aborted_by: Option<String>,
    /// The rates that were tried, if it was a search.
    pub(super) levels: Vec<Level>,
    /// The changes of the development server that the target runs on.
    pub(super) server: Option<Drift>,
    /// The problem with the target, whatever it answers.
    pub(super) problem: Option<String>,
    /// The errors of the threads that gave no result.
    pub(super) errors: Vec<ThreadError>,
}

/// A load to run.
#[derive(Clone)]
pub(super) struct Load {
    pub(super) context: Arc<RunContext>,
    pub(super) plan: Arc<LoadPlan>,
    /// Variables and what was captured before.
    pub(super) base: Arc<Values>,
    /// Number of the first iteration.
    pub(super) first: u64,
}

/// A load that runs, as all its threads share it.
struct LoadRun {
    load: Load,
    stop: StopFlag,
    /// Set by a thread that finds nobody listening.
    gone: AtomicBool,
    /// The threshold that is missed for good, which ends the load.
    aborted_by: OnceLock<String>,
    /// Set if somebody watches the percentiles.
    watched: bool,
    /// The first arrival.
    start: Instant,
    threads: usize,
}

/// The figures by which a thread shows its progress.
#[derive(Debug, Default)]
struct Window {
    gauge: Arc<Gauge>,
    /// Its metrics of a moment ago, if a missed threshold ends the load.
    metrics: Mutex<Vec<StepRecord>>,
    /// Its response times of a moment ago, if somebody watches them.
    waits: Mutex<Sketch>,
}

/// Runs a load to its end.
pub(super) async fn run(load: Load, environment: &Environment) -> Loaded {
    let slots = load.plan.max_in_flight.max(1);
    let connections = load.plan.max_connections;
    let threads = environment.threads.get().min(slots).min(connections.unwrap_or(slots).max(1));
    let part = |all: usize, index| all / threads + usize::from(index < all % threads);
    let warmup = load.plan.warmup;
    let problem = unsolicited::listen(&load.context.url).await;
    let mut monitor = ServerMonitor::of(environment.server.as_ref());
    let run = Arc::new(LoadRun {
        load,
        stop: environment.stop.clone(),
        gone: AtomicBool::default(),
        aborted_by: OnceLock::default(),
        watched: environment.progress.wants_percentiles(),
        start: clock::now() + LEAD,
        threads,
    });
    let mut windows = Vec::new();
    let mut parts = JoinSet::new();
    for index in 0..threads {
        let window = Arc::<Window>::default();
        windows.push(Arc::clone(&window));
        let config = WorkerConfig {
            run: Arc::clone(&run),
            index,
            slots: part(slots, index),
            connections: connections.map(|connections| part(connections, index)),
            window,
        };
        parts.spawn_local(async move {
            on_own_thread(format!("load-{index}"), move || config.run()).await.flatten()
        });
    }
    let (mut loaded, end) = tokio::select! {
        ended = collect(parts, run.start) => ended,
        never = watch(&windows, &run, environment, &mut monitor) => match never {},
    };
    loaded.window = end.saturating_duration_since(clock::after(run.start, warmup));
    loaded.aborted_by = run.aborted_by.get().cloned();
    loaded.server = monitor.map(ServerMonitor::leave);
    loaded.problem = problem;
    loaded
}

/// Adds up what the threads hand back, and when the last of them was done with its arrivals.
async fn collect(
    mut parts: JoinSet<Result<Part, ThreadError>>,
    start: Instant,
) -> (Loaded, Instant) {
    let mut loaded = Loaded::default();
    let mut end = start;
    while let Some(part) = parts.join_next().await {
        match part.map_err(|_| ThreadError::Panicked).flatten() {
            Err(error) => loaded.errors.push(error),
            Ok(part) => {
                loaded.metrics.merge(&part.metrics);
                loaded.pace.merge(&part.pace);
                end = end.max(part.end);
            }
        }
    }
    (loaded, end)
}

/// Tells the watcher how the load goes on, once per second, and looks for missed thresholds and at
/// the server.
async fn watch(
    windows: &[Arc<Window>],
    run: &LoadRun,
    environment: &Environment,
    monitor: &mut Option<ServerMonitor>,
) -> Infallible {
    let gauges: Vec<_> = windows.iter().map(|window| Arc::clone(&window.gauge)).collect();
    let mut before = 0;
    let mut next = run.start;
    loop {
        next += TICK;
        clock::sleep_until(next).await;
        let tick = progress::total(&gauges);
        let mut waits = Sketch::default();
        for window in windows.iter().filter(|_| run.watched) {
            waits.merge(&window.waits.lock().unwrap_or_else(PoisonError::into_inner));
        }
        let elapsed = clock::now().saturating_duration_since(run.start);
        let tick = LoadTick {
            elapsed,
            total: run.load.plan.profile.duration(),
            p50: waits.percentile(50),
            p95: waits.percentile(95),
            p99: waits.percentile(99),
            per_second: float(tick.ended - before) / TICK.as_secs_f64(),
            ..tick
        };
        before = tick.ended;
        environment.progress.event(ProgressEvent::Load(tick));
        monitor.iter_mut().for_each(ServerMonitor::look);
        if run.load.plan.abort_after.is_some_and(|delay| elapsed >= delay)
            && let Some(threshold) = missed_for_good(windows, &run.load.context.plan)
        {
            let _first = run.aborted_by.set(threshold);
        }
    }
}

/// Returns a threshold that is missed by the metrics so far, and that nothing to come can mend.
fn missed_for_good(windows: &[Arc<Window>], plan: &ScenarioPlan) -> Option<String> {
    let mut record = ScenarioRecord::default();
    record.steps.resize_with(plan.labels.len(), StepRecord::default);
    for window in windows {
        let metrics = window.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        crate::record::merge(&mut record.steps, &metrics);
    }
    judge::hopeless(plan, &record)
}

/// Returns [`INTERRUPTED_DRAIN`] after the stop flag was raised.
pub(super) async fn interrupted(stop: &StopFlag) {
    stop.wait().await;
    clock::sleep_until(clock::now() + INTERRUPTED_DRAIN).await;
}
