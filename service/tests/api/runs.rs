//! Runs.

use std::{collections::HashSet, time::Duration};

use serde_json::json;
use wiremock::{
    Mock, ResponseTemplate,
    matchers::{method, path},
};
use workway_service::domain::workflow::MAX_STEPS;

use crate::client::{Api, token};

#[tokio::test]
async fn a_run_performs_its_effect_once_and_says_so() {
    let api = Api::start().await;
    let ann = token("ann");
    Mock::given(method("POST"))
        .and(path("/effect"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"ok": true})))
        .expect(1)
        .mount(&api.upstream)
        .await;
    let workflow = api.workflow(&ann, api.http_step()).await;
    let run = api.run(&ann, &workflow).await;
    let done = api.finished(&ann, &run).await;
    assert_eq!(done["status"], "succeeded", "{done}");
    assert_eq!(done["steps"][0]["output"], json!({"status": 200, "body": {"ok": true}}));
    assert_eq!(done["usage"]["outbound_requests"], 1);
    let requests = api.upstream.received_requests().await.unwrap();
    assert_eq!(requests[0].headers["idempotency-key"], format!("\"{run}:0\""));
    assert_eq!(api.get(&format!("/runs/{run}"), &token("bob")).await.0, 404);
    assert_eq!(api.post("/workflows/nope/runs", &ann, json!({})).await.0, 404);
}

#[tokio::test]
async fn a_failed_attempt_is_tried_again_with_the_same_key() {
    let api = Api::start().await;
    let ann = token("ann");
    let effect = || Mock::given(method("POST")).and(path("/effect"));
    effect().respond_with(ResponseTemplate::new(503)).up_to_n_times(1).mount(&api.upstream).await;
    effect().respond_with(ResponseTemplate::new(204)).mount(&api.upstream).await;
    let run = api.run(&ann, &api.workflow(&ann, api.http_step()).await).await;
    let done = api.finished(&ann, &run).await;
    assert_eq!((&done["status"], &done["steps"][0]["attempts"]), (&json!("succeeded"), &json!(2)));
    let requests = api.upstream.received_requests().await.unwrap();
    let keys: HashSet<_> = requests.iter().map(|r| r.headers["idempotency-key"].clone()).collect();
    assert_eq!((requests.len(), keys.len()), (2, 1));
}

#[tokio::test]
async fn a_step_that_cannot_work_fails_without_a_request() {
    let api = Api::start().await;
    let ann = token("ann");
    let steps = json!([{"type": "http", "config": {"url": "http://169.254.169.254/"}}]);
    let run = api.run(&ann, &api.workflow(&ann, steps).await).await;
    let done = api.finished(&ann, &run).await;
    assert_eq!(
        (&done["status"], &done["usage"]["outbound_requests"]),
        (&json!("failed"), &json!(0))
    );
    assert_eq!(done["steps"][0]["error"], "config.url is not on the list of allowed origins");
}

#[tokio::test]
async fn the_largest_run_fits_its_row() {
    let api = Api::start().await;
    let ann = token("ann");
    let body = "x".repeat(31_000);
    let effect =
        Mock::given(method("POST")).respond_with(ResponseTemplate::new(200).set_body_string(body));
    effect.mount(&api.upstream).await;
    let steps = vec![api.http_step()[0].clone(); MAX_STEPS];
    let run = api.run(&ann, &api.workflow(&ann, steps.into()).await).await;
    assert_eq!(api.finished(&ann, &run).await["status"], "succeeded");
}

#[tokio::test]
async fn accepted_runs_outlive_the_server() {
    let mut api = Api::start().await;
    let ann = token("ann");
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_millis(300));
    Mock::given(method("POST")).respond_with(slow).mount(&api.upstream).await;
    let workflow = api.workflow(&ann, api.http_step()).await;
    let run = api.run(&ann, &workflow).await;
    api.stop().await;
    api.boot().await;
    assert_eq!(api.finished(&ann, &run).await["status"], "succeeded");
}
