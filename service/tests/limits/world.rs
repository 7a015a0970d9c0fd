//! The router on a faulty platform, without a socket between.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use axum::{Router, body::Body, http::Request, response::Response};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sha2::Sha256;
use tower_service::Service;
use workway_service::{
    app::App,
    config::Config,
    guard::{AUDIENCE, ISSUER},
    ports::Clock,
    routes::router,
};

use super::faulty::Faulty;

const SECRET: &str = "a secret for tests, of at least 32 bytes";
/// By the system's clock. Who has not answered by then waits for the clock of the test.
const MOMENT: Duration = Duration::from_millis(50);

pub(crate) struct World {
    pub(crate) platform: Faulty,
    router: Router,
    pub(crate) state: tempfile::TempDir,
}

/// A request that is under way.
pub(crate) struct Asked(Pin<Box<dyn Future<Output = Response> + Send>>);

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with("", "").await
    }

    /// With a variable.
    pub(crate) async fn start_with(variable: &str, value: &str) -> Self {
        let state = tempfile::tempdir().unwrap();
        let lookup = |name: &str| match name {
            "JWT_SECRET" => Some(SECRET.to_owned()),
            _ => (name == variable).then(|| value.to_owned()),
        };
        let config = Arc::new(Config::from_lookup(lookup).unwrap());
        let platform = Faulty::open(state.path(), Arc::clone(&config)).await;
        let app = App {
            platform: platform.clone(),
            config,
            health: Arc::default(),
            flushes: Arc::default(),
        };
        Self { platform, router: router(app), state }
    }

    /// Good for a month from now.
    pub(crate) fn token(&self, subject: &str) -> String {
        let lookup = |name: &str| (name == "JWT_SECRET").then(|| SECRET.to_owned());
        let kid = Config::from_lookup(lookup).unwrap().signing_key.id;
        let now = self.platform.clock.now() / 1000;
        let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": kid});
        let claims = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": subject,
            "scope": "read write", "exp": now + 31 * 86_400, "nbf": now});
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        let mac = mac.chain_update(&signed).finalize().into_bytes();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac))
    }

    /// Begins a request.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Asked {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = request.header("content-type", "application/json").body(body).unwrap();
        let mut router = self.router.clone();
        Asked(Box::pin(async move { router.call(request).await.unwrap() }))
    }

    pub(crate) async fn get(&self, path: &str, subject: &str) -> (u16, Value) {
        let token = format!("Bearer {}", self.token(subject));
        self.ask("GET", path, &[("authorization", &token)], None).answer().await
    }

    pub(crate) async fn post(&self, path: &str, subject: &str, body: Value) -> (u16, Value) {
        let token = format!("Bearer {}", self.token(subject));
        self.ask("POST", path, &[("authorization", &token)], Some(body)).answer().await
    }

    pub(crate) async fn workflow(&self, subject: &str, step: Value) -> String {
        let body = json!({"name": "n", "description": "d", "steps": [step]});
        let (status, created) = self.post("/workflows", subject, body).await;
        assert_eq!(status, 201, "{created}");
        created["id"].as_str().unwrap().to_owned()
    }
}

impl Asked {
    /// Whether there is no answer, unless somebody moves the clock.
    pub(crate) async fn waits(&mut self) -> bool {
        tokio::time::timeout(MOMENT, &mut self.0).await.is_err()
    }

    pub(crate) async fn response(self) -> Response {
        self.0.await
    }

    pub(crate) async fn answer(self) -> (u16, Value) {
        let response = self.response().await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }
}
