//! The stub of everything that the service calls. For now that is an effects sink: whatever an
//! `http` step sends it, it takes note of, and it drops repetitions by their idempotency key.
//!
//! Under `/_workway/` it answers the harness: `GET /_workway/identity`, `GET /_workway/ledger`.

mod ledger;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, Method, Uri},
    routing::{any, get},
};
pub use ledger::{Effect, Ledger, MAX_EFFECTS};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// Largest body that the sink takes, in bytes.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// The `stub` of [`Identity`].
pub const STUB_NAME: &str = "workway-upstream";

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

type Shared = Arc<Mutex<Ledger>>;

/// Serves the stub on a listener, until `stop` is ready.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router()).with_graceful_shutdown(stop).await
}

/// The origin of a stub that listens at `address`.
pub fn origin(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn router() -> Router {
    Router::new()
        .route("/_workway/identity", get(identity))
        .route("/_workway/ledger", get(ledger))
        .fallback(any(effect))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(Shared::default())
}

async fn identity() -> Json<Identity> {
    Json(Identity { stub: STUB_NAME.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() })
}

async fn ledger(State(ledger): State<Shared>) -> Json<Ledger> {
    Json(ledger.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

async fn effect(
    State(ledger): State<Shared>,
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
    Json(ledger.lock().unwrap_or_else(PoisonError::into_inner).record(effect))
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
}
