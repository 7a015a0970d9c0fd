//! An owner's workflows.

use std::collections::HashSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use workway_service::guard::MAX_BODY_BYTES;

use super::client::{Api, read, token};

#[tokio::test]
async fn workflows_are_created_read_and_listed_by_their_owner_only() {
    let api = Api::start().await;
    let (ann, bob) = (token("ann"), token("bob"));
    let response = api
        .send(
            Method::POST,
            "/workflows",
            &ann,
            Some(json!({"name": "n", "description": "d", "steps": api.http_step()})),
        )
        .await;
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["cache-control"], "private, no-store");
    // The row with two indexes, and its place in the outbox of search with one.
    assert_eq!(response.headers()["workway-usage"], "rows_written=5, analytics_points=1");
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let created: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(location, format!("/workflows/{}", created["id"].as_str().unwrap()));

    assert_eq!(api.get(&location, &ann).await, (StatusCode::OK, created.clone()));
    let (status, foreign) = api.get(&location, &bob).await;
    let (_, absent) = api.get("/workflows/00000000-0000-7000-8000-000000000000", &bob).await;
    assert_eq!((status, &foreign), (StatusCode::NOT_FOUND, &absent), "theirs is like none");

    let (_, list) = api.get("/workflows", &ann).await;
    let mut listed = created;
    listed.as_object_mut().unwrap().remove("steps").expect("a list has no steps");
    assert_eq!(list, json!({"workflows": [listed], "next": null}));
    assert_eq!(api.get("/workflows", &bob).await.1["workflows"], json!([]));
}

#[tokio::test]
async fn pages_follow_each_other_without_gaps() {
    let api = Api::start().await;
    let ann = token("ann");
    for _ in 0..5 {
        api.workflow(&ann, api.http_step()).await;
    }
    let (mut seen, mut path) = (Vec::new(), "/workflows?limit=2".to_owned());
    loop {
        let (_, page) = api.get(&path, &ann).await;
        seen.extend(page["workflows"].as_array().unwrap().iter().map(|w| w["id"].to_string()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/workflows?limit=2&cursor={next}");
    }
    assert_eq!(seen.len(), 5);
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 5);
    for bad in ["limit=0", "limit=101", "limit=x", "cursor=x", "limit=1&limit=2"] {
        assert_eq!(api.get(&format!("/workflows?{bad}"), &ann).await.0, 400, "{bad}");
    }
}

/// A page is as short as its names and descriptions, however long the workflows are.
#[tokio::test]
async fn a_list_has_no_steps_and_stays_small() {
    const WORKFLOWS: usize = 5;
    let api = Api::start().await;
    let ann = token("ann");
    let config = json!({"url": format!("https://x.test/{}", "x".repeat(200_000))});
    for _ in 0..WORKFLOWS {
        api.workflow(&ann, json!([{"type": "http", "config": config}])).await;
    }
    let listed = api.send(Method::GET, "/workflows?limit=100", &ann, None).await;
    let text = listed.text().await.unwrap();
    assert!(text.len() < WORKFLOWS * 1_000, "{} bytes", text.len());
    let page: Value = serde_json::from_str(&text).unwrap();
    let first = &page["workflows"][0];
    let (_, shown) = api.get(&format!("/workflows/{}", first["id"].as_str().unwrap()), &ann).await;
    let mut expected = shown.as_object().unwrap().clone();
    assert!(expected.remove("steps").is_some());
    assert_eq!(first.as_object(), Some(&expected), "everything but the steps");
}

#[tokio::test]
async fn refused_bodies_write_nothing() {
    let api = Api::start().await;
    let ann = token("ann");
    let too_long = json!({"name": "x".repeat(101), "description": "d", "steps": []});
    let (status, body) = api.post("/workflows", &ann, too_long).await;
    assert_eq!((status.as_u16(), &body["error"]), (400, &json!("Invalid input")));
    let paths: Vec<_> = body["issues"].as_array().unwrap().iter().map(|i| &i["path"]).collect();
    assert_eq!(paths, ["name", "steps"]);

    let with_body = async |kind: &str, body: Vec<u8>| {
        let request = api.client.post(format!("{}/workflows", api.base)).bearer_auth(&ann);
        read(request.header("content-type", kind).body(body).send().await.unwrap()).await.0.as_u16()
    };
    let valid = json!({"name": "n", "description": "", "steps": [{"type": "http", "config": {}}]})
        .to_string();
    let padded = |size: usize| format!("{valid}{}", " ".repeat(size - valid.len())).into_bytes();
    assert_eq!(with_body("application/json", padded(MAX_BODY_BYTES + 1)).await, 413);
    assert_eq!(with_body("text/plain", valid.clone().into_bytes()).await, 415);
    for broken in ["", "{", "{\"name\":1,\"name\":2}", "\u{feff}{}", "[1,]"] {
        assert_eq!(
            with_body("application/json", broken.as_bytes().to_vec()).await,
            400,
            "{broken}"
        );
    }
    assert_eq!(with_body("application/json", vec![0xff]).await, 400);
    assert_eq!(api.get("/workflows", &ann).await.1["workflows"], json!([]));
    assert_eq!(with_body("application/json", padded(MAX_BODY_BYTES)).await, 201);
}

#[tokio::test]
async fn an_owner_changes_publishes_and_deletes() {
    let api = Api::start().await;
    let (ann, bob) = (token("ann"), token("bob"));
    let id = api.workflow(&ann, api.http_step()).await;
    let path = format!("/workflows/{id}");
    let changed = json!({"name": "m", "description": "e", "steps": api.http_step()});
    let put = async |path: &str, token: &str, body: &Value| {
        read(api.send(Method::PUT, path, token, Some(body.clone())).await).await
    };

    let (status, updated) = put(&path, &ann, &changed).await;
    assert_eq!((status.as_u16(), &updated["name"]), (200, &json!("m")), "{updated}");
    assert_eq!(updated["published_at"], Value::Null);
    assert_eq!(api.get(&path, &ann).await.1, updated);
    let invalid = json!({"name": "", "description": "e", "steps": api.http_step()});
    assert_eq!(put(&path, &ann, &invalid).await.0, 400);
    assert_eq!(put(&path, &bob, &changed).await.0, 404);
    assert_eq!(put("/workflows/nope", &ann, &changed).await.0, 404);
    assert_eq!(api.get(&path, &ann).await.1, updated, "refused changes change nothing");

    let publish = format!("{path}/publish");
    let (status, published) = api.post(&publish, &ann, json!({})).await;
    assert_eq!(status, 200);
    assert!(published["published_at"].is_i64(), "{published}");
    assert_eq!(api.post(&publish, &ann, json!({})).await.1, published, "again: as before");
    assert_eq!(api.post(&publish, &bob, json!({})).await.0, 404);

    let delete = async |token: &str| api.send(Method::DELETE, &path, token, None).await;
    assert_eq!(read(delete(&bob).await).await.0, 404);
    let deleted = delete(&ann).await;
    assert_eq!(deleted.status(), 204);
    assert_eq!(deleted.text().await.unwrap(), "");
    assert_eq!(api.get(&path, &ann).await.0, 404);
    assert_eq!(read(delete(&ann).await).await.0, 404);
    assert_eq!(put(&path, &ann, &changed).await.0, 404);
}
