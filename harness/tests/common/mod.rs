//! Plans and targets for the tests of the engine.
#![allow(clippy::unwrap_used, reason = "tests")]

pub(crate) mod case;
pub(crate) mod secure;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::Router;
use http::{HeaderName, Method};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};
use workway::{
    language::file::Json,
    plan::{
        Body, Capture, Expectation, Journey, JsonTemplate, LoadPlan, Matcher, Phase, Profile,
        RequestPlan, ScenarioPlan, Span, Step, StepId, StepLabel, Subject, Template, Threshold,
        UserPlan, Work,
    },
    run::{Environment, TokenError, Tokens},
};

/// Tokens that name the person.
pub(crate) struct Fake;

impl Tokens for Fake {
    fn subject(&self, user: &str, index: usize) -> String {
        format!("{user}-{index}")
    }

    fn bearer(&self, user: &UserPlan, index: usize) -> Result<String, TokenError> {
        Ok(format!("canary-{}-{index}", user.name))
    }
}

/// What a target that is not HTTP does with a connection once it was asked something.
#[derive(Clone, Default)]
pub(crate) struct Raw {
    /// Sent first.
    pub(crate) first: Vec<u8>,
    /// Sent again and again after that; if empty, the connection is closed.
    pub(crate) again: Vec<u8>,
    /// Before each time.
    pub(crate) pause: Duration,
    /// Whether it speaks before it is asked.
    pub(crate) unasked: bool,
    /// Whether it answers one request after another with `first`.
    pub(crate) answers: bool,
    /// Whether the connection ends with a reset.
    pub(crate) reset: bool,
}

impl Raw {
    async fn serve(self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut request = [0; 4096];
        if self.reset {
            stream.set_zero_linger()?;
        }
        if !self.unasked {
            let _asked = stream.read(&mut request).await?;
        }
        stream.write_all(&self.first).await?;
        while self.answers && stream.read(&mut request).await? > 0 {
            stream.write_all(&self.first).await?;
        }
        while !self.again.is_empty() {
            tokio::time::sleep(self.pause).await;
            stream.write_all(&self.again).await?;
        }
        Ok(())
    }
}

/// A target on a runtime of its own, so that it does not share a thread with the engine.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    _runtime: Runtime,
}

impl Target {
    pub(crate) fn start(router: Router) -> Self {
        let runtime = runtime();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, _runtime: runtime }
    }

    /// A target that is not HTTP, and counts connections.
    pub(crate) fn raw(raw: Raw, connections: Arc<AtomicU64>) -> Self {
        let runtime = runtime();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let handle = runtime.handle().clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, SeqCst);
                handle.spawn(raw.clone().serve(stream));
            }
        });
        Self { address, _runtime: runtime }
    }

    /// A port that takes connections and never says anything.
    pub(crate) fn silent() -> Self {
        let runtime = runtime();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            let mut connections = Vec::new();
            while let Ok((connection, _)) = listener.accept().await {
                connections.push(connection);
            }
        });
        Self { address, _runtime: runtime }
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// An address on which nobody listens.
pub(crate) fn dead() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

pub(crate) fn environment(address: SocketAddr) -> Environment {
    let target = format!("http://{address}").parse().unwrap();
    Environment { seed: 7, run_id: "r1".into(), ..Environment::new(target, Arc::new(Fake)) }
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

pub(crate) fn template(text: &str) -> Template {
    Template::parse(text).unwrap()
}

pub(crate) fn json(value: &Value) -> JsonTemplate {
    JsonTemplate::parse(&value.clone().into()).unwrap()
}

pub(crate) fn span(line: usize) -> Span {
    Span { line, column: 5, ..Span::default() }
}

pub(crate) fn get(id: usize, path: &str) -> RequestPlan {
    RequestPlan {
        to: workway::plan::Destination::Target,
        claim: workway::plan::Claim::default(),
        also: Vec::new(),
        may_be_lost: false,
        id: StepId(id),
        span: span(10 + id),
        method: Method::GET,
        path: template(path),
        headers: Vec::new(),
        body: Body::Empty,
        auth: None,
        timeout: Duration::from_secs(5),
        expect: Vec::new(),
        capture: Vec::new(),
    }
}

pub(crate) fn post(id: usize, path: &str, body: &Value) -> RequestPlan {
    RequestPlan { method: Method::POST, body: Body::Json(json(body)), ..get(id, path) }
}

pub(crate) fn header(name: &'static str, text: &str) -> (HeaderName, Template) {
    (HeaderName::from_static(name), template(text))
}

pub(crate) fn request(plan: RequestPlan) -> Step {
    Step::Request(Box::new(plan))
}

pub(crate) fn is(subject: Subject, value: &Value) -> Expectation {
    Expectation {
        subject,
        matcher: Matcher::eq(Json::new(value.clone().into()).unwrap()),
        span: span(99),
    }
}

pub(crate) fn body(path: &str) -> Subject {
    Subject::Json(path.into())
}

pub(crate) fn keep(name: &str, subject: Subject) -> Capture {
    Capture { name: name.into(), subject, span: span(98) }
}

/// A scenario whose labels are all of the work, with nothing around it.
pub(crate) fn scenario(labels: &[&str], work: Work) -> ScenarioPlan {
    let label = |name: &&str| StepLabel { name: (*name).into(), phase: Phase::Work };
    ScenarioPlan {
        feeds: Vec::new(),
        audit: Vec::new(),
        file: "scenarios/smoke/a.yaml".into(),
        name: "smoke/a".into(),
        about: None,
        tags: Vec::new(),
        requires: Vec::new(),
        users: Vec::new(),
        vars: Vec::new(),
        labels: labels.iter().map(label).collect(),
        setup: Vec::new(),
        work,
        teardown: Vec::new(),
        thresholds: Vec::new(),
        cost: None,
    }
}

/// A constant load of one journey.
pub(crate) fn load(per_second: f64, duration: Duration, steps: Vec<Step>) -> LoadPlan {
    let journeys = vec![Journey { name: "only".into(), weight: 1, steps }];
    let profile = Profile::constant(per_second, duration);
    LoadPlan { max_in_flight: 900, ..LoadPlan::new(profile, journeys) }
}

pub(crate) fn threshold(
    text: &str,
    metric: workway::plan::Metric,
    comparison: workway::plan::Comparison,
    bound: workway::plan::Quantity,
) -> Threshold {
    Threshold { text: text.into(), span: span(50), metric, step: None, comparison, bound }
}
