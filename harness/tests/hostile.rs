//! Loads against targets that do everything wrong: the run ends in time, the books balance, the
//! offered rate stays what was planned, and the report can be read.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use common::{Raw, Target, block_on, environment, load, request, scenario};
use workway::{
    execute::{ErrorKind, run},
    judge::{Verdict, judge},
    plan::{LoadPlan, Work},
    report::{RunInfo, RunReport, ScenarioReport, json, text},
};

const RATE: f64 = 50.0;
const ARRIVALS: u64 = 30;
const DURATION: Duration = Duration::from_millis(600);
const TIMEOUT: Duration = Duration::from_millis(400);
const DRAIN: Duration = Duration::from_millis(600);

/// A chunk of 64 KiB, sent again and again: a body without end.
fn endless_chunks() -> Vec<u8> {
    let mut chunk = b"10000\r\n".to_vec();
    chunk.resize(chunk.len() + 0x10000, b'x');
    chunk.extend_from_slice(b"\r\n");
    chunk
}

fn targets() -> Vec<(&'static str, Raw, Option<ErrorKind>)> {
    let once = |bytes: &[u8]| Raw { first: bytes.to_vec(), ..Raw::default() };
    let drip =
        |bytes: &[u8], pause| Raw { again: bytes.to_vec(), pause, ..once(b"HTTP/1.1 200 OK\r\n") };
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let slow = Duration::from_millis(50);
    vec![
        ("closes", once(b""), Some(ErrorKind::Reset)),
        ("garbage", once(b"\x00\x01\x02 what\r\n\r\n"), Some(ErrorKind::Malformed)),
        ("wrong version", once(b"HTTP/9.9 200 OK\r\n\r\n"), Some(ErrorKind::Malformed)),
        (
            "half",
            once(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"),
            Some(ErrorKind::Truncated),
        ),
        ("resets", Raw { reset: true, ..once(b"") }, Some(ErrorKind::Reset)),
        (
            "resets in the body",
            Raw { reset: true, ..once(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf") },
            Some(ErrorKind::Reset),
        ),
        (
            "longer than stated",
            once(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nmore"),
            Some(ErrorKind::Malformed),
        ),
        (
            "bad chunk size",
            once(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n"),
            Some(ErrorKind::Malformed),
        ),
        (
            "compressed bomb",
            once(
                b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 9999999999\r\n\r\n",
            ),
            Some(ErrorKind::TooLarge),
        ),
        (
            "slow body",
            Raw {
                again: b"x".to_vec(),
                pause: slow,
                ..once(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n")
            },
            Some(ErrorKind::Timeout),
        ),
        ("speaks first, garbage", Raw { unasked: true, ..once(b"hello\r\n") }, None),
        (
            "closes after each answer without a word",
            once(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
            None,
        ),
        (
            "endless body",
            Raw { again: endless_chunks(), ..once(chunked) },
            // Which of the two depends on the speed of the machine.
            None,
        ),
        ("endless headers", drip(b"x: y\r\n", Duration::ZERO), None),
        ("slow headers", drip(b"x", slow), Some(ErrorKind::Timeout)),
        (
            "continue without end",
            drip(b"\r\nHTTP/1.1 100 Continue\r\n", slow),
            Some(ErrorKind::Timeout),
        ),
        (
            "redirect to itself",
            once(b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n"),
            None,
        ),
    ]
}

#[test]
fn hostile_targets_are_survived_and_counted() {
    for (name, raw, kind) in targets() {
        let connections = Arc::new(AtomicU64::new(0));
        let target = Target::raw(raw, Arc::clone(&connections));
        let mut get = common::get(0, "/");
        get.timeout = TIMEOUT;
        let load = LoadPlan { drain: DRAIN, ..load(RATE, DURATION, vec![request(get)]) };
        let plan = scenario(&["hit"], Work::Load(load));
        let start = Instant::now();
        let record = block_on(run(&plan, &environment(target.address)));
        assert!(start.elapsed() < DURATION + DRAIN + Duration::from_secs(5), "{name}");
        let step = &record.steps[0];
        assert!(step.balanced(), "{name}: {step:?}");
        assert_eq!((step.scheduled, step.dropped), (ARRIVALS, 0), "{name}: {step:?}");
        assert!(connections.load(SeqCst) <= ARRIVALS, "{name}: more than was planned");
        if let Some(kind) = kind {
            assert_eq!(step.errors.keys().collect::<Vec<_>>(), [&kind], "{name}: {step:?}");
            assert_eq!(step.failed + step.unfinished, ARRIVALS, "{name}");
        }
        let judgement = judge(&plan, &record);
        // Neither is wrong in HTTP.
        let sane = ["redirect to itself", "closes after each answer without a word"];
        assert!(
            sane.contains(&name) || judgement.verdict != Verdict::Pass,
            "{name}: {judgement:?}"
        );
        let info = RunInfo {
            run_id: "r".into(),
            seed: 7,
            target: "t".into(),
            target_kind: "url".to_owned(),
            started_at: "2026-11-22T12:00:00Z".into(),
            duration: record.elapsed,
        };
        let scenarios = vec![ScenarioReport::new(&plan, &record, &judgement)];
        let report = RunReport::new(info, scenarios);
        let read: RunReport = serde_json::from_slice(&json(&report).unwrap()).unwrap();
        assert_eq!(read, report, "{name}");
        let page = text(&report, false);
        assert!(!page.contains("NaN") && !page.contains("inf"), "{name}: {page}");
    }
}
