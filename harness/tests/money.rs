//! AI, search, quotas and Stripe on both platforms, against the stub. The rules are tested in
//! service/tests/api; here is what a platform could get wrong: objects that coalesce, statements
//! that decide between many at once, answers that never come.
#![cfg(feature = "service")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

use std::{collections::BTreeMap, time::Duration};

use crate::proof::{Caller, Host, failures, token};
use futures_util::future::join_all;
use reqwest::{Client, Url};
use serde_json::{Value, json};
use workway::{
    target::{QUOTAS_VARIABLE, TargetSpec},
    upstream::{Delivered, signature},
};
use workway_service::config::{RATE_LIMIT, RATE_PERIOD_SECONDS};

/// Requests of one person at once: all of the budget of a minute.
const MANY: usize = RATE_LIMIT as usize;
/// AI operations of the free plan, and here its runs, too.
const QUOTA: usize = 50;
/// After this the limiter has forgotten what was asked.
const WINDOW: Duration = Duration::from_secs(RATE_PERIOD_SECONDS as u64 + 1);

struct World {
    host: Host,
    caller: Caller,
    stub: Url,
    client: Client,
}

impl World {
    async fn start(spec: TargetSpec) -> Self {
        let mut host = Host::new(spec, None).with(QUOTAS_VARIABLE, &format!("free.runs={QUOTA}"));
        host.start().await;
        let (caller, stub) = (host.caller(), host.target().upstream.clone().unwrap());
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(40)).build().unwrap();
        Self { host, caller, stub, client }
    }

    async fn control(&self, path: &str, body: &Value) -> String {
        let url = self.stub.join(path).unwrap();
        let request = self.client.post(url).header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.text().await.unwrap()
    }

    /// The next call of a model that writes meets this.
    async fn fault(&self, fault: Value) {
        self.host.fault("/cloudflare/*/@cf/meta/*", &fault).await;
    }

    /// Calls of models that write.
    async fn chats(&self) -> usize {
        let ledger = self.host.ledger().await;
        ledger.effects().iter().filter(|call| call.path.contains("/@cf/meta/")).count()
    }

    /// Waits until so many reports of failures have been sent, and taken or not.
    async fn reported(&self, expected: u64) {
        let mut reports = 0;
        for _ in 0..100 {
            let calls = self.host.calls("/sentry/*").await;
            reports = calls.deliveries + calls.refused;
            if reports >= expected {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(reports, expected);
    }

    async fn summarize(&self, subject: &str, content: &str) -> (u16, Value) {
        let body = json!({"content": content, "quality": "simple"});
        let answer = self.caller.post("/ai/summarize", subject, &body).await.unwrap();
        (answer.status, answer.body)
    }

    /// Lets the limiter forget what was asked.
    async fn forget(&self) {
        match &self.host.target().control {
            Some(control) => drop(control.advance(2 * WINDOW).await.unwrap()),
            None => tokio::time::sleep(WINDOW).await,
        }
    }

    async fn plan(&self, subject: &str) -> Value {
        self.caller.get("/billing/plan", subject).await.unwrap().body
    }
}

fn tally(statuses: impl IntoIterator<Item = u16>) -> BTreeMap<u16, usize> {
    let mut tally = BTreeMap::new();
    for status in statuses {
        *tally.entry(status).or_default() += 1;
    }
    tally
}

async fn same_question_at_once(world: &World) {
    let before = world.chats().await;
    world.fault(json!({"latency_ms": 700})).await;
    let same = join_all((0..50).map(|_| world.summarize("same", "one two three"))).await;
    assert_eq!(tally(same.iter().map(|answer| answer.0)), BTreeMap::from([(200, 50)]), "{same:?}");
    assert!(same.iter().all(|answer| answer.1["summary"] == "In short: one two three"));
    assert_eq!(world.chats().await - before, 1, "50 concurrent misses, one call");
    assert_eq!(world.plan("same").await["used"]["ai_operations"], 1);
    assert_eq!(world.summarize("same", "one two three").await.1["cached"], true);
}

async fn others_do_not_wait(world: &World) {
    world.fault(json!({"latency_ms": 5_000})).await;
    let slow = async { (world.summarize("slow", "slow").await, tokio::time::Instant::now()) };
    let quick = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        (world.summarize("slow", "quick").await, tokio::time::Instant::now())
    };
    let ((slow, slow_at), (quick, quick_at)) = futures_util::future::join(slow, quick).await;
    assert_eq!((slow.0, quick.0), (200, 200), "{slow:?} {quick:?}");
    assert!(quick_at < slow_at, "the second question was answered while the first was not");
}

async fn leader_that_leaves(world: &World) {
    let before = world.chats().await;
    world.fault(json!({"latency_ms": 2_000})).await;
    let url = world.host.target().url.join("/ai/summarize").unwrap();
    let leader = world.client.post(url).bearer_auth(token("leaver"));
    let leader = leader.header("content-type", "application/json");
    let leader = leader.body(json!({"content": "left", "quality": "simple"}).to_string());
    assert!(leader.timeout(Duration::from_millis(700)).send().await.unwrap_err().is_timeout());
    let (status, body) = world.summarize("leaver", "left").await;
    assert_eq!((status, &body["summary"]), (200, &json!("In short: left")), "{body}");
    assert_eq!(world.chats().await - before, 1, "the call went on without who began it");
}

/// Says what is wrong, and nothing of where or what the upstream said.
fn is_said_well(status: u16, body: &Value, about: &str) {
    assert_eq!(status, 503, "{about}: {body}");
    let text = body.to_string();
    assert!(!text.contains("127.0.0.1") && !text.contains("nonsense"), "{about}: {text}");
}

/// All but the model that hangs: see [`followers_of_a_failure`].
async fn models_that_fail(world: &World) {
    for fault in failures().into_iter().filter(|fault| fault["connection"] != "hang") {
        world.fault(fault.clone()).await;
        let content = fault.to_string();
        let (status, body) = world.summarize("unlucky", &content).await;
        is_said_well(status, &body, &content);
        let (status, body) = world.summarize("unlucky", &content).await;
        assert_eq!((status, &body["cached"]), (200, &json!(false)), "after {fault}");
    }
    assert_eq!(world.plan("unlucky").await["used"]["ai_operations"], 4, "failures take none");
}

/// Before there is anything to find: no vector is made meanwhile.
async fn searches_that_fail(world: &World) {
    let query = json!({"query": "anything"});
    let mut paths = vec!["/cloudflare/*/@cf/baai/*"];
    if world.host.target().control.is_none() {
        // Natively vectors are not asked for.
        paths.push("/cloudflare/*/query");
    }
    for path in &paths {
        for fault in failures() {
            world.host.fault(path, &fault).await;
            let failed = world.caller.post("/search", "seeker", &query).await.unwrap();
            is_said_well(failed.status, &failed.body, &format!("{fault} {path}"));
            let fine = world.caller.post("/search", "seeker", &query).await.unwrap();
            assert_eq!(fine.status, 200, "after {fault} {path}: {}", fine.body);
        }
    }
    let used = world.plan("seeker").await["used"]["ai_operations"].clone();
    assert_eq!(used, paths.len() * failures().len(), "failures take none");
}

/// Each failure is reported, and what becomes of the report is nobody's concern.
async fn checkouts_and_reports_that_fail(world: &World) {
    let plan = json!({"plan": "growth"});
    let pairs = failures().into_iter().zip(failures().into_iter().rev());
    for (count, (fault, report)) in (1..).zip(pairs) {
        world.host.fault("/stripe/v1/checkout/sessions", &fault).await;
        world.host.fault("/sentry/*", &report).await;
        let failed = world.caller.post("/billing/checkout", "buyer", &plan).await.unwrap();
        is_said_well(failed.status, &failed.body, &fault.to_string());
        let fine = world.caller.post("/billing/checkout", "buyer", &plan).await.unwrap();
        assert_eq!(fine.status, 201, "after {fault} and {report}: {}", fine.body);
        world.reported(count).await;
    }
}

/// The leader's failure is its followers', at once.
async fn followers_of_a_failure(world: &World) {
    world.fault(json!({"connection": "hang"})).await;
    let all = join_all((0..5).map(|_| world.summarize("hanging", "hang"))).await;
    assert_eq!(tally(all.iter().map(|answer| answer.0)), BTreeMap::from([(503, 5)]), "{all:?}");
    assert_eq!(world.summarize("hanging", "hang").await.0, 200);
}

/// A quota of n admits n, however many want the last of them.
async fn quota_of_ai_operations(world: &World) {
    let before = world.chats().await;
    let statuses = join_all(
        (0..MANY).map(|n| async move { world.summarize("greedy", &format!("text {n}")).await.0 }),
    );
    let tally = tally(statuses.await);
    assert_eq!(tally, BTreeMap::from([(200, QUOTA), (402, MANY - QUOTA)]));
    assert_eq!(world.chats().await - before, QUOTA, "and no more was asked");
}

/// Of somebody who has not asked for anything in this window.
async fn quota_of_runs(world: &World, workflow: &str) {
    let path = format!("/workflows/{workflow}/runs");
    let start = || async { world.caller.post(&path, "runner", &json!({})).await.unwrap().status };
    let tally = tally(join_all((0..MANY).map(|_| start())).await);
    assert_eq!(tally, BTreeMap::from([(202, QUOTA), (402, MANY - QUOTA)]));
    world.forget().await;
    let runs = world.caller.get("/runs?limit=100", "runner").await.unwrap().body;
    assert_eq!(runs["runs"].as_array().unwrap().len(), QUOTA, "as many as were acknowledged");
    for (subject, metric) in [("runner", "runs"), ("greedy", "ai_operations")] {
        assert_eq!(world.plan(subject).await["used"][metric], QUOTA);
    }
}

fn event(id: &str, created: i64, status: &str, price: &str) -> Value {
    let items = json!({"data": [{"price": {"id": price}, "current_period_end": 1_900_000_000}]});
    json!({
        "id": id, "type": "customer.subscription.updated", "created": created,
        "data": {"object": {
            "id": "sub_1", "customer": "cus_1", "status": status, "items": items,
            "metadata": {"user_id": "payer"},
        }},
    })
}

async fn stripe(world: &World) {
    let to = world.host.target().url.join("/webhooks/stripe").unwrap();
    let deliver = async |event: Value, times: usize, offset: i64| {
        let order =
            json!({"to": to.as_str(), "event": event, "times": times, "offset_seconds": offset});
        let text = world.control("/_workway/stripe/events", &order).await;
        let delivered: Delivered = serde_json::from_str(&text).unwrap();
        tally(delivered.statuses)
    };
    let checkout = json!({"plan": "growth"});
    let session = world.caller.post("/billing/checkout", "payer", &checkout).await.unwrap();
    assert_eq!(session.status, 201, "{}", session.body);
    let once = deliver(event("evt_2", 200, "active", "price_growth"), 100, 0).await;
    assert_eq!(once, BTreeMap::from([(200, 100)]));
    assert_eq!(world.plan("payer").await["plan"], "growth");
    let late = deliver(event("evt_1", 100, "canceled", "price_growth"), 1, 0).await;
    assert_eq!(late, BTreeMap::from([(200, 1)]));
    assert_eq!(world.plan("payer").await["plan"], "growth", "what is late changes nothing");
    for offset in [-302, 302] {
        let stale = deliver(event("evt_3", 300, "canceled", "price_growth"), 1, offset).await;
        assert_eq!(stale, BTreeMap::from([(400, 1)]));
    }
    let forged = event("evt_4", 400, "canceled", "price_growth").to_string();
    let forged = world.client.post(to.clone()).body(forged);
    let forged = forged.header("stripe-signature", signature("whsec_other", 1, "{}"));
    assert_eq!(forged.send().await.unwrap().status(), 400);
    assert_eq!(world.plan("payer").await["plan"], "growth");
    deliver(event("evt_5", 500, "canceled", "price_growth"), 10, 0).await;
    assert_eq!(world.plan("payer").await["plan"], "free");
}

async fn search(world: &World) {
    let steps = json!([{"type": "transform", "config": {"value": 1}}]);
    for (subject, name) in
        [("finder", "send invoices"), ("finder", "water plants"), ("hider", "hide invoices")]
    {
        let body = json!({"name": name, "description": "d", "steps": steps});
        let created = world.caller.post("/workflows", subject, &body).await.unwrap();
        assert_eq!(created.status, 201, "{}", created.body);
    }
    let mut names = Vec::new();
    for _ in 0..30 {
        let query = json!({"query": "invoices"});
        let found = world.caller.post("/search", "finder", &query).await.unwrap();
        assert_eq!(found.status, 200, "{}", found.body);
        let results = found.body["results"].as_array().unwrap().clone();
        names = results.iter().map(|result| result["name"].as_str().unwrap().to_owned()).collect();
        if names.len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(names, ["send invoices", "water plants"], "hers, the nearest first");
}

async fn everything(spec: TargetSpec) {
    workway::http::tls::install();
    let world = World::start(spec).await;
    let steps = json!([{"type": "transform", "config": {"value": 1}}]);
    let body = json!({"name": "n", "description": "d", "steps": steps});
    let workflow = world.caller.post("/workflows", "runner", &body).await.unwrap().body;
    same_question_at_once(&world).await;
    others_do_not_wait(&world).await;
    leader_that_leaves(&world).await;
    models_that_fail(&world).await;
    followers_of_a_failure(&world).await;
    stripe(&world).await;
    search(&world).await;
    world.forget().await;
    quota_of_ai_operations(&world).await;
    quota_of_runs(&world, workflow["id"].as_str().unwrap()).await;
    world.host.stop().await;
}

/// Each waits for what never comes.
async fn upstreams_that_fail(spec: TargetSpec) {
    workway::http::tls::install();
    let world = World::start(spec).await;
    checkouts_and_reports_that_fail(&world).await;
    searches_that_fail(&world).await;
    world.host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn natively() {
    everything(TargetSpec::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn upstreams_that_fail_natively() {
    upstreams_that_fail(TargetSpec::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Worker's tools: scripts/test-long runs it"]
async fn upstreams_that_fail_on_workerd() {
    upstreams_that_fail(TargetSpec::Wrangler).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Worker's tools: scripts/test runs it"]
async fn on_workerd() {
    everything(TargetSpec::Wrangler).await;
}
