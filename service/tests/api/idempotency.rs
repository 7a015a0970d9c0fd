//! `Idempotency-Key`.

use futures_util::future::join_all;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::client::{Api, read, token, token_of};

async fn post(api: &Api, path: &str, token: &str, key: &str, body: &Value) -> Response {
    let request = api.client.post(format!("{}{path}", api.base)).bearer_auth(token);
    let request = request.header("content-type", "application/json").header("idempotency-key", key);
    request.body(body.to_string()).send().await.unwrap()
}

fn workflow(name: &str) -> Value {
    let steps = json!([{"type": "transform", "config": {"value": 1}}]);
    json!({"name": name, "description": "d", "steps": steps})
}

#[tokio::test]
async fn the_same_request_gets_the_same_answer_byte_for_byte() {
    let api = Api::start().await;
    let ann = token("ann");
    let first = post(&api, "/workflows", &ann, "\"a\"", &workflow("n")).await;
    assert!(!first.headers().contains_key("idempotency-replayed"));
    let again = post(&api, "/workflows", &ann, "\"a\"", &workflow("n")).await;
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    for name in ["content-type", "location", "cache-control"] {
        assert_eq!(first.headers()[name], again.headers()[name], "{name}");
    }
    assert_eq!((first.status(), again.status()), (StatusCode::CREATED, StatusCode::CREATED));
    assert_eq!(first.bytes().await.unwrap(), again.bytes().await.unwrap());
    assert_eq!(api.get("/workflows", &ann).await.1["workflows"].as_array().unwrap().len(), 1);

    let other = post(&api, "/workflows", &ann, "\"a\"", &workflow("m")).await;
    assert_eq!(read(other).await.0, 422);
    for (token, key) in [(&token("bob"), "\"a\""), (&ann, "\"b\"")] {
        let independent = post(&api, "/workflows", token, key, &workflow("n")).await;
        assert!(!independent.headers().contains_key("idempotency-replayed"));
        assert_eq!(independent.status(), 201);
    }
}

#[tokio::test]
async fn a_run_starts_once_and_a_key_is_of_one_path() {
    let api = Api::start().await;
    let ann = token("ann");
    let mut runs = Vec::new();
    for _ in 0..2 {
        let (status, created) = api.post("/workflows", &ann, workflow("n")).await;
        assert_eq!(status, 201);
        let path = format!("/workflows/{}/runs", created["id"].as_str().unwrap());
        for _ in 0..2 {
            let (status, run) = read(post(&api, &path, &ann, "\"a\"", &json!({})).await).await;
            assert_eq!(status, 202);
            runs.push(run["id"].clone());
        }
    }
    assert_eq!((&runs[0], &runs[2]), (&runs[1], &runs[3]));
    assert_ne!(runs[0], runs[2]);
    assert_eq!(api.get("/runs", &ann).await.1["runs"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn of_many_at_once_one_is_carried_out() {
    let api = Api::start().await;
    let ann = token("ann");
    let body = workflow("n");
    let all = join_all((0..50).map(|_| post(&api, "/workflows", &ann, "\"a\"", &body))).await;
    let mut created = Vec::new();
    for response in all {
        match response.status().as_u16() {
            201 => created.push(response.text().await.unwrap()),
            status => assert_eq!(
                (status, &response.headers()["retry-after"]),
                (409, &"1".parse().unwrap())
            ),
        }
    }
    assert!(created.iter().all(|body| *body == created[0]), "{created:?}");
    assert_eq!(api.get("/workflows", &ann).await.1["workflows"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn refusals_are_outcomes_too_and_bad_keys_are_refused() {
    let api = Api::start().await;
    let ann = token("ann");
    let invalid = json!({"name": "", "description": "d", "steps": []});
    let refused = post(&api, "/workflows", &ann, "\"a\"", &invalid).await;
    let again = post(&api, "/workflows", &ann, "\"a\"", &invalid).await;
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(read(refused).await, read(again).await);
    for bad in ["a", "", "\"\"", &format!("\"{}\"", "k".repeat(256))] {
        let answer = post(&api, "/workflows", &ann, bad, &workflow("n")).await;
        assert_eq!(read(answer).await.0, 400, "{bad}");
    }
    post(&api, "/workflows", &ann, "\"b\"", &workflow("n")).await;
    let reader = token_of("ann", "read");
    let answer = post(&api, "/workflows", &reader, "\"b\"", &workflow("n")).await;
    assert_eq!(read(answer).await.0, 403, "no replay for a token that may not write");
}
