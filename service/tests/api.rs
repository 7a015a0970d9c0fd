//! The native server over HTTP, as a client sees it.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

use std::{
    collections::HashSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path},
};
use workway_service::{
    config::{Config, RATE_LIMIT},
    domain::workflow::MAX_STEPS,
    guard::{AUDIENCE, ISSUER, MAX_BODY_BYTES},
    platform::native::Server,
};

const SECRET: &str = "a secret for tests, of at least 32 bytes";

/// A server of one's own, on a fresh state directory.
struct Api {
    base: String,
    client: Client,
    upstream: MockServer,
    state: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
}

impl Api {
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut api = Self {
            base: String::new(),
            client: Client::builder().no_proxy().build().unwrap(),
            upstream: MockServer::start().await,
            state: tempfile::tempdir().unwrap(),
            stop: None,
            task: None,
        };
        api.boot().await;
        api
    }

    fn config(&self) -> Config {
        Config::from_lookup(|name| match name {
            "JWT_SECRET" => Some(SECRET.to_owned()),
            "HTTP_ALLOWED_ORIGINS" => Some(self.upstream.uri()),
            _ => None,
        })
        .unwrap()
    }

    async fn boot(&mut self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.base = format!("http://{}", listener.local_addr().unwrap());
        let server = Server::open(listener, self.state.path(), self.config()).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        self.stop = Some(stop);
        self.task = Some(tokio::spawn(server.run(async {
            let _ = stopped.await;
        })));
    }

    async fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.task.take().unwrap().await.unwrap();
    }

    async fn send(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> Response {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        request.send().await.unwrap()
    }

    async fn get(&self, path: &str, token: &str) -> (StatusCode, Value) {
        read(self.send(Method::GET, path, token, None).await).await
    }

    async fn post(&self, path: &str, token: &str, body: Value) -> (StatusCode, Value) {
        read(self.send(Method::POST, path, token, Some(body)).await).await
    }

    async fn workflow(&self, token: &str, steps: Value) -> String {
        let body = json!({"name": "n", "description": "d", "steps": steps});
        let (status, body) = self.post("/workflows", token, body).await;
        assert_eq!(status, 201, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }

    async fn run(&self, token: &str, workflow: &str) -> String {
        let (status, body) =
            self.post(&format!("/workflows/{workflow}/runs"), token, json!({})).await;
        assert_eq!((status.as_u16(), &body["status"]), (202, &json!("queued")));
        body["id"].as_str().unwrap().to_owned()
    }

    async fn finished(&self, token: &str, run: &str) -> Value {
        for _ in 0..600 {
            let (_, body) = self.get(&format!("/runs/{run}"), token).await;
            if !body["finished_at"].is_null() {
                return body;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("run {run} did not end");
    }

    fn http_step(&self) -> Value {
        json!([{"type": "http", "config": {"url": format!("{}/effect", self.upstream.uri()), "method": "POST", "body": {"x": 1}}}])
    }
}

async fn read(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let problem = response.headers()["content-type"] == "application/problem+json";
    assert_eq!(problem, !status.is_success(), "errors, and only they, are problems");
    let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    if problem {
        assert_eq!(body["status"], status.as_u16());
        assert!(body["error"].is_string() && body["type"].is_string());
    }
    (status, body)
}

fn token_of(subject: &str, scope: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let config =
        Config::from_lookup(|name| (name == "JWT_SECRET").then(|| SECRET.to_owned())).unwrap();
    let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": config.signing_key.id});
    let claims = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "scope": scope, "exp": now + 600, "nbf": now});
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(&signed);
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn token(subject: &str) -> String {
    token_of(subject, "read write meter")
}

#[tokio::test]
async fn workflows_are_created_read_and_listed_by_their_owner_only() {
    let api = Api::start().await;
    let (ann, bob) = (token("ann"), token("bob"));
    let response = api
        .send(
            Method::POST,
            "/workflows",
            &ann,
            Some(json!({"name": "n", "description": "d", "steps": api.http_step()})),
        )
        .await;
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["cache-control"], "private, no-store");
    assert_eq!(response.headers()["workway-usage"], "rows_written=3");
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let created: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(location, format!("/workflows/{}", created["id"].as_str().unwrap()));

    assert_eq!(api.get(&location, &ann).await, (StatusCode::OK, created.clone()));
    let (status, foreign) = api.get(&location, &bob).await;
    let (_, absent) = api.get("/workflows/00000000-0000-7000-8000-000000000000", &bob).await;
    assert_eq!((status, &foreign), (StatusCode::NOT_FOUND, &absent), "theirs is like none");

    let (_, list) = api.get("/workflows", &ann).await;
    assert_eq!(list, json!({"workflows": [created], "next": null}));
    assert_eq!(api.get("/workflows", &bob).await.1["workflows"], json!([]));
}

#[tokio::test]
async fn pages_follow_each_other_without_gaps() {
    let api = Api::start().await;
    let ann = token("ann");
    for _ in 0..5 {
        api.workflow(&ann, api.http_step()).await;
    }
    let (mut seen, mut path) = (Vec::new(), "/workflows?limit=2".to_owned());
    loop {
        let (_, page) = api.get(&path, &ann).await;
        seen.extend(page["workflows"].as_array().unwrap().iter().map(|w| w["id"].to_string()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/workflows?limit=2&cursor={next}");
    }
    assert_eq!(seen.len(), 5);
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 5);
    for bad in ["limit=0", "limit=101", "limit=x", "cursor=x", "limit=1&limit=2"] {
        assert_eq!(api.get(&format!("/workflows?{bad}"), &ann).await.0, 400, "{bad}");
    }
}

#[tokio::test]
async fn refused_bodies_write_nothing() {
    let api = Api::start().await;
    let ann = token("ann");
    let too_long = json!({"name": "x".repeat(101), "description": "d", "steps": []});
    let (status, body) = api.post("/workflows", &ann, too_long).await;
    assert_eq!((status.as_u16(), &body["error"]), (400, &json!("Invalid input")));
    let paths: Vec<_> = body["issues"].as_array().unwrap().iter().map(|i| &i["path"]).collect();
    assert_eq!(paths, ["name", "steps"]);

    let with_body = async |kind: &str, body: Vec<u8>| {
        let request = api.client.post(format!("{}/workflows", api.base)).bearer_auth(&ann);
        read(request.header("content-type", kind).body(body).send().await.unwrap()).await.0.as_u16()
    };
    let valid = json!({"name": "n", "description": "", "steps": [{"type": "http", "config": {}}]})
        .to_string();
    let padded = |size: usize| format!("{valid}{}", " ".repeat(size - valid.len())).into_bytes();
    assert_eq!(with_body("application/json", padded(MAX_BODY_BYTES + 1)).await, 413);
    assert_eq!(with_body("text/plain", valid.clone().into_bytes()).await, 415);
    for broken in ["", "{", "{\"name\":1,\"name\":2}", "\u{feff}{}", "[1,]"] {
        assert_eq!(
            with_body("application/json", broken.as_bytes().to_vec()).await,
            400,
            "{broken}"
        );
    }
    assert_eq!(with_body("application/json", vec![0xff]).await, 400);
    assert_eq!(api.get("/workflows", &ann).await.1["workflows"], json!([]));
    assert_eq!(with_body("application/json", padded(MAX_BODY_BYTES)).await, 201);
}

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
async fn authentication_and_scopes() {
    let api = Api::start().await;
    let response = api.send(Method::GET, "/workflows", "", None).await;
    assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    let (status, none) = read(response).await;
    assert_eq!(status, 401);
    assert_eq!(api.get("/workflows", "x.y.z").await, (StatusCode::UNAUTHORIZED, none));
    let reader = token_of("ann", "read");
    assert_eq!(api.get("/workflows", &reader).await.0, 200);
    assert_eq!(api.post("/workflows", &reader, json!({})).await.0, 403);
    let response = api.send(Method::GET, "/workflows", &reader, None).await;
    assert!(!response.headers().contains_key("workway-usage"), "not without the scope");
}

#[tokio::test]
async fn the_budget_is_the_users_and_says_when_it_is_back() {
    let api = Api::start().await;
    let ann = token("ann");
    let mut refused = 0;
    // Twice the limit and one: whatever the window, one is past it.
    for _ in 0..=2 * RATE_LIMIT {
        let response = api.send(Method::GET, "/workflows", &ann, None).await;
        if response.status() == 429 {
            refused += 1;
            assert_eq!(response.headers()["retry-after"], "60");
        }
    }
    assert!(refused >= 1);
    assert_eq!(api.get("/workflows", &token("bob")).await.0, 200);
    assert_eq!(api.get("/api/workflows", "").await.0, 200, "another budget: the address's");
}

#[tokio::test]
async fn refused_authentication_counts_against_the_address() {
    let api = Api::start().await;
    let mut last = StatusCode::OK;
    for _ in 0..=2 * RATE_LIMIT {
        last = api.send(Method::GET, "/workflows", "forged", None).await.status();
    }
    assert_eq!(last, 429);
    assert_eq!(api.get("/workflows", &token("ann")).await.0, 200);
}

#[tokio::test]
async fn health_catalogue_and_what_is_not_there() {
    let api = Api::start().await;
    let (status, health) = api.get("/health", "").await;
    assert_eq!((status.as_u16(), &health["status"]), (200, &json!("healthy")));
    assert_eq!(health["checks"], json!({"database": true, "ai": null, "cache": true}));
    assert_eq!(api.get("/health", "").await.1, health, "cached");
    assert_eq!(api.get("/health/live", "").await.1, json!({"status": "live"}));

    let catalogue = api.send(Method::GET, "/api/workflows", "", None).await;
    assert_eq!(catalogue.headers()["cache-control"], "public, max-age=60, s-maxage=300");
    assert_eq!(catalogue.headers()["cdn-cache-control"], "max-age=300");
    assert_eq!(read(catalogue).await.1, json!({"workflows": [], "next": null}));

    for path in ["/nope", "/workflows/%ff", "/workflows/x%2Fy", "/runs/' OR 1=1", "/workflows/%00"]
    {
        assert_eq!(api.get(path, &token("ann")).await.0, 404, "{path}");
    }
    let response = api.send(Method::DELETE, "/workflows", "", None).await;
    assert_eq!(response.headers()["allow"], "POST,GET,HEAD");
    assert_eq!(read(response).await.0, 405);
}
