//! Stripe: checkout sessions; and its webhooks, which a test has delivered by
//! `POST /_workway/stripe/events` with a [`Delivery`].

use std::{
    collections::HashMap,
    fmt::Write as _,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::future::join_all;
use hmac::{Hmac, Mac};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{http::question, model::clock::now_millis};

/// The key of a local service. Published here, so worth nothing: only the stub takes it.
pub(super) const SECRET_KEY: &str = "sk_test_workway_local_published";
/// The secret with which the stub signs, unless told otherwise.
pub const WEBHOOK_SECRET: &str = "whsec_workway_local_published";
/// The prices that it sells, with the plan of each.
pub(super) const PRICES: &str =
    "startup=price_startup,growth=price_growth,scale=price_scale,enterprise=price_enterprise";

/// The page to which a checkout leads.
const PAY: &str = "Here somebody would pay. POST /_workway/stripe/events to say that they did.\n";
/// Sessions kept; then the book begins anew.
const MAX_SESSIONS: usize = 10_000;
/// Most deliveries of one order.
pub const MAX_DELIVERIES: usize = 1_000;
/// A receiver that takes longer gets no more of the stub's patience.
const DELIVER_WITHIN: Duration = Duration::from_secs(30);

/// An event to deliver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// The webhook: a URL on loopback.
    pub to: String,
    /// The event, as Stripe would send it.
    pub event: Value,
    /// Signed so many seconds from now.
    #[serde(default)]
    pub offset_seconds: i64,
    /// The secret to sign with, if not [`WEBHOOK_SECRET`].
    #[serde(default)]
    pub secret: Option<String>,
    /// The number of deliveries, all at once.
    #[serde(default = "once")]
    pub times: usize,
}

const fn once() -> usize {
    1
}

/// Holds the result of deliveries: the status of each, 0 where no answer came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// The statuses, in no order.
    pub statuses: Vec<u16>,
}

type Sessions = Arc<Mutex<HashMap<String, Value>>>;

pub(super) fn router() -> Router {
    Router::new()
        .route("/v1/checkout/sessions", post(checkout))
        .route("/pay/{session}", get(async || PAY))
        .with_state(Sessions::default())
}

fn wrong(status: StatusCode, message: &str) -> Response {
    let error = json!({"type": "invalid_request_error", "message": message});
    (status, Json(json!({ "error": error }))).into_response()
}

async fn checkout(State(sessions): State<Sessions>, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if header("authorization").and_then(|value| value.strip_prefix("Bearer ")) != Some(SECRET_KEY) {
        return wrong(StatusCode::UNAUTHORIZED, "Invalid API Key provided");
    }
    let form: HashMap<String, String> = url_decoded(&body);
    let price = form.get("line_items[0][price]").map_or("", String::as_str);
    let is_sold = PRICES.split(',').any(|sold| sold.split_once('=').is_some_and(|s| s.1 == price));
    if form.get("mode").map(String::as_str) != Some("subscription") || !is_sold {
        return wrong(StatusCode::BAD_REQUEST, "No such price");
    }
    let mut sessions = sessions.lock().unwrap_or_else(PoisonError::into_inner);
    if sessions.len() >= MAX_SESSIONS {
        sessions.clear();
    }
    // The same wish has the same session.
    let key = header("idempotency-key")
        .map_or_else(|| format!("unkeyed {}", sessions.len()), str::to_owned);
    let id = format!("cs_test_{}", sessions.len() + 1);
    let host = header("host").unwrap_or("127.0.0.1");
    let session = sessions.entry(key).or_insert_with(|| {
        json!({
            "id": id, "object": "checkout.session", "mode": "subscription", "status": "open",
            "url": format!("http://{host}/stripe/pay/{id}"),
            "client_reference_id": form.get("client_reference_id"),
        })
    });
    Json(&*session).into_response()
}

fn url_decoded(body: &[u8]) -> HashMap<String, String> {
    // reqwest's URL type decodes forms: a query is one.
    let query = String::from_utf8_lossy(body);
    let url = Url::parse(&format!("http://form.invalid/?{query}"));
    url.map(|url| url.query_pairs().into_owned().collect()).unwrap_or_default()
}

/// Returns `t=…,v1=…` over a body, as Stripe signs.
pub fn signature(secret: &str, at: i64, body: &str) -> String {
    // HMAC takes keys of any length.
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    let mac = mac.chain_update(format!("{at}.{body}")).finalize().into_bytes();
    mac.iter().fold(format!("t={at},v1="), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Says why an event is not delivered.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeliveryError {
    /// The order is no [`Delivery`].
    #[error(transparent)]
    Order(#[from] serde_json::Error),
    /// The webhook is no URL.
    #[error("to: {0}")]
    NoUrl(<Url as FromStr>::Err),
    /// The webhook is on another machine.
    #[error("to: must be a URL on loopback")]
    NotLoopback,
    /// The event is to be delivered too often, or not at all.
    #[error("times: must be from 1 to {MAX_DELIVERIES}")]
    Times,
    /// There is no client to deliver with.
    #[error(transparent)]
    Client(#[from] reqwest::Error),
}

impl IntoResponse for DeliveryError {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, self.to_string()).into_response()
    }
}

pub(super) async fn deliver(body: Bytes) -> Result<Json<Delivered>, DeliveryError> {
    let delivery: Delivery = serde_json::from_slice(&body)?;
    let to = Url::parse(&delivery.to).map_err(DeliveryError::NoUrl)?;
    if !is_loopback(&to) {
        return Err(DeliveryError::NotLoopback);
    }
    if !(1..=MAX_DELIVERIES).contains(&delivery.times) {
        return Err(DeliveryError::Times);
    }
    let client = question::client().timeout(DELIVER_WITHIN).build()?;
    let text = delivery.event.to_string();
    let secret = delivery.secret.as_deref().unwrap_or(WEBHOOK_SECRET);
    let at = now_millis().div_euclid(1000).saturating_add(delivery.offset_seconds);
    let signature = signature(secret, at, &text);
    let send = || async {
        let request = client.post(to.clone()).header("stripe-signature", &signature);
        let request = request.header("content-type", "application/json; charset=utf-8");
        request.body(text.clone()).send().await.map_or(0, |answer| answer.status().as_u16())
    };
    let statuses = join_all((0..delivery.times).map(|_| send())).await;
    Ok(Json(Delivered { statuses }))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let address = host.parse::<std::net::IpAddr>();
    url.scheme() == "http" && (host == "localhost" || address.is_ok_and(|ip| ip.is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_documented() {
        // Computed with `printf '1.{}' | openssl dgst -sha256 -hmac k`.
        let expected = "t=1,v1=3dd49b2593d0f9a349e9e71c4bde3e2b862c2be4003fe9b4ba81332029310158";
        assert_eq!(signature("k", 1, "{}"), expected);
    }

    #[test]
    fn delivers_to_loopback_only() {
        for good in ["http://127.0.0.1:1/x", "http://[::1]:1/", "http://localhost/"] {
            assert!(is_loopback(&Url::parse(good).unwrap()), "{good}");
        }
        for bad in [
            "http://example.com/",
            "http://127.0.0.1.example.com/",
            "https://127.0.0.1/",
            "http://10.0.0.1/",
        ] {
            assert!(!is_loopback(&Url::parse(bad).unwrap()), "{bad}");
        }
    }
}
