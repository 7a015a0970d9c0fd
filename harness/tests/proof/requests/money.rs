//! Summaries, search, plans, checkouts and webhooks.

use reqwest::Method;
use serde_json::{Value, json};
use workway::{
    token::{Signer, local_secret, now},
    upstream::{WEBHOOK_SECRET, signature},
};

use super::{Request, get, post, request, step, workflow};

/// All of them, in order.
pub(super) fn all() -> Vec<Request> {
    let mut list = vec![post("/workflows", "seeker", &workflow("the lighthouse", &[step("/x")]))];
    list.extend(summaries());
    list.extend(searches());
    list.extend(checkouts());
    list.extend(events());
    for subject in ["saver", "payer", "newcomer"] {
        list.push(get("/billing/plan", subject));
    }
    list.push(get("/billing/plan", "nobody").nobody());
    list
}

fn summaries() -> Vec<Request> {
    let ask = |body: Value| post("/ai/summarize", "saver", &body);
    let mut list = vec![
        ask(json!({"content": "A long text."})),
        ask(json!({"content": "A long text."})),
        ask(json!({"content": "A long text.", "quality": "simple"})),
        ask(json!({"content": "é😀", "quality": "complex"})),
        ask(json!({"content": "x".repeat(20_000)})),
        ask(json!({"content": "😀".repeat(20_001)})),
    ];
    for body in [
        json!({}),
        json!([]),
        json!({"content": ""}),
        json!({"content": null}),
        json!({"content": 1, "quality": "best"}),
        json!({"content": "x", "quality": null}),
        json!({"content": "x", "quality": "Simple"}),
    ] {
        list.push(ask(body));
    }
    list.push(post("/ai/summarize", "nobody", &json!({"content": "x"})).nobody());
    list.push(get("/ai/summarize", "saver"));
    let config = json!({"content": "{{ steps[0].output.body.ok }}", "quality": "simple"});
    let summarize = json!({"type": "ai.summarize", "config": config});
    let body = json!({"name": "n", "description": "d", "steps": [step("/one"), summarize]});
    list.push(post("/workflows", "saver", &body).keep("w-summary"));
    list.push(post("/workflows/{w-summary}/runs", "saver", &json!({})).keep("r-summary"));
    let mut done = get("/runs/{r-summary}", "saver");
    done.when_finished = true;
    list.push(done);
    for config in [json!({}), json!({"content": 1}), json!({"content": "{{ steps[0].output }}"})] {
        let steps = json!([{"type": "ai.summarize", "config": config}]);
        list.push(post(
            "/workflows",
            "saver",
            &json!({"name": "n", "description": "d", "steps": steps}),
        ));
    }
    list
}

/// What is there, once it can be found; nothing else is as near.
pub(super) fn found() -> Vec<Request> {
    let mut first = search(&json!({"query": "a lighthouse", "limit": 1}));
    first.when_settled = true;
    vec![first]
}

/// Without the usage: one platform has vectors of its own, the other asks for them.
fn search(body: &Value) -> Request {
    let token = Signer::new(&local_secret()).sign("seeker", "read write", now()).unwrap();
    let mut request = post("/search", "seeker", body);
    request.authorization = vec![format!("Bearer {token}")];
    request
}

fn searches() -> Vec<Request> {
    let bodies = [
        json!({"query": "invoices"}),
        json!({"query": "invoices", "limit": 20}),
        json!({"query": "invoices", "limit": 21}),
        json!({"query": "invoices", "limit": 0}),
        json!({"query": "é".repeat(500)}),
        json!({"query": "é".repeat(501)}),
        json!({"query": ""}),
        json!({"limit": "x"}),
        json!("invoices"),
    ];
    let nobody = post("/search", "nobody", &json!({"query": "x"})).nobody();
    bodies.iter().map(search).chain([nobody]).collect()
}

fn checkouts() -> Vec<Request> {
    let buy = |body: Value| post("/billing/checkout", "payer", &body);
    let mut again = buy(json!({"plan": "growth"}));
    again.headers.push(("idempotency-key", "\"once\"".to_owned()));
    vec![
        buy(json!({"plan": "growth"})),
        again.clone(),
        again,
        buy(json!({"plan": "free"})),
        buy(json!({"plan": 1})),
        buy(json!({})),
        post("/billing/checkout", "nobody", &json!({"plan": "growth"})).nobody(),
    ]
}

fn events() -> Vec<Request> {
    let event = |id: &str, created: i64, status: &str| {
        let items = json!({"data": [{"price": {"id": "price_growth"}}]});
        let object = json!({
            "id": "sub_1", "customer": "cus_1", "status": status, "items": items,
            "metadata": {"user_id": "payer"},
        });
        let kind = "customer.subscription.updated";
        json!({"id": id, "type": kind, "created": created, "data": {"object": object}}).to_string()
    };
    let at = i64::try_from(now()).unwrap();
    let deliver = |body: &str, signatures: &[String]| {
        let mut request = request(Method::POST, "/webhooks/stripe", "stripe").nobody();
        request.headers.push(("content-type", "application/json".to_owned()));
        for signature in signatures {
            request.headers.push(("stripe-signature", signature.clone()));
        }
        request.body = Some(body.as_bytes().to_vec());
        request
    };
    let signed =
        |body: &str, offset: i64| deliver(body, &[signature(WEBHOOK_SECRET, at + offset, body)]);
    let (first, late) = (event("evt_2", 200, "active"), event("evt_1", 100, "canceled"));
    let good = signature(WEBHOOK_SECRET, at, &first);
    vec![
        deliver(&first, &[]),
        deliver(&first, &[String::new()]),
        deliver(&first, &["t=1,v1=00".to_owned()]),
        deliver(&first, &[good.clone(), good.clone()]),
        deliver(&first, &[format!("{good},t={at}")]),
        deliver(&first, &[signature("whsec_other", at, &first)]),
        deliver(&late, &[good]),
        signed(&first, -900),
        signed(&first, 900),
        signed(&first, 0),
        signed(&first, 0),
        signed(&late, 0),
        get("/billing/plan", "payer"),
        signed("{", 0),
        signed("{}", 0),
        signed(r#"{"id":"evt_9","type":"invoice.paid","created":1}"#, 0),
        signed(&"x".repeat(256 * 1024 + 1), 0),
        get("/webhooks/stripe", "stripe"),
    ]
}
