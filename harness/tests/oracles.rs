//! Models judge targets that are wrong in one way each: the command says so, and why.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{
    collections::HashMap,
    fs,
    process::{Command, Output},
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::common::Target;
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::Value;

fn run(target: &Target, scenario: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("it.yaml");
    fs::write(&file, scenario).unwrap();
    Command::new(env!("CARGO_BIN_EXE_workway"))
        .args(["run", file.to_str().unwrap(), "--target", &format!("http://{}", target.address)])
        .args(arguments)
        .env("WORKWAY_JWT_SECRET", "a secret of this test, long enough")
        .output()
        .unwrap()
}

fn ends(target: &Target, scenario: &str, expected: i32) -> String {
    let output = run(target, scenario, &[]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(expected), "{text}{said}");
    text
}

/// Admits so many requests of each token at `/admits/{limit}`, and takes its time at `/slow`.
fn limiter() -> Target {
    type Spent = Arc<Mutex<HashMap<(String, usize), usize>>>;
    async fn admits(
        State(spent): State<Spent>,
        Path(limit): Path<usize>,
        headers: HeaderMap,
    ) -> StatusCode {
        let key = (format!("{:?}", headers.get("authorization")), limit);
        let mut spent = spent.lock().unwrap();
        let spent = spent.entry(key).or_default();
        *spent += 1;
        if *spent <= limit { StatusCode::OK } else { StatusCode::TOO_MANY_REQUESTS }
    }
    let slow = async || {
        tokio::time::sleep(Duration::from_millis(150)).await;
        StatusCode::OK
    };
    let router = Router::new().route("/admits/{limit}", get(admits)).route("/slow", get(slow));
    Target::start(router.with_state(Spent::default()))
}

/// A burst of twelve against a limit of five.
fn burst(path: &str, algorithm: &str, concurrency: usize) -> String {
    format!(
        "scenario: a/b\nusers: {{ alice: {{}} }}\nsteps:\n- burst:\n    count: 12\n    \
         concurrency: {concurrency}\n    request: {{ name: burst, get: {path}, auth: alice, \
         expect: {{ status: {{ in: [200, 429] }} }} }}\naudit:\n- model:\n    rate-limit: \
         {{ algorithm: {algorithm}, limit: 5, period: 24h, keys: [alice], rule: RL2 }}\n"
    )
}

#[test]
fn a_limiter_that_is_off_by_one_is_seen_one_by_one_and_all_at_once() {
    let target = limiter();
    for algorithm in ["fixed", "sliding", "token-bucket"] {
        for concurrency in [1, 12] {
            ends(&target, &burst("/admits/5", algorithm, concurrency), 0);
            let over = ends(&target, &burst("/admits/6", algorithm, concurrency), 1);
            assert!(
                over.contains("admitted past the limit (in all 6 admitted, 6 refused)"),
                "{over}"
            );
            assert!(over.contains("`burst` was admitted: the limit was spent"), "{over}");
            assert!(over.contains("RL2: no period admits more"), "{over}");
            let under = ends(&target, &burst("/admits/4", algorithm, concurrency), 1);
            assert!(under.contains("refused below it (in all 4 admitted, 8 refused)"), "{under}");
        }
    }
}

#[test]
fn one_that_is_eventually_consistent_may_admit_too_many_and_refuses_nobody_too_early() {
    let target = limiter();
    let at = |path: &str| burst(path, "target", 1);
    let over = ends(&target, &at("/admits/9"), 0);
    let figure = "note: `alice`: 9 of 12 requests admitted, 1.80 of the limit of 5";
    assert!(over.contains(figure), "{over}");
    let under = ends(&target, &at("/admits/4"), 1);
    assert!(under.contains("a limiter that may admit too many of 5"), "{under}");
}

#[test]
fn what_cannot_be_decided_is_inconclusive() {
    let target = limiter();
    let unused = burst("/admits/5", "fixed", 1).replace("keys: [alice]", "keys: [alice, bob]");
    let unused = unused.replace("alice: {}", "alice: {}, bob: {}");
    let text = ends(&target, &unused, 8);
    assert!(text.contains("undecided: rate limit: no request was sent as `bob`"), "{text}");
    let slow = burst("/slow", "fixed", 12).replace("period: 24h", "period: 20ms");
    let text = ends(&target, &slow, 8);
    assert!(text.contains("12 of 12 answers to `alice` are right or wrong for"), "{text}");
    assert!(text.contains("? RL2"), "not exercised: {text}");
}

/// A run that is in these states, one look after another; `404` is none.
fn executor(states: &'static [&'static str]) -> Target {
    let looks = Arc::new(Mutex::new(states.iter()));
    let look = async move |Path(run): Path<String>| -> Response {
        let state = looks.lock().unwrap().next().or(states.last()).copied();
        match state {
            Some("404") | None => StatusCode::NOT_FOUND.into_response(),
            Some(state) => {
                format!("{{\"id\": \"{run}\", \"status\": \"{state}\"}}").into_response()
            }
        }
    };
    let events = async || "id: 1\nevent: step\ndata: {\"at\":0,\"step\":0,\"attempt\":1,\"status\":\"running\"}\n\n";
    let start = async || (StatusCode::ACCEPTED, "{\"id\": \"r1\", \"status\": \"queued\"}");
    Target::start(
        Router::new()
            .route("/workflows/{id}/runs", post(start))
            .route("/runs/{id}", get(look))
            .route("/runs/{id}/events", get(events)),
    )
}

const LOOKS: &str = "scenario: a/b\nusers: { alice: {} }\nsteps:\n\
    - request: { name: start, post: /workflows/w/runs, auth: alice }\n\
    - repeat: { times: 3, steps: [ { request: { get: /runs/r1, auth: alice, expect: { status: { in: [200, 404] } } } } ] }\n\
    audit:\n- model:\n    runs: {}\n";

#[test]
fn runs_that_go_back_or_are_lost_are_shown_on_a_timeline() {
    ends(&executor(&["queued", "running", "succeeded"]), LOOKS, 0);
    let back = ends(&executor(&["running", "succeeded", "running", "failed"]), LOOKS, 1);
    for expected in [
        "WF1: only legal transitions; what is final stays",
        "run r1: it was succeeded, and later running",
        "WF11: answers about a run have an order",
        "start: acknowledged",
        "read: succeeded",
        "engine: step 0, attempt 1 running",
    ] {
        assert!(back.contains(expected), "{expected} in {back}");
    }
    let lost = ends(&executor(&["running", "running", "running", "404"]), LOOKS, 1);
    assert!(lost.contains("WF2: an acknowledged run is there"), "{lost}");
    assert!(lost.contains("it was acknowledged, and later was not there"), "{lost}");
    let odd = ends(&executor(&["asleep"]), LOOKS, 1);
    assert!(odd.contains("it was in a state that there is not: \"asleep\""), "{odd}");
}

/// Takes names that are one character too long at `/long`, and breaks over a quotation mark at
/// `/quote`. At `/budget` it does so, too, and admits a hundred requests of each token, as `/spent` does. `/typed`
/// refuses as text, `/placed` names another place, `/kept` keeps what it refuses.
fn careless() -> Target {
    #[derive(Clone, Default)]
    struct Metrics {
        spent: Arc<Mutex<HashMap<String, usize>>>,
        kept: Arc<Mutex<Vec<Value>>>,
    }
    fn refusal(path: &str) -> Response {
        let problem = [("content-type", "application/problem+json")];
        let plain = [("content-type", "text/plain")];
        let place = |name: &str| format!("{{\"issues\": [{{\"path\": \"{name}\"}}]}}");
        match path {
            "typed" => (StatusCode::BAD_REQUEST, plain, place("name")).into_response(),
            "placed" => (StatusCode::BAD_REQUEST, problem, place("title")).into_response(),
            _ => (StatusCode::BAD_REQUEST, problem, place("name")).into_response(),
        }
    }
    async fn make(
        State(books): State<Metrics>,
        Path(path): Path<String>,
        headers: HeaderMap,
        Json(body): Json<Value>,
    ) -> Response {
        let name = body["name"].as_str().unwrap_or_default();
        let key = format!("{:?}", headers.get("authorization"));
        let spent = {
            let mut spent = books.spent.lock().unwrap();
            let spent = spent.entry(key).or_default();
            *spent += 1;
            *spent > 100
        };
        if ["budget", "spent"].contains(&path.as_str()) && spent {
            return StatusCode::TOO_MANY_REQUESTS.into_response();
        }
        let breaks = ["quote", "budget"].contains(&path.as_str()) && name.contains('"');
        let longest = if path == "long" { 11 } else { 10 };
        match name.chars().count() {
            1.. if breaks => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            count if (1..=longest).contains(&count) => StatusCode::CREATED.into_response(),
            _ => {
                if path == "kept" {
                    books.kept.lock().unwrap().push(body.clone());
                }
                refusal(&path)
            }
        }
    }
    let list = async |State(books): State<Metrics>| Json(books.kept.lock().unwrap().clone());
    Target::start(
        Router::new().route("/{path}", post(make).get(list)).with_state(Metrics::default()),
    )
}

/// A schema of one name, `people` to send it, and what stands in `generate` besides.
fn generated(path: &str, people: usize, random: usize, more: &str) -> String {
    format!(
        "scenario: a/b\nusers: {{ crowd: {{ count: {people} }} }}\nsteps:\n- generate:\n    request: \
         {{ name: make, post: {path}, auth: crowd, headers: {{ x-of: a-test }} }}\n    schema: {{ type: object, required: \
         [name], properties: {{ name: {{ type: string, minLength: 1, maxLength: 10 }} }} }}\n    \
         valid: {{ name: a }}\n    random: {random}\n    {more}\n    \
         accepted: {{ rule: IV2, status: {{ ge: 201, lt: 300 }} }}\n"
    )
}

const REFUSED: &str = "refused: { rule: IV1, status: 400 }";

/// What is said of a target, and the scenarios that are written.
fn made(scenario: &str) -> (String, Vec<String>) {
    let out = tempfile::tempdir().unwrap();
    let target = careless();
    let output = run(&target, scenario, &["--seed", "3", "--out", out.path().to_str().unwrap()]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let files = fs::read_dir(out.path()).unwrap().map(|file| file.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|end| end == "yaml"));
    let written: Vec<_> = files.map(|path| fs::read_to_string(path).unwrap()).collect();
    let fresh = careless();
    for scenario in &written {
        let again = ends(&fresh, scenario, 1);
        assert!(again.contains("counterexample"), "each fails by itself: {again}");
    }
    (text, written)
}

#[test]
fn a_rule_that_is_off_by_one_is_found_and_written_as_a_scenario() {
    let (text, written) = made(&generated("/long", 3, 1, REFUSED));
    for expected in [
        "with      name has 11 times a",
        "with      name has 11 times 😀",
        "IV1: an invalid value is refused with 4xx",
        "expected  status = 400",
        "as a scenario: ",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert!(written.len() >= 3, "a, é and 😀: {text}");
    assert!(written.iter().all(|scenario| scenario.contains("a-test")), "{written:?}");
}

#[test]
fn what_breaks_a_target_is_found_by_chance_and_made_simple() {
    let (text, written) = made(&generated("/quote", 3, 200, REFUSED));
    for expected in [r#"with      random body {"name":"\""}"#, "actual    500"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert_eq!(written.len(), 1, "{text}");
}

/// The status is right: what fails is a header, and what the body says.
#[test]
fn a_counterexample_keeps_what_failed() {
    let problem =
        "refused: { rule: IV1, status: 400, headers: { content-type: application/problem+json } }";
    let (text, written) = made(&generated("/typed", 3, 1, problem));
    assert!(text.contains("header content-type = \"application/problem+json\""), "{text}");
    assert!(!written.is_empty() && written.iter().all(|it| it.contains("content-type")), "{text}");
    let named = format!("pointer: \"$.issues[*].path\"\n    {problem}");
    let (text, written) = made(&generated("/placed", 3, 1, &named));
    assert!(text.contains("$.issues[*].path names `name`, or what holds it"), "{text}");
    assert!(!written.is_empty() && written.iter().all(|it| it.contains("issues")), "{text}");
}

/// Five hundred requests are enough to look for a failure and to make it simple; a hundred are not,
/// and then nobody knows.
#[test]
fn bodies_are_sent_by_one_person_after_the_other_and_a_spent_budget_decides_nothing() {
    let (text, _) = made(&generated("/budget", 5, 200, REFUSED));
    for expected in [r#"with      random body {"name":"\""}"#, "actual    500"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert!(!text.contains("actual    429"), "{text}");
    let text = ends(&careless(), &generated("/spent", 1, 200, REFUSED), 8);
    assert!(
        text.contains("requests were answered with 429; give the user a larger `count`"),
        "{text}"
    );
}

#[test]
fn a_refused_body_that_left_something_is_seen() {
    let unchanged = format!("unchanged: /kept\n    {REFUSED}");
    let text = ends(&careless(), &generated("/kept", 3, 1, &unchanged), 1);
    for expected in ["that a refused body leaves nothing: []", "with      the body is null"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    ends(&careless(), &generated("/other", 3, 1, &unchanged.replace("/kept", "/other")), 0);
}

/// Nothing is refused, or everything is, for another reason: no limiter is seen.
#[test]
fn what_answers_with_errors_has_no_limiter_that_counts() {
    let scenario = "scenario: a/b\nrequires: [exact-limiter]\nsteps:\n- request: { get: / }\n";
    for status in [StatusCode::NOT_FOUND, StatusCode::UNAUTHORIZED, StatusCode::OK] {
        let target = Target::start(Router::new().fallback(async move || status));
        let text = ends(&target, scenario, 4);
        let expected = "NOT APPLICABLE a/b: the limiter of this target does not count exactly";
        assert!(text.contains(expected), "{status}: {text}");
    }
}
