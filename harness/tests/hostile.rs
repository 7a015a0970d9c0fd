//! Loads against targets that do everything wrong: the run ends in time, the books balance, memory
//! stays what it is, the offered rate stays what was planned, and the report can be read.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

use std::{
    fs,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use crate::common::{Raw, Target};
use workway::{
    judge::Verdict,
    model::ErrorKind,
    report::{RunReport, ScenarioReport},
};

const ARRIVALS: u64 = 30;
/// Of memory, the whole process, in kB.
const MOST: u64 = 100 * 1000;
/// Timeout, drain, and what a busy machine adds to starting and ending a process.
const SOON: Duration = Duration::from_secs(8);

const SCENARIO: &str = "\
scenario: hostile/target
load:
  profile: { constant: { rate: 50/s, for: 600ms } }
  drain: 600ms
  max_in_flight: 900
  journeys: { hit: { steps: [{ request: { get: /, timeout: 400ms } }] } }
";

/// A chunk of 64 KiB, sent again and again: a body without end.
fn endless_chunks() -> Vec<u8> {
    let mut chunk = b"10000\r\n".to_vec();
    chunk.resize(chunk.len() + 0x10000, b'x');
    chunk.extend_from_slice(b"\r\n");
    chunk
}

const EMPTY: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

fn once(bytes: &[u8]) -> Raw {
    Raw { first: bytes.to_vec(), ..Raw::default() }
}

/// Takes a request, and says nothing for longer than anybody waits.
fn silent() -> Raw {
    Raw { again: b"x".to_vec(), pause: Duration::from_hours(1), ..once(b"") }
}

/// Sends `bytes` without end after a line that begins an answer.
fn drip(bytes: &[u8], pause: u64) -> Raw {
    let pause = Duration::from_millis(pause);
    Raw { again: bytes.to_vec(), pause, ..once(b"HTTP/1.1 200 OK\r\n") }
}

fn body(headers: &str, again: &[u8], pause: u64) -> Raw {
    let first = format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n");
    Raw { first: first.into(), ..drip(again, pause) }
}

/// Targets whose every request fails in the same way.
fn failing() -> Vec<(&'static str, Raw, ErrorKind)> {
    use ErrorKind::{BodyTimeout, Closed, Malformed, Reset, Timeout, TooLarge, Truncated};
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";
    vec![
        ("accepts and says nothing", silent(), Timeout),
        ("closes", once(b""), Closed),
        ("resets", Raw { reset: true, ..once(b"") }, Reset),
        ("garbage", once(b"\x00\x01\x02 what\r\n\r\n"), Malformed),
        ("wrong version", once(b"HTTP/9.9 200 OK\r\n\r\n"), Malformed),
        ("half", once(half), Truncated),
        ("resets in the body", Raw { reset: true, ..once(half) }, Reset),
        (
            "longer than stated",
            once(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nmore"),
            Malformed,
        ),
        (
            "bad chunk size",
            once(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n"),
            Malformed,
        ),
        (
            "compressed bomb",
            body("content-encoding: gzip\r\ncontent-length: 9999999999", b"x", 0),
            TooLarge,
        ),
        ("a byte at a time", body("content-length: 99", b"x", 50), BodyTimeout),
        ("slow headers", drip(b"x", 50), Timeout),
        // The head is complete, and the rest is a body without end.
        ("continue without end", drip(b"\r\nHTTP/1.1 100 Continue\r\n", 50), BodyTimeout),
    ]
}

/// Targets that are no target, though single answers may look well.
fn deceiving() -> Vec<(&'static str, Raw)> {
    vec![
        ("speaks first, garbage", Raw { unasked: true, ..once(b"hello\r\n") }),
        ("speaks first, an answer", Raw { unasked: true, ..once(EMPTY) }),
        ("always one answer ahead", Raw { unasked: true, answers: true, ..once(EMPTY) }),
        // Which kind depends on the speed of the machine: too large, or too late.
        ("endless body", body("transfer-encoding: chunked", &endless_chunks(), 0)),
        ("endless headers", drip(b"x: y\r\n", 0)),
    ]
}

/// Targets that are poor, but not wrong in HTTP.
fn poor() -> Vec<(&'static str, Raw)> {
    let redirect = b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n";
    vec![
        ("redirect to itself", Raw { answers: true, ..once(redirect) }),
        ("closes after each answer without a word", once(EMPTY)),
    ]
}

/// Runs the command against `raw`: its report, and the most memory it had.
fn run(name: &str, raw: Raw) -> (ScenarioReport, u64) {
    run_file(name, raw, SCENARIO)
}

fn run_file(name: &str, raw: Raw, scenario: &str) -> (ScenarioReport, u64) {
    let connections = Arc::new(AtomicU64::new(0));
    let target = Target::raw(raw, Arc::clone(&connections));
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.yaml"), scenario).unwrap();
    let start = Instant::now();
    let child = Command::new(env!("CARGO_BIN_EXE_workway"))
        .arg("run")
        .arg(folder.path().join("a.yaml"))
        .args(["--target", &format!("http://{}", target.address)])
        .arg("--out")
        .arg(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let memory = watch(child);
    assert!(start.elapsed() < SOON, "{name}: {:?}", start.elapsed());
    // One looks whether anybody is there, one for the stub beside it, one listens.
    let asked = connections.load(SeqCst);
    assert!(asked <= ARRIVALS + 3, "{name}: {asked} connections are more than was planned");
    let text = fs::read_to_string(folder.path().join("report.json")).unwrap();
    let page = fs::read_to_string(folder.path().join("report.txt")).unwrap();
    for report in [&text, &page] {
        assert!(!report.contains("NaN") && !report.contains("inf,"), "{name}: {report}");
    }
    let mut report: RunReport = serde_json::from_str(&text).unwrap();
    (report.scenarios.remove(0), memory)
}

/// Waits for the end; the most memory that the process had, in kB, as of a moment before it. What is
/// mapped of the program itself, which is large in a debug build, is not its data.
fn watch(mut child: Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let peak = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        most = most.max(peak.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(10));
    }
    most
}

/// What holds whatever the target does.
fn assert_sane(name: &str, scenario: &ScenarioReport, memory: u64) {
    let total = scenario.total.as_ref().unwrap();
    let accounted = total.ok + total.failed + total.dropped + total.unfinished;
    assert_eq!((total.scheduled, accounted), (ARRIVALS, ARRIVALS), "{name}: {total:?}");
    assert_eq!(total.dropped, 0, "{name}: the offered rate is the planned one");
    let sent: u64 = scenario.timeline.iter().map(|span| span.sent).sum();
    assert_eq!(sent, ARRIVALS, "{name}: {:?}", scenario.timeline);
    assert!((1..MOST).contains(&memory), "{name}: {memory} kB");
}

#[test]
fn what_fails_has_its_kind() {
    for (name, raw, kind) in failing() {
        let (scenario, memory) = run(name, raw);
        assert_sane(name, &scenario, memory);
        let total = scenario.total.as_ref().unwrap();
        assert_eq!(total.errors.keys().collect::<Vec<_>>(), [&kind], "{name}: {total:?}");
        assert_eq!(total.failed + total.unfinished, ARRIVALS, "{name}");
        assert_ne!(scenario.verdict, Verdict::Pass, "{name}");
    }
}

#[test]
fn a_target_that_deceives_never_passes() {
    for (name, raw) in deceiving() {
        let (scenario, memory) = run(name, raw);
        assert_sane(name, &scenario, memory);
        assert_ne!(scenario.verdict, Verdict::Pass, "{name}");
    }
}

#[test]
fn a_poor_target_is_measured() {
    for (name, raw) in poor() {
        let (scenario, memory) = run(name, raw);
        assert_sane(name, &scenario, memory);
        let total = scenario.total.as_ref().unwrap();
        assert_eq!(total.ok, ARRIVALS, "{name}: {total:?}");
    }
}

/// Thirty of the longest bodies are more than may be kept at once.
#[test]
fn bodies_that_are_wanted_have_no_end_either() {
    let wanting =
        SCENARIO.replace("timeout: 400ms", "timeout: 400ms, expect: { text: { matches: y } }");
    assert_ne!(wanting, SCENARIO);
    let raw = body("transfer-encoding: chunked", &endless_chunks(), 0);
    let (scenario, memory) = run_file("endless bodies", raw, &wanting);
    assert_sane("endless bodies", &scenario, memory);
    assert_ne!(scenario.verdict, Verdict::Pass);
    assert_eq!(scenario.total.as_ref().unwrap().ok, 0);
}
