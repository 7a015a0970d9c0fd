//! Requests through the `fetch` event.

use serde_json::{Value, json};
use wasm_bindgen_test::wasm_bindgen_test;
use workway_service::{
    config::RATE_LIMIT, domain::workflow::MAX_NAME, guard::MAX_BODY_BYTES,
    platform::cloudflare::app, ports::Usage,
};

use crate::world::{
    Answer, SECRET, World, advance, break_edge, http_step, log, misbind_limiter, set_mode, set_var,
    signed, timer_count, token,
};

fn valid() -> Value {
    json!({"name": "n", "description": "é😀", "steps": [http_step()]})
}

#[wasm_bindgen_test]
async fn health_says_which_dependency_is_down_and_is_asked_every_five_seconds() {
    let world = World::new();
    let well = world.get("/health", "").await;
    assert_eq!((well.status, &well.body["status"]), (200, &json!("healthy")));
    assert_eq!(well.body["checks"], json!({"database": true, "ai": null, "cache": true}));
    assert_eq!(timer_count(), 0, "the deadlines of the checks are cleared");

    set_mode(&world.env, "DB", "broken");
    advance(4_999).await;
    assert_eq!(world.get("/health", "").await.body, well.body, "the same report");
    advance(1).await;
    let ill = world.get("/health", "").await;
    assert_eq!((ill.status, &ill.body["status"]), (503, &json!("degraded")));
    assert_eq!(ill.body["checks"], json!({"database": false, "ai": null, "cache": true}));

    set_mode(&world.env, "DB", "well");
    set_mode(&world.env, "CACHE", "broken");
    advance(5_000).await;
    let ill = world.get("/health", "").await;
    assert_eq!(ill.body["checks"], json!({"database": true, "ai": null, "cache": false}));
}

#[wasm_bindgen_test]
async fn a_database_that_never_answers_is_down() {
    let world = World::new();
    set_mode(&world.env, "DB", "silent");
    let asked = world.start("GET", "/health", &json!({}), None);
    advance(2_000).await;
    let ill = Answer::of(asked).await;
    assert_eq!((ill.status, &ill.body["checks"]["database"]), (503, &json!(false)));
}

#[wasm_bindgen_test]
async fn live_needs_nothing() {
    let world = World::new();
    set_mode(&world.env, "DB", "broken");
    set_mode(&world.env, "CACHE", "broken");
    let live = world.get("/health/live", "").await;
    assert_eq!((live.status, live.body), (200, json!({"status": "live"})));
}

#[wasm_bindgen_test]
async fn a_workflow_is_stored_read_and_listed_by_its_owner() {
    let world = World::new();
    let (ann, bob) = (token("ann"), token("bob"));
    let created = world.post("/workflows", &ann, &valid()).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(created.headers["cache-control"], "private, no-store");
    assert!(created.headers["workway-usage"].is_string());
    let id = created.body["id"].as_str().unwrap();
    let path = format!("/workflows/{id}");
    assert_eq!(created.headers["location"], path.as_str());

    let rows = world.rows("SELECT * FROM workflows");
    let row = &rows.as_array().unwrap()[0];
    assert_eq!((&row["id"], &row["user_id"]), (&json!(id), &json!("ann")));
    assert_eq!((&row["description"], &row["published_at"]), (&json!("é😀"), &Value::Null));
    assert_eq!(row["created_at"], created.body["created_at"]);
    let steps: Value = serde_json::from_str(row["steps"].as_str().unwrap()).unwrap();
    assert_eq!(steps, json!([http_step()]));

    assert_eq!(world.get(&path, &ann).await.body, created.body);
    assert_eq!(world.get(&path, &bob).await.status, 404);
    let mut expected = created.body.clone();
    expected.as_object_mut().unwrap().remove("steps").expect("a list has no steps");
    let listed = world.get("/workflows", &ann).await.body;
    assert_eq!(listed, json!({"workflows": [expected], "next": null}));
}

#[wasm_bindgen_test]
async fn refused_bodies_write_nothing() {
    let world = World::new();
    let ann = token("ann");
    let invalid = json!({"name": "x".repeat(MAX_NAME + 1), "description": "d", "steps": []});
    let refused = world.post("/workflows", &ann, &invalid).await;
    assert_eq!((refused.status, &refused.body["error"]), (400, &json!("Invalid input")));
    let paths: Vec<_> =
        refused.body["issues"].as_array().unwrap().iter().map(|issue| &issue["path"]).collect();
    assert_eq!(paths, ["name", "steps"]);

    let headers =
        json!({"authorization": format!("Bearer {ann}"), "content-type": "application/json"});
    let padded = |size: usize| {
        let valid = valid().to_string();
        format!("{valid}{}", " ".repeat(size - valid.len()))
    };
    let too_long = padded(MAX_BODY_BYTES + 1);
    assert_eq!(world.send("POST", "/workflows", &headers, Some(&too_long)).await.status, 413);
    assert_eq!(world.send("POST", "/workflows", &headers, None).await.status, 400);
    assert_eq!(world.rows("SELECT id FROM workflows"), json!([]));

    let longest = padded(MAX_BODY_BYTES);
    assert_eq!(world.send("POST", "/workflows", &headers, Some(&longest)).await.status, 201);
}

#[wasm_bindgen_test]
async fn who_is_not_signed_in_gets_401() {
    let world = World::new();
    let forged = signed("ann", "another secret of at least 32 bytes!");
    let expired = token("ann");
    advance(606_000).await;
    for bad in ["", "x.y.z", &forged, &expired] {
        let refused = world.get("/workflows", bad).await;
        assert_eq!(refused.status, 401, "{bad}");
        assert!(refused.headers["www-authenticate"].as_str().unwrap().starts_with("Bearer"));
    }
    assert_eq!(world.get("/workflows", &token("ann")).await.status, 200);
}

#[wasm_bindgen_test]
async fn the_limiter_refuses_a_user_past_their_budget() {
    let world = World::new();
    let ann = token("ann");
    for _ in 0..RATE_LIMIT {
        assert_eq!(world.get("/workflows", &ann).await.status, 200);
    }
    let refused = world.get("/workflows", &ann).await;
    assert_eq!((refused.status, &refused.headers["retry-after"]), (429, &json!("60")));
    assert_eq!(world.get("/workflows", &token("bob")).await.status, 200);
    advance(60_000).await;
    assert_eq!(world.get("/workflows", &ann).await.status, 200);
}

#[wasm_bindgen_test]
async fn refused_authentication_counts_against_the_address() {
    let world = World::new();
    let from =
        |address: &str| json!({"authorization": "Bearer forged", "cf-connecting-ip": address});
    for address in ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8:1:2::1", "not an address"] {
        world.send("GET", "/workflows", &from(address), None).await;
    }
    world.get("/workflows", "forged").await;
    world.send("GET", "/api/workflows", &from("192.0.2.7"), None).await;
    let keys = [
        "ip:192.0.2.7",
        "ip:192.0.2.7",
        "ip:2001:db8:1:2::/64",
        "ip:unknown",
        "ip:unknown",
        "ip:192.0.2.7",
    ];
    assert_eq!(world.limiter_keys(), json!(keys));

    for _ in 1..RATE_LIMIT {
        let refused = world.send("GET", "/workflows", &from("2001:db8:1:2::1"), None).await;
        assert_eq!(refused.status, 401);
    }
    let neighbour = from("2001:db8:1:2:ffff::9");
    assert_eq!(world.send("GET", "/workflows", &neighbour, None).await.status, 429);
    let mut signed_in = neighbour;
    signed_in["authorization"] = json!(format!("Bearer {}", token("ann")));
    assert_eq!(world.send("GET", "/workflows", &signed_in, None).await.status, 200);
}

#[wasm_bindgen_test]
async fn a_limiter_that_is_not_one_admits_and_is_logged() {
    let world = World::new();
    misbind_limiter(&world.env);
    assert_eq!(world.get("/workflows", &token("ann")).await.status, 200);
    assert_eq!(world.get("/workflows", "forged").await.status, 401);
    assert!(log().contains("rate limiter failed: "), "{}", log());
}

#[wasm_bindgen_test]
async fn a_worker_without_its_secret_answers_500_and_says_why_in_the_log() {
    let world = World::new();
    for secret in [None, Some("short")] {
        set_var(&world.env, "JWT_SECRET", secret);
        assert_eq!(app(&world.env).unwrap_err().name, "JWT_SECRET");
        let answer = world.get("/health/live", "").await;
        assert_eq!((answer.status, &answer.body["error"]), (500, &json!("Internal error")));
        assert!(log().contains("JWT_SECRET: must have at least 32 bytes"), "{}", log());
        assert!(!log().contains("short"));
    }
    set_var(&world.env, "JWT_SECRET", Some(SECRET));
    set_var(&world.env, "HTTP_ALLOWED_ORIGINS", Some("*"));
    assert_eq!(app(&world.env).unwrap_err().name, "HTTP_ALLOWED_ORIGINS");
    set_var(&world.env, "HTTP_ALLOWED_ORIGINS", None);
    assert!(app(&world.env).is_ok(), "without it no origin is allowed");
}

#[wasm_bindgen_test]
async fn a_database_that_is_down_is_told_to_the_log_and_not_to_the_client() {
    let world = World::new();
    set_mode(&world.env, "DB", "broken");
    let answer = world.post("/workflows", &token("ann"), &valid()).await;
    assert_eq!((answer.status, &answer.headers["retry-after"]), (503, &json!("5")));
    assert!(!answer.body.to_string().contains("Network"), "{answer:?}");
    assert!(log().contains("database failed: Network connection lost."), "{}", log());
}

#[wasm_bindgen_test]
async fn the_catalogue_comes_from_the_edge_for_five_minutes() {
    let world = World::new();
    let ann = token("ann");
    assert_eq!(world.get("/api/workflows", "").await.body["workflows"], json!([]));
    let created = world.post("/workflows", &ann, &valid()).await;
    let path = format!("/workflows/{}", created.body["id"].as_str().unwrap());
    let published = world.post(&format!("{path}/publish"), &ann, &json!({})).await;
    assert_eq!(published.status, 200, "{published:?}");
    advance(299_999).await;
    assert_eq!(world.get("/api/workflows", "").await.body["workflows"], json!([]));
    advance(1).await;
    let listed = world.get("/api/workflows", "").await;
    assert_eq!(listed.body["workflows"][0]["id"], created.body["id"]);

    let unchanged = json!({"if-none-match": listed.headers["etag"]});
    let again = world.send("GET", "/api/workflows", &unchanged, None).await;
    assert_eq!((again.status, &again.body), (304, &Value::Null));

    set_mode(&world.env, "DB", "broken");
    assert_eq!(world.get("/api/workflows?limit=7", "").await.status, 503);
    set_mode(&world.env, "DB", "well");
    assert_eq!(world.get("/api/workflows?limit=7", "").await.status, 200, "errors are not kept");
    break_edge(true);
    assert_eq!(world.get("/api/workflows", "").await.body, listed.body, "slower, and right");
    assert!(log().contains("http cache failed: "), "{}", log());
}

#[wasm_bindgen_test]
async fn an_owner_changes_and_deletes() {
    let world = World::new();
    let ann = token("ann");
    let created = world.post("/workflows", &ann, &valid()).await;
    let path = format!("/workflows/{}", created.body["id"].as_str().unwrap());
    let headers =
        json!({"authorization": format!("Bearer {ann}"), "content-type": "application/json"});
    let mut changed = valid();
    changed["name"] = json!("m");
    let updated = world.send("PUT", &path, &headers, Some(&changed.to_string())).await;
    assert_eq!((updated.status, &updated.body["name"]), (200, &json!("m")));
    assert_eq!(world.send("DELETE", &path, &headers, None).await.status, 204);
    assert_eq!(world.get(&path, &ann).await.status, 404);
}

#[wasm_bindgen_test]
async fn a_request_is_a_line_in_the_log_that_names_nobody_and_no_secret() {
    let world = World::new();
    world.get("/workflows?cursor=secret", &token("ann")).await;
    assert!(!log().contains("request_id"), "off by default");
    // The configuration of an environment is read once.
    let world = World::new();
    set_var(&world.env, "LOG_REQUESTS", Some("on"));
    let ann = token("ann");
    let answer = world.get("/workflows?limit=secret", &ann).await;
    let line: Value = serde_json::from_str(log().lines().last().unwrap()).unwrap();
    assert_eq!((&line["event"], &line["method"]), (&json!("request"), &json!("GET")));
    assert_eq!((&line["route"], &line["status"]), (&json!("/workflows"), &json!(400)));
    assert_eq!(line["request_id"], answer.headers["x-request-id"]);
    assert!(line["duration_ms"].is_i64() && line["usage"].is_object(), "{line}");
    assert_eq!(line["caller"].as_str().map(str::len), Some(12));
    assert!(!log().contains("secret") && !log().contains("ann") && !log().contains(&ann));
    world.get("/%0a%7b%22event%22", "").await;
    let line: Value = serde_json::from_str(log().lines().last().unwrap()).unwrap();
    assert_eq!((&line["route"], &line["caller"]), (&json!("-"), &Value::Null));
}

#[wasm_bindgen_test]
async fn a_handler_that_hangs_is_given_up() {
    let world = World::new();
    set_mode(&world.env, "DB", "silent");
    let headers = json!({"authorization": format!("Bearer {}", token("ann"))});
    let asked = world.start("GET", "/workflows", &headers, None);
    advance(25_000).await;
    let answer = Answer::of(asked).await;
    assert_eq!((answer.status, &answer.headers["retry-after"]), (503, &json!("5")));
    assert_eq!(answer.headers["vary"], "origin");
    assert_eq!(answer.headers["workway-usage"], "analytics_points=1", "billed all the same");
    assert_eq!(timer_count(), 1, "usage waits to be written");
}

#[wasm_bindgen_test]
async fn a_key_is_claimed_kept_for_a_day_and_taken_over_when_its_claim_expires() {
    let world = World::new();
    let post = async |key: &str| {
        let headers = json!({
            "authorization": format!("Bearer {}", token("ann")), "idempotency-key": key,
            "content-type": "application/json",
        });
        world.send("POST", "/workflows", &headers, Some(&valid().to_string())).await
    };
    let first = post("\"a\"").await;
    assert_eq!(first.status, 201, "{first:?}");
    advance(24 * 3_600_000 - 1).await;
    let again = post("\"a\"").await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!((again.status, &again.body), (201, &first.body));

    // The host died after the write, before it could keep the outcome.
    world.rows("UPDATE idempotency_keys SET status = NULL, expires_at = 9e15");
    assert_eq!(post("\"a\"").await.status, 409);
    world.rows("UPDATE idempotency_keys SET expires_at = 1");
    let recovered = post("\"a\"").await;
    assert_eq!((recovered.status, &recovered.body), (201, &first.body), "made once");

    advance(24 * 3_600_000).await;
    let renewed = post("\"a\"").await;
    assert_ne!(renewed.body["id"], first.body["id"], "as good as new");
    advance(48 * 3_600_000).await;
    world.cron().await;
    assert_eq!(world.rows("SELECT scope FROM idempotency_keys"), json!([]));
}

#[wasm_bindgen_test]
async fn our_failures_are_not_kept_under_a_key() {
    let world = World::new();
    let ann = token("ann");
    let created = world.post("/workflows", &ann, &valid()).await;
    world.rows("ALTER TABLE workflows RENAME TO gone");
    let headers = json!({
        "authorization": format!("Bearer {ann}"), "idempotency-key": "\"a\"",
        "content-type": "application/json",
    });
    let post =
        async || world.send("POST", "/workflows", &headers, Some(&valid().to_string())).await;
    assert_eq!(post().await.status, 503);
    world.rows("ALTER TABLE gone RENAME TO workflows");
    let made = post().await;
    assert_eq!((made.status, &made.headers["idempotency-replayed"]), (201, &Value::Null));
    assert_ne!(made.body["id"], created.body["id"]);
}

#[wasm_bindgen_test]
async fn usage_is_written_after_a_while_and_counted_before() {
    let world = World::new();
    let zoe = token("zoe");
    world.post("/workflows", &zoe, &valid()).await;
    world.get("/workflows", &zoe).await;
    let of_zoe = "SELECT count FROM usage_accounts WHERE user_id = 'zoe'";
    assert_eq!(world.rows(of_zoe), json!([]));
    let usage = world.get("/usage", &zoe).await.body;
    assert_eq!((&usage["requests"]["count"], &usage["runs"]["count"]), (&json!(2), &json!(0)));
    set_mode(&world.env, "DB", "broken");
    advance(10_000).await;
    set_mode(&world.env, "DB", "well");
    assert!(log().contains("usage: database failed"), "{}", log());
    assert_eq!(world.get("/usage", &zoe).await.body["requests"]["count"], 3, "not lost");
    advance(10_000).await;
    assert_eq!(world.rows(of_zoe), json!([{"count": 4}]));
    assert_eq!(world.get("/usage", &zoe).await.body["requests"]["count"], 4);
}

#[wasm_bindgen_test]
async fn usage_is_written_before_the_answer_where_that_is_asked_for() {
    let world = World::new();
    set_var(&world.env, "USAGE_BEFORE_ANSWER", Some("on"));
    let eve = token("eve");
    let of_eve = "SELECT count, written FROM usage_accounts WHERE user_id = 'eve'";
    for sent in 1..=3 {
        world.get("/workflows", &eve).await;
        assert_eq!(world.rows(of_eve), json!([{"count": sent, "written": sent}]));
    }
    let usage = world.get("/usage", &eve).await.body;
    assert_eq!(usage["requests"]["count"], 3);
    assert_eq!(usage["background"]["metering"]["rows_written"], 3, "what that used");
    assert_eq!(log().matches("usage:").count(), 0, "{}", log());
}

#[wasm_bindgen_test]
async fn each_request_is_an_event_whose_index_is_its_caller() {
    let world = World::new();
    let ann = token("ann");
    let listed = world.get("/workflows?limit=1", &ann).await;
    assert!(listed.headers["workway-usage"].as_str().unwrap().contains("analytics_points=1"));
    world.get("/workflows", "").await;
    world.get("/nowhere/at/all", "").await;
    let points = world.data_points();
    let known = |index: usize| (&points[index]["indexes"], &points[index]["blobs"]);
    let expected = json!(["request", "GET", "/workflows", "200", "<10ms"]);
    assert_eq!(known(0), (&json!(["ann"]), &expected));
    let expected = json!(["request", "GET", "/workflows", "401", "<10ms"]);
    assert_eq!(known(1), (&json!([""]), &expected));
    assert_eq!(known(2), (&json!([""]), &json!(["request", "-", "-", "404", "<10ms"])));
    let doubles = points[0]["doubles"].as_array().unwrap();
    assert_eq!((doubles.len(), &doubles[0]), (1 + Usage::NAMES.len(), &json!(0)));
    set_var(&world.env, "ANALYTICS", None);
    let answer = world.get("/workflows", &ann).await;
    assert_eq!(answer.status, 200, "nobody needs it");
    assert_eq!(answer.headers["workway-usage"], Value::Null, "not written, not billed");
    assert!(log().contains("analytics failed"), "{}", log());
}
