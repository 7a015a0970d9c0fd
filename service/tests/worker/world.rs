//! A fresh environment for each test, and what a test does to it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use wasm_bindgen::prelude::*;
use worker::{Env, js_sys::Promise, wasm_bindgen_futures::JsFuture};
use workway_service::{
    config::SigningKey,
    guard::{AUDIENCE, ISSUER},
    platform::cloudflare::{Cloudflare, config},
};

pub(crate) const SECRET: &str = "a secret for tests, of at least 32 bytes";
pub(crate) const UPSTREAM: &str = "https://upstream.test";

#[wasm_bindgen(module = "/tests/worker/outside.js")]
extern "C" {
    fn reset();
    #[wasm_bindgen(js_name = currentTime)]
    fn current_time() -> f64;
    #[wasm_bindgen(js_name = advance)]
    fn advance_js(millis: f64) -> Promise;
    #[wasm_bindgen(js_name = timerCount)]
    pub(crate) fn timer_count() -> u32;
    pub(crate) fn log() -> String;
    #[wasm_bindgen(js_name = breakEdge)]
    pub(crate) fn break_edge(broken: bool);
    #[wasm_bindgen(js_name = answer)]
    fn answer_js(json: &str);
    #[wasm_bindgen(js_name = outboundRequests)]
    fn outbound_requests_js() -> String;
}

#[wasm_bindgen(module = "/tests/worker/bindings.js")]
extern "C" {
    #[wasm_bindgen(js_name = makeEnv)]
    fn make_env(vars: &str) -> JsValue;
    #[wasm_bindgen(js_name = bindModels)]
    pub(crate) fn bind_models(env: &Env);
    #[wasm_bindgen(js_name = callsOf)]
    fn calls_of_js(env: &Env, binding: &str) -> String;
    #[wasm_bindgen(js_name = setMode)]
    pub(crate) fn set_mode(env: &Env, binding: &str, mode: &str);
    #[wasm_bindgen(js_name = setVar)]
    pub(crate) fn set_var(env: &Env, name: &str, value: Option<&str>);
    #[wasm_bindgen(js_name = putInCache)]
    pub(crate) fn put_in_cache(env: &Env, key: &str, value: &str);
    #[wasm_bindgen(js_name = sessionRecords)]
    pub(crate) fn session_records(env: &Env) -> String;
    #[wasm_bindgen(js_name = putSessionRecords)]
    pub(crate) fn put_session_records(env: &Env, json: &str);
    #[wasm_bindgen(js_name = dataPoints)]
    fn data_points_js(env: &Env) -> String;
    #[wasm_bindgen(js_name = limiterKeys)]
    fn limiter_keys_js(env: &Env) -> String;
    #[wasm_bindgen(js_name = misbindLimiter)]
    pub(crate) fn misbind_limiter(env: &Env);
    #[wasm_bindgen(js_name = bucket)]
    fn bucket_js(env: &Env) -> String;
    #[wasm_bindgen(js_name = rows)]
    fn rows_js(env: &Env, sql: &str) -> String;
}

#[wasm_bindgen(module = "/tests/worker/objects.js")]
extern "C" {
    #[wasm_bindgen(js_name = dispatch)]
    fn dispatch_js(env: &Env, json: &str) -> Promise;
    #[wasm_bindgen(js_name = cron)]
    fn cron_js(env: &Env) -> Promise;
    #[wasm_bindgen(js_name = objectNames)]
    fn object_names_js(env: &Env) -> String;
    #[wasm_bindgen(js_name = objectRequests)]
    pub(crate) fn object_requests(env: &Env, name: &str) -> u32;
    #[wasm_bindgen(js_name = commits)]
    fn commits_js(env: &Env, name: &str) -> String;
    #[wasm_bindgen(js_name = alarmOf)]
    fn alarm_of(env: &Env, name: &str) -> Option<f64>;
    #[wasm_bindgen(js_name = loseAlarm)]
    pub(crate) fn lose_alarm(env: &Env, name: &str);
    #[wasm_bindgen(js_name = breakStorage)]
    pub(crate) fn break_storage(env: &Env, name: &str, broken: bool);
    pub(crate) fn stored(env: &Env, name: &str) -> Option<String>;
    pub(crate) fn evict(env: &Env, name: &str);
    #[wasm_bindgen(js_name = tell)]
    fn tell_js(env: &Env, name: &str, body: &str) -> Promise;
    #[wasm_bindgen(js_name = oauthObjects)]
    fn oauth_objects_js(env: &Env) -> String;
    #[wasm_bindgen(js_name = breakOauth)]
    pub(crate) fn break_oauth(env: &Env, broken: bool);
    #[wasm_bindgen(js_name = ringOauth)]
    fn ring_oauth_js(env: &Env, name: &str) -> Promise;
    #[wasm_bindgen(js_name = ring)]
    pub(crate) fn ring_js(env: &Env, name: &str) -> Promise;
}

/// An environment of one's own. The outside is shared: tests run one at a time.
pub(crate) struct World {
    pub(crate) env: Env,
}

/// What a client sees.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Value,
    /// Each `Set-Cookie`.
    pub(crate) cookies: Vec<String>,
    pub(crate) body: Value,
}

impl World {
    pub(crate) fn new() -> Self {
        reset();
        let vars = json!({
            "JWT_SECRET": SECRET,
            "HTTP_ALLOWED_ORIGINS": UPSTREAM,
            "PUBLIC_URL": "https://api.test",
            "TOKEN_ENCRYPTION_KEY": "dmF1bHQta2V5LWZvci10ZXN0cy0wMTIzNDU2Nzg5MDE=",
            "GOOGLE_BASE_URL": format!("{UPSTREAM}/google"),
            "NOTION_BASE_URL": format!("{UPSTREAM}/notion"),
            "GOOGLE_CLIENT_ID": "client",
            "GOOGLE_CLIENT_SECRET": "google-secret",
            "NOTION_CLIENT_ID": "client",
            "NOTION_CLIENT_SECRET": "notion-secret",
        });
        Self { env: make_env(&vars.to_string()).unchecked_into() }
    }

    /// The ports on this environment.
    pub(crate) fn platform(&self) -> Cloudflare {
        Cloudflare::new(&self.env, &config(&self.env).unwrap())
    }

    /// Starts a request. It may need [`advance`] to end.
    pub(crate) fn start(
        &self,
        method: &str,
        path: &str,
        headers: &Value,
        body: Option<&str>,
    ) -> Promise {
        let request = json!({"method": method, "path": path, "headers": headers, "body": body});
        dispatch_js(&self.env, &request.to_string())
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &Value,
        body: Option<&str>,
    ) -> Answer {
        Answer::of(self.start(method, path, headers, body)).await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.send("GET", path, &bearer(token), None).await
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        let mut headers = bearer(token);
        headers["content-type"] = json!("application/json");
        self.send("POST", path, &headers, Some(&body.to_string())).await
    }

    /// Accepts a run of `steps`; its identifier.
    pub(crate) async fn run(&self, token: &str, steps: &Value) -> String {
        let workflow = json!({"name": "n", "description": "d", "steps": steps});
        let created = self.post("/workflows", token, &workflow).await;
        assert_eq!(created.status, 201, "{created:?}");
        let path = format!("/workflows/{}/runs", created.body["id"].as_str().unwrap());
        let accepted = self.post(&path, token, &json!({})).await;
        assert_eq!(accepted.status, 202, "{accepted:?}");
        accepted.body["id"].as_str().unwrap().to_owned()
    }

    /// The run, as the database shows it.
    pub(crate) fn projected(&self, id: &str) -> Value {
        let rows = self.rows(&format!("SELECT report FROM workflow_runs WHERE id = '{id}'"));
        serde_json::from_str(rows[0]["report"].as_str().unwrap()).unwrap()
    }

    /// Waits for the alarm and rings it.
    pub(crate) async fn ring(&self, id: &str) {
        let at = self.alarm(id).unwrap();
        advance((at - now()).max(0)).await;
        JsFuture::from(ring_js(&self.env, id)).await.unwrap();
    }

    /// Rings until no alarm is left.
    pub(crate) async fn finish(&self, id: &str) -> Value {
        for _ in 0..20 {
            if self.alarm(id).is_none() {
                return self.projected(id);
            }
            self.ring(id).await;
        }
        panic!("run {id} did not end");
    }

    pub(crate) fn alarm(&self, id: &str) -> Option<i64> {
        alarm_of(&self.env, id).map(millis)
    }

    /// The object's state.
    pub(crate) fn state(&self, id: &str) -> Value {
        serde_json::from_str(&stored(&self.env, id).unwrap()).unwrap()
    }

    pub(crate) async fn tell(&self, id: &str, body: &str) -> (u64, String) {
        let reply = JsFuture::from(tell_js(&self.env, id, body)).await.unwrap();
        let reply = parse(&reply.as_string().unwrap());
        (reply[0].as_u64().unwrap(), reply[1].as_str().unwrap().to_owned())
    }

    pub(crate) async fn cron(&self) {
        JsFuture::from(cron_js(&self.env)).await.unwrap();
    }

    pub(crate) fn rows(&self, sql: &str) -> Value {
        parse(&rows_js(&self.env, sql))
    }

    /// The objects of the bucket, by key.
    pub(crate) fn bucket(&self) -> Value {
        parse(&bucket_js(&self.env))
    }

    pub(crate) fn object_names(&self) -> Value {
        parse(&object_names_js(&self.env))
    }

    /// The objects of people and of sign-ins: name, whether they hold anything, and their alarm.
    pub(crate) fn oauth_objects(&self) -> Vec<(String, bool, Option<f64>)> {
        serde_json::from_str(&oauth_objects_js(&self.env)).unwrap()
    }

    pub(crate) async fn ring_oauth(&self, name: &str) {
        JsFuture::from(ring_oauth_js(&self.env, name)).await.unwrap();
    }

    pub(crate) fn commits(&self, id: &str) -> Value {
        parse(&commits_js(&self.env, id))
    }

    /// What a binding was called with, oldest first.
    pub(crate) fn calls_of(&self, binding: &str) -> Vec<Value> {
        serde_json::from_str(&calls_of_js(&self.env, binding)).unwrap()
    }

    /// What was written for analysis.
    pub(crate) fn data_points(&self) -> Vec<Value> {
        serde_json::from_str(&data_points_js(&self.env)).unwrap()
    }

    pub(crate) fn limiter_keys(&self) -> Value {
        parse(&limiter_keys_js(&self.env))
    }
}

impl Answer {
    pub(crate) async fn of(started: Promise) -> Self {
        let answer = JsFuture::from(started).await.unwrap();
        let answer = parse(&answer.as_string().unwrap());
        let headers = answer["headers"].clone();
        let cookies = answer["cookies"].as_array().unwrap().iter();
        let cookies = cookies.map(|cookie| cookie.as_str().unwrap().to_owned()).collect();
        let status = u16::try_from(answer["status"].as_u64().unwrap()).unwrap();
        let problem = headers["content-type"] == "application/problem+json";
        // /health says what is wrong in a report of its own.
        // 204 and 304 have no body; a stream of events is not JSON.
        let text = answer["text"].as_str().filter(|text| !text.is_empty()).unwrap_or("null");
        let body = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
        assert!(problem || status < 400 || body["checks"].is_object(), "{status} {body}");
        Self { status, headers, cookies, body }
    }
}

pub(crate) fn now() -> i64 {
    millis(current_time())
}

#[expect(clippy::cast_possible_truncation, reason = "instants are whole and below 2^53")]
fn millis(at: f64) -> i64 {
    at as i64
}

#[expect(clippy::cast_precision_loss, reason = "below 2^53")]
pub(crate) async fn advance(millis: i64) {
    JsFuture::from(advance_js(millis as f64)).await.unwrap();
}

/// Queues what the other side will answer.
pub(crate) fn answer(json: &Value) {
    answer_js(&json.to_string());
}

pub(crate) fn outbound_requests() -> Vec<Value> {
    serde_json::from_str(&outbound_requests_js()).unwrap()
}

pub(crate) fn http_step() -> Value {
    let config =
        json!({"url": format!("{UPSTREAM}/effect"), "method": "POST", "body": {"x": "é😀"}});
    json!({"type": "http", "config": config})
}

pub(crate) fn token(subject: &str) -> String {
    signed(subject, SECRET)
}

pub(crate) fn signed(subject: &str, secret: &str) -> String {
    let key = SigningKey::new(secret.as_bytes()).unwrap();
    let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": key.id});
    let now = now() / 1000;
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "scope": "read write meter",
        "exp": now + 600, "nbf": now,
    });
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(&signed);
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn bearer(token: &str) -> Value {
    if token.is_empty() { json!({}) } else { json!({"authorization": format!("Bearer {token}")}) }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
