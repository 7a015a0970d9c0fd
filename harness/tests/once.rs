//! Scenarios that run once, against targets in this process.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use crate::common::{
    self, Target, block_on, body, dead, environment, header, is, json, keep, request, scenario,
    span,
};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    routing::{delete, get, post},
};
use serde_json::{Value, json};
use workway::{
    judge::{Failed, Verdict, judge},
    model::ErrorKind,
    plan::{
        BurstPlan, CountExpectation, Credentials, Phase, ScenarioPlan, Step, Subject, UntilPlan,
        UserId, UserPlan, ValuePlan, Work,
    },
    record::PhaseEnd,
    run::{Signal, run},
};

const LIMIT: u64 = 5;
const POLLS: u64 = 3;

#[derive(Default)]
struct Api {
    created: AtomicU64,
    polled: AtomicU64,
    limited: AtomicU64,
    deleted: AtomicU64,
    seen: Mutex<Vec<(String, String)>>,
}

type Shared = State<Arc<Api>>;

async fn create(
    State(api): Shared,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> (StatusCode, Json<Value>) {
    let header =
        |name| headers.get(name).map_or("", |value: &http::HeaderValue| value.to_str().unwrap());
    api.seen.lock().unwrap().push((header("authorization").into(), header("x-run").into()));
    let id = format!("w/{}", api.created.fetch_add(1, SeqCst));
    (StatusCode::CREATED, Json(json!({"id": id, "name": body["name"]})))
}

async fn state(State(api): Shared, Path(id): Path<String>) -> Json<Value> {
    let done = api.polled.fetch_add(1, SeqCst) + 1 >= POLLS;
    Json(json!({"id": id, "state": if done { "succeeded" } else { "running" }}))
}

async fn limited(State(api): Shared) -> StatusCode {
    if api.limited.fetch_add(1, SeqCst) < LIMIT {
        StatusCode::OK
    } else {
        StatusCode::TOO_MANY_REQUESTS
    }
}

async fn remove(State(api): Shared, Path(_): Path<String>) -> StatusCode {
    api.deleted.fetch_add(1, SeqCst);
    StatusCode::NO_CONTENT
}

fn start() -> (Arc<Api>, Target) {
    let api = Arc::new(Api::default());
    let router = Router::new()
        .route("/workflows", post(create))
        .route("/runs/{id}", get(state))
        .route("/limited", get(limited))
        .route("/workflows/{id}", delete(remove))
        .with_state(Arc::clone(&api));
    (api, Target::start(router))
}

const CREATE: usize = 0;
const POLL: usize = 1;
const LIMITED: usize = 2;
const DELETE: usize = 3;

fn create_step() -> Step {
    let mut create = common::post(CREATE, "/workflows", &json!({"name": "${{ name }}"}));
    create.headers = vec![header("x-run", "${{ run }}/${{ user.alice.sub }}")];
    create.auth = Some(UserId(0));
    create.expect =
        vec![is(Subject::Status, &json!(201)), is(body("$.name"), &json!("${{ name }}"))];
    create.capture = vec![keep("id", body("$.id"))];
    request(create)
}

fn poll_step(state: &str, within: Duration) -> Step {
    let mut poll = common::get(POLL, "/runs/${{ id }}");
    poll.expect = vec![is(body("$.state"), &json!(state)), is(body("$.id"), &json!("${{ id }}"))];
    Step::Until(Box::new(UntilPlan { request: poll, within, every: Duration::from_millis(10) }))
}

fn burst_step(expected: u64) -> Step {
    let counts = vec![CountExpectation {
        claim: workway::plan::Claim::default(),
        matching: vec![is(Subject::Status, &json!(429))],
        is: is(Subject::Status, &json!(expected)).matcher,
        span: span(77),
    }];
    let request = common::get(LIMITED, "/limited?n=${{ index }}");
    Step::Burst(Box::new(BurstPlan {
        request,
        count: 20,
        concurrency: 4,
        counts,
        distinct: Vec::new(),
    }))
}

fn plan(steps: Vec<Step>) -> ScenarioPlan {
    let mut plan = scenario(&["create", "poll", "limited", "delete"], Work::Once(steps));
    plan.labels[DELETE].phase = Phase::Teardown;
    plan.users = vec![UserPlan {
        name: "alice".into(),
        credentials: Credentials::Minted { count: 3, scope: String::new() },
    }];
    plan.vars = vec![("name".into(), ValuePlan::Json(json(&json!("flow ${{ uuid }}"))))];
    let mut remove = common::get(DELETE, "/workflows/${{ id }}");
    remove.method = http::Method::DELETE;
    plan.teardown = vec![request(remove)];
    plan
}

#[test]
fn a_whole_scenario_passes() {
    let (api, target) = start();
    let work = vec![
        create_step(),
        poll_step("succeeded", Duration::from_secs(10)),
        burst_step(20 - LIMIT),
        Step::Wait(Duration::from_millis(5)),
    ];
    let plan = plan(work);
    let record = block_on(run(&plan, &environment(target.address)));
    let judgement = judge(&plan, &record);
    assert_eq!(judgement.verdict, Verdict::Pass, "{record:?}");
    assert_eq!(
        *api.seen.lock().unwrap(),
        [("Bearer canary-alice-0".to_owned(), "r1/alice-0".to_owned())]
    );
    let ok: Vec<_> = record.steps.iter().map(|step| (step.scheduled, step.ok)).collect();
    assert_eq!(ok, [(1, 1), (POLLS, POLLS), (20, 20), (1, 1)]);
    assert_eq!(record.steps[LIMITED].statuses, [(200, LIMIT), (429, 20 - LIMIT)].into());
    assert_eq!(api.deleted.load(SeqCst), 1);
}

#[test]
fn a_failure_ends_the_work_and_is_shown_without_secrets() {
    let (api, target) = start();
    let mut create = common::post(CREATE, "/workflows", &json!({"name": "x"}));
    create.auth = Some(UserId(0));
    create.expect = vec![is(Subject::Status, &json!(200))];
    create.capture = vec![keep("id", body("$.id"))];
    let plan = plan(vec![request(create), burst_step(0)]);
    let record = block_on(run(&plan, &environment(target.address)));
    assert_eq!(judge(&plan, &record).verdict, Verdict::Fail(Failed::Conformance));
    assert_eq!(api.limited.load(SeqCst), 0);
    assert_eq!((record.steps[CREATE].failed, record.steps[LIMITED].scheduled), (1, 0));
    let [sample] = &record.steps[CREATE].samples[..] else { panic!("{record:?}") };
    assert_eq!((sample.step.as_str(), sample.span), ("create", span(99)));
    assert_eq!((sample.expected.as_str(), sample.actual.as_str()), ("status = 200", "201"));
    assert_eq!(sample.status, Some(201));
    assert!(sample.body.as_deref().unwrap().contains("\"name\":\"x\""));
    assert!(sample.curl.contains("-X POST") && sample.curl.contains("$TOKEN"), "{}", sample.curl);
    assert!(!format!("{record:?}").contains("canary"));
    // The teardown ran, and could not: nothing was captured.
    assert_eq!(record.teardown, PhaseEnd::Failed);
    assert_eq!(record.steps[DELETE].errors, [(ErrorKind::NotSent, 1)].into());
}

#[test]
fn only_the_end_of_an_until_is_a_failure() {
    let (_, target) = start();
    let plan = plan(vec![create_step(), poll_step("cancelled", Duration::from_millis(100))]);
    let record = block_on(run(&plan, &environment(target.address)));
    assert_eq!(judge(&plan, &record).verdict, Verdict::Fail(Failed::Conformance));
    let poll = &record.steps[POLL];
    assert!(poll.ok >= 1 && poll.failed == 1 && poll.balanced(), "{poll:?}");
    assert_eq!(poll.samples[0].expected, "body $.state = \"cancelled\"");
    assert_eq!(record.teardown, PhaseEnd::Done);
}

#[test]
fn a_wrong_count_is_a_failure_of_its_own() {
    let (_, target) = start();
    let plan = plan(vec![create_step(), burst_step(1)]);
    let record = block_on(run(&plan, &environment(target.address)));
    assert_eq!(judge(&plan, &record).verdict, Verdict::Fail(Failed::Conformance));
    let burst = &record.steps[LIMITED];
    assert_eq!((burst.ok, burst.failed, burst.broken_counts), (20, 0, 1));
    assert_eq!(burst.samples[0].span, span(77));
    assert_eq!(burst.samples[0].actual, "15");
}

#[test]
fn a_failed_setup_skips_the_work_but_not_the_teardown() {
    let (api, target) = start();
    let mut plan = plan(vec![burst_step(0)]);
    plan.labels[CREATE].phase = Phase::Setup;
    plan.labels[POLL].phase = Phase::Setup;
    plan.setup = vec![create_step(), poll_step("cancelled", Duration::from_millis(30))];
    let record = block_on(run(&plan, &environment(target.address)));
    assert_eq!((record.setup, record.work), (PhaseEnd::Failed, PhaseEnd::Skipped));
    assert_eq!(judge(&plan, &record).verdict, Verdict::Fail(Failed::Conformance));
    assert_eq!((api.limited.load(SeqCst), api.deleted.load(SeqCst)), (0, 1));
}

#[test]
fn a_variable_without_a_value_ends_it_before_any_request() {
    let mut plan = plan(vec![create_step()]);
    plan.vars = vec![("name".into(), ValuePlan::Json(json(&json!("${{ gone }}"))))];
    let record = block_on(run(&plan, &environment(dead())));
    assert_eq!(record.problems, ["vars.name: `gone` has no value yet"]);
    assert_eq!(judge(&plan, &record).verdict, Verdict::Fail(Failed::Conformance));
    assert_eq!(record.steps.len(), 4);
}

#[test]
fn a_dead_port_is_unreachable_at_once() {
    let start = Instant::now();
    let plan = plan(vec![burst_step(0), create_step()]);
    let record = block_on(run(&plan, &environment(dead())));
    let judgement = judge(&plan, &record);
    assert_eq!(judgement.verdict, Verdict::Unreachable, "{judgement:?}");
    assert_eq!(judgement.verdict, Verdict::Unreachable);
    assert_eq!(record.steps[CREATE].scheduled, 0);
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_signal_ends_a_wait_and_is_reported() {
    let (_, target) = start();
    let environment = environment(target.address);
    let stop = environment.stop.clone();
    let plan = plan(vec![create_step(), Step::Wait(Duration::from_mins(1))]);
    let start = Instant::now();
    let record = block_on(async {
        let raise = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            stop.raise(Signal::Terminate);
        };
        tokio::join!(run(&plan, &environment), raise).0
    });
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(record.stopped, Some(Signal::Terminate));
    assert_eq!(record.teardown, PhaseEnd::Done);
    let judgement = judge(&plan, &record);
    assert_eq!(judgement.verdict, Verdict::Interrupted(Signal::Terminate));
}

#[test]
fn nothing_is_sent_after_a_signal() {
    let (api, target) = start();
    let environment = environment(target.address);
    environment.stop.raise(Signal::Interrupt);
    let plan = plan(vec![create_step()]);
    let record = block_on(run(&plan, &environment));
    assert_eq!((record.setup, record.work), (PhaseEnd::Skipped, PhaseEnd::Skipped));
    assert_eq!(api.seen.lock().unwrap().len(), 0);
    assert_eq!(judge(&plan, &record).verdict, Verdict::Interrupted(Signal::Interrupt));
}

#[test]
fn an_until_that_cannot_ask_does_not_wait() {
    let (_, target) = start();
    let plan = plan(vec![poll_step("succeeded", Duration::from_mins(1))]);
    let start = Instant::now();
    let record = block_on(run(&plan, &environment(target.address)));
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(record.steps[POLL].errors, [(ErrorKind::NotSent, 1)].into());
    assert_eq!(record.steps[POLL].samples[0].actual, "not sent: path: `id` has no value yet");
}
