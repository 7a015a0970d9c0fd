//! Server errors are reported, and nothing but what is meant to be.

use std::time::Duration;

use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{header_regex, method, path},
};

use crate::client::{Api, token};

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

/// Takes the tables away: every statement fails.
fn break_database(api: &Api) {
    let file = api.state.path().join("database.sqlite");
    let connection = rusqlite::Connection::open(file).unwrap();
    connection.execute_batch("ALTER TABLE workflows RENAME TO gone").unwrap();
}

#[tokio::test]
async fn a_server_error_is_reported_without_what_the_client_sent() {
    let mut api = Api::start().await;
    let sentry = sentry().await;
    api.stop().await;
    api.boot_with(&[("SENTRY_DSN", &dsn(&sentry)), ("ENVIRONMENT", "tests")]).await;
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
