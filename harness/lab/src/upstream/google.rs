//! Google, as far as signing in goes: `/google/o/oauth2/v2/auth`, `/google/token`,
//! `/google/v1/userinfo` and `/google/revoke`.

use axum::{
    Json, Router,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;

use super::consent::{Grants, Pair, bearer, decide, form_pairs};

/// Seconds that an access token lives, as Google's do.
const LIFETIME: u64 = 3599;

pub(super) fn router() -> Router {
    Router::new()
        .route("/o/oauth2/v2/auth", get(authorize))
        .route("/token", post(token))
        .route("/v1/userinfo", get(userinfo))
        .route("/revoke", post(revoke))
        .with_state(Grants::default())
}

async fn authorize(State(grants): State<Grants>, RawQuery(query): RawQuery) -> Response {
    decide("Google", &query.unwrap_or_default(), &grants)
}

async fn token(State(grants): State<Grants>, body: String) -> Response {
    let form = form_pairs(&body);
    let of = |name: &str| {
        form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    };
    if of("client_secret").is_empty() {
        return refused(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    let pair = match of("grant_type") {
        "authorization_code" => {
            grants.redeem(of("code"), of("client_id"), of("redirect_uri"), of("code_verifier"))
        }
        "refresh_token" => grants.renew(of("refresh_token")),
        _ => return refused(StatusCode::BAD_REQUEST, "unsupported_grant_type"),
    };
    let Some(Pair { access, refresh }) = pair else {
        return refused(StatusCode::BAD_REQUEST, "invalid_grant");
    };
    Json(json!({
        "access_token": access, "refresh_token": refresh, "expires_in": LIFETIME,
        "token_type": "Bearer", "scope": "openid email profile",
    }))
    .into_response()
}

async fn userinfo(State(grants): State<Grants>, headers: HeaderMap) -> Response {
    let Some(user) = bearer(&headers).and_then(|token| grants.user(token)) else {
        return refused(StatusCode::UNAUTHORIZED, "invalid_token");
    };
    Json(json!({
        "sub": format!("stub-{user}"), "name": user, "email": format!("{user}@example.com"),
        "email_verified": true,
    }))
    .into_response()
}

async fn revoke(State(grants): State<Grants>, body: String) -> Response {
    let form = form_pairs(&body);
    let token = form.iter().find(|(key, _)| key == "token");
    if token.is_some_and(|(_, token)| grants.revoke(token)) {
        Json(json!({})).into_response()
    } else {
        refused(StatusCode::BAD_REQUEST, "invalid_token")
    }
}

fn refused(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({"error": error}))).into_response()
}
