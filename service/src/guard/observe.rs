//! Gives every request an id, a bill, a deadline, the headers that browsers want, an event for
//! analysis, and a line in the log, whatever becomes of it.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
    time::Duration,
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::{Either, select};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Problem, Scope, bill::Bill, cors, problem::Reason};
use crate::ai::ANSWER_WITHIN;
use crate::app::{App, bill};
use crate::config::SentryConfig;
use crate::domain::{Millis, id};
use crate::ports::{Cause, Clock, Event, NOBODY, ONE_POINT, Platform, Ports, Random, Usage};
use crate::sentry::{self, Report, Trace};

/// The header that says what a request used, as an RFC 8941 dictionary.
pub const USAGE_HEADER: HeaderName = HeaderName::from_static("workway-usage");
/// A handler that takes longer is given up: what it waits for hangs, and so would its client. Above
/// the deadlines of single port calls, below the patience of clients and proxies.
pub const HANDLER_DEADLINE: Duration = Duration::from_secs(25);
const _: () = assert!(ANSWER_WITHIN.as_millis() < HANDLER_DEADLINE.as_millis());

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const SECURITY_HEADERS: [(HeaderName, &str); 4] = [
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains; preload"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    // An answer of an API is no page: nothing in it may load or be framed.
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
];

/// Surrounds the whole service.
pub async fn observe<P: Platform>(
    State(app): State<App<P>>,
    mut request: Request,
    next: Next,
) -> Response {
    let begun = app.platform.clock().now();
    let bill = Bill::open(app.clone());
    let extensions = request.extensions_mut();
    extensions.insert(bill.ports.clone());
    extensions.insert(bill.payer.clone());
    let origin = cors::allowed_origin(request.headers(), &app.config.cors_allowed_origins);
    let about = About::of(&request);
    let mut response = if cors::is_preflight(request.method(), request.headers()) {
        cors::preflight(origin.as_ref())
    } else {
        guarded(&app, request, next).await
    };
    if let Some(reason) = response.extensions().get::<Reason>() {
        app.platform.log(&reason.to_string());
    }
    let (status, duration) = (response.status(), app.platform.clock().now() - begun);
    about.analyse(&app, &bill, status, duration);
    let id = request_id(&app.platform, begun);
    let headers = response.headers_mut();
    cors::mark(headers, origin);
    mark(headers, id.as_deref());
    if let Some(sentry) = app.config.sentry.clone().filter(|_| status.is_server_error()) {
        let panicked = response.extensions().get::<Panicked>().is_some();
        let id = id.clone().unwrap_or_default();
        let kind = if panicked { "panic" } else { "server error" };
        let mut report = about.failure(kind, id, status, begun);
        report.fatal = panicked;
        report.caller = bill.payer.caller().map(|caller| hash(&caller.subject));
        report_later(&app, sentry, report);
    }
    let traced = id.as_deref().zip(app.config.sentry.as_ref());
    if let Some((id, sentry)) = traced.filter(|(id, sentry)| sentry::is_traced(sentry, id)) {
        let ended = begun + duration;
        let (id, status) = (id.to_owned(), status.as_u16());
        let trace = Trace { id, began: begun, ended, place: about.place(), status };
        trace_later(&app, sentry.clone(), trace);
    }
    report_usage(response.headers_mut(), &bill);
    if app.config.log_requests {
        about.record(&app, &bill, id, status, duration);
    }
    bill.close().await;
    response
}

/// Tells callers who may see it what their request used.
fn report_usage<P: Platform>(headers: &mut HeaderMap, bill: &Bill<P>) {
    let usage = bill.ports.usage().dictionary();
    let metered = bill.payer.caller().is_some_and(|caller| caller.has(Scope::Meter));
    // An empty dictionary is written as no header at all (RFC 8941 §3.2).
    if metered
        && !usage.is_empty()
        && let Ok(usage) = HeaderValue::from_str(&usage)
    {
        headers.insert(USAGE_HEADER, usage);
    }
}

/// Sends a report in the background, at the service's own expense.
fn report_later<P: Platform>(app: &App<P>, sentry: SentryConfig, report: Report) {
    let (owned, ports) = (app.clone(), Ports::new(app.platform.clone()));
    app.platform.wait_until(async move {
        if let Err(error) = sentry::send(ports.http(), &sentry, &report).await {
            ports.log(&format!("a report was not taken: {error}"));
        }
        bill(&owned, NOBODY, Cause::ScheduledTasks, ports.usage()).await;
    });
}

/// Sends a trace in the background, at the service's own expense.
fn trace_later<P: Platform>(app: &App<P>, sentry: SentryConfig, trace: Trace) {
    let (owned, ports) = (app.clone(), Ports::new(app.platform.clone()));
    app.platform.wait_until(async move {
        if let Err(error) = sentry::send_trace(ports.http(), &sentry, &trace).await {
            ports.log(&format!("a trace was not taken: {error}"));
        }
        bill(&owned, NOBODY, Cause::ScheduledTasks, ports.usage()).await;
    });
}

/// The description of a request for the log and analytics. It has no query, header or body: they can
/// hold secrets. The route is the pattern that matched, so that a client cannot write into the log.
struct About {
    method: Method,
    route: Option<MatchedPath>,
}

impl About {
    fn of(request: &Request) -> Self {
        let route = request.extensions().get::<MatchedPath>().cloned();
        Self { method: request.method().clone(), route }
    }

    fn route(&self) -> &str {
        self.route.as_ref().map_or("-", MatchedPath::as_str)
    }

    /// Clients can make up methods, which are then refused: they are not worth a column each.
    fn method(&self) -> &str {
        if self.route.is_some() { self.method.as_str() } else { "-" }
    }

    fn place(&self) -> String {
        format!("{} {}", self.method(), self.route())
    }

    fn analyse<P: Platform>(
        &self,
        app: &App<P>,
        bill: &Bill<P>,
        status: StatusCode,
        duration: Millis,
    ) {
        let event = Event {
            kind: "request",
            tenant: bill.account(),
            method: self.method(),
            route: self.route(),
            status: status.as_str(),
            duration,
            usage: bill.ports.usage() + ONE_POINT,
        };
        if let Err(error) = bill.ports.analytics().write(&event) {
            app.platform.log(&error.to_string());
        }
    }

    /// Makes the report for Sentry.
    fn failure(&self, kind: &str, id: String, status: StatusCode, at: Millis) -> Report {
        let status = status.as_u16();
        let what = format!("{kind}: {status}");
        let place = self.place();
        let tags = BTreeMap::from([("status", status.to_string()), ("request_id", id.clone())]);
        Report { id, at, fatal: false, what, place, tags, caller: None }
    }

    fn record<P: Platform>(
        &self,
        app: &App<P>,
        bill: &Bill<P>,
        request_id: Option<String>,
        status: StatusCode,
        duration_ms: Millis,
    ) {
        let line = Line {
            event: "request",
            request_id,
            method: self.method.as_str(),
            route: self.route(),
            status: status.as_u16(),
            duration_ms,
            caller: bill.payer.caller().map(|caller| hash(&caller.subject)),
            usage: bill.ports.usage(),
        };
        // Strings and numbers: this cannot fail.
        app.platform.record(&serde_json::to_string(&line).unwrap_or_default());
    }
}

/// Marks the answer in place of that of a handler that panicked.
#[derive(Clone, Copy)]
struct Panicked;

/// Returns the response, within the deadline and without a panic.
async fn guarded<P: Platform>(app: &App<P>, request: Request, next: Next) -> Response {
    let response = pin!(without_panic(next.run(request)));
    let deadline = pin!(app.platform.clock().sleep(HANDLER_DEADLINE));
    match select(response, deadline).await {
        Either::Left((Some(response), _)) => response,
        Either::Left((None, _)) => {
            let mut response = Problem::internal().into_response();
            response.extensions_mut().insert(Panicked);
            response
        }
        Either::Right(_) => Problem::timed_out().into_response(),
    }
}

/// Returns the result of `work`, or `None` if it panics. Where panics abort, as in the Worker, it never
/// returns `None`.
async fn without_panic<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    std::future::poll_fn(|context| {
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}

fn request_id<P: Platform>(platform: &P, now: Millis) -> Option<String> {
    let mut entropy = [0; id::ENTROPY];
    platform.random().fill(&mut entropy).ok().map(|()| id::new(now, entropy))
}

fn mark(headers: &mut HeaderMap, id: Option<&str>) {
    for (name, value) in SECURITY_HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Some(id) = id.and_then(|id| HeaderValue::from_str(id).ok()) {
        headers.insert(REQUEST_ID, id);
    }
}

/// A request in the log.
#[derive(Serialize)]
struct Line<'a> {
    event: &'static str,
    request_id: Option<String>,
    method: &'a str,
    route: &'a str,
    status: u16,
    duration_ms: Millis,
    caller: Option<String>,
    usage: Usage,
}

/// Tells callers apart in the log without naming them.
fn hash(subject: &str) -> String {
    let digest = Sha256::new_with_prefix("workway caller:").chain_update(subject).finalize();
    URL_SAFE_NO_PAD.encode(digest)[..12].to_owned()
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_where_it_began() {
        assert_eq!(without_panic(async { 1 }).await, Some(1));
        let panics = async {
            tokio::task::yield_now().await;
            panic!("on purpose")
        };
        assert_eq!(without_panic::<()>(panics).await, None);
    }

    #[test]
    fn the_caller_is_not_named() {
        assert_eq!(hash("ann"), hash("ann"));
        assert_ne!(hash("ann"), hash("bob"));
        assert!(!hash("ann").contains("ann"));
    }
}
