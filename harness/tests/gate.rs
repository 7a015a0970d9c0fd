//! The gate as its users meet it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    fs,
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use crate::common::{self, Target};
use axum::{Router, http::HeaderMap, routing::get};
use workway::{
    gate::{Decision, Finding, Kind},
    report::GateReport,
};

/// A target that answers after this long, with this status.
fn target(delay: Duration, status: u16) -> Target {
    let status = http::StatusCode::from_u16(status).unwrap();
    let handler = async move || {
        tokio::time::sleep(delay).await;
        (status, "ok")
    };
    Target::start(Router::new().route("/", get(handler)))
}

/// What answers that asked no model said that they used, and those that asked one.
const HIT: &str = "rows_read=2";
const MISS: &str = "rows_read=4, ai_input_tokens=200, ai_millineurons=5000, outbound_requests=1";

/// A target whose cache answers all but so many of ten.
fn cached(misses: u64) -> Target {
    let count = Arc::new(AtomicU64::new(0));
    let handler = async move || {
        let miss = count.fetch_add(1, SeqCst) % 10 < misses;
        tokio::time::sleep(Duration::from_millis(if miss { 12 } else { 2 })).await;
        ([("workway-usage", if miss { MISS } else { HIT })], "ok")
    };
    Target::start(Router::new().route("/", get(handler)))
}

struct Case {
    folder: tempfile::TempDir,
}

impl Case {
    fn new(load: &str) -> Self {
        Self::with(load, "")
    }

    fn with(load: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "scenario: a/b\nload:\n  {load}\n  journeys: {{ a: {{ steps: [{{ request: {{ name: \
             step, get: / }} }}] }} }}\n{more}"
        );
        fs::write(folder.path().join("a.yaml"), text).unwrap();
        Self { folder }
    }

    fn gate(&self, base: &str, head: &str) -> Output {
        self.gate_with(base, head, &[])
    }

    fn gate_with(&self, base: &str, head: &str, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_workway"));
        // No calibration of this machine: the rule is the default one.
        command.env("XDG_STATE_HOME", self.folder.path());
        command.arg("gate").arg(self.folder.path().join("a.yaml"));
        command.args(["--base", base, "--head", head, "--seed", "7"]);
        for default in [["--pairs", "7"], ["--window", "400ms"], ["--warmup", "100ms"]] {
            if !more.contains(&default[0]) {
                command.args(default);
            }
        }
        command.arg("--out").arg(self.folder.path().join("out")).args(more).output().unwrap()
    }

    fn report(&self) -> GateReport {
        let json = fs::read(self.folder.path().join("out/gate.json")).unwrap();
        serde_json::from_slice(&json).unwrap()
    }
}

fn url(target: &Target) -> String {
    format!("http://{}", target.address)
}

/// 800 a second, so that seven windows hold the two thousand operations of p95.
const LOAD: &str = "profile: { constant: { rate: 800/s, for: 1s } }";

/// No arrival of these can be late, so that no window is spoiled: what is counted decides, and
/// noise has no say.
const COUNTED: &str = "profile: { users: { count: 2, for: 1s } }";
/// The usage of each request is measured.
const METERED: &str = "cost: { audit: false, thresholds: [] }\n";
/// Any change of latency is allowed.
const WHATEVER_THE_TIME: [&str; 2] = ["--max-p95", "1000%"];

fn finding<'a>(report: &'a GateReport, metric: &str) -> &'a Finding {
    report.findings.iter().find(|finding| finding.metric == metric).unwrap()
}

fn usage(misses: f64) -> f64 {
    2.0 * (1.0 - misses) + 4.0 * misses
}

/// A cache that answers less is seen by what it uses, and named as the cause: of the tokens, of the
/// rows and of the money.
#[test]
fn a_cache_that_answers_less_fails_by_usage_with_its_cause() {
    let (base, head) = (cached(1), cached(6));
    let case = Case::with(COUNTED, METERED);
    // Seven metrics share the level: of seven pairs none could be told from chance.
    let more = [&WHATEVER_THE_TIME[..], &["--pairs", "10"]].concat();
    let output = case.gate_with(&url(&base), &url(&head), &more);
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    let report = case.report();
    assert_eq!((report.decision, report.pairs), (Decision::Fail, 10));
    for (metric, base, head) in
        [("rows_read", usage(0.1), usage(0.6)), ("ai_input_tokens", 20.0, 120.0)]
    {
        let found = finding(&report, metric);
        assert_eq!(found.decision, Decision::Fail, "{found:?}");
        // Each window ends somewhere in ten.
        for (is, expected) in [(found.base, base), (found.head, head)] {
            assert!((is.unwrap() / expected - 1.0).abs() < 0.1, "{found:?}");
        }
    }
    let cost = finding(&report, "cost");
    assert_eq!((cost.kind, cost.decision), (Kind::Cost, Decision::Fail));
    let causes = |what: &str| {
        let said = |cause: &&String| cause.starts_with(what);
        report.causes.iter().find(said).unwrap_or_else(|| panic!("{what}: {:?}", report.causes))
    };
    let cache = causes("cost rose");
    let (_, rates) = cache.split_once("because the cache hit rate of `step` fell from ").unwrap();
    let mut rates = rates.split([' ', ';']).filter_map(|word| word.parse::<f64>().ok());
    for expected in [0.9, 0.4] {
        assert!((rates.next().unwrap() - expected).abs() < 0.05, "{cache}");
    }
    assert!(cache.contains(" USD a month at Scale"), "{cache}");
    assert!(causes("rows_read rose").contains("because `step` uses +"), "{:?}", report.causes);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("because the cache hit rate of `step` fell"), "{shown}");
}

#[test]
fn the_same_usage_and_no_errors_pass() {
    // Every second answer the same, so that no window can differ.
    let (base, head) = (cached(0), cached(0));
    // Two thousand operations for p95.
    let case = Case::with("profile: { users: { count: 20, for: 1s } }", METERED);
    let output = case.gate_with(&url(&base), &url(&head), &WHATEVER_THE_TIME);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = case.report();
    assert_eq!(report.decision, Decision::Pass);
    assert_eq!(finding(&report, "rows_read").decision, Decision::Pass);
    assert!(report.causes.is_empty(), "{:?}", report.causes);
}

#[test]
fn too_few_operations_are_inconclusive() {
    let base = target(Duration::from_millis(20), 200);
    let case = Case::new(COUNTED);
    let output = case.gate(&url(&base), &url(&base));
    assert_eq!(output.status.code(), Some(8), "{output:?}");
    let why = finding(&case.report(), "p95").why.clone().unwrap();
    assert!(why.contains("are too few for p95, which needs 2000"), "{why}");
}

/// `workway report` shows a gate again, in the formats that a gate has.
#[test]
fn a_gate_is_rendered_again() {
    let (base, head) = (target(Duration::ZERO, 200), target(Duration::ZERO, 500));
    let case = Case::new(COUNTED);
    let first = case.gate(&url(&base), &url(&head));
    let (out, again) = (case.folder.path().join("out"), case.folder.path().join("again"));
    let report = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_workway"));
        command.arg("report").arg(&out).args(more).output().unwrap()
    };
    let second = report(&["--out", again.to_str().unwrap()]);
    assert_eq!(second.status.code(), Some(0), "{second:?}");
    assert_eq!(second.stdout, first.stdout);
    for name in ["gate.txt", "gate.md", "gate.html", "gate.json"] {
        assert_eq!(
            fs::read(out.join(name)).unwrap(),
            fs::read(again.join(name)).unwrap(),
            "{name}"
        );
    }
    let none = report(&["--format", "junit"]);
    assert_eq!(none.status.code(), Some(2), "{none:?}");
    let said = String::from_utf8(none.stderr).unwrap();
    assert!(said.contains("a gate has no such format; it has text, gate.txt, gate.md"), "{said}");
    let mut cost = Command::new(env!("CARGO_BIN_EXE_workway"));
    let cost = cost.arg("merge").arg(&out).output().unwrap();
    assert_eq!(cost.status.code(), Some(2), "{cost:?}");
    assert!(String::from_utf8(cost.stderr).unwrap().contains("is a gate, not a run"));
}

/// A calibration holds for its settings; a gate with others says that it does not use it.
#[test]
fn a_calibration_for_other_windows_is_not_used() {
    let base = target(Duration::ZERO, 200);
    let case = Case::new(COUNTED);
    let mut command = Command::new(env!("CARGO_BIN_EXE_workway"));
    command.env("XDG_STATE_HOME", case.folder.path()).arg("calibrate");
    command.arg(case.folder.path().join("a.yaml")).args(["--target", &url(&base)]);
    command.args(["--pairs", "7", "--window", "300ms", "--warmup", "100ms"]);
    let made = command.output().unwrap();
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let from = |window: &str| {
        let windows = ["--window", window];
        let output = case.gate_with(&url(&base), &url(&base), &windows);
        (case.report().rule_from, String::from_utf8(output.stderr).unwrap())
    };
    let (rule, said) = from("400ms");
    assert!(rule.starts_with("defaults; not used: calibration of "), "{rule}");
    assert!(rule.ends_with("window 0.3 s, not 0.4 s"), "{rule}");
    assert!(said.contains("no calibration holds for this gate ("), "{said}");
    let (rule, _) = from("300ms");
    assert!(rule.starts_with("calibrated "), "{rule}");
}

#[test]
fn three_times_as_slow_fails_or_cannot_be_decided_but_never_passes() {
    let (base, head) =
        (target(Duration::from_millis(10), 200), target(Duration::from_millis(30), 200));
    let case = Case::new(LOAD);
    let output = case.gate(&url(&base), &url(&head));
    let report = case.report();
    // A machine that is too busy to generate the load says 8; a verdict can only be 5.
    let code = output.status.code();
    assert!(matches!(code, Some(5 | 8)), "{output:?}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    let first: Vec<_> = stdout.lines().take(6).collect();
    for (line, label) in
        first.iter().zip(["metric", "base", "head", "interval", "rule", "reproduce"])
    {
        assert!(line.starts_with(label), "{stdout}");
    }
    assert!(first[5].contains("workway gate") && first[5].contains("--seed 7"), "{stdout}");
    if code == Some(5) {
        let p95 = report.findings.iter().find(|finding| finding.metric == "p95").unwrap();
        assert!(p95.decision == Decision::Fail && p95.low.unwrap() > 0.5, "{p95:?}");
        // Nothing that is measured explains it, and that is said.
        let expected = "likely cause: p95 rose, and nothing at hand says why: `step` adds most";
        assert!(stdout.contains(expected), "{stdout}");
        let page = fs::read_to_string(case.folder.path().join("out/gate.html")).unwrap();
        assert!(page.contains("<svg") && !page.contains("NaN"), "{page}");
    }
}

#[test]
fn the_same_target_does_not_fail() {
    let base = target(Duration::from_millis(5), 200);
    let case = Case::new(LOAD);
    let output = case.gate(&url(&base), &url(&base));
    assert!(matches!(output.status.code(), Some(0 | 8)), "{output:?}");
    let report = case.report();
    assert_ne!(report.decision, Decision::Fail, "{report:?}");
    let cost = report.findings.iter().find(|finding| finding.kind == Kind::Cost);
    assert!(cost.is_none_or(|cost| cost.decision == Decision::Shown), "{cost:?}");
}

/// Errors are counts: no matter how fast they come.
#[test]
fn new_errors_fail() {
    let (base, head) = (target(Duration::ZERO, 200), target(Duration::ZERO, 500));
    let case = Case::new(COUNTED);
    let output = case.gate(&url(&base), &url(&head));
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    let report = case.report();
    let errors = finding(&report, "errors");
    assert_eq!((errors.kind, errors.decision), (Kind::Errors, Decision::Fail), "{errors:?}");
    assert_eq!((errors.base, errors.head), (Some(0.0), Some(1.0)));
    let said = report.causes.iter().find(|line| line.starts_with("errors rose because"));
    assert!(said.unwrap().contains("of `step` failed (status 500: 0 -> "), "{report:?}");
}

/// Two versions behind one URL, told apart by a header.
#[test]
fn a_header_names_the_version() {
    let handler = async |headers: HeaderMap| match headers.get("x-version") {
        Some(version) if version == "bad" => (http::StatusCode::INTERNAL_SERVER_ERROR, "no"),
        Some(version) if version == "good" => (http::StatusCode::OK, "ok"),
        _ => (http::StatusCode::BAD_REQUEST, "which?"),
    };
    let target = Target::start(Router::new().route("/", get(handler)));
    let both = url(&target);
    let case = Case::new(COUNTED);
    let versions = ["--base-header", "x-version: good", "--head-header", "x-version: bad"];
    let output = case.gate_with(&both, &both, &versions);
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    let report = case.report();
    assert!(report.base.target.ends_with("(x-version: good)"), "{}", report.base.target);
    assert!(report.reproduce.contains("--head-header 'x-version: bad'"), "{}", report.reproduce);
    let errors = finding(&report, "errors");
    assert_eq!((errors.base, errors.decision), (Some(0.0), Decision::Fail), "{errors:?}");
    let canary = "authorization: Bearer canary";
    let output = case.gate_with(&both, &both, &["--head-header", canary]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("authorization is a secret") && !said.contains("canary"), "{said}");
    for bad in ["x-version", "x version: a", ": a"] {
        let output = case.gate_with(&both, &both, &["--base-header", bad]);
        assert_eq!(output.status.code(), Some(2), "{bad}: {output:?}");
    }
}

#[test]
fn a_target_that_is_not_there_is_unreachable_and_a_wrong_name_says_what_is_possible() {
    let base = target(Duration::ZERO, 200);
    let case = Case::new(LOAD);
    let output = case.gate(&url(&base), &format!("http://{}", common::dead()));
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    let output = case.gate(&url(&base), "no-such-revision");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("revision"), "{output:?}");
    let output = case.gate(&url(&base), "http://192.0.2.1");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--allow-remote"), "{output:?}");
}

#[test]
fn a_load_that_cannot_be_cut_into_windows_is_refused() {
    let base = target(Duration::ZERO, 200);
    let case = Case::new("profile: { ramp: { from: 10/s, to: 20/s, for: 1s } }");
    let output = case.gate(&url(&base), &url(&base));
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("changes its rate"), "{output:?}");
}

/// The same commit twice, built and side by side: the gate of a pull request, to its end. What both
/// use is exactly the same, so a failure would be an alarm about time.
#[test]
#[ignore = "builds a revision: scripts/test-long runs it"]
fn revisions_are_built_and_compared_to_the_end() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut command = Command::new(env!("CARGO_BIN_EXE_workway"));
    command.env("XDG_STATE_HOME", folder.path()).current_dir(root);
    command.args(["gate", "--base", "HEAD", "--head", "HEAD", "--pairs", "7", "--seed", "7"]);
    command.args(["--window", "2s", "--warmup", "300ms", "--out"]).arg(&out);
    let output = command.output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 5 | 8)), "{output:?}");
    let report: GateReport =
        serde_json::from_slice(&fs::read(out.join("gate.json")).unwrap()).unwrap();
    let head = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(root).output().unwrap();
    let head = String::from_utf8(head.stdout).unwrap();
    for side in [&report.base, &report.head] {
        assert_eq!(side.commit.as_deref(), Some(head.trim()), "{side:?}");
    }
    assert!(report.pairs > 0, "{:?}", report.reasons);
    let usage =
        report.findings.iter().filter(|found| matches!(found.kind, Kind::Usage | Kind::Cost));
    let usage: Vec<_> = usage.collect();
    assert!(!usage.is_empty(), "the revisions metered nothing: {report:?}");
    for finding in usage {
        assert_ne!(finding.decision, Decision::Fail, "{finding:?}");
    }
    println!("{}", String::from_utf8_lossy(&output.stdout));
}
