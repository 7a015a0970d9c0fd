use std::time::Duration;

use crate::{
    judge::{Failed, Judgement, Verdict, judge},
    model::ErrorKind,
    plan::{
        Clock, Comparison, LoadPlan, Metric, Phase, Profile, Quantity, ScenarioPlan, Span, StepId,
        StepLabel, Threshold, Work,
    },
    record::{Failure, Pace, PhaseEnd, Reach, ScenarioRecord, StepRecord},
    report::{Rendered, RunInfo, RunReport, ScenarioReport, TargetKind, json},
};

fn threshold(text: &str, step: Option<usize>, metric: Metric, bound: Quantity) -> Threshold {
    Threshold {
        text: text.into(),
        span: Span { line: 30, column: 5, ..Span::default() },
        metric,
        step: step.map(StepId),
        comparison: Comparison::Below,
        bound,
    }
}

fn plan() -> ScenarioPlan {
    let label = |name: &str, phase| StepLabel { name: name.into(), phase };
    let p95 = Metric::Percentile(Clock::Response, 95.0);
    let p99 = Metric::Percentile(Clock::Response, 99.0);
    let time = |ms| Quantity::Time(Duration::from_millis(ms));
    ScenarioPlan {
        feeds: Vec::new(),
        audit: Vec::new(),
        file: "scenarios/load/mix.yaml".into(),
        name: "load/mix".into(),
        about: None,
        tags: vec![],
        requires: vec![],
        users: vec![],
        vars: vec![],
        labels: vec![
            label("seed", Phase::Setup),
            label("POST /workflows/{id}/runs and more", Phase::Work),
            label("list", Phase::Work),
            label("never", Phase::Work),
        ],
        setup: vec![],
        work: Work::Load(LoadPlan::new(Profile::constant(100.0, Duration::from_secs(10)), vec![])),
        teardown: vec![],
        thresholds: vec![
            threshold("p95(list) < 50 ms", Some(2), p95, time(50)),
            threshold("p99 < 1 s", None, p99, time(1000)),
            threshold("p95(never) < 1 s", Some(3), p95, time(1000)),
            threshold("error_rate < 5%", None, Metric::ErrorRate, Quantity::Share(0.05)),
        ],
        cost: None,
    }
}

fn step(ok: u64, from: Duration) -> StepRecord {
    let mut step = StepRecord { scheduled: ok, ok, in_window: ok, ..StepRecord::default() };
    step.statuses = [(200, ok)].into();
    for n in 0..ok {
        let latency = from + from * u32::try_from(n * n / 1000).unwrap();
        step.response.record(latency);
        step.service.record(latency);
        step.lag.record(Duration::from_micros(800));
    }
    step
}

fn record() -> ScenarioRecord {
    let mut runs = step(1200, Duration::from_micros(900));
    runs.scheduled += 34;
    (runs.failed, runs.unfinished) = (4, 30);
    runs.statuses = [(200, 1000), (429, 200)].into();
    runs.errors = [(ErrorKind::Timeout, 4)].into();
    for _ in 0..34 {
        runs.response.record_unanswered(Duration::from_secs(9));
    }
    runs.samples = vec![Failure {
        file: None,
        claim: crate::plan::Claim::default(),
        items: Vec::new(),
        differences: Vec::new(),
        at: Duration::from_millis(1500),
        step: "POST /workflows/{id}/runs and more".into(),
        phase: Phase::Work,
        span: Span { line: 12, column: 7, ..Span::default() },
        expected: "status = 202".into(),
        actual: "429".into(),
        curl: "curl -sS -i -X POST 'http://127.0.0.1:1/' -H \"Authorization: Bearer $TOKEN\""
            .into(),
        status: Some(429),
        body: Some("{\"error\":\"\u{1b}[2Jslow\ndown\"}".into()),
    }];
    ScenarioRecord {
        elapsed: Duration::from_millis(12_340),
        window: Duration::from_secs(10),
        steps: vec![
            step(1, Duration::from_millis(3)),
            runs,
            step(500, Duration::from_micros(120)),
            StepRecord::default(),
        ],
        setup: PhaseEnd::Done,
        work: PhaseEnd::Done,
        teardown: PhaseEnd::Done,
        reach: Reach { sent: 1735, reacted: 1700, absent_since: 0 },
        pace: Some(Pace { planned: 1734, punctual: 1734, ..Pace::default() }),
        ..ScenarioRecord::default()
    }
}

fn report() -> RunReport {
    let (plan, record) = (plan(), record());
    let skipped = ScenarioPlan { name: "ops/restart".into(), ..plan.clone() };
    let why = Judgement::not_applicable("the target has no upstream stub");
    let info = RunInfo {
        run_id: "r1".into(),
        seed: 42,
        target: "http://127.0.0.1:8787".into(),
        target_kind: TargetKind::Url,
        started_at: std::time::SystemTime::UNIX_EPOCH.into(),
        duration: record.elapsed,
    };
    let scenarios = vec![
        ScenarioReport::new(&plan, &record, &judge(&plan, &record)),
        ScenarioReport::not_run(&skipped, &why),
    ];
    RunReport::new(info, scenarios).with_exit_codes(code)
}

/// Exit codes as a command may have them.
fn code(verdict: Verdict) -> u8 {
    if verdict == Verdict::Fail(Failed::Threshold) { 5 } else { 4 }
}

#[test]
fn the_page() {
    let page = report().text(false);
    let expected = include_str!("page.txt");
    assert_eq!(page, expected, "\n{page}");
    assert!(page.lines().take(5).all(|line| line.chars().count() <= 100));
}

#[test]
fn colour_only_when_asked_and_never_from_the_target() {
    assert!(!report().text(false).contains('\u{1b}'));
    let coloured = report().text(true);
    assert!(coloured.contains("\u{1b}[1m\u{1b}[31mFAIL") && !coloured.contains("\u{1b}[2J"));
}

#[test]
fn json_comes_back_as_it_was() {
    let report = report();
    assert_eq!((report.verdict, report.exit), (Verdict::Fail(Failed::Threshold), Some(5)));
    let bytes = json(&report).unwrap();
    let read: RunReport = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(read, report);
    assert_eq!(read.text(true), report.text(true));
    let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(value["schema_version"], 2);
    let reason = &value["scenarios"][0]["reasons"][0];
    assert_eq!(
        (&reason["kind"], &reason["text"]),
        (&"threshold-missed".into(), &"threshold missed: p99 < 1 s".into(),)
    );
    assert_eq!(reason["bound"], serde_json::json!({"unit": "ms", "value": 1000.0}));
    assert_eq!(
        (&value["scenarios"][0]["verdict"], &value["scenarios"][0]["by"]),
        (&"fail".into(), &"threshold".into(),)
    );
    let runs = &value["scenarios"][0]["steps"][1]["response"];
    assert_eq!((runs["count"].as_u64(), runs["max"].as_f64()), (Some(1234), None));
    assert_eq!(runs["at_least"]["max"], 9000.0);
    let never = &value["scenarios"][0]["steps"][3]["response"];
    assert!(never["p50"].is_null() && never["at_least"].is_null(), "{never}");
    assert!(value["scenarios"][1]["exit"].is_null());
}

#[test]
fn the_verdict_on_a_run_is_the_worst_of_its_scenarios() {
    let overall = |verdicts: &[Verdict]| {
        let one = |verdict: &Verdict| ScenarioReport {
            verdict: *verdict,
            ..report().scenarios.remove(0)
        };
        let report = report();
        let info = RunInfo {
            run_id: report.run_id,
            seed: 1,
            target: report.target,
            target_kind: TargetKind::Url,
            started_at: report.started_at,
            duration: Duration::ZERO,
        };
        RunReport::new(info, verdicts.iter().map(one).collect()).verdict
    };
    let (none, threshold) = (Verdict::NotApplicable, Verdict::Fail(Failed::Threshold));
    assert_eq!(overall(&[]), none);
    assert_eq!(overall(&[none]), none);
    assert_eq!(overall(&[none, Verdict::Pass]), Verdict::Pass);
    assert_eq!(overall(&[Verdict::Inconclusive, threshold, Verdict::Pass]), threshold);
    let conformance = Verdict::Fail(Failed::Conformance);
    assert_eq!(overall(&[conformance, Verdict::Unreachable]), Verdict::Unreachable);
    let interrupted = Verdict::Interrupted(crate::model::Signal::Interrupt);
    assert_eq!(overall(&[interrupted, Verdict::Defect]), interrupted);
}

#[test]
fn the_format_has_a_schema() {
    let schema = schemars::schema_for!(RunReport);
    let properties = schema.get("properties").and_then(|p| p.as_object()).unwrap();
    assert!(properties.contains_key("schema_version") && properties.contains_key("scenarios"));
}
