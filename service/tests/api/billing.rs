//! Stripe.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use hmac::{Hmac, Mac};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use sha2::Sha256;
use wiremock::{Mock, ResponseTemplate, matchers::path_regex};
use workway_service::{
    domain::billing::PERIOD_GRACE_SECONDS,
    guard::{MAX_BODY_BYTES, TOLERANCE_SECONDS},
};

use super::{
    client::{Api, read, token},
    stand_in::{CHECKOUT, OLD_WEBHOOK_SECRET, VARS, WEBHOOK_SECRET, count, fine},
};

pub(crate) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    i64::try_from(now).unwrap()
}

fn mac(secret: &str, at: i64, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    let mac = mac.chain_update(format!("{at}.{body}")).finalize().into_bytes();
    mac.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

pub(crate) fn signed(secret: &str, at: i64, body: &str) -> String {
    format!("t={at},v1={}", mac(secret, at, body))
}

pub(crate) async fn deliver(api: &Api, signatures: &[String], body: &str) -> Response {
    let url = format!("{}/webhooks/stripe", api.base);
    let mut request = api.client.post(url).header("content-type", "application/json");
    for signature in signatures {
        request = request.header("stripe-signature", signature);
    }
    request.body(body.to_owned()).send().await.unwrap()
}

async fn take(api: &Api, event: &Value) -> u16 {
    let body = event.to_string();
    deliver(api, &[signed(WEBHOOK_SECRET, now(), &body)], &body).await.status().as_u16()
}

pub(crate) fn event(id: &str, created: i64, status: &str, price: &str) -> Value {
    json!({
        "id": id, "object": "event", "type": "customer.subscription.updated", "created": created,
        "data": {"object": {
            "id": "sub_1", "customer": "cus_1", "status": status, "metadata": {"user_id": "ann"},
            "items": {"data": [{"price": {"id": price}, "current_period_end": 1_900_000_000}]},
        }},
    })
}

async fn plan(api: &Api) -> Value {
    let (status, plan) = api.get("/billing/plan", &token("ann")).await;
    assert_eq!(status, 200, "{plan}");
    plan
}

/// The rows of the database, behind the server's back.
fn rows(api: &Api, sql: &str) -> i64 {
    let path = api.state.path().join("database.sqlite");
    rusqlite::Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_plan_is_bought_on_stripes_page() {
    let api = Api::start_with(VARS).await;
    fine(&api.upstream).await;
    let ann = token("ann");
    let (status, body) = api.post("/billing/checkout", &ann, json!({"plan": "growth"})).await;
    let expected = json!({"id": "cs_1", "url": "https://checkout.stripe.test/cs_1"});
    assert_eq!((status.as_u16(), body), (201, expected));
    let requests = api.upstream.received_requests().await.unwrap();
    let form = String::from_utf8(requests[0].body.clone()).unwrap();
    assert!(form.contains("price_g") && form.contains("user_id%5D=ann"), "{form}");
    assert_eq!(requests[0].headers["authorization"], "Bearer canary-sk");
    for bad in [json!({"plan": "free"}), json!({"plan": 1}), json!({}), json!(null)] {
        assert_eq!(api.post("/billing/checkout", &ann, bad).await.0, 400);
    }
    let unsold = api.post("/billing/checkout", &ann, json!({"plan": "scale"})).await;
    assert_eq!(unsold.0, 503, "it has no price");
    assert_eq!(count(&api.upstream, CHECKOUT).await, 1);
}

#[tokio::test]
async fn a_checkout_that_comes_again_is_one_session() {
    let api = Api::start_with(VARS).await;
    let ann = token("ann");
    let send = async || {
        let url = format!("{}/billing/checkout", api.base);
        let request = api.client.post(url).bearer_auth(&ann).header("idempotency-key", "\"k\"");
        let request = request.header("content-type", "application/json");
        request.body(r#"{"plan":"growth"}"#).send().await.unwrap().status().as_u16()
    };
    let broken = Mock::given(path_regex(CHECKOUT)).respond_with(ResponseTemplate::new(500));
    let broken = broken.mount_as_scoped(&api.upstream).await;
    assert_eq!(send().await, 503);
    drop(broken);
    fine(&api.upstream).await;
    assert_eq!((send().await, send().await), (201, 201));
    let requests = api.upstream.received_requests().await.unwrap();
    let keys: Vec<_> = requests.iter().map(|r| r.headers["idempotency-key"].clone()).collect();
    assert_eq!(keys.len(), 2, "the third was the second's answer again");
    assert_eq!(keys[0], keys[1], "Stripe sees one wish");
}

#[tokio::test]
async fn stripe_that_fails_is_told_of_without_a_leak() {
    for answer in [
        ResponseTemplate::new(500),
        ResponseTemplate::new(401).set_body_string("Invalid API Key canary-sk"),
        ResponseTemplate::new(200).set_body_string("{\"id\":\"cs_1\",\"url\":"),
        ResponseTemplate::new(200).set_body_string("canary nonsense"),
        ResponseTemplate::new(200).set_body_json(json!({"id": "cs", "url": "javascript:canary"})),
    ] {
        let api = Api::start_with(VARS).await;
        let ann = token("ann");
        let broken = Mock::given(path_regex(CHECKOUT)).respond_with(answer);
        let broken = broken.mount_as_scoped(&api.upstream).await;
        let (status, body) = api.post("/billing/checkout", &ann, json!({"plan": "growth"})).await;
        assert_eq!(status, 503);
        assert!(!body.to_string().contains("canary"), "{body}");
        assert_eq!(plan(&api).await["plan"], "free");
        drop(broken);
        fine(&api.upstream).await;
        let next = api.post("/billing/checkout", &ann, json!({"plan": "growth"})).await;
        assert_eq!(next.0, 201, "the next is served");
    }
}

#[tokio::test]
async fn a_subscription_is_had_while_it_is_paid_for() {
    let api = Api::start_with(VARS).await;
    assert_eq!(plan(&api).await["quota"], json!({"runs": 1000, "ai_operations": 50}));
    assert_eq!(take(&api, &event("evt_1", 100, "incomplete", "price_g")).await, 200);
    assert_eq!(plan(&api).await["plan"], "free", "nothing was paid yet");
    assert_eq!(take(&api, &event("evt_2", 101, "active", "price_g")).await, 200);
    let had = plan(&api).await;
    assert_eq!((&had["plan"], &had["status"]), (&json!("growth"), &json!("active")));
    assert_eq!(had["quota"]["ai_operations"], 100_000);
    assert_eq!(had["period_end"], 1_900_000_000);
    take(&api, &event("evt_3", 102, "past_due", "price_s")).await;
    assert_eq!(plan(&api).await["plan"], "startup");
    take(&api, &event("evt_4", 103, "canceled", "price_s")).await;
    assert_eq!(plan(&api).await["plan"], "free");
    take(&api, &event("evt_5", 104, "active", "price_s")).await;
    assert_eq!(plan(&api).await["plan"], "free", "what is cancelled stays so");
}

#[tokio::test]
async fn late_events_change_nothing() {
    let api = Api::start_with(VARS).await;
    take(&api, &event("evt_2", 200, "active", "price_g")).await;
    assert_eq!(take(&api, &event("evt_1", 199, "incomplete", "price_s")).await, 200);
    assert_eq!(plan(&api).await["plan"], "growth");
    assert_eq!(rows(&api, "SELECT version FROM subscriptions"), 1);
    assert_eq!(rows(&api, "SELECT count(*) FROM stripe_events"), 2, "both were taken");
    take(&api, &event("evt_3", 200, "active", "price_s")).await;
    assert_eq!(plan(&api).await["plan"], "startup", "of one second the later to come counts");
    take(&api, &event("evt_2", 200, "active", "price_g")).await;
    assert_eq!(plan(&api).await["plan"], "startup", "but none counts twice");
}

/// Stripe makes several events within a second when a subscription begins or changes hands, and delivers
/// them in any order: each order ends where they happened to.
#[tokio::test]
async fn the_events_of_one_second_end_as_they_happened_in_whatever_order_they_come() {
    let of = |id: &str, kind: &str, status: &str, price: &str, before: Value| {
        let mut event = event(id, 100, status, price);
        event["type"] = json!(format!("customer.subscription.{kind}"));
        event["data"]["previous_attributes"] = before;
        event
    };
    let price = |id: &str| json!({"items": {"data": [{"price": {"id": id}}]}});
    let created = of("evt_1", "created", "incomplete", "price_s", json!(null));
    let paid = of("evt_2", "updated", "active", "price_s", json!({"status": "incomplete"}));
    let raised = of("evt_3", "updated", "active", "price_g", price("price_s"));
    let deleted = of("evt_4", "deleted", "canceled", "price_g", json!(null));
    for (events, plan_then) in [
        (vec![&created, &paid], "startup"),
        (vec![&paid, &raised], "growth"),
        (vec![&created, &deleted], "free"),
        (vec![&raised, &deleted], "free"),
    ] {
        for order in [[events[0], events[1]], [events[1], events[0]]] {
            let api = Api::start_with(VARS).await;
            for event in order {
                assert_eq!(take(&api, event).await, 200);
            }
            assert_eq!(plan(&api).await["plan"], plan_then, "{order:?}");
        }
    }
}

/// The plan ends with the period that was paid for, and three days for an event that is late, whether or
/// not anybody says so.
#[tokio::test]
async fn a_plan_ends_with_the_period_that_was_paid_for() {
    let vars = [VARS, &[("PLAN_QUOTAS", "free.runs=0,startup.runs=9")]].concat();
    let api = Api::start_with(&vars).await;
    let ann = token("ann");
    let workflow = api.workflow(&ann, json!([{"type": "delay", "config": {"seconds": 1}}])).await;
    for (id, at, until, expected) in [
        ("evt_1", 1, now() - PERIOD_GRACE_SECONDS - 1, ("free", 402)),
        ("evt_2", 2, now() - PERIOD_GRACE_SECONDS + 600, ("startup", 202)),
        ("evt_3", 3, now() + 600, ("startup", 202)),
    ] {
        let mut event = event(id, at, "active", "price_s");
        event["data"]["object"]["items"]["data"][0]["current_period_end"] = json!(until);
        assert_eq!(take(&api, &event).await, 200);
        let had = plan(&api).await["plan"].clone();
        let (status, _) = api.post(&format!("/workflows/{workflow}/runs"), &ann, json!({})).await;
        assert_eq!((had.as_str().unwrap(), status.as_u16()), expected, "{id}");
    }
}

#[tokio::test]
async fn an_event_that_comes_a_hundred_times_changes_things_once() {
    let api = Api::start_with(VARS).await;
    let body = event("evt_1", 100, "active", "price_g").to_string();
    let signature = [signed(WEBHOOK_SECRET, now(), &body)];
    let statuses = join_all((0..100).map(|_| deliver(&api, &signature, &body))).await;
    assert!(statuses.iter().all(|answer| answer.status() == 200));
    assert_eq!(rows(&api, "SELECT count(*) FROM stripe_events"), 1);
    assert_eq!(rows(&api, "SELECT version FROM subscriptions"), 1);
    assert_eq!(plan(&api).await["plan"], "growth");
}

#[tokio::test]
async fn who_cannot_sign_changes_nothing() {
    let api = Api::start_with(VARS).await;
    let body = event("evt_1", 100, "active", "price_g").to_string();
    let other = event("evt_1", 100, "active", "price_s").to_string();
    let at = now();
    let good = mac(WEBHOOK_SECRET, at, &body);
    // Two seconds more than the tolerance, as the server's clock may be one ahead of this one.
    let (past, future) = (at - TOLERANCE_SECONDS - 2, at + TOLERANCE_SECONDS + 2);
    let forged: Vec<Vec<String>> = vec![
        vec![],
        vec![String::new()],
        vec![good.clone()],
        vec![format!("t={at}")],
        vec![format!("v1={good}")],
        vec![format!("t={at},v0={good}")],
        vec![format!("t={at},v1={}", &good[2..])],
        vec![format!("t={at},v1={}", "0".repeat(64))],
        vec![format!("t={},v1={good}", at + 1)],
        vec![format!("t={at},t={at},v1={good}")],
        vec![signed("whsec_of_somebody_else", at, &body)],
        vec![signed(WEBHOOK_SECRET, at, &other)],
        vec![signed(WEBHOOK_SECRET, past, &body)],
        vec![signed(WEBHOOK_SECRET, future, &body)],
        vec![signed(WEBHOOK_SECRET, at, &body), signed(WEBHOOK_SECRET, at, &body)],
        vec![format!("t={at},v1={good},v0={}", "0".repeat(4_000))],
    ];
    for signatures in forged {
        let (status, answer) = read(deliver(&api, &signatures, &body).await).await;
        assert_eq!(status, 400, "{signatures:?}");
        assert_eq!(answer["type"], "urn:workway:problem:bad-signature", "{signatures:?}");
        assert_eq!(answer.get("detail"), None, "a forger learns nothing");
    }
    assert_eq!(rows(&api, "SELECT count(*) FROM stripe_events"), 0);
    assert_eq!(plan(&api).await["plan"], "free");

    let long = "x".repeat(MAX_BODY_BYTES + 1);
    let signature = [signed(WEBHOOK_SECRET, at, &long)];
    assert_eq!(deliver(&api, &signature, &long).await.status(), 413);
    for (secret, id) in [(WEBHOOK_SECRET, "evt_new"), (OLD_WEBHOOK_SECRET, "evt_old")] {
        let body = event(id, 100, "active", "price_g").to_string();
        let answer = deliver(&api, &[signed(secret, now(), &body)], &body).await;
        assert_eq!(answer.status(), 200, "both secrets live while one is rotated");
    }
    let both = format!("t={at},v1={},v1={good}", "0".repeat(64));
    assert_eq!(deliver(&api, &[both], &body).await.status(), 200, "one of several signatures");
}

#[tokio::test]
async fn signed_texts_that_are_no_event_of_ours() {
    let api = Api::start_with(VARS).await;
    let send = async |body: &str| {
        deliver(&api, &[signed(WEBHOOK_SECRET, now(), body)], body).await.status().as_u16()
    };
    for malformed in ["", "{", "[]", "null", "{}", r#"{"id":1}"#, r#"{"id":"a","id":"b"}"#] {
        assert_eq!(send(malformed).await, 400, "{malformed}");
    }
    let mut ignored = event("evt_1", 1, "active", "price_of_something_else");
    assert_eq!(send(&ignored.to_string()).await, 200);
    ignored["type"] = json!("invoice.paid");
    assert_eq!(send(&ignored.to_string()).await, 200);
    assert_eq!(rows(&api, "SELECT count(*) FROM stripe_events"), 0);
    let get = api.send(Method::GET, "/webhooks/stripe", "", None).await;
    assert_eq!(get.status(), 405);
}

#[tokio::test]
async fn without_a_secret_no_event_is_taken() {
    let api = Api::start().await;
    let body = event("evt_1", 100, "active", "price_g").to_string();
    for secret in ["", WEBHOOK_SECRET] {
        let answer = deliver(&api, &[signed(secret, now(), &body)], &body).await;
        assert_eq!(answer.status(), 400);
    }
}

#[tokio::test]
async fn old_events_are_forgotten() {
    let api = Api::start_with(VARS).await;
    take(&api, &event("evt_1", 100, "active", "price_g")).await;
    let socket = workway_service::platform::native::control_socket(api.state.path());
    let client = reqwest::Client::builder().no_proxy().unix_socket(socket).build().unwrap();
    let client = |path: &str| {
        let request = client.post(format!("http://control/{path}"));
        request.header("content-type", "application/json").timeout(Duration::from_secs(20))
    };
    for (days, left) in [(30_u64, 1), (1, 0)] {
        let advance = json!({"advance_ms": days * 24 * 60 * 60 * 1000 - 60_000}).to_string();
        client("clock").body(advance).send().await.unwrap();
        client("cron").body("null").send().await.unwrap();
        assert_eq!(rows(&api, "SELECT count(*) FROM stripe_events"), left);
    }
    assert_eq!(rows(&api, "SELECT count(*) FROM subscriptions"), 1);
}
