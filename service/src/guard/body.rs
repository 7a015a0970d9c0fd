//! Request bodies.

use std::{pin::pin, time::Duration};

use axum::{
    body::Body,
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use futures_util::future::{Either, select};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;

use super::{HANDLER_DEADLINE, Problem};
use crate::app::App;
use crate::domain::json;
use crate::ports::{Clock, Platform};

/// Largest request body, in bytes: 50 steps with 5 KB of configuration each.
pub const MAX_BODY_BYTES: usize = 256 * 1024;
/// A body that is not here after this long will not come. Below the deadline of the handler, so
/// that a client that stalls is told so, and is not our failure.
pub const BODY_DEADLINE: Duration = Duration::from_secs(15);
const _: () = assert!(BODY_DEADLINE.as_secs() < HANDLER_DEADLINE.as_secs());

/// A body of `application/json`, parsed by [`json::parse`].
#[derive(Debug)]
pub struct StrictJson(pub Value);

impl<P: Platform> FromRequest<App<P>> for StrictJson {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App<P>) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::unsupported_media_type());
        }
        let bytes = read(request.into_body(), app.platform.clock()).await?;
        Ok(Self(json::parse(&bytes)?))
    }
}

/// Returns whether the headers announce JSON in UTF-8, uncompressed.
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

/// Reads the whole body, as long as it stays within [`MAX_BODY_BYTES`], whatever its headers claim.
///
/// # Errors
/// 413; 408 or 400 when it did not arrive.
pub async fn read<C: Clock>(body: Body, clock: &C) -> Result<bytes::Bytes, Problem> {
    let body = Limited::new(body, MAX_BODY_BYTES).collect();
    let Either::Left((body, _)) = select(pin!(body), pin!(clock.sleep(BODY_DEADLINE))).await else {
        return Err(Problem::body_too_slow());
    };
    match body {
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
