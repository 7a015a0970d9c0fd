//! The stub of everything that the service calls. Google, Notion and Sentry have folders of the URL;
//! the rest is an effects sink: whatever an `http` step sends it, it takes note of, and it drops
//! repetitions by their idempotency key. Of calls in the folders it takes note without their bodies,
//! which hold secrets.
//!
//! Under `/_workway/` it answers the harness: `GET /_workway/identity`, `GET /_workway/ledger` (all
//! of it), `GET /_workway/calls?path=…` (what scenarios ask), `GET /_workway/arrivals` (see
//! [`Arrivals`]), `POST` and `DELETE /_workway/faults` (see [`Fault`]), `POST
//! /_workway/stripe/events` (see [`Delivery`]), and `POST /_workway/analytics` (see
//! [`AnalyticsGroup`]).

mod analytics;
mod client;
mod cloudflare;
mod connection;
mod consent;
mod faults;
mod google;
mod ledger;
mod notion;
mod sentry;
mod settings;
mod stripe;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub use analytics::{AnalyticsGroup, MAX_GROUPS};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Query, Request, State},
    http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, Uri, header::RETRY_AFTER},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
pub use client::RemoteStub;
pub use cloudflare::{ACCOUNT, API_TOKEN};
use connection::{Socket, break_off};
pub use faults::{ConnectionFault, Fault, MAX_FAULTS};
pub use ledger::{Ledger, MAX_EFFECTS, MAX_SHOWN};
use serde::{Deserialize, Serialize};
pub use settings::{PAGE_ORIGIN, settings};
pub use stripe::{Delivered, Delivery, MAX_DELIVERIES, WEBHOOK_SECRET, signature};
use tokio::net::TcpListener;

use crate::model::{
    clock,
    stub::{Arrivals, CALLS_PATH, Calls, FAULTS_PATH},
};

/// Largest body that the sink takes, in bytes.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// The path that returns the number of all calls.
pub const ARRIVALS_PATH: &str = "/_workway/arrivals";
/// The path to which the analytics of the stub's account are posted.
pub const ANALYTICS_PATH: &str = "/_workway/analytics";
/// The `stub` of [`Identity`].
pub const STUB_NAME: &str = "workway-upstream";

/// Identifies the stub as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// [`STUB_NAME`].
    pub stub: String,
    /// The version of this program.
    pub version: String,
}

/// The answer of the sink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Number of the effect, from 1; the same for each repetition.
    pub effect: u64,
    /// True if its key had been seen before.
    pub duplicate: bool,
}

/// Holds the state of the stub.
#[derive(Debug, Default)]
struct Stub {
    ledger: Ledger,
    faults: faults::Faults,
    analytics: Vec<AnalyticsGroup>,
}

type Shared = Arc<Mutex<Stub>>;

fn lock(stub: &Shared) -> MutexGuard<'_, Stub> {
    stub.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves the stub on a listener, until `stop` is ready.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = router().into_make_service_with_connect_info::<Socket>();
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

/// Returns the origin of a stub that listens at `address`.
pub fn origin(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn router() -> Router {
    let stub = Shared::default();
    let analytics = analytics::router().with_state(stub.clone());
    let upstreams = Router::new()
        .nest("/google", google::router())
        .nest("/notion", notion::router())
        .nest("/sentry", sentry::router())
        .nest_service("/cloudflare", cloudflare::router().merge(analytics))
        .nest_service("/stripe", stripe::router())
        .layer(from_fn_with_state(stub.clone(), watched));
    Router::new()
        .route("/_workway/identity", get(identity))
        .route("/_workway/ledger", get(ledger))
        .route(CALLS_PATH, get(calls))
        .route(ARRIVALS_PATH, get(arrived))
        .route(ANALYTICS_PATH, post(analytics::add))
        .route(FAULTS_PATH, post(add_fault).delete(remove_faults))
        .route("/_workway/stripe/events", post(stripe::deliver))
        .fallback(any(effect))
        .with_state(stub)
        .merge(upstreams)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}

async fn identity() -> Json<Identity> {
    Json(Identity { stub: STUB_NAME.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() })
}

async fn ledger(State(stub): State<Shared>) -> Json<Ledger> {
    Json(lock(&stub).ledger.clone())
}

/// Selects the calls that are meant.
#[derive(Deserialize)]
struct Which {
    path: String,
}

async fn calls(State(stub): State<Shared>, Query(which): Query<Which>) -> Json<Calls> {
    Json(lock(&stub).ledger.calls(&which.path))
}

async fn arrived(State(stub): State<Shared>) -> Json<Arrivals> {
    Json(lock(&stub).ledger.arrivals())
}

async fn add_fault(State(stub): State<Shared>, Json(fault): Json<Fault>) -> Response {
    match lock(&stub).faults.add(fault) {
        Ok(()) => StatusCode::CREATED.into_response(),
        Err(error) => (StatusCode::CONFLICT, error.to_string()).into_response(),
    }
}

async fn remove_faults(State(stub): State<Shared>) -> StatusCode {
    lock(&stub).faults.clear();
    StatusCode::NO_CONTENT
}

async fn effect(
    State(stub): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    extensions: Extensions,
    body: Bytes,
) -> Response {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    let mut effect = ledger::call(&method, &uri);
    effect.key = key;
    effect.body = (*String::from_utf8_lossy(&body)).into();
    let path = effect.path.clone();
    let taken = async { Json(lock(&stub).ledger.record(effect)).into_response() };
    meet(&stub, path, Socket::of(&extensions), taken).await
}

/// Takes note of a call in a folder, and lets its fault meet it.
async fn watched(State(stub): State<Shared>, request: Request, next: Next) -> Response {
    let effect = ledger::call(request.method(), request.uri());
    let (path, socket) = (effect.path.clone(), Socket::of(request.extensions()));
    let taken = async {
        lock(&stub).ledger.record(effect);
        next.run(request).await
    };
    meet(&stub, path, socket, taken).await
}

/// Answers a call: with `taken`, which has the effect, unless a fault says otherwise.
async fn meet(
    stub: &Shared,
    path: String,
    socket: Option<Socket>,
    taken: impl Future<Output = Response>,
) -> Response {
    let began = clock::now();
    let fault = lock(stub).faults.meet(&path).unwrap_or_default();
    let answer = match (fault.status, fault.connection) {
        (Some(status), _) => {
            lock(stub).ledger.refuse(path);
            refusal(status, fault.retry_after.as_deref())
        }
        (None, Some(how)) => {
            if how != ConnectionFault::HalfBody {
                lock(stub).ledger.refuse(path);
            }
            break_off(how, socket, taken).await
        }
        (None, None) => taken.await,
    };
    if let Some(latency) = fault.latency_ms {
        tokio::time::sleep(Duration::from_millis(latency)).await;
    }
    lock(stub).ledger.answered(clock::now().saturating_duration_since(began));
    answer
}

fn refusal(status: u16, retry_after: Option<&str>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = status.into_response();
    if let Some(value) = retry_after.and_then(|value| HeaderValue::from_str(value).ok()) {
        response.headers_mut().insert(RETRY_AFTER, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn start() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = origin(listener.local_addr().unwrap());
        #[expect(clippy::disallowed_methods, reason = "a test")]
        tokio::spawn(serve(listener, std::future::pending()));
        origin
    }

    #[tokio::test]
    async fn takes_note_and_drops_repetitions() {
        crate::http::tls::install();
        let origin = start().await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let send = async |key: &str| {
            let request = client.post(format!("{origin}/charge?x=1")).body("{}");
            let text = request.header("idempotency-key", key).send().await.unwrap().text().await;
            serde_json::from_str::<Receipt>(&text.unwrap()).unwrap()
        };
        assert_eq!(send("a").await, Receipt { effect: 1, duplicate: false });
        assert_eq!(send("b").await, Receipt { effect: 2, duplicate: false });
        assert_eq!(send("a").await, Receipt { effect: 1, duplicate: true });

        let text =
            client.get(format!("{origin}/_workway/ledger")).send().await.unwrap().text().await;
        let ledger: Ledger = serde_json::from_str(&text.unwrap()).unwrap();
        assert_eq!(ledger.effects().len(), 2);
        let first = ledger.effects().first().unwrap();
        assert_eq!((first.deliveries, first.path.as_str()), (2, "/charge?x=1"));
    }

    #[tokio::test]
    async fn faults_meet_calls_and_scenarios_see_what_came() {
        crate::http::tls::install();
        let origin = start().await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let faults = format!("{origin}{FAULTS_PATH}");
        let fault = r#"{"path":"/charge*","status":503,"retry_after":"7","times":1}"#;
        let json = ("content-type", "application/json");
        let set = client.post(&faults).header(json.0, json.1).body(fault).send().await.unwrap();
        assert_eq!(set.status(), 201);
        let call = async || client.post(format!("{origin}/charge/1")).body("[1]").send().await;
        let refused = call().await.unwrap();
        assert_eq!(
            (refused.status().as_u16(), &refused.headers()["retry-after"]),
            (503, &reqwest::header::HeaderValue::from_static("7"))
        );
        assert_eq!(call().await.unwrap().status(), 200);
        let asked = client.get(format!("{origin}{CALLS_PATH}?path=%2Fcharge%2F*"));
        let text = asked.send().await.unwrap().text().await.unwrap();
        let calls: Calls = serde_json::from_str(&text).unwrap();
        assert_eq!((calls.effects, calls.deliveries, calls.refused), (1, 1, 1));
        assert_eq!(calls.calls[0].body.to_string(), "[1]");
        let bad = client.post(&faults).header(json.0, json.1).body(r#"{"pth":""}"#).send().await;
        assert!(bad.unwrap().status().is_client_error());
        assert_eq!(client.delete(&faults).send().await.unwrap().status(), 204);
    }

    #[tokio::test]
    async fn connections_break_as_programmed_and_then_no_more() {
        crate::http::tls::install();
        let origin = start().await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let send = async || {
            let request = client.post(format!("{origin}/x")).timeout(Duration::from_millis(500));
            let answer = request.send().await.ok()?;
            Some((answer.status().as_u16(), answer.text().await.ok()?))
        };
        for (how, expected) in [
            ("nonsense", Some((200, "\u{0}<nonsense]}".to_owned()))),
            ("reset", None),
            ("half_body", None),
            ("hang", None),
        ] {
            let fault = format!(r#"{{"path": "/x", "connection": "{how}", "times": 1}}"#);
            let request = client.post(format!("{origin}{FAULTS_PATH}")).body(fault);
            let set = request.header("content-type", "application/json").send().await.unwrap();
            assert_eq!(set.status(), 201, "{how}");
            assert_eq!(send().await, expected, "{how}");
            assert_eq!(send().await.map(|answer| answer.0), Some(200), "after {how}");
        }
        let ledger = client.get(format!("{origin}/_workway/ledger")).send().await.unwrap();
        let ledger: Ledger = serde_json::from_str(&ledger.text().await.unwrap()).unwrap();
        assert_eq!(
            ledger.effects().len(),
            5,
            "half a body comes after the effect, the rest before"
        );
    }
}
