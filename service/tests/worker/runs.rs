//! Runs: the object, its alarm, its outbound requests, and the sweep.

use serde_json::{Value, json};
use wasm_bindgen_test::wasm_bindgen_test;
use worker::wasm_bindgen_futures::JsFuture;
use workway_service::{
    domain::{retention::RUN_DAYS, run::RunState, workflow::MAX_STEPS},
    engine::{
        executor,
        machine::{ATTEMPT_LEASE, ATTEMPT_TIMEOUT, BACKOFF_BASE, MAX_ATTEMPTS},
    },
    ports::{MAX_VALUE_BYTES, Ports},
};

use crate::world::{
    Answer, SECRET, UPSTREAM, World, advance, answer, break_storage, evict, http_step, log,
    lose_alarm, now, object_requests, outbound_requests, ring_js, set_mode, set_var, stored,
    timer_count, token,
};

async fn accepted(world: &World) -> String {
    world.run(&token("ann"), &json!([http_step()])).await
}

#[wasm_bindgen_test]
async fn an_accepted_run_is_in_the_database_and_its_object_has_an_alarm() {
    let world = World::new();
    let id = accepted(&world).await;
    let rows = world.rows("SELECT id, user_id, status, version, due_at FROM workflow_runs");
    let row =
        json!({"id": id, "user_id": "ann", "status": "queued", "version": 0, "due_at": now()});
    assert_eq!(rows, json!([row]));
    assert_eq!(object_requests(&world.env, &id), 1);
    assert_eq!(world.alarm(&id), Some(now()));
    assert_eq!(world.commits(&id), json!([["state", "alarm"]]), "saved together");
    assert_eq!(outbound_requests().len(), 0, "nothing runs before the alarm");
}

#[wasm_bindgen_test]
async fn the_alarm_performs_the_step_and_projects_the_run() {
    let world = World::new();
    let id = accepted(&world).await;
    answer(&json!({"status": 201, "body": "{\"ok\":\"é\"}"}));
    let done = world.finish(&id).await;
    assert_eq!(done["status"], "succeeded", "{done}");
    assert_eq!(done["steps"][0]["output"], json!({"status": 201, "body": {"ok": "é"}}));
    assert_eq!(done["usage"]["outbound_requests"], 1);
    assert_eq!(done["usage"]["actor_requests"], 1);
    assert_eq!(world.get(&format!("/runs/{id}"), &token("ann")).await.body, done);
    assert_eq!(world.get(&format!("/runs/{id}"), &token("bob")).await.status, 404);

    let requests = outbound_requests();
    let [request] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(request["method"], "POST");
    assert_eq!(request["url"], format!("{UPSTREAM}/effect"));
    assert_eq!(request["body"], r#"{"x":"é😀"}"#);
    assert_eq!(request["redirect"], "manual");
    let headers = json!({
        "content-type": "application/json",
        "idempotency-key": format!("\"{id}:0\""),
        "user-agent": concat!("workway/", env!("CARGO_PKG_VERSION")),
    });
    assert_eq!(request["headers"], headers);
    assert_eq!(timer_count(), 1, "the timeout is cleared; usage waits to be written");
    for commit in world.commits(&id).as_array().unwrap() {
        assert_eq!(commit, &json!(["state", "alarm"]));
    }
    let points = world.data_points();
    let ends: Vec<_> = points.iter().filter(|point| point["blobs"][0] == "run").collect();
    let [end] = &ends[..] else { panic!("{points:?}") };
    assert_eq!(end["indexes"], json!(["ann"]));
    assert_eq!(end["blobs"], json!(["run", "-", "-", "succeeded", "<10ms"]));
}

#[wasm_bindgen_test]
async fn steps_follow_each_other_with_a_key_each() {
    let world = World::new();
    let id = world.run(&token("ann"), &json!([http_step(), http_step(), http_step()])).await;
    answer(&json!({"status": 204}));
    let done = world.finish(&id).await;
    assert_eq!(done["status"], "succeeded", "{done}");
    assert_eq!(done["steps"][0]["output"], json!({"status": 204, "body": ""}));
    let keys: Vec<_> =
        outbound_requests().iter().map(|r| r["headers"]["idempotency-key"].clone()).collect();
    assert_eq!(keys, [0, 1, 2].map(|step| json!(format!("\"{id}:{step}\""))));
}

#[wasm_bindgen_test]
async fn a_failed_attempt_is_tried_again_with_the_same_key_after_an_eviction() {
    let world = World::new();
    let id = accepted(&world).await;
    answer(&json!({"status": 503}));
    world.ring(&id).await;
    let waiting = world.projected(&id);
    assert_eq!(waiting["status"], "waiting");
    assert_eq!(waiting["steps"][0]["error"], "answered with status 503");
    let pause = world.alarm(&id).unwrap() - now();
    assert!((BACKOFF_BASE * 3 / 4..=BACKOFF_BASE).contains(&pause), "{pause}");

    evict(&world.env, &id);
    let done = world.finish(&id).await;
    assert_eq!((&done["status"], &done["steps"][0]["attempts"]), (&json!("succeeded"), &json!(2)));
    let requests = outbound_requests();
    let key = |index: usize| requests[index]["headers"]["idempotency-key"].clone();
    assert_eq!((requests.len(), key(0)), (2, key(1)));
}

#[wasm_bindgen_test]
async fn a_response_at_the_cap_is_kept_and_one_byte_more_is_an_error() {
    let cap = MAX_VALUE_BYTES / MAX_STEPS / 5 * 4;
    let world = World::new();
    let id = accepted(&world).await;
    answer(&json!({"body": "x".repeat(cap)}));
    let done = world.finish(&id).await;
    assert_eq!(done["steps"][0]["output"]["body"].as_str().unwrap().len(), cap);

    let id = accepted(&world).await;
    for _ in 0..MAX_ATTEMPTS {
        answer(&json!({"body": "x".repeat(cap + 1)}));
    }
    let failed = world.finish(&id).await;
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["steps"][0]["attempts"], MAX_ATTEMPTS);
    assert_eq!(failed["steps"][0]["error"], format!("the response has more than {cap} bytes"));
}

#[wasm_bindgen_test]
async fn a_request_that_nobody_answers_is_aborted_after_its_timeout() {
    let world = World::new();
    let id = accepted(&world).await;
    answer(&json!({"fails": "never"}));
    let ringing = ring_js(&world.env, &id);
    advance(ATTEMPT_TIMEOUT - 1).await;
    assert_eq!(outbound_requests()[0]["aborted"], false);
    assert_eq!(world.alarm(&id), Some(now() + 1 - ATTEMPT_TIMEOUT + ATTEMPT_LEASE));
    advance(1).await;
    JsFuture::from(ringing).await.unwrap();
    assert_eq!(outbound_requests()[0]["aborted"], true);
    let waiting = world.projected(&id);
    assert_eq!(waiting["status"], "waiting");
    assert_eq!(waiting["steps"][0]["error"], "no answer in time");
    assert_eq!(world.finish(&id).await["status"], "succeeded");
}

#[wasm_bindgen_test]
async fn failures_of_the_connection_name_no_address() {
    let world = World::new();
    for (fails, message) in [
        ("refused", "the connection was refused or broke"),
        ("broken", "no whole HTTP response came"),
    ] {
        let id = accepted(&world).await;
        answer(&json!({"fails": fails}));
        world.ring(&id).await;
        assert_eq!(world.projected(&id)["steps"][0]["error"], message);
    }
}

#[wasm_bindgen_test]
async fn redirects_are_not_followed_and_end_the_run() {
    let world = World::new();
    let id = accepted(&world).await;
    answer(&json!({"status": 302, "headers": {"location": "https://elsewhere.test/"}}));
    let failed = world.finish(&id).await;
    assert_eq!((&failed["status"], outbound_requests().len()), (&json!("failed"), 1));
}

#[wasm_bindgen_test]
async fn a_run_whose_object_never_heard_of_it_is_swept() {
    let world = World::new();
    set_mode(&world.env, "WORKFLOW_EXECUTOR", "broken");
    let id = accepted(&world).await;
    assert!(log().contains(&format!("start of run {id}: actor failed")), "{}", log());
    assert_eq!(world.object_names(), json!([]));

    let platform = world.platform();
    advance(30_001).await;
    assert_eq!(
        executor::sweep(&Ports::new(platform.clone())).await.unwrap(),
        1,
        "it waits for the next sweep"
    );
    assert!(log().contains(&format!("sweep of run {id}: actor failed")), "{}", log());

    set_mode(&world.env, "WORKFLOW_EXECUTOR", "well");
    assert_eq!(executor::sweep(&Ports::new(platform.clone())).await.unwrap(), 1);
    assert_eq!(object_requests(&world.env, &id), 1);
    assert_eq!(world.finish(&id).await["status"], "succeeded");
    assert_eq!(executor::sweep(&Ports::new(platform.clone())).await.unwrap(), 0);
}

#[wasm_bindgen_test]
async fn the_cron_trigger_leaves_the_young_alone_and_brings_lost_alarms_back() {
    let world = World::new();
    let id = accepted(&world).await;
    lose_alarm(&world.env, &id);
    advance(30_000).await;
    world.cron().await;
    assert_eq!(world.alarm(&id), None, "not overdue yet");
    advance(1).await;
    world.cron().await;
    assert_eq!(world.finish(&id).await["status"], "succeeded");

    set_mode(&world.env, "DB", "broken");
    world.cron().await;
    assert!(log().contains("scheduled task failed: sweep: database failed"), "{}", log());
}

#[wasm_bindgen_test]
async fn a_second_start_keeps_the_state_and_sets_the_alarm_again() {
    let world = World::new();
    let id = accepted(&world).await;
    let first: RunState = serde_json::from_str(&stored(&world.env, &id).unwrap()).unwrap();
    answer(&json!({"status": 503}));
    world.ring(&id).await;
    let (waiting, alarm) = (world.state(&id), world.alarm(&id));
    lose_alarm(&world.env, &id);
    let ports = Ports::new(world.platform());
    executor::start(ports.actors(), &first).await.unwrap();
    assert_eq!(ports.usage().actor_requests, 1);
    assert_eq!((world.state(&id), world.alarm(&id)), (waiting, alarm));

    assert_eq!(world.finish(&id).await["status"], "succeeded");
    executor::start(ports.actors(), &first).await.unwrap();
    assert_eq!(world.alarm(&id), None, "nothing is left to do");
    assert_eq!(outbound_requests().len(), 2);
}

#[wasm_bindgen_test]
async fn the_alarm_of_an_empty_object_does_nothing() {
    let world = World::new();
    JsFuture::from(ring_js(&world.env, "nobody")).await.unwrap();
    assert_eq!(stored(&world.env, "nobody"), None);
    assert_eq!((world.commits("nobody"), world.alarm("nobody")), (json!([]), None));
    assert_eq!((outbound_requests(), log()), (vec![], String::new()));
}

#[wasm_bindgen_test]
async fn an_object_refuses_what_it_does_not_understand() {
    let world = World::new();
    for nonsense in ["", "{", "null", "{\"start\":{}}", "{\"stop\":1}"] {
        let (status, text) = world.tell("object", nonsense).await;
        assert_eq!(status, 500, "{nonsense}");
        assert!(text.starts_with("actor failed: "), "{text}");
    }
    assert_eq!(stored(&world.env, "object"), None);
}

#[wasm_bindgen_test]
async fn an_object_without_its_configuration_keeps_its_alarm() {
    let world = World::new();
    let id = accepted(&world).await;
    set_var(&world.env, "JWT_SECRET", None);
    evict(&world.env, &id);
    assert_eq!(world.tell(&id, "{}").await.0, 500);
    assert!(JsFuture::from(ring_js(&world.env, &id)).await.is_err());
    set_var(&world.env, "JWT_SECRET", Some(SECRET));
    evict(&world.env, &id);
    assert_eq!(world.finish(&id).await["status"], "succeeded");
}

#[wasm_bindgen_test]
async fn a_run_that_ended_while_the_database_was_down_is_projected_later() {
    let world = World::new();
    let id = accepted(&world).await;
    set_mode(&world.env, "DB", "broken");
    world.ring(&id).await;
    world.ring(&id).await;
    assert_eq!(world.state(&id)["run"]["status"], "succeeded");
    assert_eq!(world.projected(&id)["status"], "queued");
    set_mode(&world.env, "DB", "well");
    assert_eq!(world.finish(&id).await["status"], "succeeded");
    assert_eq!(outbound_requests().len(), 1, "the step is not run again");
}

#[wasm_bindgen_test]
async fn a_database_that_never_answers_does_not_hold_up_the_run() {
    let world = World::new();
    let id = accepted(&world).await;
    set_mode(&world.env, "DB", "silent");
    let ringing = ring_js(&world.env, &id);
    advance(ATTEMPT_LEASE).await;
    assert_eq!(world.state(&id)["run"]["status"], "succeeded");
    JsFuture::from(ringing).await.unwrap();
    assert!(log().contains("database did not answer in time"), "{}", log());
    set_mode(&world.env, "DB", "well");
    assert_eq!(world.finish(&id).await["status"], "succeeded");
    assert_eq!(outbound_requests().len(), 1);
}

#[wasm_bindgen_test]
async fn an_alarm_that_could_not_read_its_object_rings_again() {
    let world = World::new();
    let id = accepted(&world).await;
    break_storage(&world.env, &id, true);
    let rung = JsFuture::from(ring_js(&world.env, &id)).await;
    break_storage(&world.env, &id, false);
    assert!(rung.is_err(), "the platform rings alarms again whose handler fails");
    assert_eq!(world.finish(&id).await["status"], "succeeded");
}

#[wasm_bindgen_test]
async fn a_get_with_a_body_fails_without_an_attempt() {
    let world = World::new();
    let config = json!({"url": format!("{UPSTREAM}/"), "body": Value::Null});
    let id = world.run(&token("ann"), &json!([{"type": "http", "config": config}])).await;
    let failed = world.finish(&id).await;
    assert_eq!((&failed["status"], &failed["steps"][0]["attempts"]), (&json!("failed"), &json!(1)));
    assert_eq!(failed["steps"][0]["error"], "config.body needs a method other than GET");
    assert_eq!(outbound_requests().len(), 0);
}

#[wasm_bindgen_test]
async fn a_run_is_cancelled_by_its_object_and_its_events_say_so() {
    let world = World::new();
    let ann = token("ann");
    let run = world.run(&ann, &json!([http_step()])).await;
    let path = format!("/runs/{run}/cancel");
    let cancelled = world.post(&path, &ann, &json!({})).await;
    assert_eq!((cancelled.status, &cancelled.body["status"]), (202, &json!("cancelled")));
    assert_eq!(world.projected(&run)["status"], "cancelled");
    assert_eq!(world.alarm(&run), None, "nothing is left to do");
    assert_eq!(world.post(&path, &ann, &json!({})).await.status, 200);
    assert!(outbound_requests().is_empty());

    let events = world.get(&format!("/runs/{run}/events"), &ann).await;
    assert_eq!(events.headers["content-type"], "text/event-stream");
    let text = events.body.as_str().unwrap();
    let ids: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
    assert_eq!(ids, ["1", "2"], "{text}");
}

#[wasm_bindgen_test]
async fn a_cancel_while_the_attempt_is_under_way_wins() {
    let world = World::new();
    let ann = token("ann");
    let run = world.run(&ann, &json!([http_step(), http_step()])).await;
    answer(&json!({"fails": "never"}));
    let ringing = ring_js(&world.env, &run);
    advance(5_000).await;
    assert_eq!(outbound_requests().len(), 1);
    let cancelled = world.post(&format!("/runs/{run}/cancel"), &ann, &json!({})).await;
    assert_eq!(cancelled.status, 202, "{cancelled:?}");
    advance(5_000).await;
    JsFuture::from(ringing).await.unwrap();
    assert_eq!(world.finish(&run).await["status"], "cancelled");
    assert_eq!(outbound_requests().len(), 1, "no further attempt");
}

#[wasm_bindgen_test]
async fn a_stream_follows_the_run_and_leaves_no_timer() {
    let world = World::new();
    let ann = token("ann");
    let run = world.run(&ann, &json!([{"type": "transform", "config": {"value": 1}}])).await;
    let headers = json!({"authorization": format!("Bearer {ann}")});
    let following = world.start("GET", &format!("/runs/{run}/events"), &headers, None);
    advance(1_500).await;
    world.ring(&run).await;
    advance(1_000).await;
    let events = Answer::of(following).await;
    let text = events.body.as_str().unwrap();
    let ids: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
    assert_eq!(ids, ["1", "2", "3", "4"], "{text}");
    assert_eq!(timer_count(), 1, "usage waits to be written");
}

/// Half a minute before its time is over a run is there; half a minute after, nothing of it is, nor of its
/// object.
#[wasm_bindgen_test]
async fn a_run_is_kept_for_its_time_and_then_nothing_of_it_is_left() {
    let world = World::new();
    let id = accepted(&world).await;
    answer(&json!({"status": 204}));
    assert_eq!(world.finish(&id).await["status"], "succeeded");
    assert!(!stored(&world.env, &id).unwrap().contains("effect"), "it keeps no steps");
    let accepted = world.state(&id)["run"]["created_at"].as_i64().unwrap();
    advance(accepted + RUN_DAYS * 24 * 60 * 60 * 1000 - 30_000 - now()).await;
    world.cron().await;
    assert_eq!(world.get(&format!("/runs/{id}"), &token("ann")).await.status, 200);
    advance(60_000).await;
    world.cron().await;
    assert_eq!(world.rows("SELECT id FROM workflow_runs"), json!([]));
    assert_eq!(stored(&world.env, &id), None);
    assert_eq!(world.get(&format!("/runs/{id}"), &token("ann")).await.status, 404);
}
