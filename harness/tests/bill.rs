//! `workway cost` of recorded runs whose figures are known by hand.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};

fn workway(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_workway")).args(arguments).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{output:?}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A recorded run of scenarios that stand for tiers: 90 lists that read two rows each and write so many
/// together, and 10 AI operations that the cache answered.
fn recorded(folder: &Path, name: &str, written: &[(&str, u64)]) -> String {
    let tally = |count: u64, usage: Value| json!({"count": count, "usage": usage});
    let none = || tally(0, json!({}));
    let scenario = |(tier, written): &(&str, u64)| {
        let step = |name: &str, ai: bool, tally: Value| {
            let used = json!({"without_model": tally, "with_model": none(), "unmetered": 0});
            json!({"name": name, "ai": ai, "used": used})
        };
        let list = tally(90, json!({"rows_read": 180, "rows_written": written}));
        let steps = json!([step("list", false, list), step("ask", true, tally(10, json!({})))]);
        let usage = json!({"steps": steps, "runs": none(), "conserved": true});
        json!({"file": "a.yaml", "name": format!("cost/{tier}"), "verdict": "pass", "exit": 0,
            "reasons": [], "duration_s": 1.0, "window_s": 1.0, "steps": [], "total": null,
            "thresholds": [], "failures": [],
            "cost": {"tier": tier, "usage": usage, "thresholds": []}})
    };
    let scenarios: Vec<_> = written.iter().map(scenario).collect();
    let run = json!({"schema_version": 2, "tool_version": "0", "run_id": "", "seed": 0, "target": "",
        "target_kind": "url", "started_at": "2026-11-22T12:00:00Z", "duration_s": 0.0,
        "scenarios": scenarios, "verdict": "pass", "exit": 0});
    let path = folder.join(name);
    fs::write(&path, run.to_string()).unwrap();
    path.display().to_string()
}

/// Two rows more for each list of one tier change the bill of that tier, and by what stands in it.
#[test]
fn a_comparison_is_of_the_tiers_own_mixes_and_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let all = ["enterprise", "startup", "scale", "growth"];
    let written = |dearer: u64| all.map(|tier| (tier, if tier == "scale" { dearer } else { 90 }));
    let base = recorded(folder.path(), "base.json", &written(90));
    let head = recorded(folder.path(), "head.json", &written(270));
    let asked = ["cost", &head, "--base", &base, "--book", "workway-guide"];
    let output = workway(&[&asked[..], &["--format", "json"]].concat());
    assert_eq!(code(&output), 0, "{output:?}");
    let costs: Value = serde_json::from_slice(&output.stdout).unwrap();
    let tier = |name: &str, head: &str, usd: &str| json!({"tier": name, "base": "0.9", "head": head, "usd": usd});
    // 9 million requests write 2 rows more, at $0.001 for a hundred.
    let expected = json!([{"resource": "rows_written", "tiers": [
        tier("startup", "0.9", "0.00"), tier("growth", "0.9", "0.00"),
        tier("scale", "2.7", "180.00"), tier("enterprise", "0.9", "0.00"),
    ]}]);
    assert_eq!(costs["books"][0]["changes"], expected);
    let of = |file: &str| {
        let output = workway(&["cost", file, "--book", "workway-guide", "--format", "json"]);
        let costs: Value = serde_json::from_slice(&output.stdout).unwrap();
        let tiers = costs["books"][0]["tiers"].as_array().unwrap().clone();
        tiers.iter().map(|t| t["usd"].as_str().unwrap().parse().unwrap()).collect::<Vec<f64>>()
    };
    let more: Vec<_> = of(&head).iter().zip(of(&base)).map(|(head, base)| head - base).collect();
    assert_eq!(more, [0.0, 0.0, 180.0, 0.0], "what the projections themselves say");
    let shown = text(&workway(&asked).stdout);
    let line = "rows_written: 0.9 -> 2.7 for each request: +180.00 USD a month at scale\n";
    assert!(shown.contains(line), "{shown}");
}

/// A bill says of each line how it is known, and a setting is no measurement.
#[test]
fn what_is_set_is_marked_and_what_nobody_measured_is_no_zero() {
    let folder = tempfile::tempdir().unwrap();
    let run = recorded(folder.path(), "run.json", &[("scale", 90)]);
    let lines = |settings: &[&str]| {
        let asked =
            ["cost", &run, "--book", "cloudflare-2026-11", "--tier", "scale", "--format", "json"];
        let output = workway(&[&asked[..], settings].concat());
        assert_eq!(code(&output), 0, "{output:?}");
        let costs: Value = serde_json::from_slice(&output.stdout).unwrap();
        costs["books"][0]["tiers"][0].clone()
    };
    let line = |tier: &Value, name: &str| {
        let lines = tier["lines"].as_array().unwrap();
        lines.iter().find(|line| line["resource"] == name).unwrap().clone()
    };
    let measured = lines(&[]);
    assert_eq!(line(&measured, "rows_read")["origin"], "measured");
    assert_eq!(line(&measured, "cpu_ms")["origin"], "assumed");
    let stored = line(&measured, "d1_stored_gb");
    assert_eq!((&stored["origin"], &stored["usd"]), (&json!("absent"), &Value::Null));
    assert!(measured["absent"].as_array().unwrap().contains(&json!("kv_stored_gb")));
    let set = lines(&["--set", "cpu_ms=0", "--set", "rows_read=0", "--set", "d1_stored_gb=25"]);
    for (name, amount, usd) in
        [("cpu_ms", "0", "0.00"), ("rows_read", "0", "0.00"), ("d1_stored_gb", "25", "15.00")]
    {
        let line = line(&set, name);
        assert_eq!(line["origin"], "assumed", "{line}");
        assert_eq!((&line["amount"], &line["usd"]), (&json!(amount), &json!(usd)), "{line}");
    }
    assert!(!set["absent"].as_array().unwrap().contains(&json!("d1_stored_gb")));
}
