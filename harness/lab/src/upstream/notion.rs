//! Notion, as far as connections and pages go: `/notion/v1/oauth/{authorize,token,revoke}` and
//! `/notion/v1/pages`.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::consent::{Grants, Pair, bearer, decide};

#[derive(Clone, Debug, Default)]
struct Notion {
    grants: Grants,
    pages: Arc<AtomicU64>,
}

pub(super) fn router() -> Router {
    Router::new()
        .route("/v1/oauth/authorize", get(authorize))
        .route("/v1/oauth/token", post(token))
        .route("/v1/oauth/revoke", post(revoke))
        .route("/v1/pages", post(page))
        .with_state(Notion::default())
}

async fn authorize(State(notion): State<Notion>, RawQuery(query): RawQuery) -> Response {
    decide("Notion", &query.unwrap_or_default(), &notion.grants)
}

/// Returns the id and secret of a client.
fn client(headers: &HeaderMap) -> Option<(String, String)> {
    let basic = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let pair = String::from_utf8(STANDARD.decode(basic).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    (!secret.is_empty()).then(|| (id.to_owned(), secret.to_owned()))
}

async fn token(State(notion): State<Notion>, headers: HeaderMap, body: Bytes) -> Response {
    let Some((client_id, _)) = client(&headers) else {
        return refused(StatusCode::UNAUTHORIZED, "invalid_client");
    };
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let of = |name: &str| body[name].as_str().unwrap_or_default();
    let pair = match of("grant_type") {
        "authorization_code" => {
            notion.grants.redeem(of("code"), &client_id, of("redirect_uri"), "")
        }
        "refresh_token" => notion.grants.renew(of("refresh_token")),
        _ => return refused(StatusCode::BAD_REQUEST, "unsupported_grant_type"),
    };
    let Some(Pair { access, refresh }) = pair else {
        return refused(StatusCode::BAD_REQUEST, "invalid_grant");
    };
    let user = notion.grants.user(&access).unwrap_or_default();
    Json(json!({
        "access_token": access, "refresh_token": refresh, "token_type": "bearer",
        "bot_id": "stub", "workspace_id": "stub", "workspace_name": format!("{user}'s workspace"),
    }))
    .into_response()
}

async fn revoke(State(notion): State<Notion>, headers: HeaderMap, body: Bytes) -> Response {
    if client(&headers).is_none() {
        return refused(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    if notion.grants.revoke(body["token"].as_str().unwrap_or_default()) {
        Json(json!({})).into_response()
    } else {
        refused(StatusCode::BAD_REQUEST, "invalid_grant")
    }
}

/// Makes a page. As at Notion, the same request twice makes two.
async fn page(State(notion): State<Notion>, headers: HeaderMap, body: Bytes) -> Response {
    if bearer(&headers).and_then(|token| notion.grants.user(token)).is_none() {
        return refused(StatusCode::UNAUTHORIZED, "unauthorized");
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let known = headers.contains_key("notion-version")
        && body["parent"].is_object()
        && body["properties"].is_object();
    if !known {
        return refused(StatusCode::BAD_REQUEST, "validation_error");
    }
    let number = notion.pages.fetch_add(1, Relaxed) + 1;
    let id = format!("00000000-0000-4000-8000-{number:012x}");
    let url = format!("https://www.notion.so/{}", id.replace('-', ""));
    Json(json!({"object": "page", "id": id, "url": url, "parent": body["parent"]})).into_response()
}

fn refused(status: StatusCode, code: &str) -> Response {
    let body = json!({"object": "error", "status": status.as_u16(), "code": code, "error": code});
    (status, Json(body)).into_response()
}
