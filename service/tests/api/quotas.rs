//! Quotas, and many at once who want the last of them.

use futures_util::future::join_all;
use serde_json::json;

use super::{
    billing::{deliver, event, now, signed},
    client::{Api, token},
    stand_in::{CHAT, VARS, WEBHOOK_SECRET, count, fine, vars},
};

/// So many come at once …
const MANY: usize = 100;
/// … and half of them are admitted.
const QUOTA: usize = 50;
/// No budget of requests is in their way.
const BUDGET: (&str, &str) = ("RATE_LIMIT", "1000");

fn tally(statuses: &[u16], admitted: u16) -> (usize, usize) {
    let of = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    (of(admitted), of(402))
}

#[tokio::test]
async fn a_quota_of_runs_admits_exactly_that_many() {
    let api = Api::start_with(&[BUDGET, ("PLAN_QUOTAS", "free.runs=50")]).await;
    let ann = token("ann");
    let steps = json!([{"type": "transform", "config": {"value": 1}}]);
    let workflow = api.workflow(&ann, steps).await;
    let path = format!("/workflows/{workflow}/runs");
    let attempts = (0..MANY).map(|_| api.post(&path, &ann, json!({})));
    let answers = join_all(attempts).await;
    for (status, body) in answers.iter().filter(|(status, _)| *status == 402) {
        assert_eq!(body["type"], "urn:workway:problem:over-quota", "{status}");
    }
    let statuses: Vec<_> = answers.iter().map(|(status, _)| status.as_u16()).collect();
    assert_eq!(tally(&statuses, 202), (QUOTA, MANY - QUOTA));
    let (_, plan) = api.get("/billing/plan", &ann).await;
    assert_eq!((&plan["used"]["runs"], &plan["quota"]["runs"]), (&json!(50), &json!(50)));
    let bob = token("bob");
    api.run(
        &bob,
        &api.workflow(&bob, json!([{"type": "transform", "config": {"value": 1}}])).await,
    )
    .await;
}

#[tokio::test]
async fn a_quota_of_ai_operations_admits_exactly_that_many() {
    let api = Api::start_with(&vars(&[BUDGET, ("PLAN_QUOTAS", "free.ai_operations=50")])).await;
    fine(&api.upstream).await;
    let ann = token("ann");
    let attempts = (0..MANY).map(|n| {
        let (api, ann) = (&api, &ann);
        async move {
            let body = json!({"content": format!("text {n}")});
            api.post("/ai/summarize", ann, body).await.0.as_u16()
        }
    });
    let statuses = join_all(attempts).await;
    assert_eq!(tally(&statuses, 200), (QUOTA, MANY - QUOTA), "{statuses:?}");
    assert_eq!(count(&api.upstream, CHAT).await, QUOTA, "and none more was asked");
}

#[tokio::test]
async fn a_request_that_comes_again_takes_one_run_of_the_quota() {
    let api = Api::start_with(&[VARS, &[("PLAN_QUOTAS", "free.runs=1")]].concat()).await;
    let ann = token("ann");
    let steps = json!([{"type": "transform", "config": {"value": 1}}]);
    let workflow = api.workflow(&ann, steps).await;
    let url = format!("{}/workflows/{workflow}/runs", api.base);
    let send = async |key: &str| {
        let request = api.client.post(&url).bearer_auth(&ann).header("idempotency-key", key);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(send("\"a\"").await, 202);
    assert_eq!(send("\"a\"").await, 202, "the same run");
    assert_eq!(send("\"b\"").await, 402);
    assert_eq!(send("\"b\"").await, 402, "a refusal is not kept …");
    let raised = event("evt_1", 1, "active", "price_s").to_string();
    let answer = deliver(&api, &[signed(WEBHOOK_SECRET, now(), &raised)], &raised).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(send("\"b\"").await, 202, "… once the plan has room");
    assert_eq!(send("\"b\"").await, 202);
    let (_, runs) = api.get("/runs", &ann).await;
    assert_eq!(runs["runs"].as_array().unwrap().len(), 2);
}
