//! Server errors are reported, and nothing but what is meant to be.

use std::time::Duration;

use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{header_regex, method, path},
};

use workway_service::platform::native::control_socket;

use super::client::{Api, token};

async fn sentry() -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/api/7/envelope/"))
        .and(header_regex("x-sentry-auth", "sentry_version=7, .*sentry_key=public"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    server
}

fn dsn(server: &MockServer) -> String {
    format!("http://public@{}/7", server.address())
}

async fn events(server: &MockServer, expected: usize) -> Vec<Value> {
    for _ in 0..100 {
        let requests = server.received_requests().await.unwrap();
        if requests.len() >= expected {
            let event = |body: &[u8]| {
                let text = String::from_utf8(body.to_vec()).unwrap();
                serde_json::from_str(text.lines().nth(2).unwrap()).unwrap()
            };
            return requests.iter().map(|request| event(&request.body)).collect();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no report came");
}

/// Takes a table away: every statement about it fails.
fn take_away(api: &Api, file: &str, table: &str) {
    let connection = rusqlite::Connection::open(api.state.path().join(file)).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    connection.execute_batch(&format!("ALTER TABLE {table} RENAME TO gone")).unwrap();
}

fn break_database(api: &Api) {
    take_away(api, "database.sqlite", "workflows");
}

async fn reporting(sentry: &MockServer) -> Api {
    let mut api = Api::start().await;
    api.stop().await;
    let variables = [("ENVIRONMENT", "tests"), ("SENTRY_TRACES_SAMPLE_RATE", "0")];
    api.boot_with(&[&[("SENTRY_DSN", &*dsn(sentry))], &variables[..]].concat()).await;
    api
}

/// Every request, where all are asked for: its route and status, when it came and when it was answered, and
/// nothing that the client sent.
#[tokio::test]
async fn a_request_is_traced_without_what_the_client_sent() {
    let sentry = sentry().await;
    let mut api = Api::start().await;
    api.stop().await;
    api.boot_with(&[("SENTRY_DSN", &*dsn(&sentry)), ("SENTRY_TRACES_SAMPLE_RATE", "1")]).await;
    let ann = token("ann");
    let answer = api.send(reqwest::Method::GET, "/runs?limit=3", &ann, None).await;
    assert_eq!(answer.status(), 200);
    let id = answer.headers()["x-request-id"].to_str().unwrap().replace('-', "");
    let missing = api.send(reqwest::Method::GET, "/runs/of-nobody", &ann, None).await;
    assert_eq!(missing.status(), 404);
    let mut traces = events(&sentry, 2).await;
    traces.sort_by_key(|trace| trace["tags"]["status"].to_string());
    let trace = &traces[0];
    assert_eq!(trace["type"], "transaction");
    assert_eq!(
        (&trace["transaction"], &trace["tags"]["status"]),
        (&json!("GET /runs"), &json!("200"))
    );
    let context = &trace["contexts"]["trace"];
    assert_eq!((&context["trace_id"], &context["op"]), (&json!(id), &json!("http.server")));
    assert_eq!(context["span_id"].as_str().unwrap().len(), 16);
    assert_ne!(trace["event_id"], json!(id), "the report of an error has it");
    assert!(trace["timestamp"].as_f64() >= trace["start_timestamp"].as_f64());
    assert_eq!(traces[1]["transaction"], "GET /runs/{id}");
    for trace in &traces {
        for hidden in ["ann", "limit", "of-nobody"] {
            assert!(!trace.to_string().contains(hidden), "{hidden}: {trace}");
        }
    }
}

/// What is said of each event: nothing of the database, nothing of a run.
fn said(events: &[Value], hidden: &[&str]) -> Vec<(String, String, String)> {
    for event in events {
        for hidden in ["no such table", "gone", "SELECT"].iter().chain(hidden) {
            assert!(!event.to_string().contains(hidden), "{hidden}: {event}");
        }
    }
    let text = |event: &Value, at| event.pointer(at).unwrap().as_str().unwrap().to_owned();
    let one = |event| {
        let [what, place, cause] =
            ["/message/formatted", "/transaction", "/tags/cause"].map(|at| text(event, at));
        (what, place, cause)
    };
    events.iter().map(one).collect()
}

#[tokio::test]
async fn each_scheduled_task_that_fails_is_reported_each_time() {
    let sentry = sentry().await;
    let api = reporting(&sentry).await;
    let control = control_socket(api.state.path());
    let control = reqwest::Client::builder().no_proxy().unix_socket(control).build().unwrap();
    let cron = async || {
        let fired = control.post("http://control/cron").header("content-type", "application/json");
        fired.body("null").send().await.unwrap().status().as_u16()
    };
    assert_eq!(cron().await, 200);
    take_away(&api, "database.sqlite", "idempotency_keys");
    assert_eq!((cron().await, cron().await), (503, 503));
    let said = said(&events(&sentry, 2).await, &[]);
    let expected = ("scheduled task failed: idempotency keys at cron", "cron", "database failed");
    assert_eq!(said.len(), 2, "the backup of the day was there: {said:?}");
    for (what, place, cause) in &said {
        assert_eq!((what.as_str(), place.as_str(), cause.as_str()), expected);
    }
}

#[tokio::test]
async fn an_alarm_that_has_to_ring_again_is_reported() {
    let sentry = sentry().await;
    let api = reporting(&sentry).await;
    let (ann, step) = (token("ann"), json!({"type": "delay", "config": {"seconds": 1}}));
    let body = json!({"name": "n", "description": "d", "steps": [step]});
    let (status, made) = api.post("/workflows", &ann, body).await;
    assert_eq!(status, 201, "{made}");
    let run = api.run(&ann, made["id"].as_str().unwrap()).await;
    take_away(&api, "objects.sqlite", "object_states");
    let said = said(&events(&sentry, 1).await, &["ann", &run]);
    let (what, place, cause) = &said[0];
    assert_eq!(what, &format!("alarm failed at {place}"));
    assert!(place.starts_with("alarm of "), "{place}");
    assert_eq!(cause, "database failed", "{said:?}");
}

#[tokio::test]
async fn a_server_error_is_reported_without_what_the_client_sent() {
    let sentry = sentry().await;
    let api = reporting(&sentry).await;
    assert_eq!(api.get("/workflows", "nonsense").await.0, 401, "not our error");
    break_database(&api);
    let answer = api.send(reqwest::Method::GET, "/workflows?limit=7", &token("ann"), None).await;
    assert_eq!(answer.status(), 503);
    let request_id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    let events = events(&sentry, 1).await;
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!(event["transaction"], "GET /workflows");
    assert_eq!(event["tags"], json!({"status": "503", "request_id": request_id}));
    assert_eq!((&event["level"], &event["environment"]), (&json!("error"), &json!("tests")));
    for hidden in ["ann", "limit", "no such table", "Bearer"] {
        assert!(!event.to_string().contains(hidden), "{hidden}: {event}");
    }
}

#[tokio::test]
async fn a_sentry_that_is_down_costs_the_client_nothing() {
    let mut api = Api::start().await;
    api.stop().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    api.boot_with(&[("SENTRY_DSN", &format!("http://public@{closed}/7"))]).await;
    break_database(&api);
    assert_eq!(api.get("/workflows", &token("ann")).await.0, 503);
    assert_eq!(api.get("/health/live", "").await.0, 200);
}
