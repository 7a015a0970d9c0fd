//! The suites against a Worker that is not ours: `fixtures/foreign-worker`, on workerd, by its URL.
//! Needs what scripts/setup installs, so it is ignored by default; scripts/test runs it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

const SECRET: &str = "a secret of the foreign worker, long enough";

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The Worker on workerd; it ends with its standard input, and so with this.
struct Foreign {
    url: String,
    process: Child,
}

impl Foreign {
    fn start(folder: &Path) -> Self {
        let (tools, worker) = (tools(), repository().join("fixtures/foreign-worker"));
        let bundle = folder.join("foreign.js");
        let done = Command::new(tools.join("esbuild"))
            .arg(worker.join("src/worker.ts"))
            .args(["--bundle", "--format=esm", "--target=es2022", "--log-level=error"])
            .arg(format!("--outfile={}", bundle.display()))
            .status();
        assert!(done.unwrap().success(), "the packages of the Worker: scripts/setup");
        let mut process = Command::new(tools.join("node"))
            .arg(worker.join("serve.mjs"))
            .arg(&bundle)
            .env("WORKWAY_JWT_SECRET", SECRET)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("http://127.0.0.1:"), "it did not start: {url}");
        Self { url: url.trim().to_owned(), process }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

fn tools() -> PathBuf {
    repository().join("service/node_modules/.bin")
}

/// Every suite that sends requests for its own sake, but for those that wait for windows to end.
const SUITES: [&str; 7] =
    ["smoke", "validation", "auth", "workflows", "caching", "money", "rate-limit/fresh.yaml"];

/// What it does rightly of runs, which it has without a stub, without keys and without events.
const RUNS: &str = r#"
scenario: foreign/runs
users: { alice: {}, bob: {} }
steps:
  - request:
      name: create
      post: /workflows
      auth: alice
      json: { name: a, description: "", steps: [{ type: transform, config: { value: 1 } }, { type: delay, config: { seconds: 1 } }] }
      expect: { status: 201 }
      capture: { workflow: $.id }
  - request: { name: start, post: "/workflows/${{ workflow }}/runs", auth: alice, expect: { status: 202 }, capture: { id: $.id } }
  - request: { name: another's, get: "/runs/${{ id }}", auth: bob, expect: { rule: AU5, status: 404 } }
  - until:
      within: 20s
      request: { name: ends, get: "/runs/${{ id }}", auth: alice, expect: { rule: WF3, body: { $.status: succeeded } } }
  - request: { name: too late, post: "/runs/${{ id }}/cancel", auth: alice, expect: { rule: WF10, status: 409 } }
audit:
  - model: { runs: {} }
"#;

#[test]
#[ignore = "needs workerd; scripts/test runs it"]
fn the_suites_have_a_verdict_for_a_service_that_is_not_ours() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = Foreign::start(folder.path());
    let runs = folder.path().join("runs.yaml");
    std::fs::write(&runs, RUNS).unwrap();
    let suites = SUITES.map(|suite| format!("scenarios/{suite}"));
    let output = Command::new(env!("CARGO_BIN_EXE_workway"))
        .arg("run")
        .args(suites)
        .arg(&runs)
        .args(["--target", &foreign.url, "--format", "json"])
        .env("WORKWAY_JWT_SECRET", SECRET)
        .current_dir(repository())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // It has mistakes: that is what there is to find, and nothing is worse than that.
    assert_eq!(output.status.code(), Some(1), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut verdicts = BTreeMap::new();
    for scenario in report["scenarios"].as_array().unwrap() {
        let (name, verdict) =
            (scenario["name"].as_str().unwrap(), scenario["verdict"].as_str().unwrap());
        assert!(["pass", "fail", "not-applicable"].contains(&verdict), "{name}: {verdict}");
        let reasons = scenario["reasons"].as_array().unwrap();
        assert_eq!(reasons.is_empty(), verdict == "pass", "{name}: {reasons:?}");
        // What failed shows where and what.
        if verdict == "fail" {
            let failure = &scenario["failures"][0];
            assert!(failure["line"].as_u64().unwrap() > 0, "{name}: {failure}");
            assert!(!failure["expected"].as_str().unwrap().is_empty(), "{name}: {failure}");
        }
        verdicts.insert(name, verdict);
    }
    for (name, expected) in [
        ("rate-limit/fresh", "pass"),
        ("validation/accepted", "pass"),
        ("validation/generated", "pass"),
        // It looks at neither audience nor issuer of a token.
        ("auth/tokens", "fail"),
        // It sends no Retry-After.
        ("smoke/rate-limit", "fail"),
        // It takes what is twice in an object.
        ("validation/json", "fail"),
        ("smoke/health", "pass"),
        ("caching/catalogue", "pass"),
        ("foreign/runs", "pass"),
        // Numbers past 2^53 are others when it writes them.
        ("workflows/apart", "fail"),
        // One key makes two workflows.
        ("workflows/runs", "fail"),
        // A token that may read may write.
        ("auth/others", "fail"),
        ("auth/cors-allowed", "not-applicable"),
        ("money/webhook", "not-applicable"),
        ("caching/catalogue-ttl", "not-applicable"),
        ("workflows/crash", "not-applicable"),
        ("caching/summaries", "not-applicable"),
    ] {
        assert_eq!(verdicts.get(name), Some(&expected), "{name}");
    }
    let count = |verdict| verdicts.values().filter(|found| **found == verdict).count();
    let (passed, failed) = (count("pass"), count("fail"));
    println!("{} scenarios: {passed} passed, {failed} failed", verdicts.len());
}
