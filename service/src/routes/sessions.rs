//! Sessions: the next access token, the end, and who one is.
//!
//! The refresh token is in a cookie and nowhere else. A script that got into a page can use the
//! page's access token for ten minutes, but cannot take the session away with it. What a cookie
//! costs is that browsers send it by themselves; so it is `Strict`, the two routes that change
//! something by it are POSTs that refuse origins other than our own and those that may read our
//! answers, and no route does anything else by it but
//! say whose account is being connected. Programs keep cookies, too.

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{Context, cookies::Cookie, oauth::private};
use crate::config::{Config, OAuthConfig};
use crate::domain::Millis;
use crate::guard::{ACCESS_LIFETIME_SECONDS, Problem, Scope, SessionToken};
use crate::identity::{self, PersonClient, PersonView, SESSION_LIFETIME};
use crate::ports::Platform;

/// The scopes of a token that signing in gives.
const SCOPE: &str = "read write";

/// An access token (RFC 6749 §5.1).
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub(super) struct Issued {
    access_token: String,
    token_type: &'static str,
    /// Seconds.
    expires_in: i64,
    scope: &'static str,
    /// The identifier of the person whose token it is.
    person: String,
}

impl Issued {
    /// Returns the tokens of a session: an access token, and the cookie with the refresh token.
    pub(super) fn now(
        config: &Config,
        oauth: &OAuthConfig,
        token: &SessionToken,
        now: Millis,
    ) -> (Self, HeaderValue) {
        let refresh = token.refresh(&config.signing_key, now);
        let cookie = Cookie::Refresh.set(&refresh, SESSION_LIFETIME / 1000, oauth);
        let issued = Self {
            access_token: token.access(SCOPE, &config.signing_key, now),
            token_type: "Bearer",
            expires_in: ACCESS_LIFETIME_SECONDS,
            scope: SCOPE,
            person: token.person.clone(),
        };
        (issued, cookie)
    }
}

/// A person.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub(super) struct Me {
    id: String,
    /// The name that Google gave; null for a person who has not signed in there.
    name: Option<String>,
    /// The address, if Google has verified it.
    email: Option<String>,
    /// The session of the token; null for one that was issued without.
    session: Option<String>,
}

/// Answers `POST /auth/refresh`: the next access token, for a refresh token, which is then used up.
/// One that was used before ends the session.
pub(super) async fn refresh<P: Platform>(context: Context<P>, headers: HeaderMap) -> Response {
    with_cookies(rotate(context, headers).await)
}

/// Answers `POST /auth/logout`: ends the session of the cookie, whichever of its tokens that is.
/// 204 also when there is none to end.
pub(super) async fn logout<P: Platform>(context: Context<P>, headers: HeaderMap) -> Response {
    with_cookies(end(context, headers).await)
}

/// Lets a page of an allowed origin read an answer to a request that it sent with cookies.
fn with_cookies(answer: Result<Response, Problem>) -> Response {
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    let allowed = HeaderValue::from_static("true");
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, allowed);
    response
}

async fn rotate<P: Platform>(context: Context<P>, headers: HeaderMap) -> Result<Response, Problem> {
    let config = &context.app.config;
    let oauth = config.oauth.as_ref().ok_or_else(Problem::unauthorized)?;
    require_own_page(&headers, config, oauth)?;
    let now = context.now();
    let token = refresh_token(&headers, config, oauth, now).ok_or_else(Problem::unauthorized)?;
    let person = PersonClient::new(context.ports.actors(), &token.person);
    let rotated = person.rotate(&token.session, token.generation).await?;
    let Some(generation) = rotated else {
        identity::ended(&context.ports, &token.person, &token.session).await;
        let gone = Cookie::Refresh.set("", 0, oauth);
        return Ok(private(Problem::unauthorized(), [gone]));
    };
    let token = SessionToken { generation, ..token };
    let (issued, cookie) = Issued::now(config, oauth, &token, now);
    Ok(private(Json(issued), [cookie]))
}

async fn end<P: Platform>(context: Context<P>, headers: HeaderMap) -> Result<Response, Problem> {
    let config = &context.app.config;
    let Some(oauth) = &config.oauth else { return Ok(StatusCode::NO_CONTENT.into_response()) };
    require_own_page(&headers, config, oauth)?;
    if let Some(token) = refresh_token(&headers, config, oauth, context.now()) {
        let person = PersonClient::new(context.ports.actors(), &token.person);
        person.end(&token.session).await?;
        identity::ended(&context.ports, &token.person, &token.session).await;
    }
    Ok(private(StatusCode::NO_CONTENT, [Cookie::Refresh.set("", 0, oauth)]))
}

/// Answers `GET /me`.
pub(super) async fn me<P: Platform>(context: Context<P>) -> Result<Json<Me>, Problem> {
    let id = context.caller_with(Scope::Read)?;
    let session = context.session();
    // Only who has signed in has told us more.
    let PersonView { name, email, .. } = match session {
        Some(_) => PersonClient::new(context.ports.actors(), id).show().await?,
        None => PersonView::default(),
    };
    Ok(Json(Me { id: id.to_owned(), name, email, session: session.map(str::to_owned) }))
}

/// Returns the refresh token of the cookie, if this service signed it and it has not ended.
pub(super) fn refresh_token(
    headers: &HeaderMap,
    config: &Config,
    oauth: &OAuthConfig,
    now: Millis,
) -> Option<SessionToken> {
    let text = Cookie::Refresh.read(headers, oauth)?;
    config.signing_keys().find_map(|key| SessionToken::of_refresh(text, key, now).ok())
}

/// Refuses requests that somebody else's page makes a browser send: browsers name the origin of
/// every POST.
fn require_own_page(
    headers: &HeaderMap,
    config: &Config,
    oauth: &OAuthConfig,
) -> Result<(), Problem> {
    let own = oauth.public_url.origin().ascii_serialization();
    let known = |origin: &HeaderValue| {
        let mut origins = config.cors_allowed_origins.iter().chain([&own]);
        origins.any(|known| known.as_bytes() == origin.as_bytes())
    };
    if headers.get_all(header::ORIGIN).iter().all(known) {
        Ok(())
    } else {
        Err(Problem::foreign_origin())
    }
}
