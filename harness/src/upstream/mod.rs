//! The stub of everything that the service calls. Each upstream has a folder of the URL; the rest
//! is an effects sink: whatever an `http` step sends it, it takes note of, and it drops repetitions
//! by their idempotency key.
//!
//! Under `/_workway/` it answers the harness: `GET /_workway/identity`, `GET /_workway/ledger`, and
//! `/_workway/faults`, see [`Order`]; `POST /_workway/stripe/events` delivers webhooks, see
//! [`Delivery`].

mod cloudflare;
mod faults;
mod ledger;
mod settings;
mod stripe;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, Method, Uri},
    middleware::from_fn_with_state,
    routing::{any, get, post},
};
pub use faults::{Fault, MAX_ORDERS, Order};
use faults::{Faults, Named, Socket};
pub use ledger::{Call, Effect, Ledger, MAX_EFFECTS};
use serde::{Deserialize, Serialize};
pub use settings::settings;
pub use stripe::{Delivered, Delivery, MAX_DELIVERIES, WEBHOOK_SECRET, signature};
use tokio::net::TcpListener;

/// Largest body that the sink takes, in bytes.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// The `stub` of [`Identity`].
pub const STUB_NAME: &str = "workway-upstream";

/// The upstreams. The sink has everything that is in no folder of another.
pub const UPSTREAMS: &[&str] = &[SINK, "cloudflare", "stripe"];
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
            self.ledger().call(Call { upstream: upstream.to_owned(), method, path, fault });
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

fn router() -> Router {
    let stub = Stub::default();
    let sink = Router::new().fallback(any(effect)).with_state(stub.clone());
    Router::new()
        .route("/_workway/identity", get(identity))
        .route("/_workway/ledger", get(ledger))
        .route("/_workway/faults", get(faults::list).post(faults::program).delete(faults::clear))
        .route("/_workway/stripe/events", post(stripe::deliver))
        .nest_service("/cloudflare", stub.watched("cloudflare", cloudflare::router()))
        .nest_service("/stripe", stub.watched("stripe", stripe::router()))
        .fallback_service(stub.watched(SINK, sink))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(stub)
}

async fn identity() -> Json<Identity> {
    Json(Identity { stub: STUB_NAME.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() })
}

async fn ledger(State(stub): State<Stub>) -> Json<Ledger> {
    Json(stub.ledger().clone())
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
    use std::time::Duration;

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
