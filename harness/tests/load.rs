//! Loads against targets in this process. Timing is asserted by ratios and generous bounds only:
//! the machine may be busy.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use crate::common::{
    self, Target, block_on, dead, environment, load, request, scenario, threshold,
};
use axum::{Router, http::StatusCode, routing::get};
use tokio::sync::Semaphore;
use workway::{
    judge::{Failed, Judgement, ThresholdStatus, Verdict, judge},
    model::ErrorKind,
    plan::{Clock, Comparison, Journey, LoadPlan, Metric, Quantity, ScenarioPlan, Work},
    record::{Figure, ScenarioRecord, StepRecord},
    run::{Monitored, Progress, ProgressEvent, ServerStats, Signal, run},
};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn one_step(load: LoadPlan) -> ScenarioPlan {
    scenario(&["hit"], Work::Load(load))
}

fn hits(per_second: f64, duration: Duration) -> LoadPlan {
    load(per_second, duration, vec![request(common::get(0, "/"))])
}

fn run_on(plan: &ScenarioPlan, target: &Target) -> (ScenarioRecord, Judgement) {
    let record = block_on(run(plan, &environment(target.address)));
    let judgement = judge(plan, &record);
    (record, judgement)
}

/// Counts requests.
fn counting(hits: &Arc<AtomicU64>) -> Router {
    let hits = Arc::clone(hits);
    let handler = move || {
        hits.fetch_add(1, SeqCst);
        async { "ok" }
    };
    Router::new().route("/", get(handler))
}

/// Pass, or the machine was too busy to tell.
fn assert_not_failed(judgement: &Judgement) {
    let verdict = judgement.verdict;
    assert!(matches!(verdict, Verdict::Pass | Verdict::Inconclusive), "{judgement:?}");
}

fn exact(figure: Figure) -> Duration {
    let Figure::Exact(duration) = figure else { panic!("{figure:?}") };
    duration
}

#[test]
fn both_ledgers_agree() {
    let arrivals = Arc::default();
    let target = Target::start(counting(&arrivals));
    let mut plan = one_step(hits(400.0, ms(1_000)));
    let count = Quantity::Count(400);
    plan.thresholds = vec![threshold("count >= 400", Metric::Count, Comparison::AtLeast, count)];
    let mut environment = environment(target.address);
    environment.threads = NonZeroUsize::new(3).unwrap();
    let record = block_on(run(&plan, &environment));
    let judgement = judge(&plan, &record);
    let step = &record.steps[0];
    assert_eq!((step.scheduled, step.ok), (400, 400), "{step:?}");
    let pace = record.pace.unwrap();
    assert_eq!((pace.planned, pace.gave_up), (400, false));
    assert_eq!(arrivals.load(SeqCst), 400);
    assert!(step.balanced());
    assert_eq!((step.response.len(), step.service.len(), step.lag.len()), (400, 400, 400));
    assert_eq!(record.window, ms(1_000));
    assert_eq!(judgement.thresholds[0].status, ThresholdStatus::Passed);
    assert_not_failed(&judgement);
}

#[test]
fn warm_up_is_sent_but_not_recorded() {
    let arrivals = Arc::default();
    let target = Target::start(counting(&arrivals));
    let plan = one_step(LoadPlan { warmup: ms(500), ..hits(200.0, ms(1_000)) });
    let (record, judgement) = run_on(&plan, &target);
    assert_eq!(record.steps[0].scheduled, 100);
    assert_eq!(record.steps[0].response.len(), 100);
    assert_eq!(arrivals.load(SeqCst), 200);
    assert_eq!(record.window, ms(500));
    assert_not_failed(&judgement);
}

#[test]
fn journeys_share_the_arrivals_by_weight_and_seed() {
    let target = Target::start(counting(&Arc::default()));
    let journey = |weight, id| Journey {
        name: format!("j{id}"),
        weight,
        steps: vec![request(common::get(id, "/"))],
    };
    let journeys = vec![journey(3, 0), journey(1, 1)];
    let load = LoadPlan { journeys, ..hits(400.0, ms(500)) };
    let plan = scenario(&["often", "seldom"], Work::Load(load));
    let counts = || {
        let (record, _) = run_on(&plan, &target);
        record.steps.iter().map(|step| step.scheduled).collect::<Vec<_>>()
    };
    let first = counts();
    assert_eq!(first.iter().sum::<u64>(), 200);
    assert!(first[0] > first[1] && first[1] > 0, "{first:?}");
    assert_eq!(first, counts());
}

#[test]
fn a_dead_port_ends_a_load_early() {
    let plan = one_step(hits(500.0, Duration::from_mins(1)));
    let start = Instant::now();
    let record = block_on(run(&plan, &environment(dead())));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    let step = &record.steps[0];
    assert!(step.balanced() && step.failed > 0 && step.ok == 0);
    assert_eq!(step.errors.get(&ErrorKind::Refused), Some(&step.failed));
    assert_eq!(judge(&plan, &record).verdict, Verdict::Unreachable);
}

/// This long after the first request the target goes away, with its connections.
fn dies(moment: Duration) {
    let arrivals: Arc<AtomicU64> = Arc::default();
    let target = Target::start(counting(&arrivals));
    let plan = one_step(hits(200.0, ms(1_600)));
    let environment = environment(target.address);
    let begun = Instant::now();
    let seen = Arc::clone(&arrivals);
    let dying = std::thread::spawn(move || {
        while seen.load(SeqCst) == 0 {
            std::thread::sleep(ms(1));
        }
        std::thread::sleep(moment);
        let before = begun.elapsed();
        drop(target);
        (before, begun.elapsed())
    });
    let record = block_on(run(&plan, &environment));
    let (before, after) = dying.join().unwrap();
    let step = &record.steps[0];
    assert!(step.balanced() && step.scheduled == 320, "{moment:?} {step:?}");
    assert!(step.ok > 0 && step.failed > 0, "{moment:?} {step:?}");
    assert!(step.errors.contains_key(&ErrorKind::Refused), "{moment:?} {step:?}");
    // What was on its way when the target died may have been counted there only.
    let (counted, answered) = (arrivals.load(SeqCst), step.ok);
    assert!((answered..=answered + 4).contains(&counted), "{moment:?} {counted} {answered}");
    let first = step.samples.iter().map(|sample| sample.at).min().unwrap();
    let second = Duration::from_secs(1);
    assert!(first + second > before && first < after + second, "{first:?} {before:?} {after:?}");
    assert_eq!(judge(&plan, &record).verdict, Verdict::Unreachable);
}

/// With no failure in 20 runs, fewer than 1 in 6 such moments fail, with 95 % confidence.
#[test]
fn a_target_that_dies_shows() {
    let moments: Vec<_> = (0..20).map(|n| ms(100 + 349 * n % 1_000)).collect();
    std::thread::scope(|scope| {
        for lane in moments.chunks(5) {
            scope.spawn(move || lane.iter().copied().for_each(dies));
        }
    });
    println!("{} of {} deaths were seen (95 %: 15 % missed at most)", moments.len(), moments.len());
}

#[test]
fn errors_are_judged_by_the_error_rate() {
    let handler = || async { StatusCode::INTERNAL_SERVER_ERROR };
    let target = Target::start(Router::new().route("/", get(handler)));
    let mut plan = one_step(hits(100.0, ms(300)));
    let (record, judgement) = run_on(&plan, &target);
    assert_eq!((record.steps[0].failed, record.steps[0].statuses[&500]), (30, 30));
    assert!(matches!(judgement.verdict, Verdict::Fail(Failed::Threshold) | Verdict::Inconclusive));
    let bound = Quantity::Share(1.0);
    plan.thresholds = vec![threshold("all", Metric::ErrorRate, Comparison::AtMost, bound)];
    assert_not_failed(&run_on(&plan, &target).1);
}

/// The target stops for a second. Users who arrive meanwhile wait for the rest of that second: the
/// response clock shows it for each of them, the service clock of a tool that waits would show it
/// once.
#[test]
fn a_stall_is_seen_by_everybody_who_arrives_in_it() {
    const STALL: Duration = Duration::from_secs(1);
    let epoch = Instant::now();
    let handler = move || async move {
        let at = epoch.elapsed();
        let (from, to) = (ms(1_000), ms(1_000) + STALL);
        if at >= from && at < to {
            tokio::time::sleep(to.saturating_sub(at)).await;
        }
        "ok"
    };
    let target = Target::start(Router::new().route("/", get(handler)));
    let plan = one_step(hits(100.0, ms(3000)));
    let (record, judgement) = run_on(&plan, &target);
    let step = &record.steps[0];
    assert_eq!(step.ok, 300);
    // A third of the arrivals fall into the stall and wait half of it on average.
    let (p50, p95) = (exact(step.response.percentile(50.0)), exact(step.response.percentile(95.0)));
    assert!(p95 > STALL / 2 && p95 < 2 * STALL, "{p95:?}");
    assert!(p50 * 5 < p95, "{p50:?} {p95:?}");
    let mean = exact(step.response.mean());
    assert!(mean > STALL / 12 && mean < STALL / 2, "{mean:?}");
    assert_not_failed(&judgement);
}

/// Two slots at a target that takes 200 ms each: most of what is offered finds no slot, and that
/// is the target's fault.
#[test]
fn overload_is_dropped_counted_and_judged() {
    let handler = || async {
        tokio::time::sleep(ms(200)).await;
        "ok"
    };
    let target = Target::start(Router::new().route("/", get(handler)));
    let mut plan = one_step(LoadPlan { max_in_flight: 2, ..hits(100.0, ms(1_000)) });
    let p50 = Metric::Percentile(Clock::Response, 50.0);
    let bound = Quantity::Time(Duration::from_hours(1));
    plan.thresholds = vec![threshold("p50", p50, Comparison::Below, bound)];
    let (record, judgement) = run_on(&plan, &target);
    let step = &record.steps[0];
    assert_eq!(step.scheduled, 100);
    assert!(step.balanced() && step.dropped > 50 && step.ok >= 2, "{step:?}");
    assert!(matches!(step.response.percentile(50.0), Figure::AtLeast(_)), "{step:?}");
    assert_eq!(judgement.thresholds[0].status, ThresholdStatus::Failed);
    assert_ne!(judgement.verdict, Verdict::Pass);
}

/// Behind one worker that takes 50 ms, a queue grows: its waiting is response time, not lag.
#[test]
fn a_queue_at_the_target_is_not_blamed_on_the_generator() {
    let worker = Arc::new(Semaphore::new(1));
    let handler = move || {
        let worker = Arc::clone(&worker);
        async move {
            let _busy = worker.acquire().await.unwrap();
            tokio::time::sleep(ms(50)).await;
            "ok"
        }
    };
    let target = Target::start(Router::new().route("/", get(handler)));
    let plan = one_step(LoadPlan { drain: ms(200), ..hits(100.0, ms(1_000)) });
    let (record, _) = run_on(&plan, &target);
    let step = &record.steps[0];
    assert_eq!(step.scheduled, 100);
    assert!(step.balanced() && step.unfinished > 30, "{step:?}");
    let Figure::AtLeast(p90) = step.response.percentile(90.0) else { panic!("{step:?}") };
    assert!(p90 > ms(300), "{p90:?}");
    assert!(exact(step.lag.percentile(50.0)) < ms(50), "{step:?}");
}

#[test]
fn a_target_that_never_answers() {
    let target = Target::silent();
    let mut request_plan = common::get(0, "/");
    request_plan.timeout = ms(300);
    let load = load(50.0, ms(600), vec![request(request_plan)]);
    let plan = one_step(LoadPlan { drain: ms(150), ..load });
    let (record, judgement) = run_on(&plan, &target);
    let step = &record.steps[0];
    let StepRecord { scheduled, ok, failed, dropped, unfinished, .. } = *step;
    assert_eq!((scheduled, ok, dropped), (30, 0, 0));
    assert!(failed > 0 && unfinished > 0 && step.balanced(), "{step:?}");
    assert_eq!(step.errors, [(ErrorKind::Timeout, failed)].into());
    let Figure::AtLeast(p99) = step.response.percentile(99.0) else { panic!("{step:?}") };
    assert!(p99 >= ms(280), "{p99:?}");
    assert!(matches!(step.service.percentile(50.0), Figure::AtLeast(_)));
    assert_eq!(judgement.verdict, Verdict::Unreachable);
}

#[derive(Default)]
struct Watcher {
    ticks: AtomicU64,
    others: AtomicU64,
}

impl Progress for Watcher {
    fn event(&self, event: ProgressEvent<'_>) {
        match event {
            ProgressEvent::Load(tick) => {
                assert!(tick.ended > 0 && tick.elapsed <= tick.total.unwrap() * 2, "{tick:?}");
                self.ticks.fetch_add(1, SeqCst);
            }
            ProgressEvent::Started(_) | ProgressEvent::Finished(..) => {
                self.others.fetch_add(1, SeqCst);
            }
        }
    }
}

#[test]
fn a_watcher_hears_once_a_second_and_a_signal_ends_the_load() {
    let target = Target::start(counting(&Arc::default()));
    let plan = one_step(hits(50.0, Duration::from_mins(1)));
    let watcher = Arc::new(Watcher::default());
    let mut environment = environment(target.address);
    environment.progress = Arc::clone(&watcher) as _;
    let start = Instant::now();
    let record = block_on(async {
        let raise = async {
            tokio::time::sleep(ms(1800)).await;
            environment.stop.raise(Signal::Interrupt);
        };
        tokio::join!(run(&plan, &environment), raise).0
    });
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!((1..=2).contains(&watcher.ticks.load(SeqCst)));
    assert_eq!(watcher.others.load(SeqCst), 2);
    let step = &record.steps[0];
    assert!(step.balanced() && step.ok > 10 && step.scheduled < 500, "{step:?}");
    assert!(record.window > ms(1_000) && record.window < Duration::from_secs(9));
    assert_eq!(judge(&plan, &record).verdict, Verdict::Interrupted(Signal::Interrupt));
}

#[test]
fn a_signal_does_not_wait_for_a_target_that_hangs() {
    let target = Target::silent();
    let plan =
        one_step(LoadPlan { drain: Duration::from_mins(1), ..hits(50.0, Duration::from_mins(1)) });
    let environment = environment(target.address);
    let start = Instant::now();
    let record = block_on(async {
        let raise = async {
            tokio::time::sleep(ms(300)).await;
            environment.stop.raise(Signal::Interrupt);
        };
        tokio::join!(run(&plan, &environment), raise).0
    });
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    let step = &record.steps[0];
    assert!(step.unfinished > 0 && step.unfinished == step.scheduled, "{step:?}");
    assert_eq!(judge(&plan, &record).verdict, Verdict::Interrupted(Signal::Interrupt));
}

/// A server whose memory grows with every look.
#[derive(Debug, Default)]
struct Leaky(AtomicU64);

impl Monitored for Leaky {
    fn vitals(&self) -> Option<ServerStats> {
        let looks = self.0.fetch_add(1, SeqCst);
        let processes = [1, 2].into();
        Some(ServerStats { memory: looks * 150_000_000, processes, errors: 3 })
    }
}

#[test]
fn a_development_server_that_leaks_makes_a_run_inconclusive() {
    let target = Target::start(counting(&Arc::default()));
    let plan = one_step(hits(50.0, ms(1_500)));
    let mut environment = environment(target.address);
    environment.server = Some(Arc::new(Leaky::default()));
    let record = block_on(run(&plan, &environment));
    let drift = record.server.unwrap();
    assert!(drift.memory == 0 && drift.peak >= 300_000_000, "{drift:?}");
    assert_eq!((drift.errors, drift.lost), (0, 0), "those before the load do not count");
    let judgement = judge(&plan, &record);
    assert_eq!(judgement.verdict, Verdict::Inconclusive, "{judgement:?}");
}
