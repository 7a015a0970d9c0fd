use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{
    judge::{Failed, trouble::SERVER_GROWTH},
    model::Signal,
    plan::{Clock, Comparison, LoadPlan, Profile, Quantity, Span, StepLabel, Threshold},
    record::{Drift, Pace, Reach},
};

const MS: Duration = Duration::from_millis(1);

fn plan(work: Work, thresholds: Vec<Threshold>) -> ScenarioPlan {
    let label = |name: &str, phase| StepLabel { name: name.to_owned(), phase };
    ScenarioPlan {
        feeds: Vec::new(),
        audit: Vec::new(),
        file: "a.yaml".into(),
        name: "smoke/a".to_owned(),
        about: None,
        tags: Vec::new(),
        requires: Vec::new(),
        users: Vec::new(),
        vars: Vec::new(),
        labels: vec![label("create", Phase::Work), label("delete", Phase::Teardown)],
        setup: Vec::new(),
        work,
        teardown: Vec::new(),
        thresholds,
        cost: None,
    }
}

fn once() -> ScenarioPlan {
    plan(Work::Once(Vec::new()), Vec::new())
}

fn load(thresholds: Vec<Threshold>) -> ScenarioPlan {
    let profile = Profile::constant(10.0, Duration::from_secs(1));
    let work = LoadPlan::new(profile, Vec::new());
    plan(Work::Load(work), thresholds)
}

fn threshold(metric: Metric, comparison: Comparison, bound: Quantity) -> Threshold {
    let text = "t".to_owned();
    Threshold { text, span: Span::default(), metric, step: None, comparison, bound }
}

fn books(ok: u64, failed: u64) -> StepRecord {
    let mut books = StepRecord { scheduled: ok + failed, ok, failed, ..StepRecord::default() };
    books.statuses = [(200, ok), (500, failed)].into();
    for _ in 0..ok + failed {
        books.response.record(10 * MS);
        books.lag.record(MS);
    }
    books
}

fn record(books: StepRecord) -> ScenarioRecord {
    let sent = books.scheduled;
    ScenarioRecord {
        window: Duration::from_secs(1),
        steps: vec![books, StepRecord::default()],
        setup: PhaseEnd::Done,
        work: PhaseEnd::Done,
        teardown: PhaseEnd::Done,
        reach: Reach { sent, reacted: sent, absent_since: 0 },
        ..ScenarioRecord::default()
    }
}

fn load_record(books: StepRecord) -> ScenarioRecord {
    let pace = Pace { planned: books.scheduled, punctual: books.scheduled, ..Pace::default() };
    ScenarioRecord { pace: Some(pace), ..record(books) }
}

fn outcome(plan: &ScenarioPlan, record: &ScenarioRecord) -> Verdict {
    judge(plan, record).verdict
}

const PASS: Verdict = Verdict::Pass;

#[test]
fn steps_that_run_once() {
    assert_eq!(outcome(&once(), &record(books(3, 0))), PASS);
    // A failed poll is no failure of the work: its end decides.
    assert_eq!(outcome(&once(), &record(books(3, 1))), PASS);
    let failed = ScenarioRecord { work: PhaseEnd::Failed, ..record(books(3, 1)) };
    assert_eq!(outcome(&once(), &failed), Verdict::Fail(Failed::Conformance));
    assert_eq!(
        judge(&once(), &failed).reasons[0].to_string(),
        "an expectation does not hold: `create`"
    );
    let teardown = ScenarioRecord { teardown: PhaseEnd::Failed, ..record(books(3, 0)) };
    assert_eq!(outcome(&once(), &teardown), Verdict::Fail(Failed::Conformance));
    let problem = ScenarioRecord { problems: vec!["no token".into()], ..record(books(3, 0)) };
    assert_eq!(outcome(&once(), &problem), Verdict::Fail(Failed::Conformance));
}

#[test]
fn a_failed_setup_is_the_only_reason() {
    let slow = threshold(Metric::Count, Comparison::AtLeast, Quantity::Count(1));
    let failed = ScenarioRecord {
        setup: PhaseEnd::Failed,
        work: PhaseEnd::Skipped,
        ..load_record(StepRecord::default())
    };
    let judgement = judge(&load(vec![slow]), &failed);
    assert_eq!(judgement.verdict, Verdict::Fail(Failed::Conformance));
    assert_eq!(judgement.reasons.len(), 1, "{:?}", judgement.reasons);
    assert_eq!(judgement.thresholds[0].status, ThresholdStatus::NoData);
}

#[test]
fn failed_operations_of_a_load() {
    assert_eq!(outcome(&load(vec![]), &load_record(books(99, 0))), PASS);
    assert_eq!(
        outcome(&load(vec![]), &load_record(books(99, 1))),
        Verdict::Fail(Failed::Threshold)
    );
    let rate = threshold(Metric::ErrorRate, Comparison::AtMost, Quantity::Share(0.01));
    assert_eq!(outcome(&load(vec![rate.clone()]), &load_record(books(99, 1))), PASS);
    assert_eq!(
        outcome(&load(vec![rate]), &load_record(books(98, 2))),
        Verdict::Fail(Failed::Threshold)
    );
    let nothing = load_record(StepRecord::default());
    assert_eq!(outcome(&load(vec![]), &nothing), Verdict::Fail(Failed::Threshold));
    let mut broken = books(9, 0);
    broken.broken_counts = 1;
    assert_eq!(outcome(&load(vec![]), &load_record(broken)), Verdict::Fail(Failed::Threshold));
}

#[test]
fn thresholds_failed_or_without_data() {
    let p50 = |clock, comparison| {
        threshold(Metric::Percentile(clock, 50.0), comparison, Quantity::Time(5 * MS))
    };
    let outcome_of = |threshold| outcome(&load(vec![threshold]), &load_record(books(100, 0)));
    assert_eq!(outcome_of(p50(Clock::Response, Comparison::Above)), PASS);
    assert_eq!(
        outcome_of(p50(Clock::Response, Comparison::Below)),
        Verdict::Fail(Failed::Threshold)
    );
    assert_eq!(
        outcome_of(p50(Clock::Service, Comparison::Below)),
        Verdict::Fail(Failed::Threshold)
    );
}

#[test]
fn a_target_that_is_not_there() {
    let unreachable = Verdict::Unreachable;
    let refused = |operations, reacted, absent_since| {
        let mut books = books(0, operations);
        books.errors = [(ErrorKind::Refused, operations)].into();
        let reach = Reach { sent: operations, reacted, absent_since };
        ScenarioRecord { reach, work: PhaseEnd::Failed, ..record(books) }
    };
    let never = refused(2, 0, 2);
    assert_eq!(outcome(&once(), &never), unreachable);
    let reason = judge(&once(), &never).reasons[0].to_string();
    assert_eq!(reason, "the target never answered (connection refused: 2)");
    assert_eq!(outcome(&once(), &refused(2, 1, 1)), unreachable);
    let pace = Some(Pace { planned: 9, punctual: 9, ..Pace::default() });
    let died = ScenarioRecord { pace, ..refused(9, 6, 3) };
    assert_eq!(outcome(&load(vec![]), &died), unreachable);
    let hiccup = ScenarioRecord { pace, ..refused(9, 7, 2) };
    assert_eq!(outcome(&load(vec![]), &hiccup), Verdict::Fail(Failed::Threshold));
}

/// A hundred operations that took 10 ms from sending, of which some were `lag` late.
fn late(lag: Duration) -> StepRecord {
    let mut books = StepRecord { scheduled: 100, ok: 100, in_window: 100, ..StepRecord::default() };
    books.statuses = [(200, 100)].into();
    for number in 0..100 {
        let late = if number < 10 { lag } else { Duration::ZERO };
        books.lag.record(late);
        books.service.record(10 * MS);
        books.response.record(10 * MS + late);
    }
    books
}

fn paced(books: StepRecord, punctual: u64, busiest: f64) -> ScenarioRecord {
    let pace = Some(Pace { planned: 100, punctual, busiest, ..Pace::default() });
    ScenarioRecord { pace, ..record(books) }
}

/// The trouble of a generator makes inconclusive what it can have changed, and nothing else.
#[test]
fn a_generator_that_was_the_bottleneck() {
    let p95 = |clock, comparison, bound| {
        threshold(Metric::Percentile(clock, 95.0), comparison, Quantity::Time(bound))
    };
    let (response, service) = (Clock::Response, Clock::Service);
    let (below, above) = (Comparison::Below, Comparison::Above);
    let missed = Verdict::Fail(Failed::Threshold);
    let unknown = Verdict::Inconclusive;
    let (punctual, idle) = (100, 0.1);
    for (lag, punctual, busiest, threshold, expected) in [
        // p95 is 40 ms with the lag in it, 10 ms without: it holds, is missed, and nobody knows.
        (30 * MS, punctual, idle, p95(response, below, 41 * MS), PASS),
        (30 * MS, punctual, idle, p95(response, below, 9 * MS), missed),
        (30 * MS, punctual, idle, p95(response, below, 25 * MS), unknown),
        // From sending there is no lag in it.
        (30 * MS, punctual, idle, p95(service, below, 9 * MS), missed),
        (30 * MS, punctual, idle, p95(service, below, 11 * MS), PASS),
        // As much lag as is allowed decides nothing.
        (5 * MS, punctual, idle, p95(response, below, 12 * MS), missed),
        (6 * MS, punctual, idle, p95(response, below, 12 * MS), unknown),
        // The lag itself is what it is.
        (30 * MS, punctual, idle, p95(Clock::Lag, below, 20 * MS), missed),
        // A lower bound may hold because of the lag.
        (30 * MS, punctual, idle, p95(response, above, 25 * MS), unknown),
        (30 * MS, punctual, idle, p95(response, above, 9 * MS), PASS),
        (30 * MS, punctual, idle, p95(response, above, 41 * MS), missed),
        // A thread without time left reads answers late: both clocks may show too much.
        (Duration::ZERO, punctual, 0.96, p95(service, below, 9 * MS), unknown),
        (Duration::ZERO, punctual, 0.96, p95(service, below, 11 * MS), PASS),
        (Duration::ZERO, punctual, 0.95, p95(service, below, 9 * MS), missed),
        // A rate that the generator did not reach says nothing about one that the target would not.
        (Duration::ZERO, 98, idle, rate(above, 101.0), unknown),
        (Duration::ZERO, 99, idle, rate(above, 101.0), missed),
        (Duration::ZERO, 98, idle, rate(above, 99.0), PASS),
        (Duration::ZERO, 98, idle, rate(below, 99.0), missed),
        (Duration::ZERO, 98, idle, rate(below, 101.0), unknown),
        (Duration::ZERO, 98, idle, p95(response, below, 11 * MS), PASS),
        (Duration::ZERO, 98, idle, p95(service, below, 11 * MS), unknown),
    ] {
        let shown = format!("{lag:?} {punctual} {busiest} {threshold:?}");
        let judgement = judge(&load(vec![threshold]), &paced(late(lag), punctual, busiest));
        assert_eq!(judgement.verdict, expected, "{shown}: {:?}", judgement.reasons);
        // What nobody knows names who is to blame.
        let blamed =
            judgement.reasons.iter().any(|reason| reason.to_string().contains("generator"));
        assert_eq!(blamed, expected == unknown, "{shown}: {:?}", judgement.reasons);
    }
}

/// One operation that left late excuses no target that is slow from sending, however late it was.
#[test]
fn a_threshold_that_is_missed_from_sending_is_missed() {
    let p95 = Metric::Percentile(Clock::Response, 95.0);
    let verdict = |comparison, service: u32, lag: u32| {
        let mut books = StepRecord { scheduled: 40, ok: 40, ..StepRecord::default() };
        books.statuses = [(200, 40)].into();
        for number in 0..40 {
            let late = if number == 0 { lag * MS } else { Duration::ZERO };
            books.lag.record(late);
            books.service.record(service * MS);
            books.response.record(service * MS + late);
        }
        let plan = load(vec![threshold(p95, comparison, Quantity::Time(100 * MS))]);
        outcome(&plan, &paced(books, 100, 0.1))
    };
    for lag in [0, 50, 101, 150, 400] {
        assert_eq!(verdict(Comparison::Below, 200, lag), Verdict::Fail(Failed::Threshold), "{lag}");
        assert_eq!(verdict(Comparison::Below, 20, lag), PASS, "{lag}");
        assert_eq!(verdict(Comparison::Above, 200, lag), PASS, "{lag}");
    }
}

/// A rate at which the target fails by itself has fallen, whatever lag there was besides.
#[test]
fn a_rate_at_which_the_target_fell_is_not_the_generators() {
    let errors = threshold(Metric::ErrorRate, Comparison::AtMost, Quantity::Share(0.01));
    let p95 = Metric::Percentile(Clock::Response, 95.0);
    let late_p95 = threshold(p95, Comparison::Below, Quantity::Time(25 * MS));
    let refused = StepRecord { ok: 0, failed: 100, statuses: [(500, 100)].into(), ..late(30 * MS) };
    for (books, thresholds, punctual, generator_bound) in [
        (refused.clone(), vec![errors.clone(), late_p95.clone()], 100, false),
        (refused, vec![errors.clone()], 98, true),
        (late(30 * MS), vec![errors, late_p95], 100, true),
    ] {
        let level = crate::judge::level(&load(thresholds), 100.0, &paced(books, punctual, 0.1));
        assert_eq!(level.generator_bound, generator_bound, "{level:?}");
        assert!(!level.holds(), "{level:?}");
    }
}

fn rate(comparison: Comparison, bound: f64) -> Threshold {
    threshold(Metric::Rate, comparison, Quantity::Rate(bound))
}

#[test]
fn what_does_not_depend_on_the_generator_is_judged_whatever_its_lag() {
    let errors = threshold(Metric::ErrorRate, Comparison::AtMost, Quantity::Share(0.01));
    let missed = Verdict::Fail(Failed::Threshold);
    // Every answer is a refusal.
    let refused = StepRecord { ok: 0, failed: 100, statuses: [(401, 100)].into(), ..late(30 * MS) };
    for plan in [load(vec![errors.clone()]), load(vec![])] {
        assert_eq!(outcome(&plan, &paced(refused.clone(), 50, 0.99)), missed);
    }
    // Nothing asks about time.
    assert_eq!(outcome(&load(vec![errors.clone()]), &paced(late(30 * MS), 98, 0.1)), PASS);
    assert_eq!(outcome(&load(vec![]), &paced(late(30 * MS), 98, 0.1)), PASS);
    // Operations that this machine could not send are no failures of the target's.
    let exhausted = |count: u64| StepRecord {
        ok: 100 - count,
        failed: count,
        errors: [(ErrorKind::Exhausted, count)].into(),
        ..late(Duration::ZERO)
    };
    for plan in [load(vec![errors.clone()]), load(vec![])] {
        assert_eq!(outcome(&plan, &paced(exhausted(2), 100, 0.1)), Verdict::Inconclusive);
    }
    assert_eq!(outcome(&load(vec![errors]), &paced(exhausted(1), 100, 0.1)), PASS);
    // An unreachable target weighs more than what nobody knows.
    let p95 = Metric::Percentile(Clock::Response, 95.0);
    let unknown = threshold(p95, Comparison::Below, Quantity::Time(25 * MS));
    let gone = ScenarioRecord {
        reach: Reach { sent: 9, reacted: 1, absent_since: 5 },
        ..paced(late(30 * MS), 100, 0.1)
    };
    assert_eq!(outcome(&load(vec![unknown.clone()]), &gone), Verdict::Unreachable);
    // And so does another threshold that is missed whatever the lag.
    let slow = threshold(p95, Comparison::Below, Quantity::Time(9 * MS));
    let both = load(vec![unknown, slow]);
    assert_eq!(outcome(&both, &paced(late(30 * MS), 100, 0.1)), missed);
}

/// A scenario may allow its generator more.
#[test]
fn the_allowed_lag_can_be_set() {
    let p95 = Metric::Percentile(Clock::Response, 95.0);
    let mut plan = load(vec![threshold(p95, Comparison::Below, Quantity::Time(25 * MS))]);
    let run = paced(late(30 * MS), 100, 0.1);
    assert_eq!(outcome(&plan, &run), Verdict::Inconclusive);
    let Work::Load(work) = &mut plan.work else { panic!() };
    work.allowed_lag = 30 * MS;
    assert_eq!(outcome(&plan, &run), Verdict::Fail(Failed::Threshold));
}

/// A search that the generator ended says so, also when everything held.
#[test]
fn a_search_that_the_generator_ended() {
    let level = |rate, fell: &[&str], generator_bound| Level {
        rate,
        fell: fell.iter().map(|why| (*why).to_owned()).collect(),
        generator_bound,
        p95: None,
    };
    let searched = |levels: Vec<Level>| {
        let record = ScenarioRecord { levels, ..load_record(books(100, 0)) };
        judge(&load(vec![]), &record)
    };
    let held = level(50.0, &[], false);
    assert_eq!(searched(vec![held.clone(), level(100.0, &[], false)]).verdict, PASS);
    assert_eq!(searched(vec![held.clone(), level(100.0, &["p95"], false)]).verdict, PASS);
    for last in [level(100.0, &[], true), level(100.0, &["p95"], true)] {
        let ended = searched(vec![held.clone(), last.clone()]);
        assert_eq!(ended.verdict, Verdict::Inconclusive);
        let said = ended.reasons[0].to_string();
        let expected =
            "the generator could not reach 100.0/s; the target held 50.0/s, and may hold more";
        assert_eq!(said, expected);
        let none = searched(vec![last]).reasons[0].to_string();
        assert!(none.contains("no rate that was tried"), "{none}");
    }
}

proptest! {
    /// Checks that more lag in the same figures makes a result uncertain, but never another one.
    #[test]
    fn lag_turns_no_result_around(
        bound in 1..60_u32,
        comparison in proptest::sample::select(vec![Comparison::Below, Comparison::Above]),
        clock in proptest::sample::select(vec![Clock::Response, Clock::Service]),
        lags in (0..50_u32, 0..50_u32),
        punctual in (90..=100_u64, 90..=100_u64),
        busiest in (0.0..1.0_f64, 0.0..1.0_f64),
    ) {
        let metric = Metric::Percentile(clock, 95.0);
        let plan = load(vec![threshold(metric, comparison, Quantity::Time(bound * MS))]);
        let verdict = |lag: u32, punctual, busiest| {
            let mut books = late(30 * MS);
            books.lag = crate::record::Latency::new();
            for _ in 0..100 {
                books.lag.record(lag * MS);
            }
            outcome(&plan, &paced(books, punctual, busiest))
        };
        let one = verdict(lags.0, punctual.0, busiest.0);
        let other = verdict(lags.1, punctual.1, busiest.1);
        let unknown = Verdict::Inconclusive;
        prop_assert!(one == other || one == unknown || other == unknown, "{one:?} {other:?}");
    }
}

#[test]
fn signals_and_defects_come_first() {
    let stopped = |signal| ScenarioRecord { stopped: Some(signal), ..record(books(1, 0)) };
    for signal in [Signal::Interrupt, Signal::Terminate] {
        assert_eq!(outcome(&once(), &stopped(signal)), Verdict::Interrupted(signal));
    }
    let mut books = books(1, 0);
    books.scheduled = 2;
    assert_eq!(outcome(&once(), &record(books)), Verdict::Defect);
}

#[test]
fn a_scenario_that_is_not_applicable() {
    let judgement = Judgement::not_applicable("the target has no upstream stub");
    assert_eq!(judgement.verdict, Verdict::NotApplicable);
}

#[test]
fn a_development_server_that_degrades_is_not_judged() {
    let fine = Drift { memory: 1_000, peak: 1_000 + SERVER_GROWTH, errors: 0, lost: 0 };
    for (drift, expected, why) in [
        (fine, Verdict::Pass, ""),
        (Drift { peak: fine.peak + 1, ..fine }, Verdict::Inconclusive, "from 0 MB to 256 MB"),
        (Drift { errors: 1, ..fine }, Verdict::Inconclusive, "1 errors"),
        (Drift { lost: 1, ..fine }, Verdict::Inconclusive, "1 of its processes ended"),
    ] {
        let record = ScenarioRecord { server: Some(drift), ..record(books(100, 0)) };
        let judgement = judge(&load(Vec::new()), &record);
        assert_eq!(judgement.verdict, expected, "{judgement:?}");
        assert!(judgement.reasons.iter().all(|reason| reason.to_string().contains(why)));
    }
}
