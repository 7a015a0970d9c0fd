//! Forty bad inputs: files, targets, flags and surroundings. Each ends with its exit code and says why;
//! where nothing may be sent, nobody comes to the target.
#![cfg(feature = "service")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

use std::{
    fs,
    io::{BufRead as _, BufReader, ErrorKind},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// What a case works with.
struct Bench {
    folder: tempfile::TempDir,
    url: String,
}

impl Bench {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path("it.yaml");
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    fn workway(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_workway"));
        command.args(arguments).current_dir(self.folder.path());
        command
            .env_remove("WORKWAY_JWT_SECRET")
            .env("WORKWAY_TARGET", "embedded")
            .stdin(Stdio::null());
        command
    }

    /// `workway run` of a scenario with this text, against a target that hears of everybody.
    fn scenario(&self, bytes: impl AsRef<[u8]>) -> Output {
        self.run(&[&self.file(bytes)])
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let all = [&["run", "--target", &self.url], arguments].concat();
        self.workway(&all).output().unwrap()
    }

    fn check(&self, bytes: impl AsRef<[u8]>) -> Output {
        self.workway(&["check", &self.file(bytes)]).output().unwrap()
    }

    /// A good scenario against the embedded service: something is sent.
    fn sent(&self, text: &str, arguments: &[&str]) -> Command {
        self.workway(&[&["run", &self.file(text)], arguments].concat())
    }
}

/// What becomes of the input: an exit code, and what is said on either channel.
type Case = (&'static str, fn(&Bench) -> Output, i32, &'static str);

const GOOD: &str = "scenario: a/b\nsteps:\n- request: { get: /health/live }\n";
const WAITS: &str =
    "scenario: a/b\nsteps:\n- wait: { for: 5s, clock: real }\n- request: { get: /health/live }\n";

fn load(profile: &str, thresholds: &str) -> String {
    format!(
        "scenario: a/b\nload:\n  profile: {profile}\n  journeys: {{ j: {{ steps: [{{ request: \
         {{ name: x, get: / }} }}] }} }}\nthresholds: [{thresholds}]\n"
    )
}

const CONSTANT: &str = "{ constant: { rate: 1/s, for: 1s } }";

/// Files.
const FILES: [Case; 24] = [
    ("1 a missing file", |b| b.run(&["gone.yaml"]), 2, "no file or directory `gone.yaml`"),
    ("2 an empty folder", |b| b.run(&["."]), 4, "no scenario"),
    ("3 an empty file", |b| b.scenario(""), 3, "it.yaml:1:1"),
    ("4 only comments", |b| b.scenario("# nothing\n# here\n"), 3, "it.yaml:"),
    ("5 a byte order mark", |b| b.scenario(format!("\u{feff}{GOOD}")), 3, "it.yaml:1:1"),
    (
        "6 UTF-16",
        |b| b.scenario(GOOD.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()),
        3,
        "it.yaml:1:",
    ),
    ("7 no UTF-8", |b| b.scenario(b"scenario: a\xff\n"), 3, "it.yaml:1:12"),
    ("8 NUL", |b| b.scenario("scenario: a\0b\n"), 3, "it.yaml:1:"),
    (
        "9 mixed ends of lines",
        |b| b.check(GOOD.replacen('\n', "\r\n", 1)),
        0,
        "1 scenario is valid",
    ),
    (
        "10 200 MB",
        |b| {
            fs::File::create(b.path("it.yaml")).unwrap().set_len(200_000_000).unwrap();
            b.run(&["it.yaml"])
        },
        3,
        "larger than",
    ),
    (
        "11 10,000 deep",
        |b| b.scenario(format!("scenario: {}", "[".repeat(10_000))),
        3,
        "it.yaml:1:",
    ),
    (
        "12 a bomb of aliases",
        |b| b.scenario("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n"),
        3,
        "it.yaml:1:",
    ),
    ("13 a key twice", |b| b.scenario(format!("{GOOD}scenario: c\n")), 3, "it.yaml:4:1"),
    (
        "14 one letter off",
        |b| b.scenario(GOOD.replace("steps", "stpes")),
        3,
        "did you mean `steps`?",
    ),
    (
        "15 another type",
        |b| b.scenario(load("{ constant: { rate: fast, for: 1s } }", "")),
        3,
        "it.yaml:3:",
    ),
    (
        "16 a rate of nothing",
        |b| b.scenario(load("{ constant: { rate: 0/s, for: 1s } }", "")),
        3,
        "it.yaml:3:",
    ),
    (
        "17 ten parsecs",
        |b| b.scenario("scenario: a\nsteps: [{ wait: 10 parsecs }]\n"),
        3,
        "it.yaml:2:",
    ),
    (
        "18 a stage of no length",
        |b| b.scenario(load("{ ramp: { from: 1/s, to: 2/s, for: 0s } }", "")),
        3,
        "it.yaml:3:",
    ),
    ("19 no percentile", |b| b.scenario(load(CONSTANT, "p101 < 1s")), 3, "it.yaml:5:"),
    ("20 a step that is not there", |b| b.scenario(load(CONSTANT, "p95(y) < 1s")), 3, "it.yaml:5:"),
    (
        "21 a file that is elsewhere",
        |b| b.scenario("scenario: a\nsteps: [{ call: { scenario: ../../../../../etc/passwd } }]\n"),
        3,
        "is outside of",
    ),
    (
        "22 a name without a value",
        |b| b.scenario("scenario: a\nsteps: [{ request: { get: \"/${{ x }}\" } }]\n"),
        3,
        "`x`",
    ),
    (
        "23 lines of different lengths",
        |b| {
            fs::write(b.path("a.csv"), "a,b\n1\n").unwrap();
            b.scenario(format!("{GOOD}feeds: {{ f: a.csv }}\n"))
        },
        3,
        "a.csv",
    ),
    ("24 of a version to come", |b| b.scenario(format!("{GOOD}version: 2\n")), 3, "`version`"),
];

/// Targets, flags, and what is around.
const SURROUNDINGS: [Case; 16] = [
    (
        "25 another protocol",
        |b| b.workway(&["run", "--target", "ftp://127.0.0.1", &b.file(GOOD)]).output().unwrap(),
        2,
        "not a target",
    ),
    (
        "26 a header with a space",
        |b| b.scenario("scenario: a\nsteps: [{ request: { get: /, headers: { \"x y\": a } } }]\n"),
        3,
        "it.yaml:2:",
    ),
    (
        "27 a method that is none",
        |b| b.scenario("scenario: a\nsteps: [{ request: { fetch: / } }]\n"),
        3,
        "`fetch`",
    ),
    (
        "28 a file without an end",
        |b| b.scenario(format!("{GOOD}feeds: {{ f: /dev/zero }}\n")),
        3,
        "relative to this one",
    ),
    (
        "29 no JSON path",
        |b| {
            b.scenario(
                "scenario: a\nsteps: [{ request: { get: /, expect: { body: { \"$[\": 1 } } } }]\n",
            )
        },
        3,
        "it.yaml:2:",
    ),
    (
        "30 a status that nobody has",
        |b| b.scenario("scenario: a\nsteps: [{ request: { get: /, expect: { status: 1000 } } }]\n"),
        3,
        "it.yaml:2:",
    ),
    (
        "31 a report where a file is",
        |b| {
            fs::write(b.path("taken"), "kept").unwrap();
            let output = b.run(&[&b.file(GOOD), "--out", "taken"]);
            assert_eq!(fs::read(b.path("taken")).unwrap(), b"kept");
            output
        },
        2,
        "nothing was sent",
    ),
    (
        "32 half of a report",
        |b| {
            fs::write(b.path("report.json"), "{\"schema_version\": 1,").unwrap();
            b.run(&["--rerun-failed", "report.json"])
        },
        2,
        "report.json",
    ),
    ("33 no users", |b| b.scenario(load("{ users: { count: 0, for: 1s } }", "")), 3, "it.yaml:3:"),
    (
        "34 more than there is room for",
        |b| b.scenario(load("{ constant: { rate: 1e300/s, for: 1s } }", "")),
        3,
        "it.yaml:3:",
    ),
    (
        "35 somebody else's address",
        |b| b.workway(&["run", "--target", "http://192.0.2.1", &b.file(GOOD)]).output().unwrap(),
        2,
        "--allow-remote",
    ),
    (
        "36 a rate of users",
        |b| b.scenario(load("{ users: { count: 1, for: 1s, rate: 1/s } }", "")),
        3,
        "`rate`",
    ),
    (
        "37 nowhere to print",
        |b| {
            b.sent(GOOD, &[])
                .stdout(fs::OpenOptions::new().write(true).open("/dev/full").unwrap())
                .output()
                .unwrap()
        },
        9,
        "PASS a/b",
    ),
    (
        "38 a dumb terminal",
        |b| {
            let output = b
                .sent(GOOD, &[])
                .envs([("TERM", "dumb"), ("NO_COLOR", "1"), ("LANG", "C")])
                .output()
                .unwrap();
            assert!(!output.stdout.contains(&0x1b));
            output
        },
        0,
        "PASS a/b",
    ),
    ("39 the harness stands still", stopped_and_continued, 0, "the harness stood still for"),
    ("40 two reports at one place", two_at_once, 0, "PASS a/b"),
];

/// Stopped by a signal, and continued three seconds later.
fn stopped_and_continued(bench: &Bench) -> Output {
    let mut command = bench.sent(WAITS, &["--out", "out"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    // From then on it waits for five seconds: it is stopped in the middle of them.
    assert!(lines.by_ref().any(|line| line.unwrap().contains("running a/b")));
    thread::sleep(Duration::from_secs(1));
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::STOP).unwrap();
    thread::sleep(Duration::from_secs(3));
    kill_process(pid, Signal::CONT).unwrap();
    drop(lines);
    child.wait_with_output().unwrap()
}

/// The report is one of the two, and whole.
fn two_at_once(bench: &Bench) -> Output {
    let start = || {
        let mut command = bench.sent(GOOD, &["--out", "out"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let (first, second) = (start(), start());
    let outputs = [first, second].map(|child| child.wait_with_output().unwrap());
    assert!(outputs.iter().all(|output| output.status.success()), "{outputs:?}");
    let report = fs::read(bench.path("out/report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["exit"], 0);
    let [first, _] = outputs;
    first
}

#[test]
fn forty_bad_inputs_end_as_they_should_and_send_nothing_where_they_must_not() {
    let cases: Vec<&Case> = FILES.iter().chain(&SURROUNDINGS).collect();
    assert_eq!(cases.len(), 40);
    let (mut silent, mut wrong) = (0, Vec::new());
    for (index, (name, input, code, says)) in cases.into_iter().enumerate() {
        assert!(name.starts_with(&format!("{} ", index + 1)), "{name} is number {}", index + 1);
        let target = TcpListener::bind("127.0.0.1:0").unwrap();
        target.set_nonblocking(true).unwrap();
        let url = format!("http://{}", target.local_addr().unwrap());
        let bench = Bench { folder: tempfile::tempdir().unwrap(), url };
        let output = input(&bench);
        let said = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat();
        let found = output.status.code();
        if found != Some(*code) || !said.contains(says) || said.contains("panicked") {
            wrong.push(format!("{name}: {code} and {says:?} expected, found {found:?}: {said}"));
        }
        if [2, 3, 4].contains(code) {
            let nobody = target.accept().is_err_and(|e| e.kind() == ErrorKind::WouldBlock);
            assert!(nobody, "{name}: somebody came");
            silent += 1;
        }
    }
    assert!(wrong.is_empty(), "{} of 40:\n{}", wrong.len(), wrong.join("\n"));
    println!("40 of 40 bad inputs; no request sent by {silent}");
}

/// What is wrong with a file that is not ours to show is said without a part of it.
#[test]
fn a_file_outside_is_not_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("scenarios");
    fs::create_dir(&inner).unwrap();
    fs::write(folder.path().join("secret"), "canary: of nobody's business\n").unwrap();
    for step in ["call: { scenario: ../secret }", "call: { scenario: ../../../../etc/passwd }"] {
        let file = inner.join("it.yaml");
        fs::write(&file, format!("scenario: a\nsteps: [{{ {step} }}]\n")).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_workway"))
            .args([Path::new("check"), &file])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains("is outside of"), "{said}");
        assert!(!said.contains("canary") && !said.contains("root:"), "{said}");
    }
}
