//! The conformance suites, on each kind of target: everything passes, and what is not applicable says
//! why. Natively by a URL and on workerd they wait in real time, and so are ignored by default;
//! scripts/test runs them.
#![cfg(feature = "service")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use serde_json::Value;
use workway::plan::Segment;

const LIMITS: [&str; 1] = ["scenarios/rate-limit"];
const OTHERS: [&str; 5] = [
    "scenarios/auth",
    "scenarios/caching",
    "scenarios/money",
    "scenarios/validation",
    "scenarios/workflows",
];
/// Scenarios that a target that was started by others cannot be tested with: nobody can move its clock,
/// and it keeps nothing when it is killed.
const BY_URL: [&str; 13] = [
    "auth/instants",
    "caching/catalogue-ttl",
    "caching/summaries-ttl",
    "money/month",
    "rate-limit/sliding",
    "rate-limit/unauthenticated",
    "workflows/crash",
    "workflows/crash-before",
    "workflows/crash-pause",
    "workflows/crash-start",
    "workflows/deadlines",
    "workflows/pages",
    "workflows/pauses",
];
/// The same on workerd.
const ON_WORKERD: [&str; 9] = [
    "auth/instants",
    "caching/catalogue-ttl",
    "caching/summaries-ttl",
    "money/month",
    "rate-limit/sliding",
    "rate-limit/unauthenticated",
    "workflows/deadlines",
    "workflows/pages",
    "workflows/pauses",
];
/// Crashes of workerd have a test of their own; and this one waits two minutes for others' sake.
const IN_TIME_FOR_CI: &str = "not tag:crash and not name:rate-limit/guessing";

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The report of a run that must pass.
fn report(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_workway"))
        .arg("run")
        .args(arguments)
        .args(["--format", "json"])
        .env_remove("WORKWAY_JWT_SECRET")
        .current_dir(repository())
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let scenarios = report["scenarios"].as_array().into_iter().flatten();
    let others: Vec<_> = scenarios
        .filter(|scenario| !["pass", "not-applicable"].contains(&verdict(scenario)))
        .map(|scenario| {
            format!("{}: {} {}", scenario["name"], scenario["reasons"], scenario["failures"])
        })
        .collect();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{others:#?}\n{said}");
    report
}

fn verdict(scenario: &Value) -> &str {
    scenario["verdict"].as_str().unwrap()
}

/// Says what was run, and that nothing is left out without a reason; how many passed.
fn told(what: &str, reports: &[Value]) -> usize {
    let scenarios = || reports.iter().flat_map(|it| it["scenarios"].as_array().unwrap());
    let seconds = |crash: bool| -> f64 {
        let of = scenarios().filter(|it| it["name"].as_str().unwrap().contains("crash") == crash);
        of.filter_map(|scenario| scenario["duration_s"].as_f64()).sum()
    };
    let passed = scenarios().filter(|scenario| verdict(scenario) == "pass").count();
    let not_applicable: Vec<_> =
        scenarios().filter(|scenario| verdict(scenario) == "not-applicable").collect();
    for scenario in &not_applicable {
        let reason = scenario["reasons"][0]["text"].as_str().unwrap_or_default();
        assert!(reason.len() > 20, "{scenario}");
        println!("{what}: not applicable: {}: {reason}", scenario["name"].as_str().unwrap());
    }
    println!(
        "{what}: {passed} of {} scenarios passed, {} not applicable; {:.1} s, crashes apart: {:.1} s",
        scenarios().count(),
        not_applicable.len(),
        seconds(false),
        seconds(true)
    );
    passed
}

/// The names of the scenarios that were not applicable, in order.
fn not_applicable(reports: &[Value]) -> Vec<&str> {
    let scenarios = reports.iter().flat_map(|it| it["scenarios"].as_array().unwrap());
    let left_out = scenarios.filter(|scenario| verdict(scenario) == "not-applicable");
    let mut names: Vec<_> = left_out.map(|scenario| scenario["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

fn fact<'r>(report: &'r Value, name: &str) -> &'r str {
    let facts = report["self_check"].as_array().unwrap();
    let fact = facts.iter().find(|fact| fact["name"] == name);
    fact.unwrap_or_else(|| panic!("{name} in {facts:?}"))["found"].as_str().unwrap()
}

#[test]
fn every_scenario_passes_on_the_embedded_service() {
    let report = report(&[&LIMITS[..], &OTHERS, &["scenarios/smoke"]].concat());
    let all = report["scenarios"].as_array().unwrap().len();
    assert_eq!(answered(&report), operations(), "operations without a successful answer");
    assert_eq!(told("embedded", &[report]), all, "all are applicable");
}

/// Operations that no scenario here sees succeed, each with what does.
const ELSEWHERE: [(&str, &str, &str); 3] = [
    ("get", "/oauth/{provider}/callback", "comes from a provider's page: scripts/browser"),
    ("post", "/auth/refresh", "needs the cookie of a sign-in: scripts/browser"),
    ("delete", "/connections/{provider}", "needs a connection: service/tests/api/connections.rs"),
];

/// Every operation of the service's own document, but those of [`ELSEWHERE`].
fn operations() -> BTreeSet<String> {
    let document = fs::read(repository().join("service/openapi.json")).unwrap();
    let document: Value = serde_json::from_slice(&document).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let all = paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().keys();
        methods.map(move |method| format!("{method} {path}"))
    });
    let mut all: BTreeSet<_> = all.collect();
    for (method, path, why) in ELSEWHERE {
        assert!(all.remove(&format!("{method} {path}")), "{method} {path}: {why}");
    }
    all
}

/// The operations of the document that some step of the run sent and that was answered below 400.
fn answered(report: &Value) -> BTreeSet<String> {
    let mut answered = BTreeSet::new();
    for scenario in report["scenarios"].as_array().unwrap() {
        let file = scenario["file"].as_str().unwrap();
        let bytes = fs::read(repository().join(file)).unwrap();
        let name = repository().join(file).display().to_string();
        let (plan, _) = workway::plan::load(&name, &bytes, &workway::catalog()).unwrap();
        let steps = scenario["steps"].as_array().unwrap();
        for request in plan.all_steps().iter().filter_map(|step| step.request()) {
            let label = &plan.labels[request.id.0];
            let mut same = steps.iter().filter(|step| step["name"] == label.name.as_str());
            let well = same.any(|step| {
                let statuses = step["statuses"].as_object().unwrap();
                statuses.keys().any(|status| status.as_str() < "400")
            });
            if well {
                let path: String = request.path.segments().iter().map(shown).collect();
                let method = request.method.as_str().to_lowercase();
                let operation = operations().into_iter().find(|one| fits(one, &method, &path));
                answered.extend(operation);
            }
        }
    }
    answered
}

/// A part of a path; a name in it stands for one part between slashes.
fn shown(segment: &Segment) -> &str {
    match segment {
        Segment::Literal(text) => text,
        Segment::Name(_) => "x",
    }
}

fn fits(operation: &str, method: &str, path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    let Some((own, pattern)) = operation.split_once(' ') else { return false };
    let (pattern, path): (Vec<_>, Vec<_>) =
        (pattern.split('/').collect(), path.split('/').collect());
    let fits = |(part, given): (&&str, &&str)| part.starts_with('{') || part == given;
    own == method && pattern.len() == path.len() && pattern.iter().zip(&path).all(fits)
}

/// Every profile of the language stands in a scenario that is shipped.
#[test]
fn every_profile_is_used() {
    let schema = Command::new(env!("CARGO_BIN_EXE_workway")).arg("schema").output().unwrap();
    let schema: Value = serde_json::from_slice(&schema.stdout).unwrap();
    let profiles = profiles(&schema);
    assert!(profiles.len() >= 7, "{profiles:?}");
    let files = workway::language::discover(&[repository().join("scenarios")]).unwrap();
    let texts: Vec<_> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    for profile in profiles {
        let used = format!("profile: {{ {profile}:");
        assert!(texts.iter().any(|text| text.contains(&used)), "no scenario has `{used}`");
    }
}

/// The words of the definition `profile` in the schema of the language.
fn profiles(schema: &Value) -> Vec<String> {
    let definition = &schema["$defs"]["profile"];
    let kinds = definition["oneOf"].as_array().unwrap_or_else(|| panic!("{definition}"));
    let words = kinds.iter().filter_map(|kind| kind["required"][0].as_str());
    words.map(str::to_owned).collect()
}

/// `workway lab serve`; it ends with its standard input, and so with this.
struct Served {
    url: String,
    process: Child,
}

impl Served {
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_workway"))
            .args(["lab", "serve", "--port", "0", "--until-stdin-closes"])
            .env_remove("WORKWAY_JWT_SECRET")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { url: url.trim().to_owned(), process }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Both halves at once, each on a target of its own: one waits for windows.
fn halves<T: Send>(run: impl Fn(&[&str]) -> T + Sync) -> [T; 2] {
    thread::scope(|scope| {
        let limits = scope.spawn(|| run(&LIMITS));
        let others = run(&OTHERS);
        [limits.join().unwrap(), others]
    })
}

#[test]
#[ignore = "waits for windows in real time: scripts/test-long runs it"]
fn every_scenario_passes_by_url_or_says_why_not() {
    let reports = halves(|suites| {
        let served = Served::start();
        report(&[suites, &["--target", &served.url]].concat())
    });
    assert!(fact(&reports[0], "sliding-limiter").starts_with("a sliding counter, by what"));
    told("url", &reports);
    assert_eq!(not_applicable(&reports), BY_URL);
}

#[test]
#[ignore = "needs the Worker's tools: scripts/test runs it"]
fn every_scenario_passes_on_workerd_or_says_why_not() {
    let suites = [&OTHERS[..], &LIMITS].concat();
    let report = report(&[&suites[..], &[IN_TIME_FOR_CI, "--target", "wrangler"]].concat());
    for tool in ["wrangler", "workerd"] {
        println!("{tool} {}", fact(&report, tool));
    }
    let reports = [report];
    told("wrangler", &reports);
    assert_eq!(not_applicable(&reports), ON_WORKERD);
}
