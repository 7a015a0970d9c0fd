//! What the figures of a run are worth: known answers, within bounds that a busy machine keeps.
//! `benches/README.md` has the commands for the tight bounds.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests"
)]

use std::{
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use crate::common::{self, Target, block_on, environment, load, request, scenario};
use axum::{Router, routing::get};
use rand::{RngExt as _, SeedableRng as _};
use workway::{
    plan::{LoadPlan, Profile, Work},
    record::{Figure, Latency, StepRecord},
    run::run,
};

const RATE: f64 = 300.0;
const WINDOW: Duration = Duration::from_secs(20);
const ARRIVALS: u64 = 6000;

/// A target that stops for two seconds: every request that arrives in the stall is answered at its
/// end. It keeps a log.
#[derive(Default)]
struct Stall {
    first: OnceLock<Instant>,
    /// When requests arrived and were answered, since the first.
    log: Mutex<Vec<(f64, f64)>>,
}

impl Stall {
    const FROM: Duration = Duration::from_secs(8);
    const LASTS: Duration = Duration::from_secs(2);

    async fn answer(&self) {
        let first = *self.first.get_or_init(Instant::now);
        let arrived = first.elapsed();
        let end = Self::FROM + Self::LASTS;
        if arrived >= Self::FROM && arrived < end {
            tokio::time::sleep(end.saturating_sub(arrived)).await;
        }
        let answered = first.elapsed();
        self.log.lock().unwrap().push((arrived.as_secs_f64(), answered.as_secs_f64()));
    }

    /// How long users waited by this log, in order: the first to come was the first to be
    /// answered, and everybody was due when the rate says so.
    fn waits(&self) -> Vec<f64> {
        let log = self.log.lock().unwrap();
        let (mut arrived, mut answered): (Vec<_>, Vec<_>) = log.iter().copied().unzip();
        arrived.sort_by(f64::total_cmp);
        answered.sort_by(f64::total_cmp);
        let due = |number: usize| f64::from(u32::try_from(number).unwrap()) / RATE;
        let late = arrived.iter().enumerate().map(|(number, at)| at - due(number));
        let start = late.fold(f64::INFINITY, f64::min);
        let waits = answered.iter().enumerate().map(|(number, at)| at - start - due(number));
        let mut waits: Vec<_> = waits.collect();
        waits.sort_by(f64::total_cmp);
        waits
    }
}

/// Runs 300/s for twenty seconds against a target that stops for two: its log and the record.
fn stalled(connections: usize) -> (&'static Stall, StepRecord) {
    let stall: &'static Stall = Box::leak(Box::default());
    let handler = move || async {
        stall.answer().await;
        "ok"
    };
    let target = Target::start(Router::new().route("/", get(handler)));
    let load = load(RATE, WINDOW, vec![request(common::get(0, "/"))]);
    let load = LoadPlan { max_connections: Some(connections), ..load };
    let plan = scenario(&["hit"], Work::Load(load));
    let mut record = block_on(run(&plan, &environment(target.address)));
    (stall, record.steps.remove(0))
}

fn seconds(figure: Figure) -> f64 {
    let Figure::Exact(time) = figure else { panic!("{figure:?}") };
    time.as_secs_f64()
}

/// Whoever arrives `x` before the end of a stall waits `x`. So of `T` seconds with a stall of `S`,
/// the percentile `q` is `S - (1 - q)·T`, and the mean `S²/2T`. What the target's own log says is
/// nearer: it knows how long the queue took to drain.
fn assert_true((stall, step): &(&Stall, StepRecord)) {
    assert_eq!((step.scheduled, step.ok), (ARRIVALS, ARRIVALS), "{step:?}");
    let waits = stall.waits();
    let late = seconds(step.lag.percentile(99.9));
    let mean = waits.iter().sum::<f64>() / f64::from(u32::try_from(waits.len()).unwrap());
    for (name, found, logged, form) in [
        ("p95", step.response.percentile(95.0), waits[5700 - 1], 1.0),
        ("p99.9", step.response.percentile(99.9), waits[5994 - 1], 1.98),
        ("mean", step.response.mean(), mean, 0.1),
    ] {
        let found = seconds(found);
        println!("{name}: {found:.4} s, by the log {logged:.4} s, by the formula {form} s");
        // Two in a hundred, and what the generator itself says that it was late: on a busy machine
        // that is also how late it may see an answer.
        let allowed = 0.02 * logged + late;
        assert!((found - logged).abs() < allowed, "{name} {found} {logged}, allowed {allowed}");
        assert!((found / form - 1.0).abs() < 0.3, "{name} {found}, expected {form}");
    }
    // What is timed from sending sees the stall only as often as there are connections.
    assert!(seconds(step.service.percentile(50.0)) < 0.25);
}

#[test]
fn a_stall_with_64_connections() {
    assert_true(&stalled(64));
}

#[test]
fn a_stall_with_10_connections() {
    let stalled = stalled(10);
    assert_true(&stalled);
    // Waiting for a connection is neither lateness of the generator nor service.
    let step = &stalled.1;
    assert!(seconds(step.lag.percentile(95.0)) < 0.25, "{step:?}");
    assert!(seconds(step.service.percentile(95.0)) < 0.25, "{step:?}");
}

/// Five shapes of latencies, in nanoseconds.
fn distributions() -> Vec<(&'static str, Vec<u64>)> {
    const SAMPLES: usize = 200_000;
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let mut draw = |shape: fn(f64) -> f64| -> Vec<u64> {
        let sample = |uniform: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
            let nanos = shape(uniform).clamp(1.0, 3.5e12) as u64;
            nanos
        };
        (0..SAMPLES).map(|_| sample(random.random::<f64>())).collect()
    };
    vec![
        ("uniform", draw(|u| 1e6 + u * 1e8)),
        ("exponential", draw(|u| -(1.0 - u).ln() * 5e6)),
        ("heavy tail", draw(|u| 1e5 * (1.0 - u).powf(-1.2))),
        ("two humps", draw(|u| if u < 0.9 { 1e6 + u * 1e5 } else { 2e9 + u * 1e8 })),
        ("constant", draw(|_| 123_456_789.0)),
    ]
}

#[test]
fn percentiles_of_five_distributions_are_within_a_thousandth() {
    for (name, mut samples) in distributions() {
        let mut whole = Latency::new();
        let mut parts = vec![Latency::new(); 8];
        for (index, sample) in samples.iter().enumerate() {
            whole.record(Duration::from_nanos(*sample));
            parts[index % 8].record(Duration::from_nanos(*sample));
        }
        let mut merged = Latency::new();
        for part in &parts {
            merged.merge(part);
        }
        samples.sort_unstable();
        for (percent, rank) in [(50.0, 100_000), (90.0, 180_000), (99.0, 198_000), (99.99, 199_980)]
        {
            let exact = Duration::from_nanos(samples[rank - 1]).as_secs_f64();
            let found = seconds(whole.percentile(percent));
            assert!((found / exact - 1.0).abs() <= 0.001, "{name} p{percent}: {found} {exact}");
            assert_eq!(whole.percentile(percent), merged.percentile(percent), "{name}");
        }
        assert_eq!(whole.max(), Figure::Exact(Duration::from_nanos(samples[199_999])), "{name}");
        assert_eq!((whole.max(), whole.mean()), (merged.max(), merged.mean()), "{name}");
    }
}

#[test]
fn the_rate_is_what_was_asked_for() {
    static CAME: AtomicU64 = AtomicU64::new(0);
    let handler = async || {
        CAME.fetch_add(1, SeqCst);
        "ok"
    };
    let target = Target::start(Router::new().route("/", get(handler)));
    let load = load(500.0, Duration::from_secs(4), vec![request(common::get(0, "/"))]);
    let plan = scenario(&["hit"], Work::Load(load));
    let record = block_on(run(&plan, &environment(target.address)));
    let step = &record.steps[0];
    assert_eq!((step.scheduled, step.ok), (2000, 2000), "{step:?}");
    // What came to the target, and what the timeline says was sent. A busy machine sends late, but it
    // sends all of it.
    assert_eq!(CAME.load(SeqCst), 2000);
    let spans = record.timeline.spans();
    assert_eq!(spans.iter().map(|span| span.sent).sum::<u64>(), 2000);
    for span in spans.iter().take(4) {
        assert_eq!(span.planned, 500);
    }
    let Work::Load(LoadPlan { profile: Profile::Rates(stretches), .. }) = &plan.work else {
        panic!()
    };
    assert_eq!(stretches.len(), 1);
}
