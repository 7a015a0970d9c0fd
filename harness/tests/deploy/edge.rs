//! The edge: it sends each request to one of the versions of the deployment.

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    body::to_bytes,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use reqwest::Url;
use serde_json::json;

use super::cloudflare::{DRAFT, Inner, NEW, OLD, Version, split};

#[derive(Clone)]
struct Edge {
    inner: Arc<Mutex<Inner>>,
    service: Url,
    client: reqwest::Client,
}

/// In front of `service`, which all versions are, as far as they behave.
pub(crate) fn router(inner: Arc<Mutex<Inner>>, service: Url) -> Router {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    Router::new().fallback(edge).with_state(Edge { inner, service, client })
}

/// The version that a request names, if it is part of the deployment, with whatever share.
fn named(account: &Inner, headers: &HeaderMap) -> Option<String> {
    let named = headers.get("cloudflare-workers-version-overrides")?.to_str().unwrap();
    let version = named.strip_prefix("workway-api-staging=\"")?.strip_suffix('"')?.to_owned();
    account.split.iter().any(|(deployed, _)| *deployed == version).then_some(version)
}

/// The version that a request goes to: the one that it names, else the new one's share is spread
/// evenly over the requests.
fn version_for(account: &Mutex<Inner>, headers: &HeaderMap) -> String {
    let mut account = account.lock().unwrap();
    if let Some(version) = named(&account, headers) {
        account.named_new += u64::from(version == NEW);
        return version;
    }
    let share = account.split.iter().find(|(version, _)| version == NEW).map_or(0, |(_, n)| *n);
    let before = account.requests * share / 100;
    account.requests += 1;
    let to_new = account.requests * share / 100 > before;
    account.met_new += u64::from(to_new);
    if to_new { NEW } else { OLD }.to_owned()
}

async fn edge(State(edge): State<Edge>, request: Request) -> Response {
    // Nobody is there yet, or nobody who answers.
    let deployed = edge.inner.lock().unwrap().split.clone();
    if deployed.is_empty() || deployed == split(vec![(DRAFT, 100)]) {
        return StatusCode::from_u16(530).unwrap().into_response();
    }
    let version = version_for(&edge.inner, request.headers());
    let behaves = edge.inner.lock().unwrap().version;
    let behaves = if version == NEW { behaves } else { Version::Good };
    let mut answer = match behaves {
        Version::Broken => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Version::Flaky if request.method() == "DELETE" => {
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Version::Wrong => (StatusCode::CREATED, Json(json!({}))).into_response(),
        _ => forwarded(&edge, request).await,
    };
    answer.headers_mut().insert("workway-version", version.parse().unwrap());
    answer
}

async fn forwarded(edge: &Edge, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let mut headers = parts.headers;
    headers.remove("host");
    let url = edge.service.join(&parts.uri.to_string()).unwrap();
    let sent = edge.client.request(parts.method, url).headers(headers).body(body).send().await;
    let answer = sent.unwrap();
    let (status, mut headers): (_, HeaderMap) = (answer.status(), answer.headers().clone());
    headers.remove("transfer-encoding");
    headers.remove("content-length");
    (status, headers, answer.bytes().await.unwrap()).into_response()
}
