//! Cross-origin requests. Origins are compared exactly, with a list; there are no credentials but
//! the bearer token, which a page must have got itself. (`routes/sessions.rs` is how, and adds
//! cookies to what its two routes allow.)

use axum::{
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

/// The response headers that a page may read.
const EXPOSED: &str =
    "etag, location, retry-after, workway-usage, x-request-id, idempotency-replayed";
const METHODS: &str = "GET, POST, PUT, DELETE";
const HEADERS: &str = "authorization, content-type, idempotency-key, if-none-match, last-event-id";
/// A browser asks again after this many seconds. Chromium keeps it for two hours at most.
const MAX_AGE: &str = "7200";

/// Returns the origin of a request, if it is allowed.
pub(super) fn allowed_origin(headers: &HeaderMap, allowed: &[String]) -> Option<HeaderValue> {
    let mut origins = headers.get_all(header::ORIGIN).into_iter();
    let origin = origins.next().filter(|_| origins.next().is_none())?;
    allowed.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()).then(|| origin.clone())
}

/// Returns whether the request is a preflight: a browser asks for permission, and nothing else.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    // Empty is absent: not every server in front of this passes an empty header on.
    let says = |name| headers.get(name).is_some_and(|value| !value.is_empty());
    method == Method::OPTIONS && says(header::ORIGIN) && says(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Answers 204 with the permissions, or, for an origin that is not allowed, without.
pub(super) fn preflight(origin: Option<&HeaderValue>) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    if origin.is_some() {
        let headers = response.headers_mut();
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
            (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    response
}

/// Adds the headers for pages of `origin`. `Vary` is always there: a cache must not give one origin
/// the answer to another.
pub(super) fn mark(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let exposed = HeaderValue::from_static(EXPOSED);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
}
