//! What every request gets, whatever becomes of it: an id, a meter, a deadline, the headers that
//! browsers want, and a line in the log.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
    time::Duration,
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::{Either, select};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    Caller, Problem, cors,
    sentry::{self, Failed},
};
use crate::domain::{Millis, id};
use crate::ports::{Clock, Meter, Platform, Random, Usage};
use crate::routes::App;

/// What the request used, as an RFC 8941 dictionary.
pub const USAGE_HEADER: HeaderName = HeaderName::from_static("workway-usage");
/// A handler that takes longer is given up: what it waits for hangs, and so would its client. Above
/// the deadlines of single port calls, below the patience of clients and proxies.
pub const HANDLER_DEADLINE: Duration = Duration::from_secs(25);

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
    let meter = Meter::default();
    request.extensions_mut().insert(meter.clone());
    let origin = cors::allowed_origin(request.headers(), &app.config.cors_allowed_origins);
    let about = (app.config.log_requests || app.config.sentry.is_some()).then(|| {
        let route = request.extensions().get::<MatchedPath>();
        let route = route.map_or_else(|| "-".to_owned(), |path| path.as_str().to_owned());
        (request.method().clone(), route)
    });
    let mut response = if cors::is_preflight(request.method(), request.headers()) {
        cors::preflight(origin.as_ref())
    } else {
        guarded(&app, request, next).await
    };
    let id = request_id(&app.platform, begun);
    let headers = response.headers_mut();
    cors::mark(headers, origin);
    mark(headers, id.as_deref());
    if let Some((method, route)) = about {
        let duration_ms = app.platform.clock().now() - begun;
        let caller = response.extensions().get::<Caller>().map(|caller| hash(&caller.subject));
        let (status, usage) = (response.status().as_u16(), meter.usage());
        if let Some(sentry) = app.config.sentry.as_ref().filter(|_| status >= 500) {
            let failed = Failed {
                request_id: id.clone().unwrap_or_default(),
                at: begun,
                method: method.to_string(),
                route: route.clone(),
                status,
                panicked: response.extensions().get::<Panicked>().is_some(),
                caller: caller.clone(),
            };
            sentry::report(&app.platform, sentry, &failed);
        }
        if app.config.log_requests {
            let (event, request_id, method) = ("request", id, method.as_str());
            let line =
                Line { event, request_id, method, route, status, duration_ms, caller, usage };
            // Strings and numbers: this cannot fail.
            app.platform.record(&serde_json::to_string(&line).unwrap_or_default());
        }
    }
    response
}

/// Marks the answer in place of that of a handler that panicked.
#[derive(Clone, Copy)]
struct Panicked;

/// The response, within the deadline and without a panic.
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

/// What `work` gives; `None` if it panics. Where panics abort, as in the Worker, it never does.
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

/// A request in the log. No query, no header, no body: they can hold secrets. The route is the
/// pattern that matched, so that a client cannot write into the log.
#[derive(Serialize)]
struct Line<'a> {
    event: &'static str,
    request_id: Option<String>,
    method: &'a str,
    route: String,
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
