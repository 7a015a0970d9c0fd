//! Reports progress to an observer while a scenario runs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{plan::ScenarioPlan, record::ScenarioRecord};

/// Somebody who watches a run. Called a few times per scenario and at most once per second of a
/// load, never for each request.
pub trait Progress {
    /// Something happened.
    fn event(&self, event: ProgressEvent<'_>);

    /// Returns whether ticks should have percentiles, which are worth their cost only if somebody
    /// shows them.
    fn wants_percentiles(&self) -> bool {
        false
    }
}

/// An event of a run.
#[derive(Clone, Copy, Debug)]
pub enum ProgressEvent<'a> {
    /// A scenario begins.
    Started(&'a ScenarioPlan),
    /// Another second of a load is over.
    Load(LoadTick),
    /// A scenario ended.
    Finished(&'a ScenarioPlan, &'a ScenarioRecord),
}

/// A load as it goes on, warm-up included.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LoadTick {
    /// The time since the first arrival.
    pub elapsed: Duration,
    /// The time during which iterations start, if that is known.
    pub total: Option<Duration>,
    /// Operations that ended in the last second, per second.
    pub per_second: f64,
    /// Operations that ended so far.
    pub ended: u64,
    /// Operations of those that failed.
    pub failed: u64,
    /// Operations that are running.
    pub in_flight: u64,
    /// Median of the response time so far, at most a sixteenth too long; if somebody wants it.
    pub p50: Option<Duration>,
    /// 95th percentile, likewise.
    pub p95: Option<Duration>,
    /// 99th percentile, likewise.
    pub p99: Option<Duration>,
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn event(&self, _: ProgressEvent<'_>) {}
}

/// The figures that one thread shows of itself. Only that thread writes to it, so that no thread
/// waits for a cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Gauge {
    started: AtomicU64,
    ended: AtomicU64,
    failed: AtomicU64,
}

impl Gauge {
    pub(crate) fn start(&self) {
        self.started.fetch_add(1, Relaxed);
    }

    pub(crate) fn end(&self, failed: bool) {
        self.ended.fetch_add(1, Relaxed);
        if failed {
            self.failed.fetch_add(1, Relaxed);
        }
    }
}

/// The sum of all threads.
pub(crate) fn total(gauges: &[Arc<Gauge>]) -> LoadTick {
    let sum = |read: fn(&Gauge) -> &AtomicU64| -> u64 {
        gauges.iter().map(|gauge| read(gauge).load(Relaxed)).sum()
    };
    let ended = sum(|gauge| &gauge.ended);
    LoadTick {
        ended,
        failed: sum(|gauge| &gauge.failed),
        in_flight: sum(|gauge| &gauge.started).saturating_sub(ended),
        ..LoadTick::default()
    }
}
