//! The Worker on the real runtime: workerd, through `wrangler dev`. Needs what scripts/setup
//! installs, so these tests are ignored by default; scripts/test runs them.
#![cfg(feature = "service")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
};
use regex::{Captures, Regex};
use reqwest::Url;
use serde_json::Value;
use tokio::net::TcpListener;
use workway::target::{TargetOptions, TargetSpec};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// One exchange, as far as both platforms must agree on it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Exchange {
    request: String,
    response: String,
    body: Value,
}

#[derive(Clone)]
struct Recorder {
    target: Url,
    client: reqwest::Client,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

/// Headers that are part of the API.
const HEADERS: [&str; 7] = [
    "content-type",
    "cache-control",
    "cdn-cache-control",
    "www-authenticate",
    "retry-after",
    "location",
    "workway-usage",
];

/// Passes a request on and writes down what came of it.
async fn forward(
    State(recorder): State<Recorder>,
    request: Request,
) -> (StatusCode, HeaderMap, Bytes) {
    let (parts, body) = request.into_parts();
    let sent = format!("{} {}", parts.method, parts.uri);
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let mut headers = parts.headers;
    headers.remove("host");
    let url = recorder.target.join(&parts.uri.to_string()).unwrap();
    let request = recorder.client.request(parts.method, url).headers(headers).body(body);
    let response = request.send().await.unwrap();
    let (status, mut headers) = (response.status(), response.headers().clone());
    let bytes = response.bytes().await.unwrap();
    headers.remove("transfer-encoding");
    headers.remove("content-length");
    let shown = HEADERS
        .iter()
        .filter_map(|name| Some(format!("{name}: {}", headers.get(*name)?.to_str().unwrap())));
    let exchange = Exchange {
        request: sent,
        response: format!("{} {}", status.as_u16(), shown.collect::<Vec<_>>().join(" | ")),
        // 204 has no body.
        body: if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() },
    };
    recorder.exchanges.lock().unwrap().push(exchange);
    (status, headers, bytes)
}

/// Runs the smoke suite on a target, through a proxy, and returns the exchanges.
async fn transcript(spec: TargetSpec) -> Vec<Exchange> {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_workway"));
    let options = TargetOptions {
        program: Some(program.clone()),
        built: std::env::var_os("WORKWAY_BUILT").is_some(),
        ..TargetOptions::default()
    };
    let target = spec.start(&options).await.unwrap();
    let recorder = Recorder {
        target: target.url.clone(),
        client: reqwest::Client::builder().no_proxy().build().unwrap(),
        exchanges: Arc::default(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(forward).with_state(recorder.clone());
    #[expect(clippy::disallowed_methods, reason = "a test")]
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

    let mut command = Command::new(program);
    command.current_dir(repository()).args(["run", "scenarios/smoke", "--target", &proxy]);
    command.args(["--upstream", target.upstream.as_ref().unwrap().as_str()]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    target.stop().await;
    recorder.exchanges.lock().unwrap().clone()
}

/// What differs between any two runs is replaced: identifiers by their order of appearance.
fn comparable(exchanges: &[Exchange]) -> Vec<String> {
    let id = Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap();
    let instant = Regex::new("[0-9]{13}").unwrap();
    let run = Regex::new("\"run\":\"[0-9a-f]{12}\"").unwrap();
    let effect = Regex::new("\"effect\":[0-9]+").unwrap();
    let address = Regex::new("127\\.0\\.0\\.1:[0-9]+").unwrap();
    // The limiter of a Worker says only that, not when: there it is the whole period.
    let back = Regex::new("retry-after: [0-9]+|admitted after [0-9]+ seconds").unwrap();
    let mut seen = BTreeMap::new();
    // In order of the requests; what one request was answered over and over is compared as a set.
    let mut groups: Vec<(String, BTreeSet<String>)> = Vec::new();
    for exchange in exchanges {
        // How often a run is looked at before it ends depends on time.
        if exchange.body.get("finished_at").is_some_and(Value::is_null)
            && exchange.request.starts_with("GET")
        {
            continue;
        }
        let text = format!("{}\n{}\n{}", exchange.request, exchange.response, exchange.body);
        let text = id.replace_all(&text, |found: &Captures<'_>| {
            let next = seen.len() + 1;
            format!("<id {}>", seen.entry(found[0].to_owned()).or_insert(next))
        });
        let text = instant.replace_all(&text, "<instant>");
        let text = run.replace_all(&text, "\"run\":\"<run>\"");
        // The stub counts calls of models, too, which come when they come: after the answer.
        let text = effect.replace_all(&text, "\"effect\":<effect>");
        let text = back.replace_all(&text, "<when the budget is back>");
        let text = address.replace_all(&text, "<stub>").into_owned();
        let (request, response) = text.split_once('\n').unwrap();
        match groups.iter_mut().find(|(known, _)| known == request) {
            Some((_, responses)) => {
                responses.insert(response.to_owned());
            }
            None => groups.push((request.to_owned(), BTreeSet::from([response.to_owned()]))),
        }
    }
    groups
        .into_iter()
        .map(|(request, responses)| {
            format!("{request}\n{}", responses.into_iter().collect::<Vec<_>>().join("\n"))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Worker's tools: scripts/test runs it"]
async fn both_platforms_give_the_same_answers_to_the_smoke_suite() {
    workway::http::tls::install();
    let native = transcript(TargetSpec::Embedded).await;
    let worker = transcript(TargetSpec::Wrangler).await;
    println!("{} exchanges natively, {} on workerd", native.len(), worker.len());
    let (native, worker) = (comparable(&native), comparable(&worker));
    assert!(native.len() >= 9, "{native:#?}");
    for (native, worker) in native.iter().zip(&worker) {
        assert_eq!(native, worker, "natively:\n{native}\non workerd:\n{worker}");
    }
    assert_eq!(native.len(), worker.len());
}

#[test]
#[ignore = "needs the Worker's tools: scripts/test runs it"]
fn the_smoke_suite_passes_under_wrangler_dev() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_workway"));
    command.current_dir(repository()).args(["run", "--target", "wrangler", "scenarios/smoke"]);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        text.matches("\nPASS smoke/").count() + usize::from(text.starts_with("PASS")),
        12,
        "six scenarios, twice each"
    );
}
