//! What stands before every route.

use reqwest::{Method, StatusCode};
use serde_json::json;
use workway_service::config::RATE_LIMIT;

use super::client::{Api, read, token, token_of};

#[tokio::test]
async fn authentication_and_scopes() {
    let api = Api::start().await;
    let response = api.send(Method::GET, "/workflows", "", None).await;
    assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    let (status, none) = read(response).await;
    assert_eq!(status, 401);
    assert_eq!(api.get("/workflows", "x.y.z").await, (StatusCode::UNAUTHORIZED, none));
    let reader = token_of("ann", "read");
    assert_eq!(api.get("/workflows", &reader).await.0, 200);
    assert_eq!(api.post("/workflows", &reader, json!({})).await.0, 403);
    let response = api.send(Method::GET, "/workflows", &reader, None).await;
    assert!(!response.headers().contains_key("workway-usage"), "not without the scope");
}

#[tokio::test]
async fn the_budget_is_the_users_and_says_when_it_is_back() {
    let api = Api::start().await;
    let ann = token("ann");
    let mut refused = 0;
    // Twice the limit and one: whatever the window, one is past it.
    for _ in 0..=2 * RATE_LIMIT {
        let response = api.send(Method::GET, "/workflows", &ann, None).await;
        if response.status() == 429 {
            refused += 1;
            let seconds: u32 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            // The window may have begun this second, and slides.
            assert!((1..=61).contains(&seconds), "{seconds}");
        }
    }
    assert!(refused >= 1);
    assert_eq!(api.get("/workflows", &token("bob")).await.0, 200);
    assert_eq!(api.get("/api/workflows", "").await.0, 200, "another budget: the address's");
}

#[tokio::test]
async fn refused_authentication_counts_against_the_address() {
    let api = Api::start().await;
    let mut last = StatusCode::OK;
    for _ in 0..=2 * RATE_LIMIT {
        last = api.send(Method::GET, "/workflows", "forged", None).await.status();
    }
    assert_eq!(last, 429);
    assert_eq!(api.get("/workflows", &token("ann")).await.0, 200);
}

#[tokio::test]
async fn only_listed_origins_may_read_answers_and_every_answer_varies() {
    let api = Api::start().await;
    let ask = async |method: Method, path: &str, origins: &[&str]| {
        let mut request = api.client.request(method, format!("{}{path}", api.base));
        for origin in origins {
            request = request.header("origin", *origin);
        }
        request.send().await.unwrap()
    };
    for path in ["/health/live", "/api/workflows", "/workflows", "/nope"] {
        let answer = ask(Method::GET, path, &["https://good.example"]).await;
        let headers = answer.headers();
        assert_eq!(headers["access-control-allow-origin"], "https://good.example", "{path}");
        assert_eq!(headers["vary"], "origin", "{path}");
        assert!(!headers.contains_key("access-control-allow-credentials"));
    }
    for bad in [
        &["null"][..],
        &["https://evil.example"],
        &["https://good.example.evil.example"],
        &["https://goodXexample"],
        &["http://good.example"],
        &["https://good.example:8443"],
        &["https://GOOD.example"],
        &["https://good.example", "https://evil.example"],
        &[],
    ] {
        let answer = ask(Method::GET, "/health/live", bad).await;
        assert!(!answer.headers().contains_key("access-control-allow-origin"), "{bad:?}");
        assert_eq!(answer.headers()["vary"], "origin", "{bad:?}");
    }
}

#[tokio::test]
async fn a_preflight_needs_no_token_and_costs_no_budget() {
    let api = Api::start().await;
    let ask = async |origin: &str| {
        let request = api.client.request(Method::OPTIONS, format!("{}/workflows", api.base));
        let request = request.header("origin", origin);
        request.header("access-control-request-method", "PUT").send().await.unwrap()
    };
    for _ in 0..=RATE_LIMIT {
        let allowed = ask("https://good.example").await;
        assert_eq!(allowed.status(), 204);
        assert_eq!(allowed.headers()["access-control-allow-origin"], "https://good.example");
        assert_eq!(allowed.headers()["access-control-allow-methods"], "GET, POST, PUT, DELETE");
        assert_eq!(allowed.headers()["vary"], "origin");
    }
    let refused = ask("https://evil.example").await;
    assert_eq!(
        (refused.status().as_u16(), refused.headers()["vary"].as_bytes()),
        (204, &b"origin"[..])
    );
    assert!(!refused.headers().contains_key("access-control-allow-methods"));
    assert_eq!(api.get("/api/workflows", "").await.0, 200, "the address has its budget");
}

/// The Worker never sees an empty header: natively it means as little.
#[tokio::test]
async fn an_empty_origin_makes_no_preflight() {
    let api = Api::start().await;
    for (origin, method) in [("", "PUT"), ("https://good.example", "")] {
        let request = api.client.request(Method::OPTIONS, format!("{}/workflows", api.base));
        let request = request.header("origin", origin);
        let answer = request.header("access-control-request-method", method).send().await.unwrap();
        assert_eq!(answer.status(), 405, "{origin:?} {method:?}");
    }
}

#[tokio::test]
async fn every_answer_is_safe_to_show_to_a_browser_and_has_an_id() {
    let api = Api::start().await;
    for path in ["/health/live", "/workflows", "/nope"] {
        let answer = api.send(Method::GET, path, "", None).await;
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(
            header("strict-transport-security"),
            "max-age=31536000; includeSubDomains; preload"
        );
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
        assert_eq!(header("x-request-id").len(), 36);
    }
}
