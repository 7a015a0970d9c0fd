//! The public routes.

use reqwest::Method;
use serde_json::json;

use super::client::{Api, read, token};

#[tokio::test]
async fn health_catalogue_and_what_is_not_there() {
    let api = Api::start().await;
    let (status, health) = api.get("/health", "").await;
    assert_eq!((status.as_u16(), &health["status"]), (200, &json!("healthy")));
    assert_eq!(health["checks"], json!({"database": true, "ai": null, "cache": true}));
    assert_eq!(api.get("/health", "").await.1, health, "cached");
    assert_eq!(api.get("/health/live", "").await.1, json!({"status": "live"}));

    let catalogue = api.send(Method::GET, "/api/workflows", "", None).await;
    assert_eq!(catalogue.headers()["cache-control"], "public, max-age=60, s-maxage=300");
    assert_eq!(catalogue.headers()["cdn-cache-control"], "max-age=300");
    assert_eq!(read(catalogue).await.1, json!({"workflows": [], "next": null}));

    for path in ["/nope", "/workflows/%ff", "/workflows/x%2Fy", "/runs/' OR 1=1", "/workflows/%00"]
    {
        assert_eq!(api.get(path, &token("ann")).await.0, 404, "{path}");
    }
    let response = api.send(Method::DELETE, "/workflows", "", None).await;
    assert_eq!(response.headers()["allow"], "POST,GET,HEAD");
    assert_eq!(read(response).await.0, 405);
}

#[tokio::test]
async fn the_catalogue_shows_what_is_published_and_says_when_nothing_changed() {
    let api = Api::start().await;
    let ann = token("ann");
    let mut ids = Vec::new();
    for _ in 0..3 {
        let id = api.workflow(&ann, api.http_step()).await;
        assert_eq!(api.post(&format!("/workflows/{id}/publish"), &ann, json!({})).await.0, 200);
        ids.insert(0, id);
    }
    api.workflow(&ann, api.http_step()).await;

    let (_, all) = api.get("/api/workflows?limit=10", "").await;
    let listed: Vec<_> = all["workflows"].as_array().unwrap().iter().map(|w| &w["id"]).collect();
    assert_eq!(listed, ids.iter().collect::<Vec<_>>(), "newest first, and no drafts");
    assert!(all["workflows"][0]["steps"].is_null(), "steps may hold secrets");
    let (_, page) = api.get("/api/workflows?limit=2", "").await;
    let next = page["next"].as_str().unwrap();
    let (_, rest) = api.get(&format!("/api/workflows?limit=2&cursor={next}"), "").await;
    assert_eq!(rest["workflows"][0]["id"], ids[2].as_str());

    let first = api.send(Method::GET, "/api/workflows?limit=10", "", None).await;
    let etag = first.headers()["etag"].clone();
    let again = api.client.get(format!("{}/api/workflows?limit=10", api.base));
    let unchanged = again.header("if-none-match", &etag).send().await.unwrap();
    assert_eq!(unchanged.status(), 304);
    assert_eq!(unchanged.headers()["etag"], etag);
    assert_eq!(unchanged.headers()["cache-control"], first.headers()["cache-control"]);
    assert_eq!(unchanged.text().await.unwrap(), "");
}

#[tokio::test]
async fn a_page_of_the_catalogue_is_read_once_however_its_query_is_spelt() {
    let api = Api::start().await;
    let ann = token("ann");
    let (_, empty) = api.get("/api/workflows?limit=10", "").await;
    let id = api.workflow(&ann, api.http_step()).await;
    api.post(&format!("/workflows/{id}/publish"), &ann, json!({})).await;
    for query in ["limit=10", "limit=010", "x=y&limit=10", "limit=%310"] {
        assert_eq!(api.get(&format!("/api/workflows?{query}"), "").await.1, empty, "{query}");
    }
    assert_eq!(api.get("/api/workflows?limit=11", "").await.1["workflows"][0]["id"], id.as_str());
    assert_eq!(api.get("/api/workflows?limit=0", "").await.0, 400, "errors are not kept");
}
