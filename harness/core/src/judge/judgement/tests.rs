use super::*;
use crate::{
    judge::Failed,
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

#[test]
fn a_generator_that_was_the_bottleneck() {
    let inconclusive = Verdict::Inconclusive;
    let mut late = books(100, 0);
    for _ in 0..2 {
        late.lag.record(6 * MS);
    }
    assert_eq!(outcome(&load(vec![]), &load_record(late.clone())), inconclusive);
    // Six milliseconds are harmless when answers take a tenth of a second.
    for _ in 0..200 {
        late.response.record(100 * MS);
    }
    assert_eq!(outcome(&load(vec![]), &load_record(late)), PASS);

    let paced = |punctual| {
        let pace = Some(Pace { planned: 100, punctual, ..Pace::default() });
        ScenarioRecord { pace, ..record(books(100, 0)) }
    };
    assert_eq!(outcome(&load(vec![]), &paced(99)), PASS);
    assert_eq!(outcome(&load(vec![]), &paced(98)), inconclusive);
    // It takes the place of a missed threshold, not of an unreachable target.
    let missed = threshold(Metric::Count, Comparison::AtLeast, Quantity::Count(1000));
    assert_eq!(outcome(&load(vec![missed]), &paced(98)), inconclusive);
    let gone =
        ScenarioRecord { reach: Reach { sent: 9, reacted: 1, absent_since: 5 }, ..paced(98) };
    assert_eq!(outcome(&load(vec![]), &gone), Verdict::Unreachable);
    let exhausted = || {
        let mut books = books(99, 1);
        books.errors = [(ErrorKind::Exhausted, 1)].into();
        load_record(books)
    };
    assert_eq!(outcome(&load(vec![]), &exhausted()), inconclusive);
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
