//! The public catalogue of published workflows.

use std::time::Duration;

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::{Context, extract::ListPage, workflows::WorkflowList};
use crate::domain::page::{Page, Position};
use crate::guard::Problem;
use crate::ports::Platform;
use crate::store::CatalogueEntry;

const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");
/// The age that a page may have for everyone, here and in shared caches. A change, such as a
/// publication or a deletion, appears after that at the latest.
pub const SHARED_MAX_AGE: Duration = Duration::from_mins(5);

/// Answers `GET /api/workflows`.
pub(super) async fn list<P: Platform>(
    context: Context<P>,
    ListPage(page): ListPage,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // Of the query only what it means, in one order: other spellings are the same page.
    let key = format!("/api/workflows?{}", page.to_query());
    let body = match cached(&context, &key).await {
        Some(body) => body,
        None => fresh(&context, &page, &key).await?,
    };
    let etag = etag(&body);
    let caching = [
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60, s-maxage=300")),
        (CDN_CACHE_CONTROL, HeaderValue::from_static("max-age=300")),
        (header::ETAG, HeaderValue::from_str(&etag).map_err(|_| Problem::internal())?),
    ];
    if matches(&headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    let json = [(header::CONTENT_TYPE, "application/json")];
    Ok((caching, json, body).into_response())
}

/// Reads from the cache. Reads from the cache. A cache that is down is a slow one, and no error.
async fn cached<P: Platform>(context: &Context<P>, key: &str) -> Option<String> {
    context.ports.http_cache().get(key).await.unwrap_or_else(|error| {
        context.ports.log(&error.to_string());
        None
    })
}

async fn fresh<P: Platform>(
    context: &Context<P>,
    page: &Page,
    key: &str,
) -> Result<String, Problem> {
    let entries = context.workflows().catalogue(page).await?;
    let position =
        |last: &CatalogueEntry| Position { created_at: last.published_at, id: last.id.clone() };
    let next = page.next(&entries, position);
    let list = WorkflowList { workflows: entries, next };
    let body = serde_json::to_string(&list).map_err(|_| Problem::internal())?;
    if let Err(error) = context.ports.http_cache().put(key, &body, SHARED_MAX_AGE).await {
        context.ports.log(&error.to_string());
    }
    Ok(body)
}

/// Returns a strong validator: the hash of the body, cut to 128 bits.
fn etag(body: &str) -> String {
    let digest = Sha256::digest(body);
    format!("\"{}\"", &URL_SAFE_NO_PAD.encode(digest)[..22])
}

/// Returns whether the client has this representation already (RFC 9110 §13.1.2: weak comparison).
fn matches(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).into_iter();
    let tags = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    tags.map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_validators_match() {
        let etag = etag("[]");
        assert_eq!(etag.len(), 24);
        let weak = format!("W/{etag}");
        let listed = format!("\"x\" , {etag}");
        let of = |value: &str| {
            let value = HeaderValue::from_str(value).unwrap();
            matches(&HeaderMap::from_iter([(header::IF_NONE_MATCH, value)]), &etag)
        };
        for good in [&etag, &weak, &listed, "*"] {
            assert!(of(good), "{good}");
        }
        for bad in ["", "\"x\"", etag.trim_matches('"'), "W/", "\""] {
            assert!(!of(bad), "{bad}");
        }
        assert!(!matches(&HeaderMap::new(), &etag));
    }
}
