//! What the figures of a run are worth: known answers, within bounds that a busy machine keeps.
//! `benches/README.md` has the commands for the tight bounds.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

mod common;

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use axum::{Router, routing::get};
use common::{Target, block_on, environment, load, request, scenario};
use rand::{RngExt as _, SeedableRng as _};
use workway::{
    execute::run,
    plan::{LoadPlan, Profile, Work},
    record::{Figure, Latency, StepRecord},
};

/// Every request that arrives in the stall is answered at its end.
struct Stall {
    first: OnceLock<Instant>,
    from: Duration,
    lasts: Duration,
}

impl Stall {
    async fn wait(&self) {
        let at = self.first.get_or_init(Instant::now).elapsed();
        let to = self.from + self.lasts;
        if at >= self.from && at < to {
            tokio::time::sleep(to.saturating_sub(at)).await;
        }
    }
}

/// Runs 300/s for ten seconds against a target that stops for one.
fn stalled(connections: usize) -> StepRecord {
    let stall: &'static Stall = Box::leak(Box::new(Stall {
        first: OnceLock::new(),
        from: Duration::from_secs(4),
        lasts: Duration::from_secs(1),
    }));
    let handler = move || async {
        stall.wait().await;
        "ok"
    };
    let target = Target::start(Router::new().route("/", get(handler)));
    let load = load(300.0, Duration::from_secs(10), vec![request(common::get(0, "/"))]);
    let load = LoadPlan { max_connections: Some(connections), ..load };
    let plan = scenario(&["hit"], Work::Load(load));
    let mut record = block_on(run(&plan, &environment(target.address)));
    record.steps.remove(0)
}

fn seconds(figure: Figure) -> f64 {
    let Figure::Exact(time) = figure else { panic!("{figure:?}") };
    time.as_secs_f64()
}

/// Whoever arrives `x` before the end of a stall waits `x`. So of `T` seconds with a stall of `S`,
/// the percentile `q` is `S - (1 - q)·T`, and the mean `S²/2T`.
fn assert_closed_form(step: &StepRecord) {
    assert_eq!((step.scheduled, step.ok), (3000, 3000), "{step:?}");
    for (name, found, expected) in [
        ("p95", step.response.percentile(95.0), 0.5),
        ("p99", step.response.percentile(99.0), 0.9),
        ("p99.9", step.response.percentile(99.9), 0.99),
        ("mean", step.response.mean(), 0.05),
    ] {
        let found = seconds(found);
        assert!((found / expected - 1.0).abs() < 0.3, "{name} {found}, expected {expected}");
    }
    // What is timed from sending sees the stall only as often as there are connections.
    assert!(seconds(step.service.percentile(50.0)) < 0.25);
}

#[test]
fn a_stall_with_64_connections() {
    assert_closed_form(&stalled(64));
}

#[test]
fn a_stall_with_10_connections() {
    let step = stalled(10);
    assert_closed_form(&step);
    // Waiting for a connection is neither lateness of the generator nor service.
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
    let target = Target::start(Router::new().route("/", get(async || "ok")));
    let load = load(500.0, Duration::from_secs(4), vec![request(common::get(0, "/"))]);
    let plan = scenario(&["hit"], Work::Load(load));
    let record = block_on(run(&plan, &environment(target.address)));
    assert_eq!(record.steps[0].scheduled, 2000);
    for span in record.timeline.spans().iter().take(4) {
        assert_eq!(span.planned, 500);
    }
    let Work::Load(LoadPlan { profile: Profile::Rates(stretches), .. }) = &plan.work else {
        panic!()
    };
    assert_eq!(stretches.len(), 1);
}
