//! A server of one's own, and both of its doors.

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use reqwest::Client;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpListener;
use wiremock::MockServer;
use workway_service::{
    config::Config,
    guard::{AUDIENCE, ISSUER},
    platform::native::{ServeError, Server, control_socket},
};

const SECRET: &str = "a secret for tests, of at least 32 bytes";

pub(crate) struct World {
    pub(crate) state: tempfile::TempDir,
    pub(crate) upstream: MockServer,
    pub(crate) base: String,
    pub(crate) api: Client,
    pub(crate) control: Client,
    pub(crate) token: String,
}

/// With these variables, in which `{upstream}` is the origin of the upstream.
fn config(upstream: &str, vars: &[(&str, &str)]) -> Config {
    Config::from_lookup(|name| match name {
        "JWT_SECRET" => Some(SECRET.to_owned()),
        "HTTP_ALLOWED_ORIGINS" => Some(upstream.to_owned()),
        _ => {
            let var = vars.iter().find(|(var, _)| *var == name);
            var.map(|(_, value)| value.replace("{upstream}", upstream))
        }
    })
    .unwrap()
}

pub(crate) async fn open(state: &Path, upstream: &str) -> Result<(String, Server), ServeError> {
    open_with(state, config(upstream, &[])).await
}

async fn open_with(state: &Path, config: Config) -> Result<(String, Server), ServeError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    Ok((base, Server::open(listener, state, config).await?))
}

/// Valid for a day.
fn token() -> String {
    let key = config("", &[]).signing_key.id;
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
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With these variables, in which `{upstream}` is the origin of the upstream.
    pub(crate) async fn start_with(vars: &[(&str, &str)]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (state, upstream) = (tempfile::tempdir().unwrap(), MockServer::start().await);
        let config = config(&upstream.uri(), vars);
        let (base, server) = open_with(state.path(), config).await.unwrap();
        tokio::spawn(server.run(std::future::pending()));
        let control =
            Client::builder().no_proxy().unix_socket(control_socket(state.path())).build().unwrap();
        let api = Client::builder().no_proxy().build().unwrap();
        Self { state, upstream, base, api, control, token: token() }
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let request = self.api.get(format!("{}{path}", self.base)).bearer_auth(&self.token);
        read(request.send().await.unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let request = self.api.post(format!("{}{path}", self.base)).bearer_auth(&self.token);
        let request = request.header("content-type", "application/json").body(body.to_string());
        read(request.send().await.unwrap()).await
    }

    pub(crate) async fn ask(&self, path: &str) -> Value {
        read(self.control.get(format!("http://control{path}")).send().await.unwrap()).await.1
    }

    pub(crate) async fn tell(&self, path: &str, body: Value) -> (u16, Value) {
        let request = self.control.post(format!("http://control{path}"));
        let request = request.header("content-type", "application/json").body(body.to_string());
        read(request.send().await.unwrap()).await
    }

    pub(crate) async fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap();
        assert_eq!(self.tell("/clock", json!({"advance_ms": by})).await.0, 200);
    }

    /// Waits until `path` of the control socket says `expected` at `pointer`.
    pub(crate) async fn until(&self, path: &str, pointer: &str, expected: Value) {
        for _ in 0..1000 {
            if self.ask(path).await.pointer(pointer) == Some(&expected) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{path} never said {pointer} = {expected}, but {}", self.ask(path).await);
    }

    /// Waits until what was counted is billed: who pays for nobody's requests is told after them.
    pub(crate) async fn settled(&self) {
        for _ in 0..1000 {
            if self.ask("/billed").await["total"] == self.ask("/counters").await["usage"] {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

pub(crate) async fn read(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}
