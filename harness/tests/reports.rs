//! Reports as their readers meet them: the command, its files, and its exit codes.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

use std::{fs, path::Path, process::Output, time::Duration};

use crate::common::{
    Target,
    case::{Case, SHORT, first, root, target, text, workway},
};
use schemars::{JsonSchema, schema_for};
use serde_json::{Value, json};
use workway::{
    judge::Reason,
    plan::Quantity,
    report::{Baseline, DetectionMatrix, Format, GateReport, RunReport, ScenarioReport, read_run},
};

/// What speaks against a pass, as people read it.
fn texts(scenario: &ScenarioReport) -> Vec<String> {
    scenario.reasons.iter().map(ToString::to_string).collect()
}

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
    check::<RunReport>("run-2.schema.json");
    check::<GateReport>("gate-3.schema.json");
    check::<Baseline>("baseline-1.schema.json");
    check::<DetectionMatrix>("matrix-2.schema.json");
}

#[test]
fn a_report_of_an_early_version_loads_and_renders_in_every_format() {
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
fn a_report_of_another_version_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let known = fs::read_to_string(first()).unwrap();
    for (version, help) in [(1, "run it again"), (3, "use a newer one")] {
        let version = format!("schema version {version}");
        let field = format!("\"schema_version\": {}", version.rsplit(' ').next().unwrap());
        fs::write(&path, known.replacen("\"schema_version\": 2", &field, 1)).unwrap();
        let output = workway(&["report", &path.display().to_string()]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let stderr = text(&output.stderr);
        assert!(stderr.contains(&version) && stderr.contains(help), "{output:?}");
    }
}

/// What a target sends ends up in every format; in none of them may it be markup.
#[test]
fn what_a_target_sends_is_never_markup() {
    const HOSTILE: &str = "</script><script>alert(1)</script>]]>\u{1}\n::error::x";
    let mut report = read_run(&first()).unwrap();
    let scenario = &mut report.scenarios[0];
    scenario.failures[0].actual = HOSTILE.to_owned();
    scenario.failures[0].body = Some(HOSTILE.to_owned());
    scenario.reasons = vec![Reason::Problem { problem: HOSTILE.to_owned() }.into()];
    let shown = |format: Format| text(&format.render(&report).unwrap());
    for format in [Format::Html, Format::Markdown, Format::Junit] {
        assert!(!shown(format).contains("<script>"), "{format:?}");
    }
    let annotations = shown(Format::Github);
    let mut annotations_left = annotations.lines();
    assert!(annotations_left.next().unwrap().starts_with("::debug::workway run "), "{annotations}");
    assert!(annotations_left.all(|line| line.starts_with("::error file=")), "{annotations}");
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

/// A target whose every answer says that it read so many rows.
fn reading(rows_read: &'static str) -> Target {
    target(Duration::ZERO, rows_read)
}

/// A hundred requests that are judged by the rows they read, which no busy machine changes.
fn judged_by_cost(threshold: &str) -> Case {
    let cost = format!("cost:\n  audit: false\n  thresholds:\n    - {threshold}\n");
    Case::with(&users(2, 100), "", &cost)
}

/// A threshold on cost shows wherever one on latency does, with its place in the file.
#[test]
fn a_threshold_on_cost_is_in_every_format() {
    let case = judged_by_cost("per_request(rows_read) < 1");
    let output = case.run("out").output().unwrap();
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    let out = case.folder.path().join("out");
    for (format, expected) in [
        (Format::Text, "✗ per_request(rows_read) < 1"),
        (Format::Markdown, "| ✗ | per\\_request(rows\\_read) &lt; 1 | 2 | 100 | missed |"),
        (Format::Html, "per_request(rows_read) &lt; 1"),
        (Format::Junit, "message=\"measured 2 over 100 operations\""),
        (Format::Github, "line=9,col="),
        (Format::Prometheus, "threshold=\"per_request(rows_read) < 1\"} 0"),
        (Format::Json, "\"measured\": \"2\""),
    ] {
        let shown = fs::read_to_string(out.join(format.file())).unwrap();
        assert!(shown.contains(expected), "{format:?} has no {expected}: {shown}");
    }
    let scenario = read_run(&out).unwrap().scenarios.remove(0);
    assert_eq!(texts(&scenario), ["cost missed: per_request(rows_read) < 1: it is 2"]);
    let expected = "`per_request(rows_read) < 1` is missed because `step` uses 2.00 rows read";
    assert!(scenario.causes[0].starts_with(expected), "{:?}", scenario.causes);
    assert_eq!(scenario.causes.len(), 1, "nothing about latency: {:?}", scenario.causes);
}

/// Dollars are rounded for a reader.
#[test]
fn the_reason_of_a_missed_cost_has_a_figure_of_few_digits() {
    let case = judged_by_cost("per_1000_requests < 0.000001 USD");
    let output = case.run("out").output().unwrap();
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    let scenario = read_run(&case.folder.path().join("out")).unwrap().scenarios.remove(0);
    let reason = scenario.reasons[0].to_string();
    let (_, figure) = reason.split_once(": it is ").unwrap();
    let (figure, _) = figure.split_once(" USD").unwrap();
    let (_, decimals) = figure.split_once('.').unwrap();
    assert!((1..=6).contains(&decimals.len()), "{figure}");
}

/// Thresholds on cost are judged on what all parts used; nothing of it is said twice.
#[test]
fn a_sum_is_judged_by_its_own_cost() {
    let (two, five) = (reading("rows_read=2"), reading("rows_read=5"));
    for (bound, exit, reasons) in [
        ("per_request(rows_read) < 4", 0, vec![]),
        (
            "per_request(rows_read) < 3",
            6,
            vec!["cost missed: per_request(rows_read) < 3: it is 3.5"],
        ),
    ] {
        let case = judged_by_cost(bound);
        let parts = [(&two, "two", 0), (&five, "five", 6)].map(|(target, out, exit)| {
            let output = case.run_on(target, out).output().unwrap();
            assert_eq!(output.status.code(), Some(exit), "{output:?}");
            rewritten(&case, out, out, part);
            case.path(out)
        });
        let sum = case.path("sum");
        let output = workway(&["merge", &parts[0], &parts[1], "--out", &sum]).output().unwrap();
        assert_eq!(output.status.code(), Some(exit), "{bound} {output:?}");
        let sum = read_run(Path::new(&sum)).unwrap().scenarios.remove(0);
        assert_eq!(texts(&sum), reasons, "{bound}");
        assert_eq!(sum.causes.len(), reasons.len(), "{:?}", sum.causes);
        let measured = sum.cost.unwrap().thresholds[0].measured;
        assert_eq!(measured, Some("3.5".parse().unwrap()));
    }
    // Both missed it: one reason.
    let case = judged_by_cost("per_request(rows_read) < 3");
    case.run_on(&five, "five").output().unwrap();
    rewritten(&case, "five", "six", |report| report["run_id"] = json!("six"));
    let [five, six, sum] = ["five", "six", "sum"].map(|name| case.path(name));
    let output = workway(&["merge", &five, &six, "--out", &sum]).output().unwrap();
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    let sum = read_run(Path::new(&sum)).unwrap().scenarios.remove(0);
    assert_eq!(sum.reasons.len(), 1, "{:?}", sum.reasons);
}

/// Two generators at the same time: counts add up, and thresholds are judged on the sum.
#[test]
fn reports_add_up_and_are_judged_anew() {
    let case = Case::new(SHORT, "count > 300");
    for out in ["one", "two"] {
        let output = case.run(out).output().unwrap();
        assert_eq!(output.status.code(), Some(5), "{output:?}");
        rewritten(&case, out, out, part);
    }
    let (one, two, sum) = (case.path("one"), case.path("two"), case.path("sum"));
    let output = workway(&["merge", &one, &two, "--out", &sum]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let [one, two, sum] =
        [one, two, sum].map(|path| read_run(Path::new(&path)).unwrap().scenarios.remove(0));
    let count = |scenario: &workway::report::ScenarioReport| {
        let total = scenario.total.as_ref().unwrap();
        (total.scheduled, total.response.count)
    };
    assert_eq!(count(&sum).0, count(&one).0 + count(&two).0);
    assert_eq!(count(&sum).1, count(&one).1 + count(&two).1);
    assert_eq!(sum.thresholds[0].measured, Some(Quantity::Count(400)));
    let max = |scenario: &workway::report::ScenarioReport| {
        scenario.total.as_ref().unwrap().response.max.unwrap()
    };
    assert!((max(&sum) - max(&one).max(max(&two))).abs() < 1e-9);
    // A report without histograms cannot be added up, and says so.
    let early: Value = serde_json::from_slice(&fs::read(first()).unwrap()).unwrap();
    for out in ["early", "again"] {
        let folder = case.path(out);
        fs::create_dir_all(&folder).unwrap();
        let mut report = early.clone();
        report["run_id"] = json!(out);
        fs::write(Path::new(&folder).join("report.json"), report.to_string()).unwrap();
    }
    let output = workway(&["merge", &case.path("early"), &case.path("again")]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output.stderr).contains("early version"), "{output:?}");
}

/// Makes a report one of several generators of the same run.
fn part(report: &mut Value) {
    report["seed"] = json!(1);
    report["target"] = json!("http://127.0.0.1:1/");
    report["started_at"] = json!("2026-12-01T10:00:00Z");
    report["duration_s"] = json!(2.0);
}

/// A change of a stored report.
type Change<'a> = &'a dyn Fn(&mut Value);

/// Only runs of the same thing at the same time are added up, and each once.
#[test]
fn runs_that_are_no_parts_of_one_are_refused() {
    let case = Case::new(&users(2, 50), "error_rate < 10%");
    case.run("one").output().unwrap();
    rewritten(&case, "one", "one", part);
    let merged = |change: Change<'_>| {
        rewritten(&case, "one", "two", |report| {
            report["run_id"] = json!("other");
            change(report);
        });
        let (one, two) = (case.path("one"), case.path("two"));
        [[&one, &two], [&two, &one]].map(|order| {
            let output = workway(&["merge", order[0], order[1]]).output().unwrap();
            (output.status.code(), text(&output.stderr) + &text(&output.stdout))
        })
    };
    let codes = |change: Change<'_>| merged(change).map(|(code, _)| code);
    assert_eq!(codes(&|_| ()), [Some(0); 2]);
    // The second in which it began is counted whole.
    let in_time = json!("2026-12-01T10:00:02Z");
    assert_eq!(codes(&|report| report["started_at"] = in_time.clone()), [Some(0); 2]);
    let mine = text(&fs::read(Path::new(&case.path("one")).join("report.json")).unwrap());
    let mine: Value = serde_json::from_str(&mine).unwrap();
    let id = mine["run_id"].clone();
    let changes: [(Change<'_>, &str); 12] = [
        (&|report| report["run_id"] = id.clone(), "is given twice"),
        (&|report| report["parts"] = json!([id.clone(), "third"]), "is given twice"),
        (&|report| report["seed"] = json!(2), "the seed is "),
        (&|report| report["target"] = json!("http://127.0.0.1:2/"), "the target is"),
        (&|report| report["target_kind"] = json!("wrangler"), "the kind of target is"),
        (&|report| report["scenarios"][0]["name"] = json!("a/c"), "the set of scenarios is a/"),
        (&not_applicable, "the set of scenarios that were run is"),
        (&|report| report["scenarios"][0]["config"] = json!("x"), "`a/b` is not the same in runs"),
        (&|report| report["scenarios"][0]["config"] = Value::Null, "is not the same in runs"),
        (
            &|report| report["scenarios"][0]["thresholds"][0]["bound"]["value"] = json!(0.5),
            "is not the same in runs",
        ),
        (
            &|report| {
                report["scenarios"][0]["levels"] =
                    json!([{"rate": 10.0, "held": true, "fell": [], "generator_bound": false}]);
            },
            "searches for the highest rate",
        ),
        (
            &|report| report["started_at"] = json!("2026-12-01T10:00:03Z"),
            "was over before the other",
        ),
    ];
    for (change, expected) in changes {
        for (code, said) in merged(change) {
            assert!(code == Some(2) && said.contains(expected), "{expected}: {code:?} {said}");
        }
    }
    // A sum holds its parts: none of them is counted again.
    merged(&|_| ());
    let [one, two, sum] = ["one", "two", "sum"].map(|name| case.path(name));
    let output = workway(&["merge", &one, &two, "--out", &sum]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for part in [&one, &two, &sum] {
        let output = workway(&["merge", &sum, part]).output().unwrap();
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains("given twice"), "{output:?}");
    }
}

/// Makes a report one of a run in which the scenario could not be run.
fn not_applicable(report: &mut Value) {
    let why = json!([{"kind": "not-applicable", "missing": "no stub", "text": "no stub"}]);
    let none = json!({
        "verdict": "not-applicable", "reasons": why, "steps": [], "thresholds": [],
        "total": null, "generator": null,
    });
    report["verdict"] = json!("not-applicable");
    report["scenarios"][0].as_object_mut().unwrap().extend(none.as_object().unwrap().clone());
}

/// What failed in a part has failed in the sum, whatever passed beside it, and in whatever order.
#[test]
fn a_sum_is_never_milder_than_its_parts() {
    let case = Case::new(&users(2, 50), "");
    case.run("well").output().unwrap();
    rewritten(&case, "well", "well", part);
    for (name, reason, by, exit) in [
        (
            "operations",
            json!({"kind": "operations-failed", "failed": 1, "dropped": 0, "unfinished": 0}),
            json!({"verdict": "fail", "by": "threshold"}),
            5,
        ),
        (
            "expectation",
            json!({"kind": "expectation-failed", "steps": ["a"]}),
            json!({"verdict": "fail", "by": "conformance"}),
            1,
        ),
        (
            "unreachable",
            json!({"kind": "went-away", "operations": 9}),
            json!({"verdict": "unreachable"}),
            7,
        ),
        (
            "interrupted",
            json!({"kind": "interrupted", "signal": "interrupt"}),
            json!({"verdict": "interrupted", "by": "interrupt"}),
            130,
        ),
        (
            "undecided",
            json!({"kind": "undecided", "question": "which"}),
            json!({"verdict": "inconclusive"}),
            8,
        ),
    ] {
        rewritten(&case, "well", name, |report| {
            report["run_id"] = json!(name);
            let mut reason = reason.clone();
            reason["text"] = json!("why");
            report["scenarios"][0]["reasons"] = json!([reason]);
            for place in ["", "/scenarios/0"] {
                let place = report.pointer_mut(place).unwrap().as_object_mut().unwrap();
                place.remove("by");
                place.extend(by.as_object().unwrap().clone());
            }
        });
        let (well, part, sum) = (case.path("well"), case.path(name), case.path("sum"));
        for order in [[&well, &part], [&part, &well]] {
            let output = workway(&["merge", order[0], order[1], "--out", &sum]).output().unwrap();
            assert_eq!(output.status.code(), Some(exit), "{name}: {output:?}");
        }
    }
}

/// A load of so many users: no arrival can be late, however busy the machine.
fn users(count: usize, iterations: usize) -> String {
    format!("{{ users: {{ count: {count}, iterations: {iterations} }} }}")
}

/// A stored run with other fields: what is tested is what is made of it, not how busy this machine
/// was.
fn rewritten(case: &Case, from: &str, to: &str, change: impl Fn(&mut Value)) {
    let read = fs::read(Path::new(&case.path(from)).join("report.json")).unwrap();
    let mut report: Value = serde_json::from_slice(&read).unwrap();
    change(&mut report);
    let folder = case.path(to);
    fs::create_dir_all(&folder).unwrap();
    fs::write(Path::new(&folder).join("report.json"), report.to_string()).unwrap();
}

fn passed(id: &str) -> impl Fn(&mut Value) {
    move |report| {
        report["run_id"] = json!(id);
        let pass = |part: &mut Value| {
            (part["verdict"], part["exit"]) = (json!("pass"), json!(0));
            part.as_object_mut().unwrap().remove("by");
        };
        pass(report);
        pass(&mut report["scenarios"][0]);
    }
}

fn compare(case: &Case, run: &str, more: &[&str]) -> Output {
    let (run, baseline) = (case.path(run), case.path("baseline"));
    let mut arguments = vec!["compare", run.as_str(), "--baseline", baseline.as_str()];
    arguments.extend(more);
    workway(&arguments).output().unwrap()
}

#[test]
fn only_a_pass_of_the_same_scenario_on_the_same_machine_is_a_baseline() {
    let case = Case::new(&users(2, 100), "");
    case.run("measured").output().unwrap();
    let missing = compare(&case, "measured", &[]);
    assert_eq!(missing.status.code(), Some(2), "{missing:?}");
    assert!(text(&missing.stderr).contains("--accept"), "{missing:?}");
    rewritten(&case, "measured", "failed", |report| {
        (report["verdict"], report["by"]) = (json!("fail"), json!("threshold"));
    });
    let refused = compare(&case, "failed", &["--accept"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(text(&refused.stderr).contains("only a pass is a baseline"), "{refused:?}");
    rewritten(&case, "measured", "one", passed("one"));
    rewritten(&case, "measured", "two", passed("two"));
    assert_eq!(compare(&case, "one", &["--accept"]).status.code(), Some(0));
    // A single earlier run has no spread.
    let few = compare(&case, "two", &[]);
    assert_eq!(few.status.code(), Some(8), "{few:?}");
    assert!(text(&few.stdout).contains("are needed"), "{few:?}");
    // Of another machine it only advises.
    let path = Path::new(&case.path("baseline")).join("a.b.json");
    let other = fs::read_to_string(&path).unwrap().replacen("\"cores\": ", "\"cores\": 9", 1);
    fs::write(&path, other).unwrap();
    let advice = compare(&case, "two", &[]);
    assert_eq!(advice.status.code(), Some(0), "{advice:?}");
    assert!(text(&advice.stdout).contains("another machine"), "{advice:?}");
    // Another load is no comparison at all.
    rewritten(&case, "measured", "three", |report| report["scenarios"][0]["config"] = json!("x"));
    let refused = compare(&case, "three", &[]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(text(&refused.stderr).contains("has changed"), "{refused:?}");
}

/// Five accepted runs that are the same have no spread: what is the same passes, and what is far
/// slower fails, with its cause.
#[test]
fn a_run_passes_or_fails_beside_accepted_ones_and_says_why() {
    // Enough for p95: 2,000 operations.
    let cost = "cost: { audit: false, thresholds: [] }\n";
    let case = Case::with(&users(60, 2100), "", cost);
    case.run("measured").output().unwrap();
    for id in ["one", "two", "three", "four", "five"] {
        rewritten(&case, "measured", id, passed(id));
        assert_eq!(compare(&case, id, &["--accept"]).status.code(), Some(0), "{id}");
    }
    let baseline = fs::read(Path::new(&case.path("baseline")).join("a.b.json")).unwrap();
    let baseline: Baseline = serde_json::from_slice(&baseline).unwrap();
    let steps: Vec<_> = baseline.runs.iter().flat_map(|run| &run.steps).collect();
    assert_eq!(steps.len(), 5);
    assert!(steps.iter().all(|step| step.record().unwrap().response.len() == 2100));
    rewritten(&case, "measured", "same", passed("same"));
    let same = compare(&case, "same", &[]);
    assert_eq!(same.status.code(), Some(0), "{same:?}");
    assert!(text(&same.stdout).starts_with("PASS a/b, 5 earlier runs"), "{same:?}");
    let slow = target(Duration::from_millis(200), "rows_read=5");
    case.run_on(&slow, "slow").output().unwrap();
    let worse = compare(&case, "slow", &[]);
    assert_eq!(worse.status.code(), Some(5), "{worse:?}");
    let expected = "likely cause: p95 rose because `step` uses +3.00 rows read (2.00 -> 5.00)";
    assert!(text(&worse.stdout).contains(expected), "{worse:?}");
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

/// The accepted runs that come with the repository can be compared with: they are of the scenario as
/// it is, say on which machine they were made, and hold every value of each step.
#[test]
fn the_baseline_of_the_repository_is_whole() {
    let baseline = Baseline::read(&root().join("reports/baseline"), "load/steady-mix").unwrap();
    let scenario = root().join("scenarios/load/steady-mix.yaml");
    assert_eq!(
        baseline.config,
        workway::report::host::hash_of(&scenario),
        "accept runs of it anew"
    );
    assert!(!baseline.host.machine.is_empty() && !baseline.host.cpu.is_empty());
    assert!(baseline.runs.len() >= workway::gate::FEWEST_RUNS);
    for run in &baseline.runs {
        assert!(run.commit.as_ref().is_some_and(|commit| !commit.ends_with("-dirty")));
        let operations: u64 = run.steps.iter().map(|step| step.scheduled).sum();
        assert_eq!((operations, run.steps.len()), (run.total.scheduled, 5));
        for step in run.steps.iter().chain([&run.total]) {
            assert_eq!(step.record().unwrap().response.len(), step.scheduled, "{}", step.name);
        }
    }
}
