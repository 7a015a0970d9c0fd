//! Small edits that defects share.

use axum::{
    body::Bytes,
    http::{HeaderName, HeaderValue, Response},
};
use serde_json::Value;

/// Sets a header of an answer.
pub(super) fn set(answer: &mut Response<Bytes>, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        answer.headers_mut().insert(HeaderName::from_static(name), value);
    }
}

/// Returns whether a text member satisfies `fits`.
pub(super) fn text_is(body: &Value, name: &str, fits: fn(&str) -> bool) -> bool {
    body[name].as_str().is_some_and(fits)
}

/// Returns a text that is too long, whatever counts its length.
pub(super) fn too_long() -> Value {
    "x".repeat(1_000).into()
}

/// Returns a body that breaks no rule of a workflow's.
pub(super) fn draft() -> Value {
    serde_json::json!({
        "name": "x", "description": "", "steps": [{"type": "delay", "config": {"seconds": 1}}],
    })
}
