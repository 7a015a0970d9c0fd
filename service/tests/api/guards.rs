//! What stands before every route.

use reqwest::{Method, StatusCode};
use serde_json::json;
use workway_service::config::RATE_LIMIT;

use crate::client::{Api, read, token, token_of};

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
            assert_eq!(response.headers()["retry-after"], "60");
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
