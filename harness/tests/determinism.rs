//! The same seed gives the same run: plan, arrivals, choices, requests, and the report of what came
//! of them, byte for byte, on a clock that the test moves.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use crate::common::Fake;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use workway::{
    judge::judge,
    model::ErrorKind,
    plan::{self, LoadPlan, ScenarioPlan, Work},
    record::{Metrics, Outcome, Pace, PhaseEnd, Recorder, ScenarioRecord, Times},
    report::{Rendered, RunInfo, RunReport, ScenarioReport, TargetKind, json},
    run::{Environment, Rehearsal},
    schedule::{Mix, Schedule},
};

const RUNS: u64 = 100;

const SCENARIO: &str = "
scenario: lab/mix
users: { crowd: { count: 50 } }
vars: { tag: \"t-${{ uuid }}\" }
load:
  profile: { poisson: { rate: 200/s, for: 5s } }
  warmup: 1s
  journeys:
    list: { weight: 3, steps: [{ request: { get: \"/workflows?limit=5\", auth: crowd } }] }
    create:
      steps:
        - request:
            post: /workflows
            auth: crowd
            json: { name: \"n ${{ iteration }}\", key: \"${{ uuid }}\" }
thresholds: [ \"p95 < 50 ms\", \"error_rate < 5%\" ]
";

/// Everything that a run with `seed` is, as bytes.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    plan: String,
    arrivals: Vec<(Duration, usize)>,
    requests: Vec<u8>,
    json: Vec<u8>,
    text: String,
}

fn run(seed: u64, threads: u64) -> Run {
    let plan = plan::load("lab.yaml", SCENARIO.as_bytes(), &workway::catalog()).unwrap().0;
    let Work::Load(load) = &plan.work else { panic!() };
    let mix = Mix::new(seed, load.journeys.iter().map(|journey| journey.weight));
    let schedule = Schedule::new(&load.profile, seed);
    let arrivals: Vec<_> =
        schedule.share(0, 1).map(|(number, at)| (at, mix.choose(number))).collect();
    let requests = requests(&plan, load, &arrivals, seed);
    let record = record(&plan, load, seed, threads);
    let report = report(&plan, &record, seed);
    let (json, text) = (json(&report).unwrap(), report.text(true));
    Run { plan: format!("{plan:?}"), arrivals, requests, json, text }
}

/// What is sent, one request after the other.
fn requests(
    plan: &ScenarioPlan,
    load: &LoadPlan,
    arrivals: &[(Duration, usize)],
    seed: u64,
) -> Vec<u8> {
    let target = "http://127.0.0.1:8787".parse().unwrap();
    let environment = Environment { seed, ..Environment::new(target, Arc::new(Fake)) };
    let rehearsal = Rehearsal::new(plan, &environment, 50).unwrap();
    let mut bytes = Vec::new();
    for (number, (_, journey)) in (0..).zip(arrivals) {
        let step = load.journeys[*journey].steps[0].request().unwrap().id;
        bytes.extend_from_slice(&rehearsal.request(step, number).unwrap());
    }
    bytes
}

/// What came of them, on `threads` threads: the fate of a request follows from the seed.
fn record(plan: &ScenarioPlan, load: &LoadPlan, seed: u64, threads: u64) -> ScenarioRecord {
    let schedule = Schedule::new(&load.profile, seed);
    let mix = Mix::new(seed, load.journeys.iter().map(|journey| journey.weight));
    let window = schedule.duration();
    let mut books = Metrics::default();
    let mut planned = 0;
    for thread in 0..threads {
        let recorder = Recorder::new(plan.labels.len(), window);
        let mut recorder = recorder.with_timeline(Duration::ZERO);
        for (number, at) in schedule.share(thread, threads) {
            let step = load.journeys[mix.choose(number)].steps[0].request().unwrap().id;
            planned += 1;
            if at < load.warmup {
                continue;
            }
            let mut random = ChaCha8Rng::seed_from_u64(seed ^ number);
            let took = Duration::from_micros(random.random_range(200..60_000));
            let sent = at + Duration::from_micros(random.random_range(0..900));
            let (ready, ended) = (Some(sent), sent + took);
            let times = Times { planned: at, ready, sent: ready, ended };
            recorder.scheduled(step);
            match random.random_range(0..40) {
                0 => recorder.dropped(step, at),
                1 => recorder.ended(step, times, Outcome::Error(ErrorKind::Timeout)),
                2 => recorder.ended(step, times, Outcome::Unfinished),
                3 => recorder.ended(step, times, Outcome::Answered { status: 503, ok: false }),
                _ => recorder.ended(step, times, Outcome::Answered { status: 200, ok: true }),
            }
            recorder.reached(None);
        }
        books.merge(&recorder.finish(window + Duration::from_secs(1)));
    }
    let pace = Pace { planned, punctual: planned, gave_up: false, busiest: 0.25 };
    ScenarioRecord {
        elapsed: window + Duration::from_secs(1),
        window: window.saturating_sub(load.warmup),
        steps: books.steps,
        reach: books.reach,
        timeline: books.timeline,
        pace: Some(pace),
        setup: PhaseEnd::Done,
        work: PhaseEnd::Done,
        teardown: PhaseEnd::Done,
        ..ScenarioRecord::default()
    }
}

fn report(plan: &ScenarioPlan, record: &ScenarioRecord, seed: u64) -> RunReport {
    let info = RunInfo {
        run_id: "r1".into(),
        seed,
        target: "http://127.0.0.1:8787/".into(),
        target_kind: TargetKind::Url,
        started_at: std::time::SystemTime::UNIX_EPOCH.into(),
        duration: record.elapsed,
    };
    RunReport::new(info, vec![ScenarioReport::new(plan, record, &judge(plan, record))])
}

#[test]
fn the_same_seed_is_the_same_run() {
    let first = run(7, 1);
    for number in 1..RUNS {
        // Also on more threads: how work is divided is not in the report.
        let again = run(7, 1 + number % 4);
        assert!(again == first, "run {number} differs: {}\n{}", first.text, again.text);
    }
    println!("{RUNS} of {RUNS} runs are equal");
}

#[test]
fn another_seed_is_another_run() {
    let runs: Vec<_> = (0..5).map(|seed| run(seed, 2)).collect();
    let distinct = |key: fn(&Run) -> Vec<u8>| runs.iter().map(key).collect::<BTreeSet<_>>().len();
    assert_eq!(distinct(|run| format!("{:?}", run.arrivals).into()), runs.len());
    assert_eq!(distinct(|run| run.requests.clone()), runs.len());
    assert_eq!(distinct(|run| run.json.clone()), runs.len());
    // Only the plan does not depend on it.
    assert_eq!(distinct(|run| run.plan.clone().into()), 1);
}
