//! Limits of time, at the limit and one millisecond before it, and ports that fail or hang.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

mod acceptance;
mod faulty;
mod world;

use std::time::Duration;

use faulty::Fault;
use http_body_util::BodyExt;
use serde_json::json;
use workway_service::{
    app::WRITE_DEADLINE,
    domain::{Millis, retention::RunRetention},
    engine::executor::{SWEEP_GRACE, SWEEP_LIMIT},
    guard::{CLAIM_TIMEOUT, HANDLER_DEADLINE, RETENTION},
    ports::Clock as _,
    routes::{
        Access, CHECK_DEADLINE, Method, POLL_DEADLINE, POLL_EVERY, REPORT_AGE, ROUTES,
        SHARED_MAX_AGE, STREAM_LIFETIME,
    },
    scheduled,
};
use world::World;

fn millis(duration: Duration) -> Millis {
    duration.as_millis().try_into().unwrap()
}

fn one() -> serde_json::Value {
    json!({"type": "transform", "config": {"value": 1}})
}

#[tokio::test]
async fn a_handler_that_hangs_is_given_up_at_its_deadline() {
    let world = World::start().await;
    world.platform.database.set(Fault::Hangs);
    let token = format!("Bearer {}", world.token("ann"));
    let mut asked = world.ask("GET", "/workflows", &[("authorization", &token)], None);
    assert!(asked.waits().await);
    world.platform.clock.advance(millis(HANDLER_DEADLINE) - 1);
    assert!(asked.waits().await);
    world.platform.clock.advance(1);
    let response = asked.response().await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "5");
}

/// How many of ann's requests are billed, once her answer is here.
async fn billed(world: &World) -> serde_json::Value {
    world.get("/usage", "ann").await.1["requests"]["count"].clone()
}

#[tokio::test]
async fn an_answer_waits_for_its_usage_to_be_written_until_the_deadline() {
    let world = World::start_with("USAGE_BEFORE_ANSWER", "on").await;
    assert_eq!(world.get("/workflows", "ann").await.0, 200);
    assert_eq!(billed(&world).await, 1);
    world.platform.database.set(Fault::HangsAt("add_usage"));
    let token = format!("Bearer {}", world.token("ann"));
    let mut asked = world.ask("GET", "/workflows", &[("authorization", &token)], None);
    assert!(asked.waits().await);
    world.platform.clock.advance(millis(WRITE_DEADLINE) - 1);
    assert!(asked.waits().await);
    world.platform.clock.advance(1);
    assert_eq!(asked.answer().await.0, 200);
    world.platform.database.set(Fault::None);
    assert_eq!(billed(&world).await, 2, "it may have been written: nobody pays twice");
    world.platform.database.set(Fault::FailsAt("add_usage"));
    assert_eq!(world.get("/workflows", "ann").await.0, 200);
    assert_eq!(billed(&world).await, 4, "what was not written is kept until it can be");
}

#[tokio::test]
async fn an_answer_does_not_wait_for_its_usage_by_default() {
    let world = World::start().await;
    world.platform.database.set(Fault::HangsAt("add_usage"));
    assert_eq!(world.get("/workflows", "ann").await.0, 200);
}

#[tokio::test]
async fn the_events_of_a_run_that_hangs_are_given_up_at_their_deadline() {
    let world = World::start().await;
    let workflow = world.workflow("ann", one()).await;
    let run = world.post(&format!("/workflows/{workflow}/runs"), "ann", json!({})).await.1;
    world.platform.actors.set(Fault::Hangs);
    let path = format!("/runs/{}/events", run["id"].as_str().unwrap());
    let token = format!("Bearer {}", world.token("ann"));
    let mut asked = world.ask("GET", &path, &[("authorization", &token)], None);
    assert!(asked.waits().await);
    world.platform.clock.advance(millis(POLL_DEADLINE) - 1);
    assert!(asked.waits().await);
    world.platform.clock.advance(1);
    assert_eq!(asked.answer().await.0, 503);
}

#[tokio::test]
async fn a_stream_ends_at_its_lifetime_and_is_alive_until_then() {
    let world = World::start().await;
    let pause = json!({"type": "delay", "config": {"seconds": 3600}});
    let workflow = world.workflow("ann", pause).await;
    let run = world.post(&format!("/workflows/{workflow}/runs"), "ann", json!({})).await.1;
    let path = format!("/runs/{}/events", run["id"].as_str().unwrap());
    let token = format!("Bearer {}", world.token("ann"));
    let headers = [("authorization", token.as_str())];
    let mut body = world.ask("GET", &path, &headers, None).response().await.into_body();
    let (every, mut passed, mut signs) = (millis(POLL_EVERY), 0, 0_i64);
    loop {
        let frame = body.frame();
        let frame = tokio::time::timeout(Duration::from_millis(100), frame).await;
        match frame {
            Ok(Some(piece)) => signs += i64::from(piece.unwrap().data_ref().unwrap() == ":\n\n"),
            Ok(None) => break,
            // It sleeps.
            Err(_) => {
                world.platform.clock.advance(every);
                passed += every;
            }
        }
        assert!(passed <= STREAM_LIFETIME, "still open");
    }
    assert_eq!(passed, STREAM_LIFETIME);
    assert_eq!(signs, STREAM_LIFETIME / every);
}

#[tokio::test]
async fn a_dependency_that_hangs_is_down_at_the_deadline_of_its_check() {
    for hangs in ["database", "cache"] {
        let world = World::start().await;
        match hangs {
            "database" => world.platform.database.set(Fault::Hangs),
            _ => world.platform.cache.set(Fault::Hangs),
        }
        let mut asked = world.ask("GET", "/health", &[], None);
        assert!(asked.waits().await);
        world.platform.clock.advance(millis(CHECK_DEADLINE) - 1);
        assert!(asked.waits().await);
        world.platform.clock.advance(1);
        let (status, report) = asked.answer().await;
        assert_eq!((status, &report["status"]), (503, &json!("degraded")));
        assert_eq!(report["checks"][hangs], false);
    }
}

#[tokio::test]
async fn a_health_report_is_used_again_until_it_is_too_old() {
    let world = World::start().await;
    let status = async || world.ask("GET", "/health", &[], None).answer().await.0;
    assert_eq!(status().await, 200);
    world.platform.database.set(Fault::Fails);
    world.platform.clock.advance(REPORT_AGE - 1);
    assert_eq!(status().await, 200, "the one before");
    world.platform.clock.advance(1);
    assert_eq!(status().await, 503);
}

#[tokio::test]
async fn a_page_of_the_catalogue_is_shared_until_it_is_too_old() {
    let world = World::start().await;
    let count = async || {
        let (status, list) = world.ask("GET", "/api/workflows", &[], None).answer().await;
        assert_eq!(status, 200);
        list["workflows"].as_array().unwrap().len()
    };
    assert_eq!(count().await, 0);
    let id = world.workflow("ann", one()).await;
    let published = world.post(&format!("/workflows/{id}/publish"), "ann", json!({})).await;
    assert_eq!(published.0, 200);
    world.platform.clock.advance(millis(SHARED_MAX_AGE) - 1);
    assert_eq!(count().await, 0);
    world.platform.clock.advance(1);
    assert_eq!(count().await, 1);
}

/// A host that dies while it carries a request out leaves a claim, and nothing is made twice.
#[tokio::test]
async fn a_claim_is_over_at_its_timeout_and_an_outcome_at_its_retention() {
    let world = World::start().await;
    let token = format!("Bearer {}", world.token("ann"));
    let headers = [("authorization", token.as_str()), ("idempotency-key", "\"k\"")];
    let body = json!({"name": "n", "description": "d", "steps": [one()]});
    let ask = || world.ask("POST", "/workflows", &headers, Some(body.clone()));
    world.platform.database.set(Fault::HangsAt("insert_workflow"));
    let mut dies = ask();
    assert!(dies.waits().await);
    drop(dies);
    world.platform.database.set(Fault::None);
    world.platform.clock.advance(CLAIM_TIMEOUT - 1);
    assert_eq!(ask().answer().await.0, 409);
    world.platform.clock.advance(1);
    let made = ask().answer().await;
    assert_eq!(made.0, 201);
    let kept = async || {
        scheduled::every_minute(
            &world.platform,
            RunRetention::default(),
            world.platform.clock.now(),
        )
        .await
        .unwrap();
        ask().answer().await
    };
    world.platform.clock.advance(RETENTION - 1);
    assert_eq!(kept().await, made, "replayed");
    world.platform.clock.advance(1);
    let (status, anew) = kept().await;
    assert_eq!(status, 201);
    assert_ne!(anew["id"], made.1["id"], "the key is as good as new");
}

/// Runs whose object was not reached: acknowledged all the same, and visited by the sweep once
/// they are overdue, so many at a time.
#[tokio::test]
async fn the_sweep_visits_what_is_overdue_up_to_its_limit() {
    let world = World::start().await;
    world.platform.actors.set(Fault::Fails);
    let workflow = world.workflow("ann", one()).await;
    let path = format!("/workflows/{workflow}/runs");
    let mut runs = Vec::new();
    for _ in 0..=SWEEP_LIMIT {
        let (status, run) = world.post(&path, "ann", json!({})).await;
        assert_eq!(status, 202);
        runs.push(run["id"].as_str().unwrap().to_owned());
    }
    world.platform.actors.set(Fault::None);
    let sweep = async || {
        scheduled::every_minute(
            &world.platform,
            RunRetention::default(),
            world.platform.clock.now(),
        )
        .await
        .unwrap()
    };
    world.platform.clock.advance(SWEEP_GRACE);
    assert_eq!(sweep().await, 0);
    world.platform.clock.advance(1);
    assert_eq!(sweep().await, usize::try_from(SWEEP_LIMIT).unwrap());
    // The last one, and those that have not finished yet.
    assert!(sweep().await >= 1);
    for run in &runs {
        let mut tries = 0;
        while world.get(&format!("/runs/{run}"), "ann").await.1["status"] != "succeeded" {
            tries += 1;
            assert!(tries < 1000, "run {run} does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// What fails among the scheduled tasks of a minute hides nothing else that fails, and keeps nothing from being done.
#[tokio::test]
async fn each_scheduled_task_that_fails_is_named() {
    let world = World::start().await;
    let due = world.platform.clock.now();
    world.platform.database.set(Fault::Fails);
    let failures =
        scheduled::every_minute(&world.platform, RunRetention::default(), due).await.unwrap_err();
    let parts: Vec<_> = failures.0.iter().map(|failure| failure.part).collect();
    assert_eq!(parts, ["sweep", "idempotency keys", "events of Stripe", "runs", "backup"]);
    let said = failures.to_string();
    assert!(
        said.contains("scheduled task failed: sweep: ")
            && said.contains("; scheduled task failed: backup: "),
        "{said}"
    );
    world.platform.database.set(Fault::None);
    assert_eq!(
        scheduled::every_minute(&world.platform, RunRetention::default(), due).await.unwrap(),
        0
    );
}

/// The database is down: every route says so, or does not need it; none hangs, none says why.
#[tokio::test]
async fn routes_without_a_database_are_unavailable() {
    let world = World::start().await;
    let id = world.workflow("ann", one()).await;
    let token = format!("Bearer {}", world.token("ann"));
    world.platform.database.set(Fault::Fails);
    for route in ROUTES {
        let method = match route.method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
        };
        let body = json!({"name": "n", "description": "d", "steps": [one()]});
        let path = route.path.replace("{id}", &id);
        let headers = [("authorization", token.as_str())];
        let response = world.ask(method, &path, &headers, Some(body)).response().await;
        let (status, retry) = (response.status(), response.headers().get("retry-after").cloned());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(!text.contains("secret.rs") && !text.contains("SELECT"), "{route:?}: {text}");
        // What is asked of the others here is refused, or answered, before they need a database.
        let needs_it = ["/api/", "/workflows", "/runs", "/usage"];
        if !needs_it.iter().any(|path| route.path.starts_with(path)) && status != 503 {
            assert!(
                status.as_u16() < 500 || route.problems.contains(&status.as_u16()),
                "{route:?}: {status}"
            );
        } else if route.access == Access::Open {
            assert!(route.answers.contains(&status.as_u16()), "{route:?}: {status}");
        } else {
            assert_eq!((status.as_u16(), retry.is_some()), (503, true), "{route:?}: {text}");
        }
    }
    world.platform.database.set(Fault::None);
    assert_eq!(world.get(&format!("/workflows/{id}"), "ann").await.0, 200, "and back");
}

#[tokio::test]
async fn a_limiter_that_fails_admits_and_one_that_hangs_is_given_up() {
    let world = World::start().await;
    world.platform.limiter.set(Fault::Fails);
    assert_eq!(world.get("/workflows", "ann").await.0, 200);
    world.platform.limiter.set(Fault::Hangs);
    let mut asked = world.ask("GET", "/api/workflows", &[], None);
    assert!(asked.waits().await);
    world.platform.clock.advance(millis(HANDLER_DEADLINE));
    assert_eq!(asked.answer().await.0, 503);
}
