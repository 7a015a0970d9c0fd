//! Durable runs.

use std::time::Duration;

use serde_json::{Value, json};
use workway_service::ports::{ActorClass, Param};

use super::{Area::Workflows as A, Defect, elsewhere, made, none};
use crate::prove::{
    change::{Change, Head, On, on},
    memory::Memory,
};

const RUN: ActorClass = ActorClass::WorkflowExecutor;
const EVENTS: On = on("GET", "/runs/*/events");

fn status(state: &Value) -> &str {
    state["run"]["status"].as_str().unwrap_or_default()
}

fn id(state: &Value) -> String {
    state["run"]["id"].as_str().unwrap_or_default().to_owned()
}

fn steps(state: &mut Value) -> impl Iterator<Item = &mut Value> {
    state["run"]["steps"].as_array_mut().into_iter().flatten()
}

/// Returns whether this process is the first to have this run: a process that was not killed in
/// between has it already.
fn is_after_a_crash(memory: &Memory, state: &Value) -> bool {
    !memory.has(&format!("here {}", id(state)))
}

fn here(memory: &Memory, state: &Value) {
    memory.put(&format!("here {}", id(state)), true);
}

/// Keeps the run in this process.
fn note(memory: &Memory, state: &mut Value, _: &mut Option<i64>) -> bool {
    here(memory, state);
    true
}

/// Does what `edit` does, once after a crash.
fn after_a_crash(memory: &Memory, state: &mut Value, edit: fn(&mut Value)) {
    if !state.is_null() && is_after_a_crash(memory, state) {
        edit(state);
    }
}

fn from_the_start(state: &mut Value) {
    state["run"]["status"] = "queued".into();
    let created = state["run"]["created_at"].clone();
    state["wake_at"] = created;
    for step in steps(state) {
        *step = json!({"type": step["type"], "status": "pending", "attempts": 0});
    }
}

fn done_already(state: &mut Value) {
    for step in steps(state).filter(|step| step["status"] == "running") {
        step["status"] = "succeeded".into();
        step["output"] = Value::Null;
    }
}

fn one_attempt_so_far(state: &mut Value) {
    for step in steps(state).filter(|step| step["status"] == "running") {
        step["attempts"] = 1.into();
    }
}

/// Shows a cancelled run as one that goes on.
fn not_cancelled(_: &Memory, state: &mut Value) {
    if status(state) != "cancelled" {
        return;
    }
    for step in steps(state).filter(|step| step["status"] == "cancelled") {
        step["status"] = "running".into();
    }
    state["run"]["status"] = "running".into();
    state["run"]["finished_at"] = Value::Null;
}

/// Numbers as some serializers write them.
fn imprecise(value: &mut Value) {
    match value {
        Value::Number(number) if number.as_i64().is_some_and(|n| n.unsigned_abs() > 1 << 53) => {
            *value = number.as_f64().into();
        }
        Value::Array(items) => items.iter_mut().for_each(imprecise),
        Value::Object(members) => members.values_mut().for_each(imprecise),
        _ => {}
    }
}

/// Replaces each output by the one that was stored first, whoever's it was.
fn of_the_process(memory: &Memory, state: &mut Value, _: &mut Option<i64>) -> bool {
    for step in steps(state) {
        if let Some(output) = step.get_mut("output").filter(|output| output.is_object()) {
            let first = memory.get("output").unwrap_or_else(|| output.clone());
            memory.put("output", first.clone());
            *output = first;
        }
    }
    true
}

/// Returns the scope of a key without its owner.
fn without_owner(head: &Head, scope: &Param) -> Param {
    let key = head.header("idempotency-key");
    if key.is_empty() { scope.clone() } else { format!("{} {key}", head.uri.path()).into() }
}

/// Returns the answer of an object to those who start a run.
fn accepted(message: &Value) -> Option<Value> {
    message.get("start").map(|_| json!("accepted"))
}

fn reversed(_: &Memory, message: &mut Value) -> Option<Value> {
    if let Some(steps) = message.pointer_mut("/start/definition").and_then(Value::as_array_mut) {
        steps.reverse();
    }
    None
}

fn acknowledged(_: &Memory, message: &mut Value) -> Option<Value> {
    let mut run = message.pointer("/cancel/run")?.clone();
    run["status"] = "cancelled".into();
    run["finished_at"] = run["updated_at"].clone();
    Some(json!({"cancelled": {"run": run, "changed": true}}))
}

const TAKE_OVER: Change = Change::Sql(
    "claim_idempotency_key",
    "CASE WHEN status IS NULL AND fingerprint = excluded.fingerprint \
     THEN resource ELSE excluded.resource END",
    "excluded.resource",
);

pub(super) const DEFECTS: &[Defect] = &[
    made(
        A,
        ("WF-1", "202 before the run is stored"),
        &["WF2"],
        &[
            Change::Late("insert_run", Duration::from_secs(2)),
            Change::LateMessage(RUN, Duration::from_secs(2), accepted),
        ],
    ),
    made(
        A,
        ("WF-2", "what a run has done is in memory only"),
        &["WF6"],
        &[
            Change::Load(|memory, state| after_a_crash(memory, state, from_the_start)),
            Change::Save(note),
        ],
    ),
    made(
        A,
        ("WF-4", "an effect without a key, before its attempt is noted"),
        &["WF4"],
        &[Change::Outbound(|_, request| drop(request.headers.remove("idempotency-key")))],
    ),
    made(
        A,
        ("WF-5", "an attempt that was noted is taken for one that was made"),
        &["WF4", "WF6"],
        &[
            Change::Load(|memory, state| after_a_crash(memory, state, done_already)),
            Change::Save(note),
        ],
    ),
    made(
        A,
        ("WF-7", "an idempotency key is everybody's"),
        &["WF7"],
        &[Change::Bind("idempotency_key", 1, without_owner)],
    ),
    made(
        A,
        ("WF-8", "the key is looked for, and taken later: two requests at once, two runs"),
        &["WF7"],
        &[
            TAKE_OVER,
            Change::Sql(
                "claim_idempotency_key",
                "WHERE expires_at <= ?5",
                "WHERE expires_at <= ?5 OR status IS NULL",
            ),
        ],
    ),
    made(
        A,
        ("WF-10", "a failure is the answer to the key for ever"),
        &["WF7"],
        &[Change::Sql(
            "expire_idempotency_key",
            "SET expires_at = ?3",
            "SET expires_at = ?3 + 86400000, status = 503, body = '{}'",
        )],
    ),
    made(
        A,
        ("WF-11", "the key is kept where it is seen a second later"),
        &["WF7"],
        &[
            TAKE_OVER,
            Change::Sql(
                "claim_idempotency_key",
                "WHERE expires_at <= ?5",
                "WHERE expires_at <= ?5 OR status IS NULL OR expires_at > ?5 + 86399000",
            ),
        ],
    ),
    made(
        A,
        ("WF-13", "steps in another order than the declared one"),
        &["WF5", "WF4"],
        &[Change::Message(RUN, reversed)],
    ),
    made(
        A,
        ("WF-14", "a step that ends late overwrites a final state"),
        &["WF1", "WF10"],
        &[Change::Load(not_cancelled)],
    ),
    made(
        A,
        ("WF-16", "a cancellation is acknowledged, and the run goes on"),
        &["WF1", "WF10"],
        &[Change::Message(RUN, acknowledged)],
    ),
    made(
        A,
        ("WF-17", "timers are in memory"),
        &["workflows/crash-pause"],
        &[Change::Save(note), Change::Alarm(|memory, state| !is_after_a_crash(memory, state))],
    ),
    none(A, ("WF-19", "one timer overwrites another"), "an object has one timer"),
    elsewhere(
        A,
        ("WF-20", "the alarm of a run that is over goes on for ever"),
        "service/tests/control: no client of the API hears an alarm",
    ),
    made(
        A,
        ("WF-22", "no pause between attempts"),
        &["WF8"],
        &[Change::Save(|_, state, alarm| {
            if status(state) == "waiting" && steps(state).any(|step| step["error"].is_string()) {
                *alarm = state["run"]["updated_at"].as_i64();
                state["wake_at"] = (*alarm).into();
            }
            true
        })],
    ),
    made(
        A,
        ("WF-23", "attempts are counted anew after a crash"),
        &["WF8"],
        &[
            Change::Load(|memory, state| after_a_crash(memory, state, one_attempt_so_far)),
            Change::Save(note),
        ],
    ),
    made(
        A,
        ("WF-25", "outputs lose precision when they are stored"),
        &["WF5"],
        &[Change::Save(|_, state, _| {
            steps(state).filter_map(|step| step.get_mut("output")).for_each(imprecise);
            true
        })],
    ),
    made(
        A,
        ("WF-26", "runs share what should be each one's own"),
        &["WF13"],
        &[Change::Save(of_the_process)],
    ),
    made(
        A,
        ("WF-28", "a page ends between two runs of one millisecond"),
        &["WF15"],
        &[Change::Sql("list_runs", "(created_at, id) < (?2, ?3)", "created_at < ?2")],
    ),
    made(
        A,
        ("WF-29", "state and alarm are written apart, and a crash comes between"),
        &["workflows/crash"],
        &[Change::Save(|_, state, alarm| {
            if status(state) == "running" {
                *alarm = None;
            }
            true
        })],
    ),
    none(A, ("WF-32", "what is removed leaves its alarm"), "the state of a run is never removed"),
    made(
        A,
        ("WF-34", "a resumed run draws another random value"),
        &["WF4"],
        &[Change::Outbound(|memory, request| {
            let (draw, process) = (memory.count("draw"), std::process::id());
            if let Some(key) = request.headers.get_mut("idempotency-key") {
                *key = format!("{key}-{draw}-{process}");
            }
        })],
    ),
    made(
        A,
        ("WF-35", "what another's run is, anybody may follow"),
        &["AU5"],
        &[Change::Sql("get_run_intent", "AND user_id = ?2", "AND ?2 = ?2")],
    ),
    elsewhere(
        A,
        ("WF-36", "a run that was begun by one version cannot be read by the next"),
        "service/tests/released: states as released versions wrote them",
    ),
    made(
        A,
        ("WF-37", "an event is lost between two others"),
        &["WF16"],
        &[Change::Answer(EVENTS, |_, answer| {
            let text = String::from_utf8_lossy(answer.body()).into_owned();
            let kept = text.split_inclusive("\n\n").filter(|event| !event.starts_with("id: 2\n"));
            *answer.body_mut() = kept.collect::<String>().into();
        })],
    ),
    made(
        A,
        ("WF-38", "Last-Event-ID is ignored"),
        &["WF16"],
        &[Change::Request(EVENTS, |_, request| {
            drop(request.headers_mut().remove("last-event-id"));
        })],
    ),
    made(
        A,
        ("WF-39", "the time of a run counts anew from each of its steps"),
        &["WF9"],
        &[Change::Load(|_, state| {
            if !state.is_null() {
                state["run"]["created_at"] = state["run"]["updated_at"].clone();
            }
        })],
    ),
    made(
        A,
        ("WF-40", "an attempt that nobody answers has no end"),
        &["WF9"],
        &[Change::Outbound(|_, request| request.timeout = Duration::from_mins(5))],
    ),
];
