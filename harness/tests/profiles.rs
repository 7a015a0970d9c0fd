//! Users, searches, connections and early ends, against targets in this process.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use crate::common::{self, Raw, Target, block_on, environment, load, request, scenario, threshold};
use axum::{Router, routing::get};
use workway::{
    judge::{Failed, Judgement, Reason, Verdict, judge},
    plan::{
        Clock, Comparison, Connections, LoadPlan, Metric, Pacing, Profile, Quantity, Raise,
        ScenarioPlan, Search, Stretch, Until, Users, Work,
    },
    record::{Figure, ScenarioRecord},
    run::{Signal, run},
};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn plan(profile: Profile) -> LoadPlan {
    let load = load(1.0, ms(1), vec![request(common::get(0, "/"))]);
    LoadPlan { max_in_flight: 500, ..LoadPlan::new(profile, load.journeys) }
}

fn one_step(load: LoadPlan) -> ScenarioPlan {
    scenario(&["hit"], Work::Load(load))
}

fn run_on(plan: &ScenarioPlan, target: &Target) -> (ScenarioRecord, Judgement) {
    let record = block_on(run(plan, &environment(target.address)));
    let judgement = judge(plan, &record);
    assert!(record.steps.iter().all(workway::record::StepRecord::balanced));
    (record, judgement)
}

fn users(count: usize, until: Until, think: Duration) -> Profile {
    Profile::Users(Users { count, until, think })
}

/// Answers after `delay`, and counts.
fn slow(delay: Duration, hits: &Arc<AtomicU64>) -> Router {
    let hits = Arc::clone(hits);
    let handler = move || {
        hits.fetch_add(1, SeqCst);
        async move {
            tokio::time::sleep(delay).await;
            "ok"
        }
    };
    Router::new().route("/", get(handler))
}

#[test]
fn users_share_a_number_of_iterations() {
    let hits = Arc::default();
    let target = Target::start(slow(ms(1), &hits));
    let plan = one_step(plan(users(7, Until::Iterations(100), Duration::ZERO)));
    let (record, judgement) = run_on(&plan, &target);
    assert_eq!((record.steps[0].scheduled, record.steps[0].ok), (100, 100));
    assert_eq!(hits.load(SeqCst), 100);
    assert_eq!(record.pace.unwrap().planned, 100);
    assert!(record.window > ms(10));
    assert!(matches!(judgement.verdict, Verdict::Pass | Verdict::Inconclusive), "{judgement:?}");
}

#[test]
fn users_wait_for_answers_and_think() {
    let hits = Arc::default();
    let target = Target::start(slow(ms(20), &hits));
    let think = ms(30);
    let plan = one_step(plan(users(4, Until::Elapsed(ms(1000)), think)));
    let (record, _) = run_on(&plan, &target);
    // Each does at most one iteration in 50 ms, the first at once.
    let done = record.steps[0].ok;
    assert!((20..=84).contains(&done), "{done}");
    assert_eq!(record.window, ms(1000));
}

#[test]
fn a_signal_ends_users_too() {
    let target = Target::start(slow(ms(5), &Arc::default()));
    let plan = one_step(plan(users(3, Until::Elapsed(Duration::from_mins(1)), Duration::ZERO)));
    let environment = environment(target.address);
    let start = Instant::now();
    let record = block_on(async {
        let raise = async {
            tokio::time::sleep(ms(300)).await;
            environment.stop.raise(Signal::Terminate);
        };
        tokio::join!(run(&plan, &environment), raise).0
    });
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(judge(&plan, &record).verdict, Verdict::Interrupted(Signal::Terminate));
    assert!(record.steps[0].ok > 3 && record.steps[0].balanced());
}

#[test]
fn connections_are_shared_as_asked() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let keep = Raw { first: answer.to_vec(), answers: true, ..Raw::default() };
    for (connections, at_least, at_most) in [
        (Connections::Reuse, 1, 3),
        (Connections::PerUser, 3, 3),
        (Connections::PerOperation, 30, 30),
    ] {
        let opened = Arc::new(AtomicU64::new(0));
        let target = Target::raw(keep.clone(), Arc::clone(&opened));
        let load = plan(users(3, Until::Iterations(30), ms(1)));
        let (record, _) = run_on(&one_step(LoadPlan { connections, ..load }), &target);
        assert_eq!(record.steps[0].ok, 30, "{connections:?} {:?}", record.steps[0]);
        // One more asks nothing, and listens.
        let opened = opened.load(SeqCst) - 1;
        assert!((at_least..=at_most).contains(&opened), "{connections:?}: {opened}");
        let made = record.steps[0].connect.len();
        assert_eq!(made, opened, "{connections:?}");
        assert_eq!(record.steps[0].first_byte.len(), 30);
    }
}

#[test]
fn the_timeline_adds_up_to_the_books() {
    let target = Target::start(slow(ms(1), &Arc::default()));
    let stretches = [(50.0, 150.0), (150.0, 20.0)];
    let stretch = |(from, to)| Stretch { from, to, duration: ms(700) };
    let profile = Profile::Rates(stretches.map(stretch).to_vec());
    for pacing in [Pacing::Tick, Pacing::Exact] {
        let (record, _) = run_on(&one_step(LoadPlan { pacing, ..plan(profile.clone()) }), &target);
        let step = &record.steps[0];
        let sum = |field: fn(&workway::record::TimelineSpan) -> u64| -> u64 {
            record.timeline.spans().iter().map(field).sum()
        };
        assert_eq!(step.scheduled, 130);
        assert_eq!(sum(|span| span.planned), step.scheduled);
        assert_eq!((sum(|span| span.sent), sum(|span| span.ended)), (130, 130));
        assert_eq!(sum(|span| span.failed), 0);
    }
}

fn p95_below(bound: Duration) -> workway::plan::Threshold {
    let p95 = Metric::Percentile(Clock::Response, 95.0);
    threshold("p95", p95, Comparison::Below, Quantity::Time(bound))
}

#[test]
fn a_hopeless_threshold_ends_the_load() {
    let target = Target::start(slow(ms(50), &Arc::default()));
    let load = plan(Profile::constant(50.0, Duration::from_mins(1)));
    let mut plan = one_step(LoadPlan { abort_after: Some(ms(500)), ..load });
    plan.thresholds = vec![p95_below(ms(10))];
    let start = Instant::now();
    let (record, judgement) = run_on(&plan, &target);
    assert!(start.elapsed() < Duration::from_secs(20));
    assert_eq!(record.hopeless.as_deref(), Some("p95"));
    assert!(judgement.reasons.iter().any(|reason| matches!(reason, Reason::Aborted { .. })));
    assert!(matches!(judgement.verdict, Verdict::Fail(Failed::Threshold) | Verdict::Inconclusive));
}

#[test]
fn a_threshold_that_holds_ends_nothing() {
    let target = Target::start(slow(ms(1), &Arc::default()));
    let load = plan(Profile::constant(50.0, ms(2500)));
    let mut plan = one_step(LoadPlan { abort_after: Some(ms(500)), ..load });
    plan.thresholds = vec![p95_below(Duration::from_secs(30))];
    let (record, _) = run_on(&plan, &target);
    assert_eq!((record.hopeless, record.steps[0].scheduled), (None, 125));
}

/// One worker that takes 10 ms: at 100/s its queue grows without end.
#[test]
fn a_search_finds_the_knee() {
    let worker = Arc::new(tokio::sync::Semaphore::new(1));
    let handler = move || {
        let worker = Arc::clone(&worker);
        async move {
            let _busy = worker.acquire().await.unwrap();
            tokio::time::sleep(ms(10)).await;
            "ok"
        }
    };
    let target = Target::start(Router::new().route("/", get(handler)));
    let search = Search { from: 10.0, to: 1000.0, raise: Raise::Times(5.0), hold: ms(1000) };
    let mut plan = one_step(plan(Profile::Search(search)));
    plan.thresholds = vec![p95_below(ms(300))];
    let (record, _) = run_on(&plan, &target);
    let levels: Vec<_> = record.levels.iter().map(|level| level.fell.is_empty()).collect();
    // 10, 50 and 250 per second; a busy machine may stop it sooner, never later.
    assert!(levels.len() <= 3 && levels.last() == Some(&false), "{:?}", record.levels);
    let held = levels.iter().filter(|held| **held).count();
    let expected = [10, 10, 50][held];
    assert_eq!(record.steps[0].scheduled, expected, "the books are those of the knee");
}

/// A target that dies at a later rate is gone, however well it did at the rates before.
#[test]
fn a_search_whose_target_dies() {
    let hits = Arc::default();
    let target = Target::start(slow(Duration::ZERO, &hits));
    let search = Search { from: 10.0, to: 1000.0, raise: Raise::Times(5.0), hold: ms(1000) };
    let mut plan = one_step(plan(Profile::Search(search)));
    plan.thresholds = vec![p95_below(Duration::from_mins(1))];
    let environment = environment(target.address);
    let dying = std::thread::spawn(move || {
        // The first rate has ten.
        while hits.load(SeqCst) < 15 {
            std::thread::sleep(ms(1));
        }
        drop(target);
    });
    let record = block_on(run(&plan, &environment));
    dying.join().unwrap();
    assert!(record.levels.len() >= 2, "{:?}", record.levels);
    assert_eq!(judge(&plan, &record).verdict, Verdict::Unreachable, "{:?}", record.levels);
}

/// Iterations at once are exactly what the users are.
#[test]
fn users_never_overlap_with_themselves() {
    let running = Arc::new(Mutex::new((0_u64, 0_u64)));
    let shared = Arc::clone(&running);
    let handler = move || {
        let running = Arc::clone(&shared);
        async move {
            {
                let mut running = running.lock().unwrap();
                running.0 += 1;
                running.1 = running.1.max(running.0);
            }
            tokio::time::sleep(ms(2)).await;
            running.lock().unwrap().0 -= 1;
            "ok"
        }
    };
    let target = Target::start(Router::new().route("/", get(handler)));
    let plan = one_step(plan(users(5, Until::Iterations(200), Duration::ZERO)));
    let (record, _) = run_on(&plan, &target);
    assert!(running.lock().unwrap().1 <= 5);
    let Figure::Exact(p50) = record.steps[0].lag.percentile(50.0) else { panic!() };
    assert!(p50 < ms(100), "{p50:?}");
}
