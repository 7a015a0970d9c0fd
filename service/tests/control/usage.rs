//! What is billed is what was used.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use serde_json::{Value, json};
use wiremock::{
    Mock, ResponseTemplate,
    matchers::{any, path},
};
use workway_service::ports::Usage;

use super::world::{World, read};
use crate::api::stand_in::{VARS, fine, vars};

/// Adds up usage as headers and reports write it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sum(BTreeMap<String, u64>);

impl Sum {
    fn header(&mut self, response: &reqwest::Response) {
        let header = response.headers().get("workway-usage");
        for member in header.map_or("", |value| value.to_str().unwrap()).split(", ") {
            let (name, amount) = member.split_once('=').unwrap();
            *self.0.entry(name.to_owned()).or_default() += amount.parse::<u64>().unwrap();
        }
    }

    fn report(&mut self, usage: &Value) {
        for name in Usage::NAMES.iter().copied() {
            *self.0.entry(name.to_owned()).or_default() += usage[name].as_u64().unwrap();
        }
    }

    fn of(usage: &Value) -> Self {
        let mut sum = Self::default();
        sum.report(usage);
        sum
    }
}

/// What somebody did, and what the headers of the answers said.
#[derive(Default)]
struct Headers {
    answers: u64,
    sum: Sum,
}

impl Headers {
    async fn send(&mut self, world: &World, request: reqwest::RequestBuilder) -> Value {
        let response = request.bearer_auth(&world.token).send().await.unwrap();
        self.answers += 1;
        self.sum.header(&response);
        read(response).await.1
    }

    async fn get(&mut self, world: &World, path: &str) -> Value {
        self.send(world, world.api.get(format!("{}{path}", world.base))).await
    }

    async fn post(&mut self, world: &World, path: &str, body: &Value) -> Value {
        let request = world.api.post(format!("{}{path}", world.base)).body(body.to_string());
        self.send(world, request.header("content-type", "application/json")).await
    }
}

/// Each is made findable once, after the answer.
const WORKFLOWS: [&str; 4] = ["fine", "busy", "slow", "told"];

/// Runs that succeed, one that is tried again, one that asks a model, one that is cancelled, and one
/// that is followed; a summary, from a model and from the cache, and a search; what is refused, what
/// has no caller, and the cron. All at once, as far as it goes.
async fn everything_at_once(world: &World) -> (Headers, Vec<String>) {
    let busy = ResponseTemplate::new(503);
    Mock::given(path("/busy")).respond_with(busy).up_to_n_times(1).mount(&world.upstream).await;
    Mock::given(path("/slow"))
        .respond_with(ResponseTemplate::new(200).set_delay(Duration::from_millis(1_500)))
        .mount(&world.upstream)
        .await;
    fine(&world.upstream).await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&world.upstream).await;
    let mut all = Headers::default();
    let mut workflows = BTreeMap::new();
    for name in WORKFLOWS {
        let url = format!("{}/{name}", world.upstream.uri());
        let step = match name {
            "told" => json!({"type": "ai.summarize", "config": {"content": "Of a run."}}),
            _ => json!({"type": "http", "config": {"url": url, "method": "POST"}}),
        };
        let body = json!({"name": name, "description": "d", "steps": [step, step]});
        let made = all.post(world, "/workflows", &body).await;
        workflows.insert(name, format!("/workflows/{}/runs", made["id"].as_str().unwrap()));
    }
    let start = async |name: &str| {
        let mut headers = Headers::default();
        let run = headers.post(world, &workflows[name], &json!({})).await;
        (headers, run["id"].as_str().unwrap().to_owned())
    };
    let followed = async {
        let (mut headers, run) = start("slow").await;
        headers.get(world, &format!("/runs/{run}/events")).await;
        (headers, run)
    };
    let cancelled = async {
        let (mut headers, run) = start("slow").await;
        headers.post(world, &format!("/runs/{run}/cancel"), &json!({})).await;
        (headers, run)
    };
    let refused = async {
        let mut headers = Headers::default();
        headers.post(world, "/workflows", &json!({})).await;
        headers.get(world, "/runs/nothing").await;
        for path in ["/health", "/api/workflows", "/nowhere"] {
            world.api.get(format!("{}{path}", world.base)).send().await.unwrap();
        }
        assert_eq!(world.tell("/cron", json!(null)).await.0, 200);
        (headers, String::new())
    };
    let names = ["busy", "told"].into_iter().chain(["fine"; 6]);
    let many = join_all(names.map(start));
    let (mut done, others, more, answers, rest) =
        tokio::join!(many, followed, cancelled, asked(world), refused);
    done.extend([others, more, answers, rest]);
    let mut runs = Vec::new();
    for (headers, run) in done {
        all.answers += headers.answers;
        for (name, amount) in headers.sum.0 {
            *all.sum.0.entry(name).or_default() += amount;
        }
        runs.extend(Some(run).filter(|run| !run.is_empty()));
    }
    (all, runs)
}

/// A summary, from a model and from the cache, and a search.
async fn asked(world: &World) -> (Headers, String) {
    let mut headers = Headers::default();
    for _ in 0..2 {
        let body = json!({"content": "Of a request."});
        let answer = headers.post(world, "/ai/summarize", &body).await;
        assert!(answer["summary"].is_string(), "{answer}");
    }
    let found = headers.post(world, "/search", &json!({"query": "busy"})).await;
    assert!(found["results"].is_array(), "{found}");
    (headers, String::new())
}

/// Headers, runs and the declared background are what `GET /usage` says, for every resource; all
/// accounts together are what the ports counted; and calls went out as often as they came in.
#[tokio::test]
async fn usage_is_conserved() {
    let world = World::start_with(VARS).await;
    conserved(&world).await;
}

#[tokio::test]
async fn usage_is_conserved_when_it_is_written_before_each_answer() {
    let world = World::start_with(&vars(&[("USAGE_BEFORE_ANSWER", "on")])).await;
    let (answers, written) = conserved(&world).await;
    assert!(written >= answers, "{written} rows for {answers} answers");
}

/// How many answers the caller got, and how often a row of their usage was written.
#[expect(clippy::print_stdout, reason = "a proof says how much it proved")]
async fn conserved(world: &World) -> (u64, u64) {
    let (mut all, runs) = everything_at_once(world).await;
    world.until("/rest", "/quiet", json!(true)).await;
    for _ in 0..50 {
        if all.get(world, "/usage").await["background"]["search"]["count"] == WORKFLOWS.len() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    world.settled().await;
    let mut of_runs = Sum::default();
    for run in &runs {
        of_runs.report(&all.get(world, &format!("/runs/{run}")).await["usage"]);
    }
    let expected = (all.answers, all.sum.clone());
    let usage = all.get(world, "/usage").await;
    assert_eq!(usage["requests"]["count"], expected.0, "{usage}");
    let mut sum = expected.1;
    sum.report(&json!(Usage::NONE));
    assert_eq!(Sum::of(&usage["requests"]), sum, "headers");
    assert_eq!(Sum::of(&usage["runs"]), of_runs, "runs");
    sum.report(&usage["runs"]);
    for part in ["events", "metering", "search"] {
        sum.report(&usage["background"][part]);
    }
    assert_eq!(Sum::of(&usage["total"]), sum, "all of it");
    assert!(usage["background"]["events"]["count"].as_u64() >= Some(1), "{usage}");
    world.settled().await;
    let (billed, counted) = (world.ask("/billed").await, world.ask("/counters").await);
    // The cron may have made a workflow findable, at nobody's expense.
    let sent = world.upstream.received_requests().await.unwrap().len();
    assert_eq!(billed["total"]["outbound_requests"], sent);
    for (part, used) in [
        ("requests", &["ai_input_tokens", "ai_output_tokens", "kv_reads", "kv_writes"][..]),
        ("requests", &["ai_millineurons", "vector_dimensions_queried"]),
        ("runs", &["ai_input_tokens", "ai_output_tokens", "kv_writes"]),
    ] {
        for name in used {
            assert!(usage[part][*name].as_u64() >= Some(1), "{part} {name}: {usage}");
        }
    }
    println!("{} runs, billed: {billed}", runs.len());
    assert_eq!(billed["total"], counted["usage"], "everybody's");
    assert!(billed["scheduled_tasks"]["rows_read"].as_u64() >= Some(1), "{billed}");
    assert!(billed["metering"]["rows_written"].as_u64() >= Some(1), "{billed}");
    let points = world.ask("/analytics").await;
    let (requests, ends): (Vec<_>, Vec<_>) =
        points.as_array().unwrap().iter().partition(|point| point["blobs"][0] == "request");
    assert_eq!(json!(requests.len() + ends.len()), counted["usage"]["analytics_points"]);
    assert_eq!((json!(requests.len()), ends.len()), (counted["requests"].clone(), runs.len()));
    let anns = requests.iter().filter(|point| point["index"] == "ann").count() as u64;
    assert_eq!(anns, all.answers, "the tenant is the index");
    let cancelled = ends.iter().filter(|point| point["blobs"][3] == "cancelled").count();
    assert_eq!(cancelled, 1, "{ends:?}");
    (expected.0, usage["background"]["metering"]["count"].as_u64().unwrap())
}
