//! What operating the service needs: alert rules, scripts, scenarios for a scheduler, the runbook; and
//! the commands `doctor`, `completions` and `launch`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use serde::Deserialize;
use serde_json::Value;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap()
}

fn workway(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_workway"));
    command.current_dir(repository()).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Alerts {
    rule: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    name: String,
    source: String,
    metric: String,
    above: Option<f64>,
    above_ms: Option<f64>,
    r#for: Option<String>,
    absent_for: Option<String>,
    severity: String,
    runbook: String,
}

#[test]
fn alert_rules_name_metrics_that_exist_and_sections_of_the_runbook() {
    let alerts: Alerts = toml::from_str(&read(".github/alerts.toml")).unwrap();
    let runbook = read(".github/RUNBOOK.md");
    let uptime = read("scenarios/ops/uptime.yaml");
    let mut watched = 0;
    let log = read("service/src/guard/observe.rs") + &read("service/src/backup/manifest.rs");
    let mut names = BTreeSet::new();
    for rule in &alerts.rule {
        let name = &rule.name;
        assert!(names.insert(name), "{name} is there twice");
        let known = match rule.source.as_str() {
            "uptime" => {
                watched += 1;
                // The bound of the alarm is the bound of the scenario: it turns red when somebody is woken.
                let bound = match (rule.above, rule.above_ms) {
                    (Some(part), None) => format!("{}%", part * 100.0),
                    (None, Some(ms)) => format!("{} s", ms / 1000.0),
                    _ => panic!("{name}: one bound"),
                };
                uptime.contains(&format!("\n  - {} < {bound}\n", rule.metric))
            }
            "log" => {
                log.contains(&format!("    {}: ", rule.metric))
                    || log.contains(&format!("\"{}\": ", rule.metric))
            }
            "bill" => rule.metric == "cost_per_day",
            other => panic!("{name}: no source {other}"),
        };
        assert!(known, "{name}: {} has no {}", rule.source, rule.metric);
        let bounds = [rule.above.is_some(), rule.above_ms.is_some(), rule.absent_for.is_some()];
        assert_eq!(bounds.iter().filter(|bound| **bound).count(), 1, "{name}: one bound");
        assert_eq!(rule.r#for.is_some(), rule.absent_for.is_none(), "{name}: how long");
        for duration in rule.r#for.iter().chain(&rule.absent_for) {
            assert!(humantime::parse_duration(duration).is_ok(), "{name}: {duration}");
        }
        assert!(["page", "ticket"].contains(&rule.severity.as_str()), "{name}");
        assert!(runbook.contains(&format!("\n## {}\n", rule.runbook)), "{name}: {}", rule.runbook);
    }
    let thresholds = uptime.split("\nthresholds:\n").nth(1).unwrap().lines().count();
    assert_eq!(watched, thresholds, "a rule for each threshold of uptime");
    for needed in ["error_rate", "p95", "cost_per_day"] {
        assert!(alerts.rule.iter().any(|rule| rule.metric == needed), "{needed}");
    }
}

/// A scenario may be named without its ending.
fn exists(path: &str) -> bool {
    let path = repository().join(path);
    path.exists() || path.with_extension("yaml").exists()
}

/// Each script and file that the runbook names is there, and each command of ours exists.
#[test]
fn the_runbook_names_what_exists() {
    let runbook = read(".github/RUNBOOK.md");
    let help = text(&workway(&["--help"]).stdout);
    let lab_help = text(&workway(&["lab", "--help"]).stdout);
    let mut commands = 0;
    for quoted in runbook.split('`').skip(1).step_by(2) {
        let mut words = quoted.split_whitespace();
        let first = words.next().unwrap_or_default();
        let in_repository = ["scripts/", "scenarios/", "service/", ".github/"];
        if in_repository.iter().any(|folder| first.starts_with(folder)) {
            assert!(exists(first), "{first}");
            commands += 1;
        }
        if first == "workway" {
            let command = words.next().unwrap();
            let (help, command) = match command {
                "lab" => (&lab_help, words.next().unwrap()),
                _ => (&help, command),
            };
            assert!(help.contains(&format!("\n  {command} ")), "{quoted}");
            commands += 1;
        }
    }
    for symptom in ["High latency", "Rate limits", "High costs", "Error spike", "Lost data"] {
        assert!(runbook.contains(&format!("\n## {symptom}\n")), "{symptom}");
    }
    assert!(commands >= 15, "{commands}");
}

#[test]
fn scripts_refuse_what_they_do_not_know_before_they_do_anything() {
    for (script, arguments, says) in [
        ("tail", &["production", "--filter", "status=500"][..], "no filter of wrangler tail"),
        ("tail", &["production", "--status", "500"], "ok, error or canceled"),
        ("tail", &["production", "--sampling-rate", "2"], "between 0 and 1"),
        ("tail", &["local"], "no deployed environment"),
        ("deploy", &["staging"], "usage"),
        ("deploy", &["local", "https://x.test"], "no environment"),
        ("deploy", &["staging", "https://x.test"], "CLOUDFLARE_API_TOKEN is not set"),
        ("restore-db", &["staging"], "usage"),
        ("restore-db", &["staging", "yesterday"], "no day"),
        ("backup-db", &["local"], "no deployed environment"),
        ("provision", &["local"], "no deployed environment"),
        ("deploy", &["staging", "https://x.test", "more"], "usage"),
        ("watch", &[], "usage"),
        ("check-cost", &["target"], "what the day cost"),
        ("check-cost", &["target", "--from-analytics", "local"], "usage"),
    ] {
        let mut command = Command::new(repository().join("scripts").join(script));
        command.args(arguments).env_remove("CLOUDFLARE_API_TOKEN");
        let output = command.env("WORKWAY", env!("CARGO_BIN_EXE_workway")).output().unwrap();
        let said = text(&output.stderr);
        assert!(!output.status.success() && said.contains(says), "{script} {arguments:?}: {said}");
    }
}

/// A scheduler sees by the exit code, and a person by the text, what is wrong.
#[test]
fn uptime_notices_a_target_that_is_down_or_not_well() {
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let target = format!("http://{dead}");
    // As the runbook writes it: without the ending.
    let output = workway(&["run", "scenarios/ops/uptime", "--target", &target]);
    assert_eq!(output.status.code(), Some(7), "{}", text(&output.stderr));
    let (code, said) = watch(&target);
    assert_eq!(code, Some(7), "{said}");
    assert!(said.starts_with("ALERT page ") && said.contains(".github/RUNBOOK.md#"), "{said}");

    // Up, but its database is not there. Where this machine is too busy for a load of two requests a second,
    // the run says so by its code, and counts all the same.
    let or_busy = |code: Option<i32>, expected: i32| [Some(expected), Some(8)].contains(&code);
    let ill = answering(|path| match path {
        "/health" => ("503 Service Unavailable", r#"{"status":"degraded"}"#, 0),
        _ => ("200 OK", r#"{"status":"live"}"#, 0),
    });
    let output = workway(&["run", "scenarios/ops/uptime", "--target", &ill]);
    assert!(or_busy(output.status.code(), 5), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("status = 200"), "{}", text(&output.stdout));
    let (code, said) = watch(&ill);
    assert!(or_busy(code, 5), "{code:?} {said}");
    assert!(said.contains("ALERT page errors: ") && said.contains("has error_rate"), "{said}");
    assert!(said.contains(".github/RUNBOOK.md#error-spike"), "{said}");

    // Well, and too slow.
    let slow = answering(|path| match path {
        "/health" => ("200 OK", r#"{"status":"healthy"}"#, 1500),
        _ => ("200 OK", r#"{"status":"live"}"#, 1500),
    });
    let (code, said) = watch(&slow);
    assert!(or_busy(code, 5), "{code:?} {said}");
    assert!(said.contains("ALERT page latency: ") && said.contains("#high-latency"), "{said}");
    assert!(!said.contains("errors"), "{said}");

    let well = answering(|path| match path {
        "/health" => ("200 OK", r#"{"status":"healthy"}"#, 0),
        _ => ("200 OK", r#"{"status":"live"}"#, 0),
    });
    let (code, said) = watch(&well);
    assert!(or_busy(code, 0) && !said.contains("ALERT page errors"), "{code:?} {said}");
    assert!(code == Some(8) || said.is_empty(), "{said}");
}

/// scripts/watch, for a target here; what it printed.
fn watch(target: &str) -> (Option<i32>, String) {
    let mut command = Command::new(repository().join("scripts/watch"));
    let output = command.arg(target).env("WORKWAY", env!("CARGO_BIN_EXE_workway")).output();
    let output = output.unwrap();
    (output.status.code(), text(&output.stdout))
}

/// A server that answers a path with status and body, after so many milliseconds; its URL.
fn answering(answer: fn(&str) -> (&'static str, &'static str, u64)) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || serve(&stream.unwrap(), answer));
        }
    });
    url
}

fn serve(mut stream: &std::net::TcpStream, answer: fn(&str) -> (&'static str, &'static str, u64)) {
    let mut request = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut request) {
        let head = String::from_utf8_lossy(&request[..length]).into_owned();
        let (status, body, pause) = answer(head.split(' ').nth(1).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(pause));
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}"
        );
        if stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).is_err() {
            return;
        }
    }
}

#[test]
fn the_doctor_says_what_is_there_and_what_to_do() {
    let output = workway(&["doctor", "--format", "json"]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = found.as_array().unwrap();
    for one in found {
        let fine = one["state"] == "fine";
        assert_eq!(fine, one["fix"].is_null(), "{one}");
        assert!(!one["seen"].as_str().unwrap().is_empty(), "{one}");
    }
    let state = |what: &str| found.iter().find(|one| one["what"] == what).unwrap()["state"].clone();
    assert_eq!(state("rust"), "fine");
    assert_eq!(state("temporary folder"), "fine");
    // With nothing on PATH and nowhere to write.
    let mut command = Command::new(env!("CARGO_BIN_EXE_workway"));
    command.current_dir("/").arg("doctor").env("PATH", "/nowhere").env("TMPDIR", "/nowhere");
    let output = command.output().unwrap();
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("✗ temporary folder") && said.contains("set TMPDIR"), "{said}");
    assert!(said.contains("- rust") && said.contains("rustup.rs"), "{said}");
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = text(&workway(&["completions", shell]).stdout);
        for command in ["run", "check", "launch", "doctor", "import"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    assert_eq!(workway(&["completions", "tcsh"]).status.code(), Some(2));
}

#[test]
fn the_launch_page_is_honest() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let output = workway(&["lab", "launch", "--format", "json", "--out", out]);
    // Much of it needs an account: this machine alone never gives 0.
    assert!([Some(8), Some(1)].contains(&output.status.code()), "{}", text(&output.stderr));
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 17);
    for item in list["items"].as_array().unwrap() {
        let (state, note) = (item["state"].as_str().unwrap(), &item["note"]);
        let open = !item["to_prove"].as_array().unwrap().is_empty() || !note.is_null();
        assert!(state == "proven" || state == "failed" || open, "{item}");
        if state == "proven" {
            assert!(!item["evidence"].as_array().unwrap().is_empty(), "{item}");
        }
    }
    let page = fs::read_to_string(folder.path().join("launch.html")).unwrap();
    assert!(page.contains("Deploy to production: ") && page.contains("scripts/deploy production"));
    assert!(folder.path().join("launch.json").exists());
    let unknown = workway(&["lab", "launch", "--prove", "nothing"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("backup-drill"));
}
