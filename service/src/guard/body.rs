//! Request bodies.

use axum::{
    body::Body,
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;

use super::Problem;
use crate::domain::json;

/// Largest request body, in bytes: 50 steps with 5 KB of configuration each.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// A body of `application/json`, parsed by [`json::parse`].
#[derive(Debug)]
pub struct StrictJson(pub Value);

impl<S: Send + Sync> FromRequest<S> for StrictJson {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::unsupported_media_type());
        }
        let bytes = read(request.into_body()).await?;
        json::parse(&bytes).map(Self).map_err(Problem::malformed_json)
    }
}

/// Whether the body is JSON in UTF-8, uncompressed.
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).into_iter();
    let Some(Ok(content_type)) = types.next().map(|value| value.to_str()) else { return false };
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let charset_fits = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
            value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    essence.eq_ignore_ascii_case("application/json")
        && charset_fits
        && types.next().is_none()
        && !headers.contains_key(header::CONTENT_ENCODING)
}

/// The whole body, as long as it stays within the limit; what its length claims does not matter.
///
/// # Errors
/// 413, or 400 when it did not arrive.
pub async fn read(body: Body) -> Result<bytes::Bytes, Problem> {
    match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::too_large(MAX_BODY_BYTES)),
        Err(_) => Err(Problem::body_not_received()),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn content_types() {
        let of = |value: &str| {
            let value = HeaderValue::from_str(value).unwrap();
            is_json(&HeaderMap::from_iter([(header::CONTENT_TYPE, value)]))
        };
        for good in [
            "application/json",
            "APPLICATION/JSON",
            "application/json; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/json; x=y",
        ] {
            assert!(of(good), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "application/jsonx",
            "application/json, text/plain",
            "application/json; charset=utf-16",
            "text/json;charset=utf-7",
            "application/x-www-form-urlencoded",
        ] {
            assert!(!of(bad), "{bad}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
