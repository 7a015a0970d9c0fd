//! Files without an end, and files that grow without an end when they are expanded: every command that
//! reads a file ends at once with its exit code, and within a bound on its memory.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::common::Target;
use rustix::fs::{CWD, FileType, Mode, mknodat};

/// The largest address space of a command, in KiB. It maps some 600 MB for its threads whatever it reads.
const ADDRESS_SPACE: u32 = 2_000_000;

/// Runs the command in a folder, with a bound on its memory and two minutes of time.
fn bounded(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let script = format!("ulimit -v {ADDRESS_SPACE}; exec timeout 120 \"$0\" \"$@\"");
    let mut command = Command::new("bash");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_workway")]).args(arguments);
    let command = command.current_dir(folder).stdin(Stdio::null()).env("RUST_BACKTRACE", "0");
    let Output { status, stdout, stderr } = command.output().unwrap();
    let said = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    (status.code().unwrap_or(-1), said)
}

#[test]
fn a_file_without_an_end_is_refused_by_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let mode = Mode::RUSR | Mode::WUSR;
    mknodat(CWD, folder.path().join("pipe"), FileType::Fifo, mode, 0).unwrap();
    for file in ["pipe", "/dev/zero"] {
        for arguments in [
            &["check", file][..],
            &["run", file],
            &["report", file],
            &["merge", file, file],
            &["compare", "--accept", file],
            &["cost", file],
            &["cost", "gone.json", "--book", file],
            &["cost", "gone.json", "--tiers", file],
            &["import", "openapi", file],
            &["import", "har", file],
        ] {
            let (code, said) = bounded(folder.path(), arguments);
            assert!([2, 3].contains(&code), "{arguments:?}: {code}: {said}");
            assert!(said.contains("regular file"), "{arguments:?}: {said}");
            assert!(said.contains(file), "{arguments:?} names no file: {said}");
        }
    }
}

/// Ten files, each of which calls the next forty times.
#[test]
fn calls_that_multiply_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for depth in 0..8 {
        let mut text = format!("scenario: bomb/c{depth}\nsteps:\n");
        for _ in 0..40 {
            writeln!(text, "  - call: {{ scenario: c{}.yaml }}", depth + 1).unwrap();
        }
        fs::write(folder.path().join(format!("c{depth}.yaml")), text).unwrap();
    }
    let last = "scenario: bomb/c8\nsteps:\n  - request: { get: /, expect: { status: 200 } }\n";
    fs::write(folder.path().join("c8.yaml"), last).unwrap();
    let (code, said) = bounded(folder.path(), &["check", "c0.yaml"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("the scenario has more than 20000 steps"), "{said}");
    // Two of the files alone are no bomb.
    let (code, said) = bounded(folder.path(), &["check", "c7.yaml"]);
    assert_eq!(code, 0, "{said}");
}

/// A file that a scenario names is one of the scenarios' own: messages quote what is in it.
#[test]
fn a_price_book_outside_of_the_scenarios_is_neither_read_nor_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let scenarios = folder.path().join("work/scenarios");
    fs::create_dir_all(&scenarios).unwrap();
    fs::write(folder.path().join("work/secrets.toml"), "password = \"hunter2hunter2\"").unwrap();
    for member in ["book", "tiers"] {
        let text = format!(
            "scenario: a/b\nsteps: [{{ request: {{ get: /, expect: {{ status: 200 }} }} }}]\ncost: {{ {member}: ../secrets.toml }}\n"
        );
        fs::write(scenarios.join("a.yaml"), text).unwrap();
        let (code, said) = bounded(&scenarios, &["check", "a.yaml"]);
        assert_eq!(code, 3, "{said}");
        assert!(!said.contains("hunter2"), "{said}");
        assert!(said.contains("outside"), "{said}");
    }
}

/// A report whose sums do not balance was changed by somebody: nothing is concluded from it.
#[test]
fn a_report_that_does_not_add_up_is_refused() {
    let early = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/reports/run-v2-early.json");
    let mut report: serde_json::Value = serde_json::from_slice(&fs::read(early).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let shown = |report: &serde_json::Value| {
        fs::write(&file, report.to_string()).unwrap();
        bounded(folder.path(), &["report", "report.json"])
    };
    assert_eq!(shown(&report).0, 0);
    for (count, value) in [("ok", u64::MAX), ("failed", 7), ("scheduled", 0)] {
        let step = &mut report["scenarios"][0]["steps"][0][count];
        let before = std::mem::replace(step, value.into());
        let (code, said) = shown(&report);
        assert_eq!(code, 2, "{count}: {said}");
        assert!(said.contains("does not add up"), "{count}: {said}");
        report["scenarios"][0]["steps"][0][count] = before;
    }
}

/// Sixty variables, each of which holds the one before it twice.
#[test]
fn variables_that_double_are_an_error_of_the_scenario() {
    let folder = tempfile::tempdir().unwrap();
    let doubled = |value: &dyn Fn(usize) -> String| {
        let vars = (1..60).map(|number| format!("  a{number}: {}\n", value(number - 1)));
        let vars: String = vars.collect();
        let first = "x".repeat(64);
        format!(
            "scenario: bomb/vars\nvars:\n  a0: {first}\n{vars}steps:\n  - request: {{ get: \"/${{{{ a59 }}}}\", \
             expect: {{ status: 200 }} }}\n"
        )
    };
    let text = |before: usize| format!("\"${{{{ a{before} }}}}${{{{ a{before} }}}}\"");
    let list = |before: usize| format!("[\"${{{{ a{before} }}}}\", \"${{{{ a{before} }}}}\"]");
    let repeat = |before: usize| {
        format!("{{ repeat: {{ text: \"${{{{ a{before} }}}}\", times: 1000000 }} }}")
    };
    let target = Target::start(axum::Router::new());
    let url = format!("http://{}", target.address);
    let kinds: [&dyn Fn(usize) -> String; 3] = [&text, &list, &repeat];
    for value in kinds {
        fs::write(folder.path().join("a.yaml"), doubled(value)).unwrap();
        let asked = ["run", "a.yaml", "--target", &url];
        let (code, said) = bounded(folder.path(), &asked);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("vars.a") && said.contains("bytes"), "{said}");
    }
}
