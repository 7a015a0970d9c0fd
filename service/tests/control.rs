//! The control socket of the native server.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

use std::{
    collections::BTreeMap,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use hmac::{Hmac, Mac};
use reqwest::Client;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpListener;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, path},
};
use workway_service::{
    config::{Config, RATE_LIMIT},
    guard::{AUDIENCE, ISSUER},
    platform::native::{ServeError, Server, control_socket},
    ports::Usage,
};

const SECRET: &str = "a secret for tests, of at least 32 bytes";

struct World {
    state: tempfile::TempDir,
    upstream: MockServer,
    base: String,
    api: Client,
    control: Client,
    token: String,
}

fn config(upstream: &str) -> Config {
    Config::from_lookup(|name| match name {
        "JWT_SECRET" => Some(SECRET.to_owned()),
        "HTTP_ALLOWED_ORIGINS" => Some(upstream.to_owned()),
        _ => None,
    })
    .unwrap()
}

async fn open(state: &Path, upstream: &str) -> Result<(String, Server), ServeError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    Ok((base, Server::open(listener, state, config(upstream)).await?))
}

/// Valid for a day.
fn token() -> String {
    let key = config("").signing_key.id;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": key});
    let claims = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "scope": "read write meter",
        "iat": now, "nbf": now, "exp": now + 86_400});
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

impl World {
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (state, upstream) = (tempfile::tempdir().unwrap(), MockServer::start().await);
        let (base, server) = open(state.path(), &upstream.uri()).await.unwrap();
        tokio::spawn(server.run(std::future::pending()));
        let control =
            Client::builder().no_proxy().unix_socket(control_socket(state.path())).build().unwrap();
        let api = Client::builder().no_proxy().build().unwrap();
        Self { state, upstream, base, api, control, token: token() }
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let request = self.api.get(format!("{}{path}", self.base)).bearer_auth(&self.token);
        read(request.send().await.unwrap()).await
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let request = self.api.post(format!("{}{path}", self.base)).bearer_auth(&self.token);
        let request = request.header("content-type", "application/json").body(body.to_string());
        read(request.send().await.unwrap()).await
    }

    async fn ask(&self, path: &str) -> Value {
        read(self.control.get(format!("http://control{path}")).send().await.unwrap()).await.1
    }

    async fn tell(&self, path: &str, body: Value) -> (u16, Value) {
        let request = self.control.post(format!("http://control{path}"));
        let request = request.header("content-type", "application/json").body(body.to_string());
        read(request.send().await.unwrap()).await
    }

    async fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap();
        assert_eq!(self.tell("/clock", json!({"advance_ms": by})).await.0, 200);
    }

    /// Waits until `path` of the control socket says `expected` at `pointer`.
    async fn until(&self, path: &str, pointer: &str, expected: Value) {
        for _ in 0..1000 {
            if self.ask(path).await.pointer(pointer) == Some(&expected) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{path} never said {pointer} = {expected}, but {}", self.ask(path).await);
    }

    /// Waits until what was counted is billed: who pays for nobody's requests is told after them.
    async fn settled(&self) {
        for _ in 0..1000 {
            if self.ask("/billed").await["total"] == self.ask("/counters").await["usage"] {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn read(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

#[tokio::test]
async fn time_jumps_for_the_limiter_and_for_tokens() {
    let world = World::start().await;
    for _ in 0..RATE_LIMIT {
        assert_eq!(world.get("/workflows").await.0, 200);
    }
    // The window may have turned since the first request: a few more are then admitted.
    let mut refused = false;
    for _ in 0..RATE_LIMIT {
        refused |= world.get("/workflows").await.0 == 429;
    }
    assert!(refused);
    world.advance(Duration::from_mins(2)).await;
    assert_eq!(world.get("/workflows").await.0, 200, "two periods later");
    world.advance(Duration::from_hours(25)).await;
    assert_eq!(world.get("/workflows").await.0, 401, "the token is of yesterday");
}

#[tokio::test]
async fn alarms_follow_the_clock_and_counters_and_rest_tell_the_truth() {
    let world = World::start().await;
    let fail = ResponseTemplate::new(503);
    Mock::given(path("/effect")).respond_with(fail).up_to_n_times(1).mount(&world.upstream).await;
    Mock::given(path("/effect"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&world.upstream)
        .await;
    let url = format!("{}/effect", world.upstream.uri());
    let step = json!({"type": "http", "config": {"url": url, "method": "POST"}});
    let workflow = json!({"name": "n", "description": "d", "steps": [step]});
    let workflow = world.post("/workflows", workflow).await.1["id"].as_str().unwrap().to_owned();
    assert_eq!(world.ask("/rest").await, json!({"quiet": true, "open_runs": 0, "alarms": 0}));

    let (_, clock) = world.tell("/clock", json!({"frozen": true})).await;
    let (status, run) = world.post(&format!("/workflows/{workflow}/runs"), json!({})).await;
    assert_eq!((status, &run["created_at"]), (202, &clock["now"]));
    let run = format!("/runs/{}", run["id"].as_str().unwrap());
    world.until("/counters", "/usage/outbound_requests", json!(1)).await;
    let waiting = async || {
        for _ in 0..1000 {
            if world.get(&run).await.1["status"] == "waiting" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it does not wait");
    };
    waiting().await;
    // Longer than its pause, by the system's clock.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(world.get(&run).await.1["status"], "waiting", "the clock stands");
    assert_eq!(world.ask("/rest").await, json!({"quiet": false, "open_runs": 1, "alarms": 1}));

    world.advance(Duration::from_secs(1)).await;
    world.until("/rest", "/quiet", json!(true)).await;
    let run = world.get(&run).await.1;
    assert_eq!((&run["status"], &run["steps"][0]["attempts"]), (&json!("succeeded"), &json!(2)));
    let elapsed = run["finished_at"].as_i64().unwrap() - run["created_at"].as_i64().unwrap();
    assert_eq!(elapsed, 1000, "virtual time, exactly");

    let counters = world.ask("/counters").await;
    assert_eq!((&counters["alarms_rung"], &counters["sweeps"]), (&json!(2), &json!(0)));
    assert_eq!(counters["usage"]["outbound_requests"], 2);
    let sent = world.upstream.received_requests().await.unwrap().len();
    assert_eq!(sent, 2, "as many as came");
}

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

/// Runs that succeed, one that is tried again, one that is cancelled, and one that is followed; what
/// is refused, what has no caller, and the cron. All at once, as far as it goes.
async fn everything_at_once(world: &World) -> (Headers, Vec<String>) {
    let busy = ResponseTemplate::new(503);
    Mock::given(path("/busy")).respond_with(busy).up_to_n_times(1).mount(&world.upstream).await;
    Mock::given(path("/slow"))
        .respond_with(ResponseTemplate::new(200).set_delay(Duration::from_millis(1_500)))
        .mount(&world.upstream)
        .await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&world.upstream).await;
    let mut all = Headers::default();
    let mut workflows = BTreeMap::new();
    for name in ["fine", "busy", "slow"] {
        let url = format!("{}/{name}", world.upstream.uri());
        let step = json!({"type": "http", "config": {"url": url, "method": "POST"}});
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
    let many = join_all((0..8).map(|n| start(if n == 0 { "busy" } else { "fine" })));
    let (mut done, others, more, rest) = tokio::join!(many, followed, cancelled, refused);
    done.extend([others, more, rest]);
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

/// Headers, runs and the declared background are what `GET /usage` says, for every resource; all
/// accounts together are what the ports counted; and calls went out as often as they came in.
#[tokio::test]
async fn usage_is_conserved() {
    let world = World::start().await;
    let (mut all, runs) = everything_at_once(&world).await;
    world.until("/rest", "/quiet", json!(true)).await;
    world.settled().await;
    let mut of_runs = Sum::default();
    for run in &runs {
        of_runs.report(&all.get(&world, &format!("/runs/{run}")).await["usage"]);
    }
    let expected = (all.answers, all.sum.clone());
    let usage = all.get(&world, "/usage").await;
    assert_eq!(usage["requests"]["count"], expected.0, "{usage}");
    let mut sum = expected.1;
    sum.report(&json!(Usage::NONE));
    assert_eq!(Sum::of(&usage["requests"]), sum, "headers");
    assert_eq!(Sum::of(&usage["runs"]), of_runs, "runs");
    for part in [&usage["runs"], &usage["background"]["events"], &usage["background"]["metering"]] {
        sum.report(part);
    }
    assert_eq!(Sum::of(&usage["total"]), sum, "all of it");
    assert!(usage["background"]["events"]["count"].as_u64() >= Some(1), "{usage}");
    let sent = world.upstream.received_requests().await.unwrap().len();
    assert_eq!(usage["total"]["outbound_requests"], sent);

    world.settled().await;
    let (billed, counted) = (world.ask("/billed").await, world.ask("/counters").await);
    println!("{} runs, billed: {billed}", runs.len());
    assert_eq!(billed["total"], counted["usage"], "everybody's");
    assert!(billed["upkeep"]["rows_read"].as_u64() >= Some(1), "{billed}");
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
}

#[tokio::test]
async fn it_fires_the_cron_and_refuses_what_it_does_not_know() {
    let world = World::start().await;
    assert_eq!(world.tell("/cron", json!(null)).await, (200, json!({"visited": 0})));
    assert_eq!(world.ask("/counters").await["sweeps"], 1);
    let before = world.ask("/clock").await;
    for change in [json!({"now": 1}), json!({"advance_ms": "1"}), json!([]), json!({"frozen": 1})] {
        assert!((400..500).contains(&world.tell("/clock", change.clone()).await.0), "{change}");
    }
    let after = world.ask("/clock").await;
    assert!(after["now"].as_i64().unwrap() - before["now"].as_i64().unwrap() < 60_000);
}

#[tokio::test]
async fn it_is_private_and_there_is_one() {
    let world = World::start().await;
    let folder = control_socket(world.state.path()).parent().unwrap().to_owned();
    assert_eq!(std::fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
    for path in ["/clock", "/cron", "/counters", "/rest", "/billed", "/analytics"] {
        assert_eq!(world.get(path).await.0, 404, "not on the API's port");
    }
    let second = open(world.state.path(), "").await.unwrap_err();
    assert!(second.to_string().contains("another server"), "{second}");
}

#[tokio::test]
async fn a_socket_that_a_dead_server_left_makes_way() {
    let state = tempfile::tempdir().unwrap();
    drop(open(state.path(), "").await.unwrap());
    assert!(control_socket(state.path()).exists());
    assert!(open(state.path(), "").await.is_ok());
}
