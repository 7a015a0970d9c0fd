//! The gate as its users meet it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::{
    fs,
    process::{Command, Output},
    time::Duration,
};

use axum::{Router, http::HeaderMap, routing::get};
use common::Target;
use workway::{
    gate::{Decision, Kind},
    report::GateReport,
};

fn target(delay: Duration, broken: bool) -> Target {
    let handler = async move || {
        tokio::time::sleep(delay).await;
        let status = if broken { 500 } else { 200 };
        (http::StatusCode::from_u16(status).unwrap(), "ok")
    };
    Target::start(Router::new().route("/", get(handler)))
}

struct Case {
    folder: tempfile::TempDir,
}

impl Case {
    fn new(load: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "scenario: a/b\nload:\n  {load}\n  journeys: {{ a: {{ steps: [{{ request: {{ name: \
             step, get: / }} }}] }} }}\n"
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
        command.args(["--base", base, "--head", head, "--pairs", "7", "--seed", "7"]);
        command.args(["--window", "400ms", "--warmup", "100ms", "--out"]);
        command.arg(self.folder.path().join("out")).args(more).output().unwrap()
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

#[test]
fn three_times_as_slow_fails_or_cannot_be_decided_but_never_passes() {
    let (base, head) =
        (target(Duration::from_millis(10), false), target(Duration::from_millis(30), false));
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
        assert!(stdout.contains("likely cause: `step` adds most"), "{stdout}");
        let page = fs::read_to_string(case.folder.path().join("out/gate.html")).unwrap();
        assert!(page.contains("<svg") && !page.contains("NaN"), "{page}");
    }
}

#[test]
fn the_same_target_does_not_fail() {
    let base = target(Duration::from_millis(5), false);
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
    let (base, head) = (target(Duration::ZERO, false), target(Duration::ZERO, true));
    let case = Case::new("profile: { constant: { rate: 100/s, for: 1s } }");
    let output = case.gate(&url(&base), &url(&head));
    assert!(matches!(output.status.code(), Some(5 | 8)), "{output:?}");
    let report = case.report();
    if report.pairs > 0 {
        let errors = report.findings.iter().find(|finding| finding.kind == Kind::Errors).unwrap();
        assert_eq!(errors.decision, Decision::Fail, "{errors:?}");
    }
    if report.decision == Decision::Fail {
        assert!(report.causes.iter().any(|cause| cause.contains("status 500")), "{report:?}");
    }
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
    let case = Case::new("profile: { constant: { rate: 100/s, for: 1s } }");
    let versions = ["--base-header", "x-version: good", "--head-header", "x-version: bad"];
    let output = case.gate_with(&both, &both, &versions);
    assert!(matches!(output.status.code(), Some(5 | 8)), "{output:?}");
    let report = case.report();
    assert!(report.base.target.ends_with("(x-version: good)"), "{}", report.base.target);
    assert!(report.reproduce.contains("--head-header 'x-version: bad'"), "{}", report.reproduce);
    if report.pairs > 0 {
        let errors = report.findings.iter().find(|finding| finding.kind == Kind::Errors).unwrap();
        assert_eq!((errors.base, errors.decision), (Some(0.0), Decision::Fail), "{errors:?}");
    }
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
    let base = target(Duration::ZERO, false);
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
    let base = target(Duration::ZERO, false);
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
