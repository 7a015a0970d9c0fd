//! Reports on disks that are full, in folders that cannot be written, and of runs that are killed:
//! what is there is whole, old or new.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output},
    time::{Duration, Instant},
};

use crate::common::case::{Case, first, root, text, workway};
use rand::RngExt as _;
use rustix::process::{Pid, Signal, kill_process};
use workway::{
    report::{Format, read_run},
    schedule::{Purpose, random},
};

const OLD: &str = "old";

/// A folder with an old report in every format.
fn with_old(folder: &Path, names: &[&str]) {
    fs::create_dir_all(folder).unwrap();
    for name in names {
        fs::write(folder.join(name), OLD).unwrap();
    }
}

/// Nothing else than what was there, and that as it was.
fn is_old(folder: &Path, names: &[&str]) {
    for name in names {
        assert_eq!(fs::read_to_string(folder.join(name)).unwrap(), OLD, "{name}");
    }
    let left: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let leftovers = left.iter().filter(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        !names.contains(&name) && !path.is_dir()
    });
    assert_eq!(leftovers.count(), 0, "{left:?}");
}

fn names() -> Vec<&'static str> {
    Format::ALL.iter().map(|format| format.file()).collect()
}

fn again(out: &Path) -> Command {
    let mut command = workway(&["report", &first().display().to_string(), "--out"]);
    command.arg(out);
    command
}

#[track_caller]
fn says_that_it_was_not_written(output: &Output, summary: &str) {
    assert_eq!(output.status.code(), Some(9), "{output:?}");
    let said = text(&output.stderr);
    assert!(said.contains(summary), "the summary is missing: {said}");
    assert!(said.contains("error: cannot write "), "{said}");
}

#[test]
fn a_folder_in_the_way_of_one_format_keeps_the_old_ones_of_all() {
    let folder = tempfile::tempdir().unwrap();
    for format in Format::ALL {
        let out = folder.path().join(format.file().replace('.', "-"));
        let others: Vec<_> = names().into_iter().filter(|name| *name != format.file()).collect();
        with_old(&out, &others);
        fs::create_dir(out.join(format.file())).unwrap();
        let output = again(&out).output().unwrap();
        says_that_it_was_not_written(&output, "load/fixture");
        assert!(text(&output.stderr).contains(format.file()), "{format:?} {output:?}");
        is_old(&out, &others);
    }
}

/// H11: no room on the disk.
#[test]
fn a_full_disk_leaves_the_old_report_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    with_old(&out, &names());
    // Files may not grow beyond 4 KiB: writing fails in the middle, as on a full disk. The signal
    // that comes with the limit is ignored, so that the write returns its error.
    let command = format!(
        "trap '' XFSZ; exec prlimit --fsize=4096:4096 '{}' report '{}' --out '{}'",
        env!("CARGO_BIN_EXE_workway"),
        first().display(),
        out.display()
    );
    let output = Command::new("bash").args(["-c", &command]).output().unwrap();
    says_that_it_was_not_written(&output, "load/fixture");
    is_old(&out, &names());
}

#[test]
fn a_folder_that_nobody_may_write_leaves_the_old_report() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    with_old(&out, &names());
    fs::set_permissions(&out, fs::Permissions::from_mode(0o555)).unwrap();
    // To root permissions are no obstacle; a file system that makes no files is one to everybody.
    let obeyed = fs::write(out.join("probe"), "").is_err();
    if obeyed {
        says_that_it_was_not_written(&again(&out).output().unwrap(), "load/fixture");
        is_old(&out, &names());
    }
    fs::set_permissions(&out, fs::Permissions::from_mode(0o755)).unwrap();
    for nowhere in ["/proc/workway", "/proc/self"] {
        let output = again(Path::new(nowhere)).output().unwrap();
        says_that_it_was_not_written(&output, "load/fixture");
    }
}

/// Every command that writes reports does it like that.
#[test]
fn gates_and_sums_and_baselines_and_calibrations_keep_the_old_ones_too() {
    let case = Case::new("{ users: { count: 2, iterations: 300 } }", "");
    let target = format!("http://{}", case.target.address);
    let scenario = case.path("a.yaml");
    let short = ["--pairs", "7", "--window", "100ms", "--warmup", "100ms"];
    let out = PathBuf::from(case.path("gate"));
    with_old(&out, &["gate.txt", "gate.md", "gate.html"]);
    fs::create_dir(out.join("gate.json")).unwrap();
    let mut gate = workway(&["gate", &scenario, "--base", &target, "--head", &target]);
    let gate = gate.args(short).arg("--out").arg(&out).env("XDG_STATE_HOME", &out);
    says_that_it_was_not_written(&gate.output().unwrap(), "reproduce  workway gate");
    is_old(&out, &["gate.txt", "gate.md", "gate.html"]);

    // The place of the state is a file.
    let state = case.folder.path().join("state");
    fs::write(&state, OLD).unwrap();
    let mut calibrate = workway(&["calibrate", &scenario, "--target", &target]);
    let calibrate = calibrate.args(short).env("XDG_STATE_HOME", &state);
    says_that_it_was_not_written(&calibrate.output().unwrap(), "7 pairs of itself");
    assert_eq!(fs::read_to_string(&state).unwrap(), OLD);

    case.run("run").output().unwrap();
    let run = case.path("run");
    let out = PathBuf::from(case.path("sum"));
    with_old(&out, &names()[..7]);
    fs::create_dir(out.join(Format::Json.file())).unwrap();
    let other = case.path("other");
    fs::create_dir(&other).unwrap();
    let report = fs::read_to_string(Path::new(&run).join(Format::Json.file())).unwrap();
    let (_, id) = report.split_once("\"run_id\": \"").unwrap();
    let report = report.replacen(&id[..12], "0123456789ab", 1);
    fs::write(Path::new(&other).join(Format::Json.file()), report).unwrap();
    let output = workway(&["merge", &run, &other, "--out"]).arg(&out).output().unwrap();
    says_that_it_was_not_written(&output, "a/b");
    is_old(&out, &names()[..7]);

    let baseline = PathBuf::from(case.path("baseline"));
    fs::create_dir_all(baseline.join("a.b.json")).unwrap();
    let report = Path::new(&run).join(Format::Json.file());
    let passed = fs::read_to_string(&report).unwrap();
    let end = passed.rfind("\"verdict\":").unwrap();
    fs::write(&report, format!("{}\"verdict\": \"pass\"\n}}", &passed[..end])).unwrap();
    let mut accept = workway(&["compare", &run, "--accept", "--baseline"]);
    let output = accept.arg(&baseline).output().unwrap();
    assert_ne!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stderr).contains("a.b.json"), "{output:?}");
    assert_eq!(fs::read_dir(&baseline).unwrap().count(), 1, "nothing is left behind");
}

#[cfg(feature = "service")]
#[test]
fn a_matrix_keeps_the_old_one_too() {
    let folder = tempfile::tempdir().unwrap();
    with_old(folder.path(), &["detection-matrix.md", "detection-matrix.html"]);
    fs::create_dir(folder.path().join("detection-matrix.json")).unwrap();
    let mut prove = workway(&["lab", "prove", "--defect", "RL-1", "--out"]);
    let output = prove.arg(folder.path()).current_dir(root()).output().unwrap();
    says_that_it_was_not_written(&output, "defects");
    is_old(folder.path(), &["detection-matrix.md", "detection-matrix.html"]);
}

/// Each of a run of half a second and of what comes before and after it.
const KILLS: usize = 20;
/// By a signal that leaves no time for anything.
const SUDDEN: usize = 10;
const MOMENTS_MS: u64 = 1600;

/// Ended at any moment, a run leaves either the old report or a new one that is complete in every
/// format, marked interrupted unless it was done before.
#[test]
fn ended_at_random_moments_a_report_is_old_or_complete() {
    let case = Case::new("{ constant: { rate: 50/s, for: 1s } }", "p95 < 10 s");
    case.run("out").output().unwrap();
    let out = PathBuf::from(case.path("out"));
    let seed = std::env::var("WORKWAY_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().1);
    println!("seed {seed}: WORKWAY_SEED repeats it");
    let mut random = random(seed, Purpose::Scenario, 0);
    let (mut old, mut interrupted, mut complete) = (0, 0, 0);
    for kill in 0..KILLS + SUDDEN {
        let signal = if kill < KILLS { Signal::TERM } else { Signal::KILL };
        let before = ids(&out);
        let child = case.run("out").spawn().unwrap();
        std::thread::sleep(Duration::from_millis(random.random_range(0..MOMENTS_MS)));
        let ended = end(child, signal);
        let after = ids(&out);
        let json = &after[Format::Json.file()];
        if *json == before[Format::Json.file()] {
            // A sudden end between two names leaves new ones, but never of the last, JSON.
            assert!(signal == Signal::KILL || after == before, "{kill}: {before:?} {after:?}");
            old += 1;
            continue;
        }
        assert!(after.values().all(|id| id == json), "kill {kill}: {after:?}");
        let report = read_run(&out).unwrap();
        if ended.status.code() == Some(143) {
            assert_eq!((report.exit, report.scenarios.len()), (Some(143), 1), "kill {kill}");
            assert_eq!(report.scenarios[0].exit, Some(143), "kill {kill}");
            interrupted += 1;
        } else {
            assert_ne!(report.exit, Some(143), "kill {kill}: {ended:?}");
            complete += 1;
        }
    }
    let n = KILLS + SUDDEN;
    println!("N = {n}: {old} old, {interrupted} interrupted, {complete} complete, 0 half");
    assert_eq!(old + interrupted + complete, n);
    assert!(interrupted > 0, "no signal came while the run went on");
    let left = fs::read_dir(&out).unwrap().count();
    assert!(left <= Format::ALL.len() + SUDDEN * 2 * Format::ALL.len(), "{left} files");
}

/// The run that each format says it is of. A format that is not whole is a failure.
fn ids(out: &Path) -> BTreeMap<&'static str, String> {
    Format::ALL.into_iter().map(|format| (format.file(), id(out, format))).collect()
}

fn id(out: &Path, format: Format) -> String {
    let shown = fs::read_to_string(out.join(format.file())).unwrap();
    let (before, after, end) = match format {
        Format::Text | Format::Markdown => (" Run ", " ", "\n"),
        Format::Json => ("\"run_id\": \"", "\"", "}\n"),
        Format::Html => ("<h1>Run ", " ", "</html>"),
        Format::Junit => ("name=\"run\" value=\"", "\"", "</testsuites>\n"),
        Format::Github => ("::debug::workway run ", "\n", "\n"),
        Format::Hdr => ("Logged with workway, run ", ";", "\n"),
        Format::Prometheus => ("workway_run{id=\"", "\"", "# EOF\n"),
    };
    assert!(shown.ends_with(end), "half of {format:?}: {shown}");
    let found = shown.split_once(before).and_then(|(_, rest)| rest.split_once(after));
    found.unwrap_or_else(|| panic!("{format:?} names no run: {shown}")).0.to_owned()
}

fn end(mut child: Child, signal: Signal) -> Output {
    // It may have ended by itself.
    if child.try_wait().unwrap().is_none() {
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        let _ = kill_process(pid, signal);
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}
