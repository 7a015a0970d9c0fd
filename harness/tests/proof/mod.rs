//! What the long proofs share: targets that can be killed, people, and the stub's ledger.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

pub(crate) mod answers;
pub(crate) mod bill;
pub(crate) mod requests;

use std::{env, path::PathBuf, time::Duration};

use reqwest::{Client, Method, Url};
use serde_json::{Value, json};
use workway::{
    model::stub::Calls,
    plan::DEFAULT_SCOPE,
    target::{CORS_VARIABLE, Target, TargetOptions, TargetSpec},
    token::{Signer, local_secret, now},
    upstream::Ledger,
};

/// Small, fast, and good enough to choose moments (`SplitMix64`).
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice that fall as they did for this seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// A number from the environment.
pub(crate) fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Of zero failures in `trials`, the most that the rate can be, at 95 %.
pub(crate) fn bound(trials: usize) -> String {
    format!(
        "0 in {trials}: below {:.2} % at 95 %",
        300.0 / f64::from(u32::try_from(trials).unwrap())
    )
}

/// What can become of a call of an upstream, but for an answer.
pub(crate) fn failures() -> [Value; 5] {
    let broken =
        ["hang", "reset", "half_body", "nonsense"].map(|broken| json!({"connection": broken}));
    let [hang, reset, half, nonsense] = broken;
    [json!({"status": 500}), nonsense, reset, half, hang]
}

/// Whose pages may read answers of a [`Host`].
pub(crate) const PAGES: &str = "https://good.example,http://localhost:3000";

/// One platform, on state that outlives its processes.
pub(crate) struct Host {
    spec: TargetSpec,
    options: TargetOptions,
    target: Option<Target>,
    _state: tempfile::TempDir,
    pub(crate) client: Client,
}

impl Host {
    /// Builds what needs building; starts nothing yet. `upstream` is a stub that runs already.
    pub(crate) fn new(spec: TargetSpec, upstream: Option<Url>) -> Self {
        let state = tempfile::tempdir().unwrap();
        let options = TargetOptions {
            upstream,
            program: Some(program()),
            state: Some(state.path().to_owned()),
            built: env::var_os("WORKWAY_BUILT").is_some(),
            variables: vec![(CORS_VARIABLE, PAGES.to_owned())],
            ..TargetOptions::default()
        };
        let client = client();
        Self { spec, options, target: None, _state: state, client }
    }

    /// With another variable of the service.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.options.variables.push((name, value.to_owned()));
        self
    }

    /// Starts it, and waits until it answers.
    pub(crate) async fn start(&mut self) {
        self.target = Some(self.spec.start(&self.options).await.unwrap());
        self.options.built = true;
    }

    pub(crate) fn target(&self) -> &Target {
        self.target.as_ref().unwrap()
    }

    /// kill -9.
    pub(crate) async fn kill(&mut self) {
        self.target.take().unwrap().kill().await;
    }

    pub(crate) async fn stop(mut self) {
        self.target.take().unwrap().stop().await;
    }

    /// Fires the cron.
    pub(crate) async fn cron(&self) {
        let target = self.target();
        if let Some(control) = &target.control {
            return control.cron().await.unwrap();
        }
        let url = target.url.join("/cdn-cgi/handler/scheduled?cron=*+*+*+*+*").unwrap();
        let fired = self.client.get(url).send().await.unwrap();
        assert!(fired.status().is_success(), "{fired:?}");
    }

    pub(crate) fn caller(&self) -> Caller {
        Caller { client: self.client.clone(), base: self.target().url.clone() }
    }

    fn stub(&self, path: &str) -> Url {
        self.target().upstream.as_ref().unwrap().join(path).unwrap()
    }

    /// The next call of the stub at `path` meets this.
    pub(crate) async fn fault(&self, path: &str, fault: &Value) {
        let mut fault = fault.clone();
        (fault["path"], fault["times"]) = (json!(path), json!(1));
        let request = self.client.post(self.stub("/_workway/faults")).body(fault.to_string());
        let request = request.header("content-type", "application/json");
        assert_eq!(request.send().await.unwrap().status(), 201, "{fault}");
    }

    /// The calls of the stub whose path this pattern describes.
    pub(crate) async fn calls(&self, pattern: &str) -> Calls {
        let url = self.stub(&format!("/_workway/calls?path={pattern}"));
        let answer = self.client.get(url).send().await.unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    /// What the stub was asked.
    pub(crate) async fn ledger(&self) -> Ledger {
        let answer = self.client.get(self.stub("/_workway/ledger")).send().await.unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }
}

fn client() -> Client {
    workway::http::tls::install();
    Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap()
}

pub(crate) fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_workway"))
}

/// Somebody who asks.
#[derive(Clone)]
pub(crate) struct Caller {
    client: Client,
    base: Url,
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) usage: String,
    pub(crate) body: Value,
}

impl Caller {
    /// For a service that somebody else started.
    pub(crate) fn at(base: Url) -> Self {
        Self { client: client(), base }
    }

    /// The run once it has ended.
    pub(crate) async fn finished(&self, run: &str, subject: &str) -> Value {
        for _ in 0..300 {
            let answer = self.get(&format!("/runs/{run}"), subject).await.unwrap();
            if answer.status == 200 && !answer.body["finished_at"].is_null() {
                return answer.body;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("run {run} does not end");
    }

    /// Sends a request as `subject`; nothing when no whole answer came.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        subject: &str,
        body: Option<&Value>,
    ) -> Option<Answer> {
        self.send_with(method, path, subject, body, &[]).await
    }

    /// The same, with headers.
    pub(crate) async fn send_with(
        &self,
        method: Method,
        path: &str,
        subject: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Option<Answer> {
        let mut request = self.client.request(method, self.base.join(path).unwrap());
        request = request.bearer_auth(token(subject));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        let usage = response.headers().get("workway-usage");
        let usage = usage.map_or("", |usage| usage.to_str().unwrap()).to_owned();
        let body = serde_json::from_slice(&response.bytes().await.ok()?).unwrap_or_default();
        Some(Answer { status, usage, body })
    }

    pub(crate) async fn get(&self, path: &str, subject: &str) -> Option<Answer> {
        self.send(Method::GET, path, subject, None).await
    }

    pub(crate) async fn post(&self, path: &str, subject: &str, body: &Value) -> Option<Answer> {
        self.send(Method::POST, path, subject, Some(body)).await
    }
}

pub(crate) fn token(subject: &str) -> String {
    Signer::new(&local_secret()).sign(subject, DEFAULT_SCOPE, now()).unwrap()
}
