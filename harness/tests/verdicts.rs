//! The verdict on a short load, again and again, while both cores are busy with something else: a target
//! that is fast enough passes, one that is not fails, and only where the generator's own lag can have
//! decided nobody knows.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a test")]

use std::{
    collections::BTreeMap,
    fs,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::get};

use crate::common::Target;

/// The first load of the README, shorter.
const SCENARIO: &str = "\
scenario: mine/load
load:
  profile: { constant: { rate: 20/s, for: 2s } }
  journeys:
    health: { steps: [{ request: { name: health, get: /health, expect: { status: 200 } } }] }
thresholds:
  - p95(health) < 100 ms
  - error_rate < 1%
";

/// Something else that wants every core, as long as it lives.
struct Busy<'s>(&'s AtomicBool);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// The exact upper bound (95 %) of a share of which none was seen in so many.
fn bound(runs: u32) -> f64 {
    1.0 - 0.05_f64.powf(1.0 / f64::from(runs))
}

#[test]
#[ignore = "takes minutes: scripts/test-long runs it"]
fn verdicts_are_right_on_a_busy_machine() {
    let runs: u32 = std::env::var("WORKWAY_RUNS").map_or(100, |runs| runs.parse().unwrap());
    let slow = async || {
        tokio::time::sleep(Duration::from_millis(200)).await;
        "late"
    };
    let targets = [
        ("fast", Target::start(Router::new().route("/health", get(async || "ok"))), "pass"),
        ("slow", Target::start(Router::new().route("/health", get(slow))), "fail"),
        (
            "refuses",
            Target::start(Router::new().route("/health", get(async || StatusCode::UNAUTHORIZED))),
            "fail",
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("load.yaml");
    fs::write(&file, SCENARIO).unwrap();
    let on = AtomicBool::new(true);
    let mut wrong = Vec::new();
    thread::scope(|scope| {
        let _busy = Busy(&on);
        for _ in 0..thread::available_parallelism().unwrap().get() {
            scope.spawn(|| {
                while on.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        for (name, target, expected) in &targets {
            let mut verdicts = BTreeMap::<String, u32>::new();
            for _ in 0..runs {
                let mut command = Command::new(env!("CARGO_BIN_EXE_workway"));
                command.arg("run").arg(&file).args(["--format", "json", "--target"]);
                let output = command.arg(format!("http://{}", target.address)).output().unwrap();
                let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
                let verdict = report["verdict"].as_str().unwrap().to_owned();
                // Undecided is right where the report says that the lag can have decided, which is so of no
                // target that is slow from sending or that refuses.
                let reasons = report["scenarios"][0]["reasons"].to_string();
                let by_lag = *expected == "pass"
                    && verdict == "inconclusive"
                    && reasons.contains("threshold-undecided");
                if verdict != *expected && !by_lag {
                    wrong.push(format!("{name}: {verdict} {reasons}"));
                }
                *verdicts.entry(verdict).or_default() += 1;
            }
            println!("{name}: {verdicts:?} of {runs} runs");
        }
    });
    let all = runs * 3;
    println!(
        "{} of {all} verdicts are wrong; none means at most {:.4} (95 %)",
        wrong.len(),
        bound(all)
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}
