//! What a request of the service costs besides what it waits for: its way through the guards to its
//! route, its token, its body against the rules; and what the state machine of a run costs.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods, reason = "benches")]

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{Router, body::Body, http::Request};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::runtime::Runtime;
use tower_service::Service;
use workway_service::{
    app::App,
    config::{Config, SigningKey},
    domain::run::RunState,
    domain::{
        json,
        workflow::{Draft, MAX_STEPS},
    },
    engine::machine::{Effect, Event},
    guard::{AUDIENCE, ISSUER, verify},
    platform::native::Native,
    routes::router,
};

const SECRET: &str = "a secret for benches, of at least 32 bytes";

fn config() -> Config {
    Config::from_lookup(|name| (name == "JWT_SECRET").then(|| SECRET.to_owned())).unwrap()
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

fn token(subject: &str) -> String {
    let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": config().signing_key.id});
    let claims = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "scope": "read write",
        "exp": now() + 3600, "nbf": now()});
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(&signed);
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn body(steps: usize) -> Vec<u8> {
    let step = json!({"type": "http", "config": {"url": "https://api.example.com/items?since=yesterday",
        "method": "POST", "body": {"to": "everybody", "tags": ["a", "b"]}}});
    json!({"name": "Nightly", "description": "Sends what is new.", "steps": vec![step; steps]})
        .to_string()
        .into_bytes()
}

fn dispatch(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let state = tempfile::tempdir().unwrap();
    let config = Arc::new(config());
    let platform = runtime.block_on(Native::open(state.path(), Arc::clone(&config))).unwrap();
    let app = App { platform, config, health: Arc::default(), flushes: Arc::default() };
    let mut group = c.benchmark_group("request");
    let router: Router = router(app.clone());
    for (name, path) in
        [("without I/O", "/health/live"), ("of no route", "/nothing"), ("without a token", "/runs")]
    {
        group.bench_function(name, |b| {
            b.iter(|| {
                let request = Request::get(path).body(Body::empty()).unwrap();
                runtime.block_on(router.clone().call(request)).unwrap()
            });
        });
    }
    group.bench_function("the router, made", |b| {
        b.iter(|| workway_service::routes::router(black_box(app.clone())));
    });
    group.finish();
}

fn validation(c: &mut Criterion) {
    let mut group = c.benchmark_group("workflow of a body");
    for steps in [1, 5, MAX_STEPS] {
        let body = body(steps);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("{steps} steps, {} bytes", body.len()), |b| {
            b.iter(|| Draft::from_json(&json::parse(black_box(&body)).unwrap()).unwrap());
        });
    }
    group.finish();
}

fn tokens(c: &mut Criterion) {
    let key = SigningKey::new(SECRET.as_bytes()).unwrap();
    let (good, now) = (token("ann"), now() * 1000);
    let forged = format!("{}A", &good[..good.len() - 1]);
    let mut group = c.benchmark_group("token");
    group.bench_function("good", |b| b.iter(|| verify(black_box(&good), &key, now).unwrap()));
    group.bench_function("forged", |b| b.iter(|| verify(black_box(&forged), &key, now).is_err()));
    group.finish();
}

/// From its acceptance to its end, each attempt answered at once.
fn machine(c: &mut Criterion) {
    let mut group = c.benchmark_group("a run from its start to its end");
    for steps in [1, 5, MAX_STEPS] {
        let draft = Draft::from_json(&json::parse(&body(steps)).unwrap()).unwrap();
        let accepted = RunState::new("run".into(), "ann".into(), "workflow".into(), draft.steps, 0);
        group.throughput(Throughput::Elements(steps as u64));
        group.bench_function(format!("{steps} steps"), |b| {
            b.iter_batched(|| accepted.clone(), through, BatchSize::SmallInput);
        });
    }
    group.finish();
}

fn through(accepted: RunState) -> RunState {
    let (mut state, mut effects) = accepted.advance(Event::Woken, 0);
    loop {
        let attempt = effects.iter().find_map(|effect| match effect {
            Effect::Attempt { attempt, .. } => Some(*attempt),
            Effect::Project | Effect::UpdateUsage => None,
        });
        let Some(attempt) = attempt else { return state };
        let result = Ok(json!({"status": 200, "body": {"ok": true}}));
        (state, effects) = state.advance(Event::AttemptEnded { attempt, result }, 1);
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(3));
    targets = dispatch, validation, tokens, machine
}
criterion_main!(benches);
