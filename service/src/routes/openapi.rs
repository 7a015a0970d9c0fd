//! The OpenAPI document. It is made of [`super::ROUTES`] and of the types that handlers answer with,
//! checked in as `openapi.json`, and served from there: the Worker need not carry what makes it.

use axum::{http::header, response::IntoResponse};

#[cfg(not(target_arch = "wasm32"))]
mod document;
#[cfg(not(target_arch = "wasm32"))]
pub use document::document;
#[cfg(not(target_arch = "wasm32"))]
pub(super) use document::{AnyObject, Content, EventStream, NoContent};

const DOCUMENT: &str = include_str!("../../openapi.json");

/// Answers `GET /openapi.json`.
pub(super) async fn show() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, DOCUMENT)
}
