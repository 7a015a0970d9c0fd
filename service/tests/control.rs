//! The control socket of the native server.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use reqwest::Client;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpListener;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};
use workway_service::{
    config::{Config, RATE_LIMIT},
    guard::{AUDIENCE, ISSUER},
    platform::native::{ServeError, Server, control_socket},
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

/// What responses and runs report adds up to what the adapters counted.
#[tokio::test]
async fn usage_is_conserved() {
    let world = World::start().await;
    Mock::given(path("/effect"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&world.upstream)
        .await;
    let url = format!("{}/effect", world.upstream.uri());
    let step = json!({"type": "http", "config": {"url": url, "method": "POST"}});
    let workflow = json!({"name": "n", "description": "d", "steps": [step, step]});
    let mut reported = [0; 4];
    let fields = ["rows_read", "rows_written", "actor_requests", "outbound_requests"];
    let send = async |path: &str, body: &Value| {
        let request = world.api.post(format!("{}{path}", world.base)).bearer_auth(&world.token);
        let request = request.header("content-type", "application/json").body(body.to_string());
        let response = request.send().await.unwrap();
        let usage = response.headers()["workway-usage"].to_str().unwrap().to_owned();
        (read(response).await.1["id"].as_str().unwrap().to_owned(), usage)
    };
    let (id, usage) = send("/workflows", &workflow).await;
    let mut headers = vec![usage];
    let mut runs = Vec::new();
    for _ in 0..5 {
        let (run, usage) = send(&format!("/workflows/{id}/runs"), &json!({})).await;
        headers.push(usage);
        runs.push(run);
    }
    world.until("/rest", "/quiet", json!(true)).await;
    let counted = world.ask("/counters").await;
    for member in headers.iter().flat_map(|header| header.split(", ")) {
        let (name, amount) = member.split_once('=').unwrap();
        let index = fields.iter().position(|field| *field == name).unwrap();
        reported[index] += amount.parse::<u64>().unwrap();
    }
    for run in &runs {
        let run = world.get(&format!("/runs/{run}")).await.1;
        for (index, field) in fields.iter().enumerate() {
            reported[index] += run["usage"][field].as_u64().unwrap();
        }
    }
    let counted = fields.map(|field| counted["usage"][field].as_u64().unwrap());
    println!("{fields:?}: reported {reported:?}, counted {counted:?}");
    assert_eq!(reported[2..], counted[2..], "calls of objects, and outbound requests");
    // The write that ends a run is not in what it writes.
    assert!(counted[0] >= reported[0] && counted[1] >= reported[1]);
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
    for path in ["/clock", "/cron", "/counters", "/rest"] {
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
