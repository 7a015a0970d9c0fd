//! The command as its users meet it: exit code, stdout, stderr, and what is not sent.
#![cfg(feature = "service")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{
    fs,
    io::{BufRead, BufReader, ErrorKind, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;
use workway::report::SCHEMA_VERSION;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn workway(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_workway"));
    command.args(arguments).current_dir(repository()).env_remove("WORKWAY_JWT_SECRET");
    command
}

fn run(arguments: &[&str]) -> Output {
    workway(arguments).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{output:?}"))
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A listener that counts nothing and answers nothing: whoever connects is found out.
fn trap() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

fn nobody_came(listener: &TcpListener) -> bool {
    listener.accept().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

fn scenario(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn without_arguments_the_smoke_suite_passes_on_the_embedded_service() {
    let output = run(&["run"]);
    assert_eq!(code(&output), 0, "{}{}", stdout(&output), stderr(&output));
    let text = stdout(&output);
    for expected in [
        "p50",
        "p95",
        "scheduled 202 = ok 202 + failed 0 + dropped 0 + unfinished 0",
        "429:",
        "PASS smoke/workflow",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert!(stderr(&output).starts_with("plan: 6 scenarios -> the embedded service\n"));
    assert!(!text.contains('\u{1b}'), "no colour without a terminal");
}

#[test]
fn json_names_its_schema_version_and_balances() {
    let output = run(&["run", "--format", "json", "--seed", "7", "scenarios/smoke/health.yaml"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["schema_version"], &report["seed"]), (&SCHEMA_VERSION.into(), &7.into()));
    assert_eq!((&report["target_kind"], &report["exit"]), (&"embedded".into(), &0.into()));
    for step in report["scenarios"][0]["steps"].as_array().unwrap() {
        let count = |name: &str| step[name].as_u64().unwrap();
        assert_eq!(
            count("scheduled"),
            count("ok") + count("failed") + count("dropped") + count("unfinished")
        );
        assert!(step["response"]["p95"].is_f64(), "{step}");
    }
}

#[test]
fn help_and_version_are_results() {
    for argument in ["--help", "--version"] {
        let output = run(&[argument]);
        assert_eq!(code(&output), 0);
        assert!(stdout(&output).contains("workway") || stdout(&output).contains("Usage"));
        assert!(stderr(&output).is_empty());
    }
}

/// What is wrong on the command line ends the command with 2, before anything is sent.
#[test]
fn usage_errors_end_with_2_and_say_what_to_do() {
    let cases: &[(&[&str], &str)] = &[
        (&[], "Usage"),
        (&["rum"], "similar"),
        (&["run", "--traget", "x"], "--target"),
        (&["run", "--target", "embeded"], "`embedded`, `wrangler` or a URL"),
        (&["run", "--target", "ftp://127.0.0.1"], "not a target"),
        (&["run", "--target", "http://u:p@127.0.0.1:1"], "credentials in a URL"),
        (&["run", "--target", "http://192.0.2.1"], "--allow-remote"),
        (&["run", "--format", "xml"], "possible values"),
        (&["run", "--seed", "x"], "--seed"),
        (&["run", "nowhere.yaml"], "no file or directory `nowhere.yaml`"),
        (&["check", "nowhere"], "no file or directory `nowhere`"),
        (&["lab", "serve", "--port", "65536"], "--port"),
        (&["lab", "serve", "--port", "65535"], "the next port"),
        (&["lab", "serve", "--upstreams-only", "--state", "x"], "cannot be used with"),
        (
            &["lab", "serve", "--upstreams-only", "--upstream", "http://127.0.0.1:1"],
            "cannot be used with",
        ),
        (&["lab", "serve", "--upstream", "127.0.0.1:1"], "--upstream"),
        (&["lab", "serve", "--upstream", "http://127.0.0.1:1/x"], "an origin such as"),
    ];
    for (arguments, expected) in cases {
        let output = run(arguments);
        let text = stderr(&output);
        assert_eq!(code(&output), 2, "{arguments:?}: {text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert!(!text.contains("panicked"), "{text}");
    }
}

#[test]
fn an_invalid_scenario_ends_with_3_names_the_place_and_sends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, url) = trap();
    let good = "scenario: good\nsteps:\n  - request: { get: / }\n";
    scenario(folder.path(), "good.yaml", good);
    let bad = good.replace("good", "bad").replace("steps:\n", "steps:\n  - brust: { count: 1 }\n");
    scenario(folder.path(), "bad.yaml", &bad);
    let output = run(&["run", "--target", &url, folder.path().to_str().unwrap()]);
    assert_eq!(code(&output), 3);
    let text = stderr(&output);
    assert!(text.contains("bad.yaml:3:5"), "{text}");
    assert!(text.contains("did you mean `burst`?") && text.contains("^^^^^"), "{text}");
    assert!(nobody_came(&listener));
}

#[test]
fn two_scenarios_of_one_name_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.yaml", "b.yaml"] {
        scenario(folder.path(), name, "scenario: same\nsteps:\n  - request: { get: / }\n");
    }
    let output = run(&["check", folder.path().to_str().unwrap()]);
    assert_eq!(code(&output), 3);
    assert!(
        stderr(&output).contains("the scenario name `same` is taken by"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn an_empty_selection_ends_with_4() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(&["run", folder.path().to_str().unwrap()]);
    assert_eq!(code(&output), 4);
    assert!(stderr(&output).contains("no scenario"));
}

#[test]
fn nothing_applicable_ends_with_4_and_says_why() {
    let (_listener, url) = trap();
    let output = run(&["run", "--target", &url, "scenarios/smoke/workflow.yaml"]);
    assert_eq!(code(&output), 4, "{}", stderr(&output));
    assert!(stdout(&output).contains("--upstream"), "{}", stdout(&output));
}

#[test]
fn an_unused_port_ends_with_7() {
    let (listener, url) = trap();
    drop(listener);
    let output = run(&["run", "--target", &url]);
    assert_eq!(code(&output), 7);
    assert!(stderr(&output).contains("nothing answers at"), "{}", stderr(&output));
}

#[test]
fn a_violated_expectation_ends_with_1_and_shows_the_place_and_a_curl_line() {
    let folder = tempfile::tempdir().unwrap();
    let text = "scenario: wrong\nusers: { ann: {} }\nsteps:\n  - request: { get: /workflows, auth: ann, expect: { status: 201 } }\n";
    let path = scenario(folder.path(), "wrong.yaml", text);
    let output = run(&["run", path.to_str().unwrap()]);
    assert_eq!(code(&output), 1);
    let text = stdout(&output);
    assert!(text.contains("wrong.yaml:4:"), "{text}");
    assert!(text.contains("curl") && text.contains("$TOKEN"), "{text}");
    assert!(!text.contains("eyJ"), "no token in a report: {text}");
}

/// A target that finds nothing, and takes its time: beside its latency the lag of a busy machine is
/// small, so that no verdict here is "inconclusive".
fn slow_and_empty() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                thread::sleep(Duration::from_millis(500));
                let answer =
                    "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                let _ = stream.write_all(answer.as_bytes());
            });
        }
    });
    url
}

#[test]
fn a_threshold_without_data_ends_with_5() {
    let folder = tempfile::tempdir().unwrap();
    let text = "scenario: idle
load:
  profile: { constant: { rate: 10/s, for: 1s } }
  journeys:
    lost:
      steps:
        - request: { name: never, get: / }
        - request: { name: unreached, get: / }
thresholds:
  - error_rate <= 100%
  - p95(unreached) < 1s
";
    let path = scenario(folder.path(), "idle.yaml", text);
    let output = run(&["run", "--target", &slow_and_empty(), path.to_str().unwrap()]);
    assert_eq!(code(&output), 5, "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("no data"), "{}", stdout(&output));
}

#[test]
fn a_report_that_cannot_be_written_ends_with_9_and_is_not_lost() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = workway(&["run", "scenarios/smoke/health.yaml"]);
    let output = command.stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(code(&output), 9);
    assert!(stderr(&output).contains("PASS smoke/health"));
}

#[test]
fn out_writes_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new");
    let output = run(&["run", "--out", out.to_str().unwrap(), "scenarios/smoke/health.yaml"]);
    assert_eq!(code(&output), 0);
    assert!(fs::read_to_string(out.join("report.txt")).unwrap().contains("PASS"));
    let json: Value = serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap();
    assert_eq!(json["schema_version"], SCHEMA_VERSION);
}

/// A server that ends with the test.
struct Serve(Child, String);

impl Serve {
    fn start(arguments: &[&str]) -> Self {
        let mut command = workway(&["lab", "serve", "--until-stdin-closes"]);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self(child, line.trim().to_owned())
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_smoke_suite_passes_by_url_and_finds_the_stub_beside_the_service() {
    let state = tempfile::tempdir().unwrap();
    let serve = Serve::start(&["--port", "0", "--state", state.path().to_str().unwrap()]);
    let output = run(&["run", "--target", &serve.1, "scenarios/smoke"]);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
    assert!(stdout(&output).contains("PASS smoke/workflow"));
    assert!(state.path().join("database.sqlite").exists());
}

#[test]
fn a_port_in_use_is_said_so() {
    let (_listener, url) = trap();
    let port = url.rsplit(':').next().unwrap().to_owned();
    let output = run(&["lab", "serve", "--upstreams-only", "--port", &port]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains(&format!("port {port} is in use")), "{}", stderr(&output));
}

#[test]
fn serve_ends_when_its_starter_does_and_on_a_signal() {
    let mut serve = Serve::start(&["--port", "0"]);
    drop(serve.0.stdin.take());
    assert!(serve.0.wait().unwrap().success());

    let mut serve = Serve::start(&["--port", "0"]);
    let pid = rustix::process::Pid::from_child(&serve.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(serve.0.wait().unwrap().success());
}

#[test]
fn an_interrupted_run_reports_so_far_and_ends_with_130_or_143() {
    use rustix::process::{Pid, Signal, kill_process};

    for (signal, expected) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut command = workway(&["run", "--format", "json", "scenarios/load/steady-mix.yaml"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        // The first second of the load is over.
        let going = lines.by_ref().any(|line| line.unwrap().contains("of 12 s"));
        assert!(going);
        kill_process(Pid::from_child(&child), signal).unwrap();
        drop(lines);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(expected));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["scenarios"][0]["verdict"], "interrupted", "{report}");
    }
}

#[test]
fn a_token_is_printed_alone_on_stdout() {
    let output = run(&["lab", "token", "--sub", "ann", "--scope", "read"]);
    assert_eq!(code(&output), 0);
    assert_eq!(stdout(&output).trim().split('.').count(), 3);
    assert_eq!(stdout(&output).lines().count(), 1);
}

#[test]
fn without_the_workers_tools_wrangler_is_a_usage_error_that_names_the_set_up() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("service")).unwrap();
    fs::write(folder.path().join("service/wrangler.toml"), "").unwrap();
    let smoke = repository().join("scenarios/smoke");
    for (with_folder, expected) in [(true, "scripts/setup"), (false, "service/wrangler.toml")] {
        let mut command = workway(&["run", "--target", "wrangler", smoke.to_str().unwrap()]);
        let current = if with_folder { folder.path() } else { Path::new("/") };
        let output = command.current_dir(current).output().unwrap();
        assert_eq!(code(&output), 2);
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
}
