//! What it costs, as users meet it: `workway run` with a `cost` block, and `workway cost`.
#![cfg(feature = "service")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};

fn workway(arguments: &[&str]) -> Output {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_workway"));
    command.args(arguments).current_dir(repository).env_remove("WORKWAY_JWT_SECRET");
    command.output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{output:?}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn report(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("report.json")).unwrap()).unwrap()
}

/// Ten people look at their workflows and make one each; `steps` is how often they look.
fn scenario(folder: &Path, looks: usize, thresholds: &str) -> String {
    let look = "- request: { name: look, get: /workflows, auth: crowd, expect: { status: 200 } }\n";
    let more = "- request: { get: /workflows, auth: crowd, expect: { status: 200 } }\n";
    let indent = "        ";
    let mut looks = vec![more; looks];
    looks[0] = look;
    let looks = indent.to_owned() + &looks.join(indent);
    let text = format!(
        "scenario: cost/test\nusers:\n  crowd: {{ count: 10 }}\nload:\n  \
         profile: {{ users: {{ count: 2, iterations: 10 }} }}\n  journeys:\n    look:\n      \
         steps:\n{looks}{indent}- request:\n            name: make\n            post: /workflows\n            \
         auth: crowd\n            json: {{ name: n, description: d, steps: [{{ type: delay, config: {{ seconds: 1 }} }}] }}\n            \
         expect: {{ status: 201 }}\nthresholds:\n  - error_rate <= 0%\ncost:\n  thresholds:\n{thresholds}"
    );
    let path = folder.join("cost.yaml");
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn usage_is_measured_settled_priced_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    let (base, head) = (folder.path().join("base"), folder.path().join("head"));
    let holds = "    - monthly(scale) < 500 USD\n    - per_1000_requests < 0.02 USD\n";
    let path = scenario(folder.path(), 1, holds);
    let output = workway(&["run", &path, "--out", base.to_str().unwrap()]);
    assert_eq!(code(&output), 0, "{}{}", text(&output.stdout), text(&output.stderr));
    let shown = text(&output.stdout);
    for expected in
        ["cloudflare-2026-11", "workway-guide", "startup", "enterprise", "the guide's table"]
    {
        assert!(shown.contains(expected), "{expected} in {shown}");
    }
    let measured = report(&base);
    let usage = &measured["scenarios"][0]["cost"]["usage"];
    assert_eq!(usage["conserved"], true, "{usage}");
    assert_eq!(usage["steps"][0]["used"]["without_model"]["count"], 10, "{usage}");
    assert!(
        usage["steps"][1]["used"]["without_model"]["usage"]["rows_written"].as_u64().unwrap() >= 10
    );

    // The same, with a deliberate extra look: dearer, by the resource that it reads.
    let rows = measured_rows(&measured);
    let tight = format!("    - per_request(rows_read) <= {rows}\n");
    let path = scenario(folder.path(), 1, &tight);
    let output = workway(&["run", &path]);
    assert_eq!(code(&output), 0, "{}", text(&output.stdout));
    let path = scenario(folder.path(), 1, "    - per_request(rows_written) < 0.5\n");
    let output = workway(&["run", &path, "--out", head.to_str().unwrap()]);
    assert_eq!(code(&output), 6, "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("cost missed: per_request(rows_written) < 0.5: it is"));

    let cost = workway(&["cost", base.to_str().unwrap(), "--format", "json"]);
    assert_eq!(code(&cost), 0, "{}", text(&cost.stderr));
    let cost: Value = serde_json::from_slice(&cost.stdout).unwrap();
    let tiers = cost["books"][0]["tiers"].as_array().unwrap();
    assert_eq!(tiers.len(), 4);
    assert_eq!(tiers[0]["usd_half_width"], Value::Null, "one run has no interval");
    let both = [base.to_str().unwrap(), head.to_str().unwrap()];
    let cost = workway(&["cost", both[0], both[1], "--tier", "scale", "--book", "workway-guide"]);
    assert!(text(&cost.stdout).contains("95 % interval"), "{}", text(&cost.stdout));
    let cost = workway(&["cost", both[1], "--base", both[0]]);
    assert!(text(&cost.stdout).contains("no resource changed"), "{}", text(&cost.stdout));
}

/// What a day really cost, against a month of the projection: within the rule of .github/alerts.toml,
/// beyond it, and where nothing can be said.
#[test]
#[ignore = "needs the Worker's tools: scripts/test runs it"]
fn a_day_is_held_against_the_projection() {
    let folder = tempfile::tempdir().unwrap();
    let recorded = folder.path().join("recorded");
    let path = scenario(folder.path(), 1, "    - monthly(scale) < 500 USD\n");
    let output = workway(&["run", &path, "--out", recorded.to_str().unwrap()]);
    assert_eq!(code(&output), 0, "{}{}", text(&output.stdout), text(&output.stderr));
    let month: f64 = {
        let tiers = &report(&recorded)["cost"]["books"][0]["tiers"];
        let growth = tiers.as_array().unwrap().iter().find(|tier| tier["tier"] == "growth");
        growth.unwrap()["usd"].as_str().unwrap().parse().unwrap()
    };
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let check = |report: &str, dollars: &str, tier: &[(&str, &str)]| {
        let mut command = Command::new(repository.join("scripts/check-cost"));
        command.args([report, dollars]).env("WORKWAY", env!("CARGO_BIN_EXE_workway"));
        let output = command.env_remove("TIER").envs(tier.iter().copied()).output().unwrap();
        (code(&output), text(&output.stdout) + &text(&output.stderr))
    };
    let recorded = recorded.to_str().unwrap();
    let day = month / 30.0;
    // Half again as much is allowed.
    for (times, expected) in [(0.5, 0), (1.49, 0), (1.51, 6)] {
        let (code, said) = check(recorded, &format!("{:.6}", day * times), &[]);
        assert_eq!(code, expected, "{times}: {said}");
        assert!(said.contains(&format!("growth: projected ${day:.2} a day")), "{said}");
    }
    let (code, said) = check(recorded, "1", &[("TIER", "free")]);
    assert!(code == 2 && said.contains("there is no tier `free`"), "{code}: {said}");
    let (code, said) = check("nowhere.json", "1", &[]);
    assert!(code == 2 && said.contains("nowhere.json"), "{code}: {said}");
    let (code, said) = check(recorded, "a lot", &[]);
    assert!(code == 1 && said.contains("no amount"), "{code}: {said}");
}

fn measured_rows(report: &Value) -> f64 {
    let book = &report["cost"]["books"][0]["tiers"][3];
    let line =
        book["lines"].as_array().unwrap().iter().find(|line| line["resource"] == "rows_read");
    let amount: f64 = line.unwrap()["amount"].as_str().unwrap().parse().unwrap();
    (amount / 90_000_000.0 * 1e6).ceil() / 1e6
}

#[test]
fn what_cannot_be_answered_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, body: &Value| {
        let path = folder.path().join(name);
        fs::write(&path, body.to_string()).unwrap();
        path.display().to_string()
    };
    let empty = json!({"schema_version": 1, "tool_version": "0", "run_id": "", "seed": 0, "target": "",
        "target_kind": "url", "started_at": "", "duration_s": 0.0, "scenarios": [], "exit": 0});
    let empty = at("empty.json", &empty);
    let other = at("other.json", &json!({"a": 1}));
    for (arguments, expected) in [
        (vec!["cost", &empty], "holds no usage: run a scenario with a `cost` block"),
        (vec!["cost", &other], "is no report of `workway run --out`"),
        (vec!["cost", "nowhere.json"], "nowhere.json: No such file"),
        (vec!["cost", &empty, "--book", "nowhere.toml"], "nowhere.toml"),
        (vec!["cost", &empty, "--set", "cache_hit=2"], "is a share: 0 to 1"),
        (vec!["cost", &empty, "--tiers", "nowhere.toml"], "tiers nowhere.toml"),
        (vec!["cost"], "REPORT"),
    ] {
        let output = workway(&arguments);
        assert_eq!(code(&output), 2, "{arguments:?}");
        let said = text(&output.stderr);
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty());
    }
}
