//! The control socket of the native server.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

mod usage;
mod world;

use std::{os::unix::fs::PermissionsExt, time::Duration};

use serde_json::json;
use wiremock::{Mock, ResponseTemplate, matchers::path};
use workway_service::{config::RATE_LIMIT, platform::native::control_socket};
use world::{World, open};

#[tokio::test]
async fn time_jumps_for_the_limiter_and_for_tokens() {
    let world = World::start().await;
    for _ in 0..RATE_LIMIT {
        assert_eq!(world.get("/workflows").await.0, 200);
    }
    // The window may have turned since the first request: a few more are then admitted.
    let mut refused = false;
    for _ in 0..RATE_LIMIT {
        refused |= world.get("/workflows").await.0 == 429;
    }
    assert!(refused);
    world.advance(Duration::from_mins(2)).await;
    assert_eq!(world.get("/workflows").await.0, 200, "two periods later");
    world.advance(Duration::from_hours(25)).await;
    assert_eq!(world.get("/workflows").await.0, 401, "the token is of yesterday");
}

#[tokio::test]
async fn alarms_follow_the_clock_and_counters_and_rest_tell_the_truth() {
    let world = World::start().await;
    let fail = ResponseTemplate::new(503);
    Mock::given(path("/effect")).respond_with(fail).up_to_n_times(1).mount(&world.upstream).await;
    Mock::given(path("/effect"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&world.upstream)
        .await;
    let url = format!("{}/effect", world.upstream.uri());
    let step = json!({"type": "http", "config": {"url": url, "method": "POST"}});
    let workflow = json!({"name": "n", "description": "d", "steps": [step]});
    let workflow = world.post("/workflows", workflow).await.1["id"].as_str().unwrap().to_owned();
    assert_eq!(world.ask("/rest").await, json!({"quiet": true, "open_runs": 0, "alarms": 0}));

    let (_, clock) = world.tell("/clock", json!({"frozen": true})).await;
    let (status, run) = world.post(&format!("/workflows/{workflow}/runs"), json!({})).await;
    assert_eq!((status, &run["created_at"]), (202, &clock["now"]));
    let run = format!("/runs/{}", run["id"].as_str().unwrap());
    world.until("/counters", "/usage/outbound_requests", json!(1)).await;
    let waiting = async || {
        for _ in 0..1000 {
            if world.get(&run).await.1["status"] == "waiting" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it does not wait");
    };
    waiting().await;
    // Longer than its pause, by the system's clock.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(world.get(&run).await.1["status"], "waiting", "the clock stands");
    assert_eq!(world.ask("/rest").await, json!({"quiet": false, "open_runs": 1, "alarms": 1}));

    world.advance(Duration::from_secs(1)).await;
    world.until("/rest", "/quiet", json!(true)).await;
    let run = world.get(&run).await.1;
    assert_eq!((&run["status"], &run["steps"][0]["attempts"]), (&json!("succeeded"), &json!(2)));
    let elapsed = run["finished_at"].as_i64().unwrap() - run["created_at"].as_i64().unwrap();
    assert_eq!(elapsed, 1000, "virtual time, exactly");

    let counters = world.ask("/counters").await;
    assert_eq!((&counters["alarms_rung"], &counters["sweeps"]), (&json!(2), &json!(0)));
    assert_eq!(counters["usage"]["outbound_requests"], 2);
    let sent = world.upstream.received_requests().await.unwrap().len();
    assert_eq!(sent, 2, "as many as came");
}

#[tokio::test]
async fn it_fires_the_cron_and_refuses_what_it_does_not_know() {
    let world = World::start().await;
    assert_eq!(world.tell("/cron", json!(null)).await, (200, json!({"visited": 0})));
    assert_eq!(world.ask("/counters").await["sweeps"], 1);
    let before = world.ask("/clock").await;
    for change in [json!({"now": 1}), json!({"advance_ms": "1"}), json!([]), json!({"frozen": 1})] {
        assert!((400..500).contains(&world.tell("/clock", change.clone()).await.0), "{change}");
    }
    let after = world.ask("/clock").await;
    assert!(after["now"].as_i64().unwrap() - before["now"].as_i64().unwrap() < 60_000);
}

#[tokio::test]
async fn it_is_private_and_there_is_one() {
    let world = World::start().await;
    let folder = control_socket(world.state.path()).parent().unwrap().to_owned();
    assert_eq!(std::fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
    for path in ["/clock", "/cron", "/counters", "/rest", "/billed", "/analytics"] {
        assert_eq!(world.get(path).await.0, 404, "not on the API's port");
    }
    let second = open(world.state.path(), "").await.unwrap_err();
    assert!(second.to_string().contains("another server"), "{second}");
}

#[tokio::test]
async fn a_socket_that_a_dead_server_left_makes_way() {
    let state = tempfile::tempdir().unwrap();
    drop(open(state.path(), "").await.unwrap());
    assert!(control_socket(state.path()).exists());
    assert!(open(state.path(), "").await.is_ok());
}
