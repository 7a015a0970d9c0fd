//! Errors as clients see them: RFC 9457 problem details, with the guide's own `error` member.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::domain::{Issue, json::InvalidJson};
use crate::ports::PortError;

/// An error response. Nothing in it comes from the inside of the service.
#[derive(Debug)]
pub struct Problem {
    kind: &'static Kind,
    detail: Option<Box<str>>,
    issues: Vec<Issue>,
    header: Option<Box<(HeaderName, HeaderValue)>>,
    /// The reason of a failure of ours, for the log.
    reason: Option<Reason>,
}

/// The reason of a failure, in the extensions of the answer. No client sees it: `observe` writes it
/// to the log.
#[derive(Clone, Debug)]
pub(super) struct Reason(Arc<dyn Error + Send + Sync>);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The stable part of a problem.
#[derive(Debug)]
struct Kind {
    status: StatusCode,
    /// A URI, for programs.
    uri: &'static str,
    /// The title, for people.
    title: &'static str,
}

const fn kind(status: StatusCode, uri: &'static str, title: &'static str) -> Kind {
    Kind { status, uri, title }
}

static INVALID_INPUT: Kind =
    kind(StatusCode::BAD_REQUEST, "urn:workway:problem:invalid-input", "Invalid input");
static MALFORMED_JSON: Kind =
    kind(StatusCode::BAD_REQUEST, "urn:workway:problem:malformed-json", "Malformed JSON");
static BODY_NOT_RECEIVED: Kind =
    kind(StatusCode::BAD_REQUEST, "urn:workway:problem:body-not-received", "Body not received");
static BAD_HOST: Kind = kind(StatusCode::BAD_REQUEST, "urn:workway:problem:bad-host", "Bad host");
static BODY_TOO_SLOW: Kind =
    kind(StatusCode::REQUEST_TIMEOUT, "urn:workway:problem:body-too-slow", "Body too slow");
static UNAUTHORIZED: Kind =
    kind(StatusCode::UNAUTHORIZED, "urn:workway:problem:unauthorized", "Unauthorized");
static OVER_QUOTA: Kind =
    kind(StatusCode::PAYMENT_REQUIRED, "urn:workway:problem:over-quota", "Quota used up");
static REFUSED_CONTENT: Kind =
    kind(StatusCode::UNPROCESSABLE_ENTITY, "urn:workway:problem:refused", "Content refused");
static BAD_SIGNATURE: Kind =
    kind(StatusCode::BAD_REQUEST, "urn:workway:problem:bad-signature", "Bad signature");
static FORBIDDEN: Kind = kind(StatusCode::FORBIDDEN, "urn:workway:problem:forbidden", "Forbidden");
static NOT_FOUND: Kind = kind(StatusCode::NOT_FOUND, "urn:workway:problem:not-found", "Not found");
static METHOD_NOT_ALLOWED: Kind = kind(
    StatusCode::METHOD_NOT_ALLOWED,
    "urn:workway:problem:method-not-allowed",
    "Method not allowed",
);
static CONFLICT: Kind = kind(StatusCode::CONFLICT, "urn:workway:problem:conflict", "Conflict");
static STILL_RUNNING: Kind =
    kind(StatusCode::CONFLICT, "urn:workway:problem:still-running", "Still running");
static KEY_REUSED: Kind = kind(
    StatusCode::UNPROCESSABLE_ENTITY,
    "urn:workway:problem:key-reused",
    "Idempotency-Key reused",
);
static TOO_LARGE: Kind =
    kind(StatusCode::PAYLOAD_TOO_LARGE, "urn:workway:problem:too-large", "Body too large");
static UNSUPPORTED_MEDIA_TYPE: Kind = kind(
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    "urn:workway:problem:unsupported-media-type",
    "Unsupported media type",
);
static RATE_LIMITED: Kind =
    kind(StatusCode::TOO_MANY_REQUESTS, "urn:workway:problem:rate-limited", "Rate limit exceeded");
static SIGN_IN: Kind =
    kind(StatusCode::BAD_REQUEST, "urn:workway:problem:sign-in", "Sign-in not completed");
static PROVIDER: Kind =
    kind(StatusCode::BAD_GATEWAY, "urn:workway:problem:provider", "Provider failed");
static INTERNAL: Kind =
    kind(StatusCode::INTERNAL_SERVER_ERROR, "urn:workway:problem:internal", "Internal error");
static UNAVAILABLE: Kind =
    kind(StatusCode::SERVICE_UNAVAILABLE, "urn:workway:problem:unavailable", "Service unavailable");

impl Problem {
    fn new(kind: &'static Kind) -> Self {
        Self { kind, detail: None, issues: Vec::new(), header: None, reason: None }
    }

    fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into().into_boxed_str());
        self
    }

    fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some(Box::new((name, value)));
        self
    }

    /// Adds why it is our failure. That goes to the log, and to no client.
    #[must_use]
    pub fn because(mut self, reason: impl Error + Send + Sync + 'static) -> Self {
        self.reason = Some(Reason(Arc::new(reason)));
        self
    }

    /// Returns 400: the input breaks these rules.
    pub fn invalid_input(issues: Vec<Issue>) -> Self {
        Self { issues, ..Self::new(&INVALID_INPUT) }
    }

    /// Returns 400: the body is not JSON as this API accepts it.
    pub fn malformed_json(detail: impl Into<String>) -> Self {
        Self::new(&MALFORMED_JSON).detail(detail)
    }

    /// Returns 400: the connection broke before the whole body was here.
    pub fn body_not_received() -> Self {
        Self::new(&BODY_NOT_RECEIVED)
    }

    /// Returns 400, and the end of the connection: the request names no host, or several.
    pub fn bad_host() -> Self {
        Self::new(&BAD_HOST)
            .detail("a request has exactly one Host header")
            .header(header::CONNECTION, HeaderValue::from_static("close"))
    }

    /// Returns 408: the body took too long to arrive. Nothing was done.
    pub fn body_too_slow() -> Self {
        Self::new(&BODY_TOO_SLOW).detail("the body did not arrive in time; nothing was done")
    }

    /// Returns 401. One text for every reason: a forger learns nothing.
    pub fn unauthorized() -> Self {
        let challenge = "Bearer realm=\"workway\", error=\"invalid_token\"";
        Self::new(&UNAUTHORIZED)
            .header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }

    /// Returns 402: the month's quota is used up.
    pub fn over_quota(what: &'static str) -> Self {
        let detail = format!(
            "the {what} that the plan includes in a calendar month are used up; see /billing/plan"
        );
        Self::new(&OVER_QUOTA).detail(detail)
    }

    /// Returns 422: the model will not answer this.
    pub fn refused_content() -> Self {
        Self::new(&REFUSED_CONTENT).detail("the model refused the content")
    }

    /// Returns 400: a webhook is not signed, or not now. One text for every reason.
    pub fn bad_signature() -> Self {
        Self::new(&BAD_SIGNATURE)
    }

    /// Returns 403: the token does not have this scope.
    pub fn missing_scope(scope: &'static str) -> Self {
        Self::new(&FORBIDDEN).detail(format!("the token needs the scope `{scope}`"))
    }

    /// Returns 403: somebody else's page sent this.
    pub fn foreign_origin() -> Self {
        Self::new(&FORBIDDEN).detail("requests with cookies are not taken from this origin")
    }

    /// Returns 400: the state was forged, used, is over, or is of another browser or provider. One
    /// text.
    pub fn sign_in_lost() -> Self {
        Self::new(&SIGN_IN).detail(
            "it was not begun in this browser, has been completed, or took too long; begin again",
        )
    }

    /// Returns 400: the person said no, or the provider did.
    pub fn access_not_granted() -> Self {
        Self::new(&SIGN_IN).detail("access was not granted")
    }

    /// Returns 400: the provider does not know the code, or not any more.
    pub fn code_refused() -> Self {
        Self::new(&SIGN_IN).detail("the provider did not accept the code; begin again")
    }

    /// Returns 502: the provider gave no answer, or none of use.
    pub fn provider_failed() -> Self {
        Self::new(&PROVIDER).detail("the provider gave no answer of use; begin again")
    }

    /// Returns 404, for what does not exist and for what belongs to somebody else alike.
    pub fn not_found() -> Self {
        Self::new(&NOT_FOUND)
    }

    /// Returns 405; the router adds `Allow`.
    pub fn method_not_allowed() -> Self {
        Self::new(&METHOD_NOT_ALLOWED)
    }

    /// Returns 409: the request does not fit the state of the resource.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(&CONFLICT).detail(detail)
    }

    /// Returns 409: a request with this key is under way.
    pub fn still_running() -> Self {
        Self::new(&STILL_RUNNING)
            .detail("a request with this Idempotency-Key is under way; ask again for its outcome")
            .header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// Returns 422: the key came with another payload before.
    pub fn key_reused() -> Self {
        Self::new(&KEY_REUSED).detail("this Idempotency-Key came with another body before")
    }

    /// Returns 413: the body is too long.
    pub fn too_large(limit: usize) -> Self {
        Self::new(&TOO_LARGE).detail(format!("a body may have {limit} bytes"))
    }

    /// Returns 415: the body is of another media type.
    pub fn unsupported_media_type() -> Self {
        Self::new(&UNSUPPORTED_MEDIA_TYPE).detail("send application/json in UTF-8")
    }

    /// Returns 429, with the time after which a request is admitted, in whole seconds, rounded up.
    pub fn rate_limited(retry_after: Duration) -> Self {
        let seconds = retry_after.as_millis().div_ceil(1000).max(1);
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
        Self::new(&RATE_LIMITED)
            .detail(format!("the next request is admitted after {seconds} seconds at the latest"))
            .header(header::RETRY_AFTER, seconds.into())
    }

    /// Returns 500: our configuration or our code.
    pub fn internal() -> Self {
        Self::new(&INTERNAL)
    }

    /// Returns 503: something that we depend on is down.
    pub fn unavailable() -> Self {
        Self::new(&UNAVAILABLE).header(header::RETRY_AFTER, HeaderValue::from_static("5"))
    }

    /// Returns 503: no answer within our own deadline.
    pub fn timed_out() -> Self {
        Self::unavailable().detail("the request took too long; whether it took effect is not known")
    }

    fn body(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Members<'a> {
            error: &'a str,
            r#type: &'a str,
            status: u16,
            title: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            detail: Option<&'a str>,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            issues: &'a [Issue],
        }
        let members = Members {
            error: self.kind.title,
            r#type: self.kind.uri,
            status: self.kind.status.as_u16(),
            title: self.kind.title,
            detail: self.detail.as_deref(),
            issues: &self.issues,
        };
        // Strings and a number: this cannot fail.
        serde_json::to_vec(&members).unwrap_or_default()
    }
}

/// A port that fails is a dependency that is down: 503.
impl From<InvalidJson> for Problem {
    fn from(error: InvalidJson) -> Self {
        Self::malformed_json(error.to_string())
    }
}

impl From<PortError> for Problem {
    fn from(error: PortError) -> Self {
        Self::unavailable().because(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.kind.status, Body::from(self.body())).into_response();
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        if let Some(header) = self.header {
            let (name, value) = *header;
            headers.insert(name, value);
        }
        if let Some(reason) = self.reason {
            response.extensions_mut().insert(reason);
        }
        response
    }
}
