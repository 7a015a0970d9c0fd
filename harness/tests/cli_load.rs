//! The command itself under a load: signals, descriptors, and a target that dies.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use crate::common::Target;
use axum::{Router, routing::get};
use rand::{RngExt as _, SeedableRng as _};
use rustix::process::{Pid, Signal, kill_process};
use workway::{judge::Verdict, report::RunReport};

struct Case {
    folder: tempfile::TempDir,
    target: Target,
    hits: Arc<AtomicU64>,
}

impl Case {
    fn new(load: &str) -> Self {
        let hits = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&hits);
        let handler = move || {
            counted.fetch_add(1, SeqCst);
            async { "ok" }
        };
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "scenario: a/b\nload:\n{load}\n  journeys: {{ a: {{ steps: [{{ request: {{ get: / }} }}] }} }}\n"
        );
        std::fs::write(folder.path().join("a.yaml"), text).unwrap();
        Self { folder, target: Target::start(Router::new().route("/", get(handler))), hits }
    }

    /// Of a whole file, at a target that takes its time.
    fn slow(text: &str) -> Self {
        let case = Self::new("");
        std::fs::write(case.folder.path().join("a.yaml"), text).unwrap();
        let handler = || async {
            tokio::time::sleep(Duration::from_millis(150)).await;
            "ok"
        };
        let target = Target::start(Router::new().route("/", get(handler)));
        Self { target, ..case }
    }

    /// The same with another step.
    fn with_step(self, step: &str) -> Self {
        let path = self.folder.path().join("a.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("{ request: { get: / } }", step)).unwrap();
        self
    }

    fn command(&self, wrapper: &[&str]) -> Command {
        let mut words: Vec<String> = wrapper.iter().map(|word| (*word).to_owned()).collect();
        words.push(env!("CARGO_BIN_EXE_workway").to_owned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg("run").arg(self.folder.path().join("a.yaml"));
        command.arg("--target").arg(format!("http://{}", self.target.address));
        command.arg("--out").arg(self.reports());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn reports(&self) -> PathBuf {
        self.folder.path().join("reports")
    }

    fn report(&self) -> RunReport {
        let bytes = std::fs::read(self.reports().join("report.json")).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.contains("NaN") && !text.contains("inf,"), "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Waits until something was sent.
    fn until_hit(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.hits.load(SeqCst) == 0 {
            assert!(Instant::now() < deadline, "nothing was sent");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

fn finish(child: Child) -> Output {
    child.wait_with_output().unwrap()
}

#[test]
fn a_signal_ends_the_run_with_a_report() {
    for (number, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let case = Case::new("  profile: { constant: { rate: 50/s, for: 60s } }");
        let child = case.command(&[]).spawn().unwrap();
        case.until_hit();
        let start = Instant::now();
        signal(&child, number);
        let output = finish(child);
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let report = case.report();
        let total = report.scenarios[0].total.as_ref().unwrap();
        let sum = total.ok + total.failed + total.dropped + total.unfinished;
        assert!(total.scheduled == sum && total.ok > 0, "{total:?}");
        assert_eq!(total.ok, case.hits.load(SeqCst), "both ledgers agree");
        assert!(String::from_utf8_lossy(&output.stdout).contains("INTERRUPTED"));
    }
}

/// A run with a setup, a ramp, a drain and a teardown, at a target that takes its time.
const ALL_PHASES: &str = "\
scenario: a/b
setup: [{ request: { get: / } }]
load:
  profile: { ramp: { from: 20/s, to: 100/s, for: 600ms } }
  drain: 1s
  journeys: { a: { steps: [{ request: { get: / } }] } }
teardown: [{ request: { get: / } }]
";

/// How long that takes, from the first line it says to its end.
const ABOUT: Duration = Duration::from_millis(1400);

/// Sends a signal `after` the first line of a run: its exit code, and whether the report says that
/// it was interrupted.
fn interrupted(case: &Case, number: Signal, after: Duration) -> (Option<i32>, bool) {
    let mut child = case.command(&[]).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    std::thread::sleep(after);
    let start = Instant::now();
    signal(&child, number);
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    let output = finish(child);
    assert!(start.elapsed() < Duration::from_secs(10), "{after:?}: {:?}", start.elapsed());
    let report = case.report();
    for step in report.scenarios.iter().flat_map(|scenario| &scenario.steps) {
        let accounted = step.ok + step.failed + step.dropped + step.unfinished;
        assert_eq!(step.scheduled, accounted, "{after:?}: {step:?}");
    }
    let text = std::fs::read_to_string(case.reports().join("report.txt")).unwrap();
    assert!(text.ends_with(&format!("exit {}\n", report.exit.unwrap())), "{after:?}: {text}");
    let verdict = report.scenarios.last().map(|scenario| scenario.verdict);
    (output.status.code(), matches!(verdict, Some(Verdict::Interrupted(_))))
}

/// In each of 40 runs: with no failure, fewer than 1 in 13 such moments fail, with 95 % confidence.
#[test]
fn a_signal_at_any_moment_leaves_a_complete_report() {
    const MOMENTS: u64 = 40;
    const AT_ONCE: usize = 4;
    let trial = |number: u64| {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(number);
        let after = ABOUT.mul_f64(random.random::<f64>());
        let (number, code) =
            if number.is_multiple_of(2) { (Signal::INT, 130) } else { (Signal::TERM, 143) };
        let case = Case::slow(ALL_PHASES);
        match interrupted(&case, number, after) {
            (found, true) => {
                assert_eq!(found, Some(code), "{after:?}");
                1
            }
            // The run was over before.
            (found, false) => {
                assert!(found.is_some_and(|found| found == 0 || found == 8), "{after:?} {found:?}");
                0
            }
        }
    };
    let lane = |lane: u64| (lane..MOMENTS).step_by(AT_ONCE).map(trial).sum::<u64>();
    let hit: u64 = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..AT_ONCE as u64).map(|n| scope.spawn(move || lane(n))).collect();
        lanes.into_iter().map(|lane| lane.join().unwrap()).sum()
    });
    println!(
        "{hit} of {MOMENTS} signals came in time; 0 reports incomplete (95 %: < {:.0} %)",
        300.0 / 40.0
    );
    assert!(hit >= MOMENTS / 2, "{hit} of {MOMENTS} signals came before the end");
}

#[test]
fn a_second_signal_ends_the_run_at_once() {
    let case = Case::new("  profile: { users: { count: 2, for: 60s } }");
    let child = case.command(&[]).spawn().unwrap();
    case.until_hit();
    signal(&child, Signal::INT);
    signal(&child, Signal::TERM);
    let output = finish(child);
    assert!(matches!(output.status.code(), Some(130 | 143)), "{output:?}");
}

#[test]
fn too_few_descriptors_are_refused_before_anything_is_sent() {
    let case = Case::new("  profile: { constant: { rate: 50/s, for: 1s } }\n  max_in_flight: 200");
    // Both limits, so that it cannot be raised.
    let output = case.command(&["prlimit", "--nofile=100:100"]).output().unwrap();
    assert_eq!(output.status.code(), Some(8), "{output:?}");
    assert_eq!(case.hits.load(SeqCst), 0);
    let page = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(page.contains("ulimit -n 264"), "{page}");
}

#[test]
fn a_low_soft_limit_is_raised() {
    let case = Case::new("  profile: { constant: { rate: 50/s, for: 1s } }\n  max_in_flight: 200");
    let output = case.command(&["prlimit", "--nofile=100:4096"]).output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 8)), "{output:?}");
    assert_eq!(case.hits.load(SeqCst), 50);
    let timeline = &case.report().scenarios[0].timeline;
    assert_eq!(timeline.iter().map(|span| span.planned).sum::<u64>(), 50);
}

/// Every request of a burst may need a connection of its own.
#[test]
fn the_width_of_bursts_counts_for_descriptors() {
    let burst = "{ burst: { count: 200, concurrency: 50, request: { get: / } } }";
    let most = "  profile: { constant: { rate: 20/s, for: 1s } }\n  max_in_flight: 30";
    let bounded = format!("{most}\n  max_connections: 30");
    for (load, code) in [(most, 8), (bounded.as_str(), 0)] {
        let case = Case::new(load).with_step(burst);
        let output = case.command(&["prlimit", "--nofile=100:100"]).output().unwrap();
        let page = String::from_utf8_lossy(&output.stdout).into_owned();
        if code == 8 {
            assert_eq!(output.status.code(), Some(8), "{output:?}");
            assert_eq!(case.hits.load(SeqCst), 0);
            assert!(page.contains("1500 connections need 1564 descriptors"), "{page}");
        } else {
            // Whatever a busy machine makes of the verdict.
            assert_eq!(case.hits.load(SeqCst), 20 * 200, "{page}");
        }
    }
}

/// Descriptors that run out in the middle are this machine's fault, not the target's.
#[test]
fn descriptors_that_run_out_make_the_run_inconclusive() {
    let case = Case::new(
        "  profile: { constant: { rate: 100/s, for: 3s } }\n  max_in_flight: 30\n  connections: per-operation",
    );
    let child = case.command(&[]).spawn().unwrap();
    case.until_hit();
    let pid = child.id().to_string();
    let fewer = Command::new("prlimit").args(["--pid", &pid, "--nofile=3:"]).status().unwrap();
    assert!(fewer.success());
    std::thread::sleep(Duration::from_millis(500));
    // Enough again, for the report.
    let more = Command::new("prlimit").args(["--pid", &pid, "--nofile=1024:"]).status();
    assert!(more.unwrap().success());
    let output = finish(child);
    assert_eq!(output.status.code(), Some(8), "{output:?}");
    let report = case.report();
    let total = report.scenarios[0].total.as_ref().unwrap();
    let exhausted = total.errors.get(&workway::model::ErrorKind::Exhausted);
    assert!(exhausted.is_some_and(|count| *count > 0), "{total:?}");
    assert_eq!(total.scheduled, total.ok + total.failed + total.dropped + total.unfinished);
}
