//! Runs.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use reqwest::Method;

use serde_json::{Value, json};
use wiremock::{
    Mock, ResponseTemplate,
    matchers::{method, path},
};
use workway_service::domain::workflow::MAX_STEPS;

use super::client::{Api, token};

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

#[tokio::test]
async fn a_run_pauses_and_transforms_what_came_before() {
    let api = Api::start().await;
    let ann = token("ann");
    let answer = ResponseTemplate::new(200).set_body_json(json!({"id": 7, "tags": ["a"]}));
    Mock::given(method("POST")).respond_with(answer).mount(&api.upstream).await;
    let value =
        json!({"id": "{{ steps[0].output.body.id }}", "text": "#{{steps[0].output.body.tags[0]}}"});
    let steps = json!([
        api.http_step()[0],
        {"type": "delay", "config": {"seconds": 1}},
        {"type": "transform", "config": {"value": value}},
    ]);
    let run = api.run(&ann, &api.workflow(&ann, steps).await).await;
    let done = api.finished(&ann, &run).await;
    assert_eq!(done["status"], "succeeded", "{done}");
    assert_eq!(done["steps"][2]["output"], json!({"id": 7, "text": "#a"}));
    let (begun, ended) = (done["created_at"].as_i64(), done["finished_at"].as_i64());
    assert!(ended.unwrap() - begun.unwrap() >= 1_000, "{done}");
}

#[tokio::test]
async fn a_transform_of_something_that_is_not_there_fails_the_run() {
    let api = Api::start().await;
    let ann = token("ann");
    let transform = |value: &str| json!({"type": "transform", "config": {"value": value}});
    let steps = json!([transform("x"), transform("{{ steps[0].output.body }}")]);
    let run = api.run(&ann, &api.workflow(&ann, steps).await).await;
    let done = api.finished(&ann, &run).await;
    assert_eq!((&done["status"], &done["steps"][0]["output"]), (&json!("failed"), &json!("x")));
    assert_eq!(done["steps"][1]["error"], "`steps[0].output.body` does not exist");
}

#[tokio::test]
async fn cancel_does_not_wait_for_the_attempt_and_its_result_is_ignored() {
    let api = Api::start().await;
    let (ann, bob) = (token("ann"), token("bob"));
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(3));
    Mock::given(method("POST")).respond_with(slow).mount(&api.upstream).await;
    let steps = json!([api.http_step()[0], api.http_step()[0]]);
    let run = api.run(&ann, &api.workflow(&ann, steps).await).await;
    while api.upstream.received_requests().await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let path = format!("/runs/{run}/cancel");
    assert_eq!(api.post(&path, &bob, json!({})).await.0, 404);
    let asked = Instant::now();
    let (status, cancelled) = api.post(&path, &ann, json!({})).await;
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!((status.as_u16(), &cancelled["status"]), (202, &json!("cancelled")));
    assert_eq!(cancelled["steps"][0]["status"], "cancelled");
    assert_eq!(cancelled["steps"][1]["status"], "pending");
    assert_eq!(api.get(&format!("/runs/{run}"), &ann).await.1["status"], "cancelled");
    tokio::time::sleep(Duration::from_millis(3_300)).await;
    let (_, later) = api.get(&format!("/runs/{run}"), &ann).await;
    assert_eq!((&later["status"], &later["steps"]), (&json!("cancelled"), &cancelled["steps"]));
    assert_eq!(api.upstream.received_requests().await.unwrap().len(), 1, "no further attempt");
    let (status, again) = api.post(&path, &ann, json!({})).await;
    assert_eq!((status.as_u16(), &again["status"]), (200, &json!("cancelled")));
}

#[tokio::test]
async fn what_has_ended_cannot_be_cancelled() {
    let api = Api::start().await;
    let ann = token("ann");
    let steps = json!([{"type": "transform", "config": {"value": 1}}]);
    let run = api.run(&ann, &api.workflow(&ann, steps).await).await;
    api.finished(&ann, &run).await;
    let (status, problem) = api.post(&format!("/runs/{run}/cancel"), &ann, json!({})).await;
    assert_eq!(status, 409);
    assert_eq!(problem["detail"], "the run has ended already: succeeded");
    let absent = "/runs/00000000-0000-7000-8000-000000000000/cancel";
    assert_eq!(api.post(absent, &ann, json!({})).await.0, 404);
}

#[tokio::test]
async fn runs_are_listed_and_outlive_their_workflow() {
    let api = Api::start().await;
    let (ann, bob) = (token("ann"), token("bob"));
    let steps = json!([{"type": "transform", "config": {"value": 1}}]);
    let (one, other) = (api.workflow(&ann, steps.clone()).await, api.workflow(&ann, steps).await);
    let mut runs = Vec::new();
    for workflow in [&one, &other, &one, &one] {
        runs.insert(0, api.run(&ann, workflow).await);
        api.finished(&ann, &runs[0]).await;
    }
    let ids = |list: &Value| -> Vec<String> {
        let runs = list["runs"].as_array().unwrap().iter();
        runs.map(|run| run["id"].as_str().unwrap().to_owned()).collect()
    };
    let (_, all) = api.get("/runs", &ann).await;
    assert_eq!((ids(&all), &all["next"]), (runs.clone(), &Value::Null));
    assert_eq!(all["runs"][0]["status"], "succeeded");
    assert!(all["runs"][0]["finished_at"].is_i64() && all["runs"][0]["steps"].is_null());
    let (_, page) = api.get("/runs?limit=3", &ann).await;
    let next = page["next"].as_str().unwrap();
    assert_eq!(ids(&api.get(&format!("/runs?limit=3&cursor={next}"), &ann).await.1), runs[3..]);
    assert_eq!(ids(&api.get("/runs", &bob).await.1), Vec::<String>::new());

    let path = format!("/workflows/{one}/runs");
    let of_one = [runs[0].clone(), runs[1].clone(), runs[3].clone()];
    assert_eq!(ids(&api.get(&path, &ann).await.1), of_one);
    assert_eq!(api.get(&path, &bob).await.0, 404);
    let deleted = api.send(Method::DELETE, &format!("/workflows/{one}"), &ann, None).await;
    assert_eq!(deleted.status(), 204);
    assert_eq!(ids(&api.get(&path, &ann).await.1), of_one, "they stay");
    assert_eq!(api.get("/runs?limit=0", &ann).await.0, 400);
}

/// The `id`s and `data` of a stream that has ended.
fn frames(text: &str) -> Vec<(u32, Value)> {
    let frames = text.split("\n\n").filter(|frame| frame.starts_with("id: "));
    let parsed = frames.map(|frame| {
        let line = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        (line("id: ").parse().unwrap(), serde_json::from_str(line("data: ")).unwrap())
    });
    parsed.collect()
}

#[tokio::test]
async fn events_come_without_gaps_and_go_on_where_the_client_left() {
    let api = Api::start().await;
    let ann = token("ann");
    let steps = json!([{"type": "delay", "config": {"seconds": 2}}, {"type": "transform", "config": {"value": 1}}]);
    let run = api.run(&ann, &api.workflow(&ann, steps).await).await;
    let path = format!("/runs/{run}/events");
    let response = api.send(Method::GET, &path, &ann, None).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "private, no-store");
    let whole = frames(&response.text().await.unwrap());
    let ids: Vec<_> = whole.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6]);
    assert_eq!((&whole[0].1["event"], &whole[0].1["status"]), (&json!("run"), &json!("queued")));
    assert_eq!((&whole[2].1["step"], &whole[2].1["status"]), (&json!(0), &json!("succeeded")));
    assert_eq!(whole[5].1["status"], "succeeded");

    let from = async |last: &str| {
        let request = api.client.get(format!("{}{path}", api.base)).bearer_auth(&ann);
        request.header("last-event-id", last).send().await.unwrap()
    };
    assert_eq!(frames(&from("4").await.text().await.unwrap()), whole[4..]);
    assert_eq!(from("6").await.status(), 204, "there will be no more");
    for bad in ["x", "-1", "4294967296", ""] {
        assert_eq!(from(bad).await.status(), 400, "{bad}");
    }
    assert_eq!(api.get(&path, &token("bob")).await.0, 404);
}
