//! The second step of the action for GitHub: what it runs, what the job's summary gets, and how it ends.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Output};

use tempfile::TempDir;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Runs the step with `program` as `workway` and these inputs besides the defaults of `action.yml`.
fn step(folder: &TempDir, program: &Path, inputs: &[(&str, &str)]) -> Output {
    let script = repository().join(".github/actions/workway/run");
    let mut command = std::process::Command::new(script);
    let defaults = [
        ("SCENARIOS", "scenarios/smoke/health.yaml"),
        ("TARGET", ""),
        ("BASE", ""),
        ("HEAD", ""),
        ("REMOTE", "false"),
        ("UNDECIDED", "fail"),
    ];
    command
        .current_dir(repository())
        .envs(defaults)
        .env("WORKWAY", program)
        .env("OUT", folder.path().join("out"))
        .env("GITHUB_STEP_SUMMARY", folder.path().join("summary"))
        .envs(inputs.iter().copied());
    command.output().unwrap()
}

/// A program that says what it was asked for, writes both reports, and ends with `code`.
fn stand_in(folder: &TempDir, code: i32) -> std::path::PathBuf {
    let program = folder.path().join("workway");
    let script = format!(
        "#!/usr/bin/env bash\necho \"$@\"\nmkdir -p \"$OUT\"\necho a gate >\"$OUT/gate.md\"\n\
         echo a run >\"$OUT/report.md\"\nexit {code}\n"
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

fn summary(folder: &TempDir) -> String {
    fs::read_to_string(folder.path().join("summary")).unwrap()
}

#[test]
fn a_run_puts_its_report_into_the_summary() {
    let folder = TempDir::new().unwrap();
    let output = step(&folder, Path::new(env!("CARGO_BIN_EXE_workway")), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(summary(&folder).contains("smoke/health"));
}

#[test]
fn a_run_fails_as_the_program_does_also_when_it_is_inconclusive() {
    for code in [0, 1, 5, 6, 8] {
        let folder = TempDir::new().unwrap();
        let output = step(&folder, &stand_in(&folder, code), &[("REMOTE", "true")]);
        assert_eq!(output.status.code(), Some(code));
        assert_eq!(summary(&folder), "a run\n");
        let asked = String::from_utf8(output.stdout).unwrap();
        let out = folder.path().join("out").display().to_string();
        let expected = format!("run scenarios/smoke/health.yaml --out {out} --allow-remote\n");
        assert_eq!(asked, expected);
    }
}

/// Every scenario of the input is run, whether spaces or lines separate them.
#[test]
fn each_line_of_the_input_is_run() {
    let folder = TempDir::new().unwrap();
    let several =
        "scenarios/smoke/health.yaml\n  scenarios/ops  scenarios/auth\n\nscenarios/caching\n";
    let output = step(&folder, &stand_in(&folder, 0), &[("SCENARIOS", several)]);
    assert_eq!(output.status.code(), Some(0));
    let asked = String::from_utf8(output.stdout).unwrap();
    let expected =
        "run scenarios/smoke/health.yaml scenarios/ops scenarios/auth scenarios/caching --out ";
    assert!(asked.starts_with(expected), "{asked}");
}

/// The target is that of the repository under test unless an input names one.
#[test]
fn a_target_is_passed_on_only_when_it_is_named() {
    let base = ("BASE", "HEAD^1");
    for (inputs, expected) in [
        (vec![], "run scenarios/smoke/health.yaml --out "),
        (vec![("TARGET", "wrangler")], "run scenarios/smoke/health.yaml --target wrangler --out "),
        (
            vec![base, ("TARGET", "wrangler")],
            "gate scenarios/smoke/health.yaml --base HEAD^1 --head wrangler ",
        ),
        (
            vec![base, ("TARGET", "wrangler"), ("HEAD", "HEAD")],
            "gate scenarios/smoke/health.yaml --base HEAD^1 --head HEAD ",
        ),
    ] {
        let folder = TempDir::new().unwrap();
        let output = step(&folder, &stand_in(&folder, 0), &inputs);
        let asked = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && asked.starts_with(expected), "{asked}");
    }
    // A gate compares two versions.
    let folder = TempDir::new().unwrap();
    let output = step(&folder, &stand_in(&folder, 0), &[base]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.starts_with("::error ") && said.contains("`head`"), "{said}");
}

/// The defaults of the tests are those of the action.
#[test]
fn the_defaults_are_those_of_the_action() {
    let action = repository().join(".github/actions/workway/action.yml");
    let action = fs::read_to_string(action).unwrap();
    let (_, undecided) = action.split_once("  undecided:\n").unwrap();
    let default = undecided.lines().find_map(|line| line.trim().strip_prefix("default: "));
    assert_eq!(default, Some("fail"));
    let (_, target) = action.split_once("  target:\n").unwrap();
    let default = target.lines().find_map(|line| line.trim().strip_prefix("default: "));
    assert_eq!(default, Some("\"\""));
}

#[test]
fn a_gate_that_cannot_tell_warns_and_stops_only_who_wants_it() {
    for (code, undecided, ends, warns) in [
        (0, "pass", 0, false),
        (5, "pass", 5, false),
        (6, "pass", 6, false),
        (8, "pass", 0, true),
        (8, "fail", 8, true),
    ] {
        let folder = TempDir::new().unwrap();
        let inputs = [("BASE", "HEAD^1"), ("HEAD", "HEAD"), ("UNDECIDED", undecided)];
        let output = step(&folder, &stand_in(&folder, code), &inputs);
        assert_eq!(output.status.code(), Some(ends), "{code} {undecided}");
        assert_eq!(summary(&folder), "a gate\n");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.starts_with("gate scenarios/smoke/health.yaml --base HEAD^1 --head HEAD "));
        assert_eq!(said.contains("::warning"), warns);
    }
}
