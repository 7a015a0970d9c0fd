//! Reports of server errors to Sentry, as envelopes of its protocol (version 7), in the background.
//!
//! An event is made of what is named here and of nothing else: no header, query, body, identifier
//! of a person or text of an error can get into it. Own code and not Sentry's crates: the event is
//! fifteen lines, and what those collect by themselves is what must not be sent.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;

use super::billing::bill;
use crate::config::SentryConfig;
use crate::domain::Millis;
use crate::ports::{Cause, Http, Meter, NOBODY, OutboundRequest, Platform};
use crate::routes::App;

/// A report that takes longer is dropped.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Of the answer, an identifier.
const MAX_ANSWER_BYTES: usize = 4096;

/// A request that ended badly.
#[derive(Clone, Debug)]
pub(super) struct Failed {
    pub(super) request_id: String,
    pub(super) at: Millis,
    pub(super) method: String,
    /// The pattern, not the path.
    pub(super) route: String,
    pub(super) status: u16,
    pub(super) panicked: bool,
    /// A hash.
    pub(super) caller: Option<String>,
}

/// Reports a failure, if it falls into the sample.
pub(super) fn report<P: Platform>(app: &App<P>, sentry: &SentryConfig, failed: &Failed) {
    if !sampled(&failed.request_id, sentry.per_mille) {
        return;
    }
    let (request, app_) = (request(sentry, failed), app.clone());
    app.platform.wait_until(async move {
        let meter = Meter::default();
        match meter.charge(app_.platform.http().send(request).await) {
            Ok(answer) if answer.status < 300 => {}
            Ok(answer) => app_.platform.log(&format!("sentry answered with {}", answer.status)),
            Err(error) => app_.platform.log(&format!("sentry: {error}")),
        }
        bill(&app_, NOBODY, Cause::Upkeep, meter.usage()).await;
    });
}

/// The last digits of a request id are random: all parts of the service that see it decide alike.
fn sampled(request_id: &str, per_mille: u16) -> bool {
    let tail = request_id.get(request_id.len().saturating_sub(6)..).unwrap_or_default();
    let number = u32::from_str_radix(tail, 16).unwrap_or_default();
    number % 1000 < u32::from(per_mille)
}

fn request(sentry: &SentryConfig, failed: &Failed) -> OutboundRequest {
    let client = concat!("workway/", env!("CARGO_PKG_VERSION"));
    let key = sentry.key.expose();
    let auth = format!("Sentry sentry_version=7, sentry_client={client}, sentry_key={key}");
    OutboundRequest {
        method: "POST".to_owned(),
        url: sentry.endpoint.as_str().to_owned(),
        headers: BTreeMap::from([
            ("content-type", "application/x-sentry-envelope".to_owned()),
            ("user-agent", client.to_owned()),
            ("x-sentry-auth", auth),
        ]),
        body: Some(envelope(sentry, failed).into_bytes()),
        timeout: TIMEOUT,
        max_body_bytes: MAX_ANSWER_BYTES,
    }
}

/// Three lines of JSON: the envelope, the item, the event.
fn envelope(sentry: &SentryConfig, failed: &Failed) -> String {
    let id = failed.request_id.replace('-', "");
    let transaction = format!("{} {}", failed.method, failed.route);
    let what = if failed.panicked { "panic" } else { "server error" };
    let event = json!({
        "event_id": id,
        "timestamp": failed.at / 1000,
        "platform": "other",
        "level": if failed.panicked { "fatal" } else { "error" },
        "release": concat!("workway@", env!("CARGO_PKG_VERSION")),
        "environment": sentry.environment,
        "message": {"formatted": format!("{what}: {} at {transaction}", failed.status)},
        "tags": {"status": failed.status.to_string(), "request_id": failed.request_id},
        "fingerprint": [what, failed.status.to_string(), &transaction],
        "user": failed.caller.as_ref().map(|caller| json!({"id": caller})),
        "transaction": transaction,
    })
    .to_string();
    let length = event.len();
    format!(
        "{}\n{}\n{event}\n",
        json!({"event_id": id}),
        json!({"type": "event", "length": length})
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_is_three_lines_whose_length_is_right() {
        let config = crate::config::Config::from_lookup(|name| match name {
            "JWT_SECRET" => Some("s".repeat(32)),
            "SENTRY_DSN" => Some("https://k@sentry.example/7".to_owned()),
            _ => None,
        });
        let failed = Failed {
            request_id: "0190b3c4-0000-7000-8000-00000000000a".to_owned(),
            at: 1_700_000_000_000,
            method: "GET".to_owned(),
            route: "/runs/{id}".to_owned(),
            status: 503,
            panicked: false,
            caller: None,
        };
        let request = request(&config.unwrap().sentry.unwrap(), &failed);
        assert_eq!(request.url, "https://sentry.example/api/7/envelope/");
        let body = String::from_utf8(request.body.unwrap()).unwrap();
        let lines: Vec<_> = body.lines().collect();
        let [_, item, event] = lines[..] else { panic!("{body}") };
        let item: serde_json::Value = serde_json::from_str(item).unwrap();
        assert_eq!(item["length"], event.len());
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        assert_eq!(event["event_id"].as_str().unwrap().len(), 32);
        assert_eq!(event["message"]["formatted"], "server error: 503 at GET /runs/{id}");
    }

    #[test]
    fn the_sample_is_as_large_as_asked() {
        let ids = (0..10_000).map(|n| format!("x{:06x}", n * 1_613));
        let ids: Vec<_> = ids.collect();
        let count = |per_mille| ids.iter().filter(|id| sampled(id, per_mille)).count();
        assert_eq!((count(0), count(1000)), (0, 10_000));
        assert!((2_300..2_700).contains(&count(250)), "{}", count(250));
    }
}
