//! Requests with nothing left to fill in.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{
        ACCEPT, AUTHORIZATION, CONTENT_LENGTH, COOKIE, HOST, PROXY_AUTHORIZATION,
        USER_AGENT as AGENT,
    },
};
use httparse::Status;
use reqwest::Url;

/// Names the harness in every request whose author did not choose another name.
pub(crate) const USER_AGENT: &str = concat!("workway/", env!("CARGO_PKG_VERSION"));

/// The most header lines of a request that is shown: more than a scenario can have without being
/// unreadable itself.
const MAX_SHOWN_HEADERS: usize = 256;

/// A request that can be sent.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    /// A request of a load over plain HTTP, which was written before it was due.
    Encoded(EncodedRequest),
    /// Any other request.
    Prepared(Prepared),
}

/// A request as the parts that every version of HTTP has.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    /// HTTP method.
    pub(crate) method: Method,
    /// Where it goes.
    pub(crate) url: Url,
    /// Headers, secrets included and marked as sensitive.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Bytes,
}

/// A request as the bytes of HTTP/1.1.
#[derive(Clone, Debug)]
pub(crate) struct EncodedRequest {
    pub(crate) bytes: Bytes,
    /// Whether its answer has no body.
    pub(crate) head_only: bool,
    /// Headers at the beginning that the author did not write.
    pub(crate) ours: usize,
    /// Whether the last header is a content length that the author did not write.
    pub(crate) length_stated: bool,
}

impl Request {
    /// Returns the request as it can be shown; `None` if it cannot be read back.
    pub(crate) fn shown(&self, target: &Url) -> Option<Prepared> {
        match self {
            Self::Prepared(prepared) => Some(prepared.clone()),
            Self::Encoded(encoded) => encoded.prepared(target),
        }
    }
}

impl EncodedRequest {
    /// Writes a request for a connection that ends with it if `close`.
    pub(super) fn encode(request: &Prepared, close: bool) -> Self {
        let Prepared { method, url, headers, body } = request;
        let mut bytes = Vec::with_capacity(512 + body.len());
        bytes.extend_from_slice(format!("{method} {} HTTP/1.1\r\n", origin_form(url)).as_bytes());
        let mut line = |name: &HeaderName, value: &[u8]| {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        };
        let mut ours = 0;
        let close = close.then_some((http::header::CONNECTION, "close".to_owned()));
        let common =
            [(HOST, authority(url)), (AGENT, USER_AGENT.to_owned()), (ACCEPT, "*/*".to_owned())];
        for (name, value) in common.into_iter().chain(close) {
            if !headers.contains_key(&name) {
                line(&name, value.as_bytes());
                ours += 1;
            }
        }
        for (name, value) in headers {
            line(name, value.as_bytes());
        }
        let length_stated = states_length(method, body.is_empty());
        if length_stated && !headers.contains_key(CONTENT_LENGTH) {
            line(&CONTENT_LENGTH, body.len().to_string().as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body);
        Self { bytes: bytes.into(), head_only: *method == Method::HEAD, ours, length_stated }
    }

    /// Reads the parts back, without the headers that the author did not write.
    pub(crate) fn prepared(&self, target: &Url) -> Option<Prepared> {
        let mut headers = vec![httparse::EMPTY_HEADER; MAX_SHOWN_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let Status::Complete(end) = request.parse(&self.bytes).ok()? else { return None };
        let last = request.headers.len() - usize::from(self.length_stated);
        let mut shown = HeaderMap::new();
        for header in request.headers.get(self.ours..last)? {
            let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
            let mut value = HeaderValue::from_bytes(header.value).ok()?;
            value.set_sensitive(is_secret(&name));
            shown.append(name, value);
        }
        Some(Prepared {
            method: request.method?.parse().ok()?,
            url: target.join(request.path?).ok()?,
            headers: shown,
            body: self.bytes.slice(end..),
        })
    }
}

/// Returns path and query, as a request line of HTTP/1.1 has them.
pub(crate) fn origin_form(url: &Url) -> String {
    let query = url.query().map_or(String::new(), |query| format!("?{query}"));
    format!("{}{query}", url.path())
}

/// Returns host and port as the header `host` has them: without a port that goes without saying.
pub(crate) fn authority(url: &Url) -> String {
    let port = url.port().map_or(String::new(), |port| format!(":{port}"));
    format!("{}{port}", url.host_str().unwrap_or_default())
}

/// Says whether a request states the length of its body. RFC 9110, 8.6: an empty one is stated
/// where a body would be expected.
pub(crate) fn states_length(method: &Method, body_is_empty: bool) -> bool {
    !body_is_empty || [Method::POST, Method::PUT, Method::PATCH].contains(method)
}

/// Says whether the value of a header is shown to nobody.
pub fn is_secret(name: &HeaderName) -> bool {
    [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE].contains(name) || name == "x-api-key"
}
