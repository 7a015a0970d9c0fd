//! A server of one's own for each test, and a client of it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use reqwest::{Client, Method, Response, StatusCode, redirect::Policy};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use wiremock::MockServer;
use workway_service::{
    config::Config,
    guard::{AUDIENCE, ISSUER},
    platform::native::{Server, StateError, control_socket},
};

pub(crate) const SECRET: &str = "a secret for tests, of at least 32 bytes";

/// 32 bytes.
pub(crate) const VAULT_KEY: &str = "dmF1bHQta2V5LWZvci10ZXN0cy0wMTIzNDU2Nzg5MDE=";
pub(crate) const GOOGLE_SECRET: &str = "google-client-secret-canary";
pub(crate) const NOTION_SECRET: &str = "notion-client-secret-canary";

/// A server of one's own, on a fresh state directory.
pub(crate) struct Api {
    pub(crate) base: String,
    pub(crate) client: Client,
    pub(crate) upstream: MockServer,
    pub(crate) state: tempfile::TempDir,
    vars: Vec<(&'static str, String)>,
    /// Where `http` steps may go beside the upstream.
    also_allowed: String,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<Result<(), StateError>>>,
}

impl Api {
    pub(crate) async fn start() -> Self {
        Self::start_as("", &[]).await
    }

    /// With these variables, in which `{upstream}` is the origin of the upstream.
    pub(crate) async fn start_with(vars: &[(&'static str, &str)]) -> Self {
        Self::start_as("", vars).await
    }

    /// `http` steps may go to `origin` too.
    pub(crate) async fn start_allowing(origin: &str) -> Self {
        Self::start_as(origin, &[]).await
    }

    async fn start_as(origin: &str, vars: &[(&'static str, &str)]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut api = Self {
            base: String::new(),
            client: client(),
            upstream: MockServer::start().await,
            state: tempfile::tempdir().unwrap(),
            also_allowed: origin.to_owned(),
            vars: Vec::new(),
            stop: None,
            task: None,
        };
        let origin = api.upstream.uri();
        let vars = vars.iter().map(|(name, value)| (*name, value.replace("{upstream}", &origin)));
        api.vars = vars.collect();
        api.boot().await;
        api
    }

    /// The configuration with these variables in place of its own.
    pub(crate) fn config_with(&self, changed: &[(&str, &str)]) -> Config {
        let upstream = self.upstream.uri();
        Config::from_lookup(|name| {
            if let Some((_, value)) = changed.iter().find(|(changed, _)| *changed == name) {
                return Some((*value).to_owned());
            }
            if let Some((_, value)) = self.vars.iter().find(|(known, _)| *known == name) {
                return Some(value.clone());
            }
            let value = match name {
                "JWT_SECRET" => SECRET.to_owned(),
                "HTTP_ALLOWED_ORIGINS" => format!("{upstream},{}", self.also_allowed),
                "CORS_ALLOWED_ORIGINS" => "https://good.example".to_owned(),
                "PUBLIC_URL" => self.base.clone(),
                "TOKEN_ENCRYPTION_KEY" => VAULT_KEY.to_owned(),
                "GOOGLE_BASE_URL" => format!("{upstream}/google"),
                "NOTION_BASE_URL" => format!("{upstream}/notion"),
                "GOOGLE_CLIENT_ID" | "NOTION_CLIENT_ID" => "client".to_owned(),
                "GOOGLE_CLIENT_SECRET" => GOOGLE_SECRET.to_owned(),
                "NOTION_CLIENT_SECRET" => NOTION_SECRET.to_owned(),
                _ => return None,
            };
            Some(value)
        })
        .unwrap()
    }

    /// Puts the server's clock forward.
    pub(crate) async fn advance(&self, by: i64) {
        let socket = control_socket(self.state.path());
        let control = Client::builder().unix_socket(socket).no_proxy().build().unwrap();
        let body = json!({"advance_ms": by}).to_string();
        let request =
            control.post("http://control/clock").header("content-type", "application/json");
        assert_eq!(request.body(body).send().await.unwrap().status(), 200);
    }

    pub(crate) async fn boot(&mut self) {
        self.boot_with(&[]).await;
    }

    pub(crate) async fn boot_with(&mut self, changed: &[(&str, &str)]) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.base = format!("http://{}", listener.local_addr().unwrap());
        let config = self.config_with(changed);
        let server = Server::open(listener, self.state.path(), config).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        self.stop = Some(stop);
        self.task = Some(tokio::spawn(server.run(async {
            let _ = stopped.await;
        })));
    }

    pub(crate) async fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.ended().await.unwrap();
    }

    /// Waits for the end of the server.
    pub(crate) async fn ended(&mut self) -> Result<(), StateError> {
        self.task.take().unwrap().await.unwrap()
    }

    fn control(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let socket = control_socket(self.state.path());
        let client = Client::builder().no_proxy().unix_socket(socket).build().unwrap();
        client.request(method, format!("http://control{path}"))
    }

    /// Sets the clock of the server: `frozen`, and then `advance_ms`.
    pub(crate) async fn clock(&self, change: Value) {
        let request = self.control(Method::POST, "/clock").body(change.to_string());
        let request = request.header("content-type", "application/json");
        assert_eq!(request.send().await.unwrap().status(), 200);
    }

    /// A number that the server counts, since it started.
    pub(crate) async fn counted(&self, pointer: &str) -> u64 {
        let text = self.control(Method::GET, "/counters").send().await.unwrap().text().await;
        let counters: Value = serde_json::from_str(&text.unwrap()).unwrap();
        counters.pointer(pointer).unwrap().as_u64().unwrap()
    }

    /// Runs the scheduled tasks.
    pub(crate) async fn cron(&self) {
        let request = self.control(Method::POST, "/cron").body("null");
        let request = request.header("content-type", "application/json");
        assert_eq!(request.send().await.unwrap().status(), 200);
    }

    /// Stops the clock: nothing happens by itself, so that what is written was asked for.
    pub(crate) async fn freeze(&self) {
        self.clock(json!({"frozen": true})).await;
    }

    pub(crate) async fn rows_written(&self) -> u64 {
        self.counted("/usage/rows_written").await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> Response {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        request.send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> (StatusCode, Value) {
        read(self.send(Method::GET, path, token, None).await).await
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: Value) -> (StatusCode, Value) {
        read(self.send(Method::POST, path, token, Some(body)).await).await
    }

    pub(crate) async fn workflow(&self, token: &str, steps: Value) -> String {
        let body = json!({"name": "n", "description": "d", "steps": steps});
        let (status, body) = self.post("/workflows", token, body).await;
        assert_eq!(status, 201, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn run(&self, token: &str, workflow: &str) -> String {
        let (status, body) =
            self.post(&format!("/workflows/{workflow}/runs"), token, json!({})).await;
        assert_eq!((status.as_u16(), &body["status"]), (202, &json!("queued")));
        body["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn finished(&self, token: &str, run: &str) -> Value {
        self.run_until(token, run, |body| !body["finished_at"].is_null()).await
    }

    /// Polls a run until it is as it should be.
    pub(crate) async fn run_until(
        &self,
        token: &str,
        run: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Value {
        // Half a minute, of a budget of a hundred requests.
        for poll in 0..80 {
            let (_, body) = self.get(&format!("/runs/{run}"), token).await;
            if is_so(&body) {
                return body;
            }
            let pause = if poll < 20 { 50 } else { 500 };
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        panic!("run {run} did not get there");
    }

    pub(crate) fn http_step(&self) -> Value {
        json!([{"type": "http", "config": {"url": format!("{}/effect", self.upstream.uri()), "method": "POST", "body": {"x": 1}}}])
    }
}

/// A client that uses no connection again which the server, after ten seconds, may be about to close.
fn client() -> Client {
    let client = Client::builder().no_proxy().redirect(Policy::none());
    client.pool_idle_timeout(Duration::from_secs(3)).build().unwrap()
}

pub(crate) async fn read(response: Response) -> (StatusCode, Value) {
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

/// A token of our own, or one that pretends to be.
pub(crate) fn sign(header: &str, claims: &str, secret: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let signed = format!("{}.{}", part(header), part(claims));
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(&signed);
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

pub(crate) fn token_header() -> Value {
    let config =
        Config::from_lookup(|name| (name == "JWT_SECRET").then(|| SECRET.to_owned())).unwrap();
    json!({"alg": "HS256", "typ": "at+jwt", "kid": config.signing_key.id})
}

pub(crate) fn token_claims(subject: &str, scope: &str) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "scope": scope, "exp": now + 600, "nbf": now})
}

pub(crate) fn token_of(subject: &str, scope: &str) -> String {
    let (header, claims) = (token_header(), token_claims(subject, scope));
    sign(&header.to_string(), &claims.to_string(), SECRET)
}

/// A token that is valid only so many seconds from now.
pub(crate) fn token_after(subject: &str, scope: &str, seconds: u64) -> String {
    let mut claims = token_claims(subject, scope);
    for name in ["nbf", "exp"] {
        claims[name] = json!(claims[name].as_u64().unwrap() + seconds);
    }
    sign(&token_header().to_string(), &claims.to_string(), SECRET)
}

pub(crate) fn token(subject: &str) -> String {
    token_of(subject, "read write meter")
}
