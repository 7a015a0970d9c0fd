//! Reports failures to Sentry, as envelopes of its protocol (version 7): answers with a status of
//! 5xx, scheduled tasks, alarms of objects, and a Worker that is not configured; and how long a sample of
//! requests took.
//!
//! An event is made of what is named here and of nothing else: no header, query, body, identifier
//! of a person or text of an error can get into it. Own code and not Sentry's crates: the event is
//! fifteen lines, and what those collect by themselves is what must not be sent.
//!
//! A panic of the Worker is not reported: it ends the instance of the module before anything can be
//! sent. The platform's own log has it.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;

use crate::config::SentryConfig;
use crate::domain::{Millis, id};
use crate::ports::{Clock, Http, MeteredHttp, OutboundRequest, PortError, Random};

/// Time after which a report is given up: failing requests must not pile up behind Sentry.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Longest answer that is read, in bytes. Sentry's is an identifier of about 50.
const MAX_ANSWER_BYTES: usize = 4096;

/// A failure, as it is reported.
#[derive(Clone, Debug)]
pub struct Report {
    /// The identifier of the request, or one that was made for the report. It decides whether the
    /// report falls into the sample.
    pub id: String,
    /// The instant of the failure.
    pub at: Millis,
    /// Is true for a panic, which no code handles.
    pub fatal: bool,
    /// A description in a few words, the same for each failure of this kind.
    pub what: String,
    /// A route with its method, `cron`, a class of objects, or a variable that is missing.
    pub place: String,
    /// Further values to search by.
    pub tags: BTreeMap<&'static str, String>,
    /// A hash of the identifier of the caller.
    pub caller: Option<String>,
}

impl Report {
    /// Makes a report of a failure that happens now and has no identifier yet.
    pub fn new(
        clock: &impl Clock,
        random: &impl Random,
        what: impl Into<String>,
        place: impl Into<String>,
    ) -> Self {
        let (at, mut entropy) = (clock.now(), [0; id::ENTROPY]);
        // Without randomness it falls into every sample.
        let _ = random.fill(&mut entropy);
        let (what, place) = (what.into(), place.into());
        let (id, tags) = (id::new(at, entropy), BTreeMap::new());
        Self { id, at, fatal: false, what, place, tags, caller: None }
    }

    /// Adds a tag.
    #[must_use]
    pub fn tagged(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.tags.insert(name, value.into());
        self
    }
}

/// How long a request took.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The identifier of the request. It decides whether the trace falls into the sample.
    pub id: String,
    /// The instant at which the request came.
    pub began: Millis,
    /// The instant at which its answer was ready.
    pub ended: Millis,
    /// The route with its method.
    pub place: String,
    /// The status of the answer.
    pub status: u16,
}

/// Sends a trace. The caller has asked [`is_traced`].
///
/// # Errors
/// [`PortError`] when Sentry does not accept the trace. Nobody tries again.
pub async fn send_trace(
    http: MeteredHttp<'_, impl Http>,
    sentry: &SentryConfig,
    trace: &Trace,
) -> Result<(), PortError> {
    taken(http.send(request(sentry, transaction(sentry, trace))).await?.status)
}

/// Returns true if the trace of the request with this identifier is to be sent.
pub fn is_traced(sentry: &SentryConfig, request_id: &str) -> bool {
    sampled(request_id, sentry.traces_per_mille)
}

/// Sends a report, if it falls into the sample.
///
/// # Errors
/// [`PortError`] when Sentry does not accept the report. Nobody tries again.
pub async fn send(
    http: MeteredHttp<'_, impl Http>,
    sentry: &SentryConfig,
    report: &Report,
) -> Result<(), PortError> {
    if !sampled(&report.id, sentry.per_mille) {
        return Ok(());
    }
    taken(http.send(request(sentry, envelope(sentry, report))).await?.status)
}

fn taken(status: u16) -> Result<(), PortError> {
    match status {
        200..300 => Ok(()),
        status => Err(PortError::unavailable("sentry", format!("status {status}"))),
    }
}

/// Decides by the last digits of a request id, which are random, so that all parts of the service
/// decide alike.
fn sampled(request_id: &str, per_mille: u16) -> bool {
    let tail = request_id.get(request_id.len().saturating_sub(6)..).unwrap_or_default();
    let number = u32::from_str_radix(tail, 16).unwrap_or_default();
    number % 1000 < u32::from(per_mille)
}

fn request(sentry: &SentryConfig, envelope: String) -> OutboundRequest {
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
        body: Some(envelope.into_bytes()),
        timeout: TIMEOUT,
        max_body_bytes: MAX_ANSWER_BYTES,
    }
}

/// Returns three lines of JSON: the envelope, the item, the event.
fn envelope(sentry: &SentryConfig, report: &Report) -> String {
    let id = report.id.replace('-', "");
    let Report { fatal, what, place, tags, caller, .. } = report;
    let event = json!({
        "event_id": id,
        "timestamp": report.at / 1000,
        "platform": "other",
        "level": if *fatal { "fatal" } else { "error" },
        "release": concat!("workway@", env!("CARGO_PKG_VERSION")),
        "environment": sentry.environment,
        "message": {"formatted": format!("{what} at {place}")},
        "tags": tags,
        "fingerprint": [what, place],
        "user": caller.as_ref().map(|caller| json!({"id": caller})),
        "transaction": place,
    });
    enveloped("event", &id, &event)
}

/// Returns the envelope of a trace: a transaction without spans of its own.
fn transaction(sentry: &SentryConfig, trace: &Trace) -> String {
    let trace_id = trace.id.replace('-', "");
    // The report of the same request, if there is one, has the identifier itself.
    let (first, last) = trace_id.split_at(trace_id.len() / 2);
    let id = format!("{last}{first}");
    let outcome = if trace.status < 500 { "ok" } else { "internal_error" };
    let event = json!({
        "event_id": id,
        "type": "transaction",
        "transaction": trace.place,
        "transaction_info": {"source": "route"},
        "start_timestamp": seconds(trace.began),
        "timestamp": seconds(trace.ended),
        "platform": "other",
        "release": concat!("workway@", env!("CARGO_PKG_VERSION")),
        "environment": sentry.environment,
        "tags": {"status": trace.status.to_string()},
        "contexts": {
            "trace": {"trace_id": trace_id, "span_id": last, "op": "http.server", "status": outcome},
        },
    });
    enveloped("transaction", &id, &event)
}

/// Returns an instant in seconds, as the protocol has it.
#[expect(clippy::cast_precision_loss, reason = "below 2^53 for the next 285,000 years")]
fn seconds(at: Millis) -> f64 {
    at as f64 / 1000.0
}

fn enveloped(kind: &str, id: &str, event: &serde_json::Value) -> String {
    let event = event.to_string();
    let length = event.len();
    let (head, item) = (json!({"event_id": id}), json!({"type": kind, "length": length}));
    format!("{head}\n{item}\n{event}\n")
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
        let report = Report {
            id: "0190b3c4-0000-7000-8000-00000000000a".to_owned(),
            at: 1_700_000_000_000,
            fatal: false,
            what: "server error: 503".to_owned(),
            place: "GET /runs/{id}".to_owned(),
            tags: BTreeMap::new(),
            caller: None,
        };
        let sentry = config.unwrap().sentry.unwrap();
        let request = request(&sentry, envelope(&sentry, &report));
        assert_eq!(request.url, "https://sentry.example/api/7/envelope/");
        let body = String::from_utf8(request.body.unwrap()).unwrap();
        let lines: Vec<_> = body.lines().collect();
        let [_, item, event] = lines[..] else { panic!("{body}") };
        let item: serde_json::Value = serde_json::from_str(item).unwrap();
        assert_eq!(item["length"], event.len());
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        assert_eq!(event["event_id"].as_str().unwrap().len(), 32);
        assert_eq!(event["timestamp"], 1_700_000_000);
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
