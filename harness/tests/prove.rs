//! `workway lab prove` as its users meet it. The whole matrix is made by `scripts/test-long`; here are a
//! few defects of every area, and what must not pass for a proof.
#![cfg(feature = "service")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use workway::{
    judge::{Failed, Verdict},
    prove::{Status, all},
    report::{Area, DetectionMatrix, Outcome},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn workway_in(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_workway"));
    command.args(arguments).current_dir(folder).env_remove("WORKWAY_JWT_SECRET");
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The matrix in `reports` was made of the suites of today.
#[test]
#[ignore = "the matrix is made anew before a release: scripts/test-long runs it"]
fn the_stored_matrix_is_of_these_suites() {
    let stored = fs::read(root().join("reports/detection-matrix.json")).unwrap();
    let stored: DetectionMatrix = serde_json::from_slice(&stored).unwrap();
    let scenarios = workway::language::discover(&[root().join("scenarios")]).unwrap();
    let renew = "make it anew: `workway lab prove --clean-runs 20 --out reports`";
    assert_eq!(stored.suite, workway::prove::suite(&scenarios).unwrap(), "{renew}");
    let made: BTreeSet<_> = all().iter().map(|defect| defect.id.to_owned()).collect();
    let measured: BTreeSet<_> = stored.defects.iter().map(|defect| defect.id.clone()).collect();
    assert_eq!(measured, made, "{renew}");
}

/// At least one defect of each area, and each kind of decorator.
const A_FEW: [&str; 9] =
    ["RL-1", "IV-2", "IV-25", "CA-7", "CA-22", "WF-16", "AU-14", "CO-1", "CO-Q1"];

#[test]
fn a_few_defects_are_killed_and_the_clean_service_raises_no_alarm() {
    let mut arguments = vec!["lab", "prove", "--format", "json"];
    arguments.extend(A_FEW.iter().flat_map(|id| ["--defect", id]));
    let output = workway_in(&root(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let schema = fs::read_to_string(root().join("reports/schema/matrix-2.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    assert!(schema.is_valid(&json), "{:?}", schema.iter_errors(&json).next());
    let matrix: DetectionMatrix = serde_json::from_value(json).unwrap();
    let areas: BTreeSet<_> = matrix.defects.iter().map(|defect| defect.area).collect();
    assert_eq!(areas.len(), 7, "{areas:?}");
    for defect in &matrix.defects {
        assert_eq!(defect.outcome, Outcome::Killed, "{defect:?}");
        assert!(defect.is_seen_as_expected(), "{defect:?}");
    }
    let cost = matrix.defects.iter().find(|defect| defect.area == Area::Cost).unwrap();
    let named = |step: &str| step.contains("rows_read");
    assert!(
        cost.killed_by
            .iter()
            .any(|kill| kill.verdict == Verdict::Fail(Failed::Cost) && named(&kill.step)),
        "{cost:?}"
    );
    let clean = &matrix.clean;
    assert_eq!((clean.runs, clean.alarmed), (1, 0), "{clean:?}");
    assert!((clean.bound - 0.95).abs() < 1e-9, "of one run: 1 - 0.05: {}", clean.bound);
    println!("false alarms: 0 of N = 1 runs, at most {:.2} of runs (95 %)", clean.bound);
}

fn with_scenario(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("scenarios")).unwrap();
    fs::write(folder.path().join("scenarios/only.yaml"), text).unwrap();
    folder
}

#[test]
fn a_defect_that_nobody_sees_survives_and_is_a_failure() {
    let folder = with_scenario(
        "scenario: only\ntags: [smoke]\nsteps: [{ request: { get: /health/live } }]\n",
    );
    let output = workway_in(folder.path(), &["lab", "prove", "--defect", "RL-1", "--out", "out"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = stdout(&output);
    assert!(text.contains("survived") && text.contains("(expected: RL1, RL12)"), "{text}");
    assert!(text.contains("defects: 1 made, 0 killed, 1 survived, 0 errors"), "{text}");
    let page = fs::read_to_string(folder.path().join("out/detection-matrix.md")).unwrap();
    assert!(page.contains("| RL-1 |") && page.contains("| survived |"), "{page}");
    assert!(folder.path().join("out/detection-matrix.json").exists());
    let html = fs::read_to_string(folder.path().join("out/detection-matrix.html")).unwrap();
    assert!(html.contains("<td class=\"t\">RL-1</td>") && html.contains("survived"), "{html}");
}

#[test]
fn a_scenario_that_fails_on_the_clean_service_is_a_false_alarm() {
    let folder = with_scenario(
        "scenario: only\ntags: [smoke]\nsteps: [{ request: { name: wrong, get: /health/live, \
         expect: { rule: RL1, status: 500 } } }]\n",
    );
    let output =
        workway_in(folder.path(), &["lab", "prove", "--defect", "RL-1", "--clean-runs", "2"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = stdout(&output);
    assert!(text.contains("with a false alarm: 2 (at most 100.0 % of runs, 95 %)"), "{text}");
    assert!(text.contains("false alarm: only: wrong (RL1)"), "{text}");
}

#[test]
fn what_is_no_defect_is_a_usage_error() {
    for (arguments, code, expected) in [
        (&["lab", "prove", "--defect", "RL-99"][..], 2, "near it are"),
        (&["lab", "prove", "--defect", "RL-1", "--area", "auth"], 4, "none of these defects"),
        (&["lab", "prove", "--area", "nothing"], 2, "rate-limit"),
        (&["lab", "prove", "--clean-runs", "1001"], 2, "1001"),
        (&["lab", "prove", "--jobs", "0"], 2, "jobs"),
        (&["lab", "serve", "--port", "0", "--defect", "RL-13"], 2, "no answer tells"),
        (&["lab", "serve", "--port", "0", "--defect", "x"], 2, "no defect is called"),
    ] {
        let output = workway_in(&root(), arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        assert!(stderr(&output).contains(expected), "{arguments:?}: {}", stderr(&output));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn the_catalogue_can_be_read_and_a_defect_is_nothing_for_users() {
    let output = workway_in(&root(), &["lab", "prove", "--list"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(stdout(&output).lines().count(), all().len());
    let help = workway_in(&root(), &["lab", "serve", "--help"]);
    assert!(!stdout(&help).contains("--defect"));
}

/// The matrix in `reports` is of this catalogue: `workway lab prove --clean-runs 20 --out reports`.
#[test]
fn the_published_matrix_has_every_defect_and_no_survivor() {
    let text = fs::read_to_string(root().join("reports/detection-matrix.json")).unwrap();
    let matrix: DetectionMatrix = serde_json::from_str(&text).unwrap();
    let published: Vec<_> = matrix.defects.iter().map(|defect| defect.id.as_str()).collect();
    let known: Vec<_> = all().iter().map(|defect| defect.id).collect();
    assert_eq!(published, known);
    let made = all().iter().filter(|defect| matches!(defect.status, Status::Made { .. })).count();
    assert_eq!(matrix.count(Outcome::Killed), made);
    assert_eq!((matrix.verdict, matrix.clean.runs, matrix.clean.alarmed), (Verdict::Pass, 20, 0));
    println!("false alarms: 0 of N = 20 runs, at most {:.3} (95 %)", matrix.clean.bound);
}
