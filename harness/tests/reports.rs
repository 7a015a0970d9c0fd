//! Reports as their readers meet them: the command, its files, and its exit codes.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use axum::{Router, routing::get};
use common::Target;
use rustix::process::{Pid, Signal, kill_process};
use schemars::{JsonSchema, schema_for};
use workway::report::{Baseline, DetectionMatrix, Format, GateReport, RunReport, read_run};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The report of the first version of this program that wrote one.
fn first() -> PathBuf {
    root().join("fixtures/reports/run-v1-first.json")
}

fn workway(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_workway"));
    command.args(arguments).env_remove("GITHUB_ACTIONS");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

struct Case {
    folder: tempfile::TempDir,
    target: Target,
}

impl Case {
    /// A load of 200 requests a second on a target that answers at once.
    fn new(profile: &str, thresholds: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "scenario: a/b\nload:\n  profile: {profile}\n  journeys: {{ a: {{ steps: [{{ request: \
             {{ name: step, get: / }} }}] }} }}\nthresholds: [{thresholds}]\n"
        );
        fs::write(folder.path().join("a.yaml"), text).unwrap();
        Self { folder, target: Target::start(Router::new().route("/", get(async || "ok"))) }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn run(&self, out: &str) -> Command {
        let target = format!("http://{}", self.target.address);
        let scenario = self.path("a.yaml");
        workway(&["run", &scenario, "--target", &target, "--out", &self.path(out)])
    }
}

const SHORT: &str = "{ constant: { rate: 200/s, for: 1s } }";

/// Published schemas: a change of the types shows in a change of the files.
#[test]
fn the_schemas_are_those_that_are_published() {
    fn check<T: JsonSchema>(name: &str) {
        let schema = serde_json::to_string_pretty(&schema_for!(T)).unwrap() + "\n";
        let path = root().join("reports/schema").join(name);
        if std::env::var_os("WORKWAY_UPDATE_FIXTURES").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &schema).unwrap();
        }
        let published = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            published == schema,
            "{} differs from the types; WORKWAY_UPDATE_FIXTURES=1 rewrites it, and \
             SCHEMA_VERSION is raised if a reader of the old one would misread the new one",
            path.display()
        );
    }
    check::<RunReport>("run-1.schema.json");
    check::<GateReport>("gate-2.schema.json");
    check::<Baseline>("baseline-1.schema.json");
    check::<DetectionMatrix>("matrix-1.schema.json");
}

#[test]
fn a_report_of_the_first_version_loads_and_renders_in_every_format() {
    let report = read_run(&first()).unwrap();
    assert!(report.host.is_none() && report.scenarios[0].total.is_some());
    for format in Format::ALL {
        let bytes = format.render(&report).unwrap();
        assert!(!bytes.is_empty(), "{format:?}");
        assert!(!text(&bytes).contains("NaN"), "{format:?}");
    }
    let path = first().display().to_string();
    for (format, beginning) in
        [("html", "<!DOCTYPE html>"), ("junit", "<?xml"), ("hdr", "#"), ("markdown", "###")]
    {
        let output = workway(&["report", &path, "--format", format]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(text(&output.stdout).starts_with(beginning), "{format}: {output:?}");
    }
}

#[test]
fn a_report_of_a_later_version_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let later = fs::read_to_string(first()).unwrap();
    let later = later.replacen("\"schema_version\": 1", "\"schema_version\": 2", 1);
    fs::write(&path, later).unwrap();
    let output = workway(&["report", &path.display().to_string()]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output.stderr).contains("schema version 2"), "{output:?}");
}

/// What a target sends ends up in every format; in none of them may it be markup.
#[test]
fn what_a_target_sends_is_never_markup() {
    const HOSTILE: &str = "</script><script>alert(1)</script>]]>\u{1}\n::error::x";
    let mut report = read_run(&first()).unwrap();
    let scenario = &mut report.scenarios[0];
    scenario.failures[0].actual = HOSTILE.to_owned();
    scenario.failures[0].body = Some(HOSTILE.to_owned());
    scenario.reasons = vec![HOSTILE.to_owned()];
    let shown = |format: Format| text(&format.render(&report).unwrap());
    for format in [Format::Html, Format::Markdown, Format::Junit] {
        assert!(!shown(format).contains("<script>"), "{format:?}");
    }
    let annotations = shown(Format::Github);
    assert!(annotations.lines().all(|line| line.starts_with("::error file=")), "{annotations}");
    assert!(!shown(Format::Text).contains('\u{1}'));
}

#[test]
fn a_run_writes_every_format_and_report_makes_them_again() {
    let case = Case::new(SHORT, "p95 < 10 s");
    let output = case.run("out").output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 8)), "{output:?}");
    let out = case.path("out");
    let again = workway(&["report", &out, "--out", &case.path("again")]).output().unwrap();
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    for format in Format::ALL {
        let of = |folder: &str| fs::read(Path::new(folder).join(format.file())).unwrap();
        assert_eq!(of(&out), of(&case.path("again")), "{format:?}");
    }
    assert_eq!(fs::read_dir(&out).unwrap().count(), Format::ALL.len(), "nothing is left behind");
}

#[test]
fn annotations_are_on_stdout_where_github_reads_it() {
    let case = Case::new(SHORT, "p95 < 0.001 ms");
    let output = case.run("out").env("GITHUB_ACTIONS", "true").output().unwrap();
    assert!(text(&output.stdout).contains(",line=5,col="), "{output:?}");
    let output = case.run("out").output().unwrap();
    assert!(!text(&output.stdout).contains("::error"), "{output:?}");
}

/// Two generators at the same time: counts add up, and thresholds are judged on the sum.
#[test]
fn reports_add_up_and_are_judged_anew() {
    let case = Case::new(SHORT, "count > 300");
    for out in ["one", "two"] {
        let output = case.run(out).output().unwrap();
        assert!(matches!(output.status.code(), Some(5 | 8)), "{output:?}");
    }
    let (one, two, sum) = (case.path("one"), case.path("two"), case.path("sum"));
    let output = workway(&["merge", &one, &two, "--out", &sum]).output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 8)), "{output:?}");
    let [one, two, sum] =
        [one, two, sum].map(|path| read_run(Path::new(&path)).unwrap().scenarios.remove(0));
    let count = |scenario: &workway::report::ScenarioReport| {
        let total = scenario.total.as_ref().unwrap();
        (total.scheduled, total.response.count)
    };
    assert_eq!(count(&sum).0, count(&one).0 + count(&two).0);
    assert_eq!(count(&sum).1, count(&one).1 + count(&two).1);
    assert_eq!(sum.thresholds[0].measured, Some(400.0));
    let max = |scenario: &workway::report::ScenarioReport| {
        scenario.total.as_ref().unwrap().response.max.unwrap()
    };
    assert!((max(&sum) - max(&one).max(max(&two))).abs() < 1e-9);
    // A report without histograms cannot be added up, and says so.
    let old = first().display().to_string();
    let output = workway(&["merge", &old, &old]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output.stderr).contains("early version"), "{output:?}");
}

#[test]
fn runs_are_compared_with_accepted_ones_of_the_same_scenario() {
    let case = Case::new(SHORT, "p95 < 10 s");
    let baseline = case.path("baseline");
    let compare = |run: &str, more: &[&str]| {
        let run = case.path(run);
        let mut arguments = vec!["compare", run.as_str(), "--baseline", baseline.as_str()];
        arguments.extend(more);
        workway(&arguments).output().unwrap()
    };
    let done = case.run("one").output().unwrap();
    let missing = compare("one", &[]);
    assert_eq!(missing.status.code(), Some(2), "{missing:?}");
    assert!(text(&missing.stderr).contains("--accept"), "{missing:?}");
    if done.status.code() != Some(0) {
        // The machine was too busy for a pass, and only a pass is accepted.
        assert_eq!(compare("one", &["--accept"]).status.code(), Some(2));
        return;
    }
    assert_eq!(compare("one", &["--accept"]).status.code(), Some(0));
    // A single earlier run has no spread.
    case.run("two").output().unwrap();
    let few = compare("two", &[]);
    assert_eq!(few.status.code(), Some(8), "{few:?}");
    assert!(text(&few.stdout).contains("are needed"), "{few:?}");
    // Of another machine it only advises.
    let path = Path::new(&baseline).join("a.b.json");
    let other = fs::read_to_string(&path).unwrap().replacen("\"cores\": ", "\"cores\": 9", 1);
    fs::write(&path, other).unwrap();
    let advice = compare("two", &[]);
    assert_eq!(advice.status.code(), Some(0), "{advice:?}");
    assert!(text(&advice.stdout).contains("another machine"), "{advice:?}");
    // Another load is no comparison at all.
    let scenario = case.path("a.yaml");
    let changed = fs::read_to_string(&scenario).unwrap().replace("200/s", "201/s");
    fs::write(&scenario, changed).unwrap();
    case.run("three").output().unwrap();
    let refused = compare("three", &[]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(text(&refused.stderr).contains("has changed"), "{refused:?}");
}

/// Every format: a folder that cannot be written gives exit 9, the summary on stderr, and leaves
/// the old report.
#[test]
fn a_report_that_cannot_be_written_ends_with_9_and_keeps_the_old_one() {
    let case = Case::new(SHORT, "p95 < 10 s");
    for format in Format::ALL {
        let out = case.folder.path().join(format.file().replace('.', "-"));
        fs::create_dir_all(&out).unwrap();
        fs::write(out.join("report.txt"), "old").unwrap();
        // A folder of the same name, with something in it, cannot be replaced by a file.
        let taken = out.join(format.file());
        let _ = fs::remove_file(&taken);
        fs::create_dir_all(taken.join("in the way")).unwrap();
        let output = workway(&["report", &first().display().to_string(), "--out"])
            .arg(&out)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(9), "{format:?} {output:?}");
        assert!(text(&output.stderr).contains(format.file()), "{format:?} {output:?}");
        assert!(text(&output.stderr).contains("load/fixture"), "the summary: {output:?}");
    }
}

/// H11: no room on the disk.
#[test]
fn a_full_disk_leaves_the_old_report() {
    let case = Case::new(SHORT, "p95 < 10 s");
    let out = case.path("out");
    fs::create_dir_all(&out).unwrap();
    for format in Format::ALL {
        fs::write(Path::new(&out).join(format.file()), "old").unwrap();
    }
    // Files may not grow beyond 4 KiB: writing fails in the middle, as on a full disk.
    let report = first().display().to_string();
    // The signal that comes with the limit is ignored, so that the write returns its error.
    let command = format!(
        "trap '' XFSZ; exec prlimit --fsize=4096:4096 '{}' report '{report}' --out '{out}'",
        env!("CARGO_BIN_EXE_workway")
    );
    let output = Command::new("bash").args(["-c", &command]).output().unwrap();
    assert_eq!(output.status.code(), Some(9), "{output:?}");
    for format in Format::ALL {
        let path = Path::new(&out).join(format.file());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old", "{format:?}");
    }
}

const KILLS: u64 = 20;

/// Killed at any moment, a run leaves either the old report or a complete new one, which is marked
/// interrupted unless it was done before.
#[test]
fn killed_at_twenty_moments_a_report_is_old_or_complete() {
    let case = Case::new("{ constant: { rate: 50/s, for: 600ms } }", "p95 < 10 s");
    case.run("out").output().unwrap();
    let out = PathBuf::from(case.path("out"));
    let (mut old, mut interrupted, mut complete) = (0, 0, 0);
    for kill in 0..KILLS {
        let before = read_run(&out).unwrap().run_id;
        let child = case.run("out").spawn().unwrap();
        // Over the whole of a run and a little beyond; both signals.
        std::thread::sleep(Duration::from_millis(kill * 61 % 1300));
        let signal = if kill % 2 == 0 { Signal::TERM } else { Signal::KILL };
        end(child, signal);
        let report = read_run(&out).unwrap();
        if report.run_id == before {
            old += 1;
        } else if report.exit == 143 {
            assert!(report.scenarios.iter().all(|s| s.exit.is_some()));
            interrupted += 1;
        } else {
            complete += 1;
        }
        for format in Format::ALL {
            let bytes = fs::read(out.join(format.file())).unwrap();
            assert!(!bytes.is_empty() || format == Format::Github, "{format:?} of kill {kill}");
        }
        let page = fs::read_to_string(out.join("report.html")).unwrap();
        assert!(page.ends_with("</html>"), "half a page after kill {kill}");
        let junit = fs::read_to_string(out.join("junit.xml")).unwrap();
        assert!(junit.trim_end().ends_with("</testsuites>"), "half of JUnit after kill {kill}");
    }
    println!("N = {KILLS}: {old} old, {interrupted} interrupted, {complete} complete, 0 half");
    assert_eq!(old + interrupted + complete, KILLS);
    assert!(old > 0, "no kill came before the end");
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

/// Both clocks: by percentile and over time.
#[test]
fn the_page_shows_both_clocks() {
    let case = Case::new("{ constant: { rate: 100/s, for: 3s } }", "");
    let output = case.run("out").output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 8)), "{output:?}");
    let out = case.folder.path().join("out");
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    for expected in [
        "Latency by percentile",
        "response, from the planned time",
        "service, from sending",
        "Response time over time",
        "Service time over time",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
    let report = read_run(&out).unwrap();
    let spans: Vec<_> = report.scenarios[0].timeline.iter().filter(|s| s.planned > 0).collect();
    assert!(spans.len() > 1);
    for span in spans.iter().filter(|span| span.p95.is_some()) {
        // What is sent late waits longer than it takes, never the other way round.
        assert!(span.service.max.unwrap() <= span.max.unwrap(), "{span:?}");
    }
}
