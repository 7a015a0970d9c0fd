//! The stub of everything that the service calls. Each upstream has a folder of the URL; the rest
//! is an effects sink: whatever an `http` step sends it, it takes note of, and it drops repetitions
//! by their idempotency key.
//!
//! Under `/_workway/` it answers the harness: `GET /_workway/identity`, `GET /_workway/ledger` (all
//! of it), `GET /_workway/calls?path=…` (what scenarios ask), and `/_workway/faults`, see [`Order`].

mod consent;
mod faults;
mod google;
mod ledger;
mod notion;
mod sentry;
mod settings;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Query, Request, State},
    http::{HeaderMap, Method, Uri},
    middleware::from_fn_with_state,
    routing::{any, get},
};
pub use faults::{Fault, MAX_ORDERS, Order};
use faults::{Faults, Named, Socket};
pub use ledger::{Call, Calls, Effect, Ledger, MAX_EFFECTS, MAX_SHOWN, UpstreamCall};
use reqwest::Url;
use serde::{Deserialize, Serialize};
pub use settings::settings;
use tokio::net::TcpListener;

/// Largest body that the sink takes, in bytes.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// The stub answers from memory.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// Where scenarios ask for calls.
pub const CALLS_PATH: &str = "/_workway/calls";
/// Where scenarios set faults, and where they are removed.
pub const FAULTS_PATH: &str = "/_workway/faults";
/// The `stub` of [`Identity`].
pub const STUB_NAME: &str = "workway-upstream";

/// The upstreams. The sink has everything that is in no folder of another.
pub const UPSTREAMS: &[&str] = &["google", "notion", "sentry", SINK];
const SINK: &str = "effects";

/// How the stub says that it is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// [`STUB_NAME`].
    pub stub: String,
    /// Of this program.
    pub version: String,
}

/// What the sink answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Number of the effect, from 1; the same for each repetition.
    pub effect: u64,
    /// Whether its key had been seen before.
    pub duplicate: bool,
}

/// What the parts of the stub share.
#[derive(Clone, Debug, Default)]
struct Stub {
    ledger: Arc<Mutex<Ledger>>,
    faults: Arc<Faults>,
}

impl Stub {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a call of an upstream; the sink keeps its own book.
    fn note(&self, upstream: &str, request: &Request, fault: Option<Fault>) {
        if upstream != SINK {
            let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
            self.ledger().call(UpstreamCall { upstream: upstream.to_owned(), method, path, fault });
        } else if fault.is_some_and(Fault::is_before_the_effect) {
            self.ledger().refuse(request.uri().to_string());
        }
    }

    /// `router` with the faults and the book of an upstream.
    fn watched(&self, name: &'static str, router: Router) -> Router {
        let named = Named { stub: self.clone(), name };
        router.layer(from_fn_with_state(named, faults::apply))
    }
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

/// The origin of a stub that listens at `address`.
pub fn origin(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// Removes all faults of the stub at `url`.
///
/// # Errors
/// Why they remain.
pub async fn clear_faults(url: &Url) -> Result<(), String> {
    let url = url.join(FAULTS_PATH).map_err(|error| error.to_string())?;
    crate::tls::install();
    let client = reqwest::Client::builder().no_proxy().timeout(ANSWERS_WITHIN).build();
    let client = client.map_err(|error| error.to_string())?;
    let response = client.delete(url).send().await.map_err(|error| error.to_string())?;
    response.error_for_status().map(|_| ()).map_err(|error| error.to_string())
}

fn router() -> Router {
    let stub = Stub::default();
    let sink = Router::new().fallback(any(effect)).with_state(stub.clone());
    let own = Router::new()
        .route("/_workway/identity", get(identity))
        .route("/_workway/ledger", get(ledger))
        .route(CALLS_PATH, get(calls))
        .route(FAULTS_PATH, get(faults::list).post(faults::program).delete(faults::clear))
        .with_state(stub.clone());
    own.nest("/google", stub.watched("google", google::router()))
        .nest("/notion", stub.watched("notion", notion::router()))
        .nest("/sentry", stub.watched("sentry", sentry::router()))
        .fallback_service(stub.watched(SINK, sink))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}

async fn identity() -> Json<Identity> {
    Json(Identity { stub: STUB_NAME.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() })
}

async fn ledger(State(stub): State<Stub>) -> Json<Ledger> {
    Json(stub.ledger().clone())
}

/// Which calls are meant.
#[derive(Deserialize)]
struct Which {
    path: String,
}

async fn calls(State(stub): State<Stub>, Query(which): Query<Which>) -> Json<Calls> {
    Json(stub.ledger().matching(&which.path))
}

async fn effect(
    State(stub): State<Stub>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Json<Receipt> {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    let effect = Effect {
        number: 0,
        key,
        method: method.to_string(),
        path: uri.to_string(),
        body: String::from_utf8_lossy(&body).into_owned(),
        deliveries: 1,
    };
    Json(stub.ledger().record(effect))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

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
        crate::tls::install();
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
        crate::tls::install();
        let origin = start().await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let faults = format!("{origin}{FAULTS_PATH}");
        let fault =
            r#"{"path":"/charge*","fault":{"status":503},"retry_after":"7","latency_ms":1}"#;
        let set = client.post(&faults).body(fault).send().await.unwrap();
        assert_eq!(set.status(), 204);
        let call = async || client.post(format!("{origin}/charge/1")).body("[1]").send().await;
        let refused = call().await.unwrap();
        assert_eq!(
            (refused.status().as_u16(), &refused.headers()["retry-after"]),
            (503, &HeaderValue::from_static("7"))
        );
        assert_eq!(call().await.unwrap().status(), 200);
        let asked = client.get(format!("{origin}{CALLS_PATH}?path=%2Fcharge%2F*"));
        let text = asked.send().await.unwrap().text().await.unwrap();
        let calls: Calls = serde_json::from_str(&text).unwrap();
        assert_eq!((calls.effects, calls.deliveries, calls.refused), (1, 1, 1));
        assert_eq!(calls.calls[0].body, serde_json::json!([1]));
        let bad = client.post(&faults).body(r#"{"pth":""}"#).send().await;
        assert!(bad.unwrap().status().is_client_error());
        assert_eq!(client.delete(&faults).send().await.unwrap().status(), 204);
    }

    #[tokio::test]
    async fn fails_as_programmed_and_then_no_more() {
        crate::tls::install();
        let origin = start().await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let program = async |body: &str| {
            let request = client.post(format!("{origin}/_workway/faults")).body(body.to_owned());
            request.send().await.unwrap().status().as_u16()
        };
        let send = async || {
            let request = client.post(format!("{origin}/x")).timeout(Duration::from_millis(300));
            let answer = request.send().await.ok()?;
            Some((answer.status().as_u16(), answer.text().await.ok()?))
        };
        assert_eq!(program(r#"{"upstream": "nobody", "fault": "hang"}"#).await, 400);
        for (fault, expected) in [
            (r#"{"status": 503}"#, Some((503, String::new()))),
            (r#""nonsense""#, Some((200, "\u{0}<nonsense]}".to_owned()))),
            (r#""reset""#, None),
            (r#""half_body""#, None),
            (r#""hang""#, None),
        ] {
            let order = format!(r#"{{"upstream": "effects", "path": "/x", "fault": {fault}}}"#);
            assert_eq!(program(&order).await, 204, "{fault}");
            assert_eq!(send().await, expected, "{fault}");
            assert_eq!(send().await.map(|answer| answer.0), Some(200), "after {fault}");
        }
        let ledger = client.get(format!("{origin}/_workway/ledger")).send().await.unwrap();
        let ledger: Ledger = serde_json::from_str(&ledger.text().await.unwrap()).unwrap();
        assert_eq!(
            ledger.effects().len(),
            6,
            "half a body comes after the effect, the rest before"
        );
    }
}
