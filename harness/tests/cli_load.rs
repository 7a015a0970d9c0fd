//! The command itself under a load: signals, descriptors, and a target that dies.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

mod common;

use std::{
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use axum::{Router, routing::get};
use common::Target;
use rustix::process::{Pid, Signal, kill_process};
use workway::report::RunReport;

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

/// Descriptors that run out in the middle are this machine's fault: a burst opens more connections
/// than there are slots.
#[test]
fn descriptors_that_run_out_make_the_run_inconclusive() {
    let case = Case::new("  profile: { constant: { rate: 20/s, for: 1s } }\n  max_in_flight: 30");
    let path = case.folder.path().join("a.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let burst = "{ burst: { count: 200, concurrency: 200, request: { get: / } } }";
    std::fs::write(&path, text.replace("{ request: { get: / } }", burst)).unwrap();
    let output = case.command(&["prlimit", "--nofile=100:100"]).output().unwrap();
    assert_eq!(output.status.code(), Some(8), "{output:?}");
    let report = case.report();
    let total = report.scenarios[0].total.as_ref().unwrap();
    let exhausted = total.errors.get(&workway::execute::ErrorKind::Exhausted);
    assert!(exhausted.is_some_and(|count| *count > 0), "{total:?}");
    assert_eq!(total.scheduled, total.ok + total.failed + total.dropped + total.unfinished);
}
