//! Sends browsers to a provider's consent page, and receives them when they come back.

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use url::Url;

use super::{
    Context,
    cookies::Cookie,
    extract::{Named, single_parameter},
    sessions::{Issued, refresh_token},
};
use crate::config::{Client, Config, OAuthConfig};
use crate::domain::Issue;
use crate::guard::{Problem, SessionToken, caller_of};
use crate::identity::{
    self, FLOW_LIFETIME, Flow, MAX_CODE, PersonClient, Provider, ProviderError, Tokens,
};
use crate::ports::Platform;

/// The answer to a person who came back, unless they asked to be sent on.
#[derive(Debug, Serialize)]
#[serde(untagged)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub(super) enum Arrived {
    /// Google signed the person in: an access token. The refresh token is in a cookie.
    SignedIn(Issued),
    /// Notion connected an account.
    Connected {
        /// The provider of the connection.
        provider: Provider,
        /// The name of the account at the provider.
        account: Option<String>,
    },
}

/// A provider that this deployment knows.
struct Known<'a> {
    provider: Provider,
    client: &'a Client,
    oauth: &'a OAuthConfig,
}

impl<'a> Known<'a> {
    /// Finds the client of a provider, or returns 404: another provider, or one that this
    /// deployment has no client of.
    fn find(config: &'a Config, provider: Provider) -> Result<Self, Problem> {
        let oauth = config.oauth.as_ref().ok_or_else(Problem::not_found)?;
        let client = oauth.client(provider).ok_or_else(Problem::not_found)?;
        Ok(Self { provider, client, oauth })
    }
}

/// Answers `GET /oauth/{provider}/authorize`: sends a browser to the consent page. For Notion it
/// must be somebody's who is signed in, by a bearer token or by the cookie that signing in has set.
pub(super) async fn authorize<P: Platform>(
    context: Context<P>,
    Named(provider): Named,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let config = &context.app.config;
    let known = Known::find(config, provider)?;
    let return_to = return_to(&uri, &config.cors_allowed_origins)?;
    let person = match provider {
        Provider::Google => None,
        Provider::Notion => Some(signed_in(&context, &headers, known.oauth).await?),
    };
    let random = context.ports.random();
    // Two flows of one browser may be under way: they share the cookie.
    let browser =
        Cookie::Browser.read(&headers, known.oauth).filter(|text| identity::is_secret(text));
    let browser = match browser {
        Some(browser) => browser.to_owned(),
        None => identity::secret(random)?,
    };
    let (id, verifier) = (identity::new_id(random)?, identity::secret(random)?);
    let state = identity::state(&id, provider, &browser, &config.signing_key);
    let challenge = identity::challenge(&verifier);
    let redirect_uri = known.oauth.redirect_uri(provider);
    let url = provider.authorize_url(known.client, &redirect_uri, &state, &challenge);
    let expires_at = context.now() + FLOW_LIFETIME;
    let flow = Flow { provider, verifier, person, return_to, expires_at };
    identity::begin_flow(context.ports.actors(), &id, flow).await?;
    let cookie = Cookie::Browser.set(&browser, FLOW_LIFETIME / 1000, known.oauth);
    Ok(private((StatusCode::FOUND, [(header::LOCATION, url)]), [cookie]))
}

/// Answers `GET /oauth/{provider}/callback`: where the provider sends the browser back to.
pub(super) async fn callback<P: Platform>(
    context: Context<P>,
    Named(provider): Named,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let config = &context.app.config;
    let known = Known::find(config, provider)?;
    let query = uri.query().unwrap_or_default();
    let (state, code, error) = (
        single_parameter(query, "state")?,
        single_parameter(query, "code")?,
        single_parameter(query, "error")?,
    );
    let code = code.filter(|code| (1..=MAX_CODE).contains(&code.len()));
    let browser = Cookie::Browser.read(&headers, known.oauth).unwrap_or_default();
    let id = identity::id_of(state.as_deref().unwrap_or_default(), provider, browser, config);
    // Nothing is used up by a request that can lead nowhere.
    let id = id.filter(|_| code.is_some() || error.is_some());
    let id = id.ok_or_else(Problem::sign_in_lost)?;
    let taken = identity::take_flow(context.ports.actors(), &id).await?;
    let flow = taken.ok_or_else(Problem::sign_in_lost)?;
    let Some(code) = code.filter(|_| error.is_none()) else {
        return Err(Problem::access_not_granted());
    };
    let tokens = exchange(&context, &known, &code, &flow.verifier).await?;
    match flow.person {
        None => sign_in(&context, &known, tokens, flow.return_to).await,
        Some(person) => connect(&context, provider, &person, tokens, flow.return_to).await,
    }
}

async fn exchange<P: Platform>(
    context: &Context<P>,
    known: &Known<'_>,
    code: &str,
    verifier: &str,
) -> Result<Tokens, Problem> {
    let redirect_uri = known.oauth.redirect_uri(known.provider);
    let request = known.provider.exchange(known.client, code, &redirect_uri, verifier);
    let answer = context.ports.http().send(request).await;
    identity::tokens(answer).map_err(|error| refused(known.provider, error))
}

async fn sign_in<P: Platform>(
    context: &Context<P>,
    known: &Known<'_>,
    tokens: Tokens,
    return_to: Option<String>,
) -> Result<Response, Problem> {
    let request = identity::userinfo(known.client, &tokens.access);
    let answer = context.ports.http().send(request).await;
    let profile = identity::profile(answer);
    let profile = profile.map_err(|error| refused(known.provider, error))?;
    let person = identity::person_id(&profile.sub);
    let object = PersonClient::new(context.ports.actors(), &person);
    let session = object.sign_in(profile, tokens).await?;
    let token = SessionToken { person, session, generation: 0 };
    let (issued, cookie) = Issued::now(&context.app.config, known.oauth, &token, context.now());
    Ok(arrived(Arrived::SignedIn(issued), return_to, Some(cookie)))
}

async fn connect<P: Platform>(
    context: &Context<P>,
    provider: Provider,
    person: &str,
    tokens: Tokens,
    return_to: Option<String>,
) -> Result<Response, Problem> {
    let account = tokens.account.clone();
    let object = PersonClient::new(context.ports.actors(), person);
    object.connect(provider, tokens).await?;
    Ok(arrived(Arrived::Connected { provider, account }, return_to, None))
}

/// Returns the answer, or, with somewhere to go, the way there: a page of the caller's own, which
/// gets its access token by `POST /auth/refresh`. No token is ever in a URL.
fn arrived(arrived: Arrived, return_to: Option<String>, cookie: Option<HeaderValue>) -> Response {
    match return_to {
        Some(url) => private((StatusCode::SEE_OTHER, [(header::LOCATION, url)]), cookie),
        None => private(Json(arrived), cookie),
    }
}

/// A provider could not be reached, or answered with something that is not defined.
#[derive(Debug, thiserror::Error)]
#[error("{} gave no answer of use", .0.name())]
struct NoUse(Provider);

fn refused(provider: Provider, error: ProviderError) -> Problem {
    match error {
        ProviderError::Refused => Problem::code_refused(),
        ProviderError::Unavailable => Problem::provider_failed().because(NoUse(provider)),
    }
}

/// Returns the person who connects an account.
async fn signed_in<P: Platform>(
    context: &Context<P>,
    headers: &HeaderMap,
    oauth: &OAuthConfig,
) -> Result<String, Problem> {
    if headers.contains_key(header::AUTHORIZATION) {
        let caller = caller_of(&context.app, &context.ports, headers).await?;
        return Ok(caller.subject);
    }
    let token = refresh_token(headers, &context.app.config, oauth, context.now());
    let token = token.ok_or_else(Problem::unauthorized)?;
    let live = identity::is_live(&context.ports, &token.person, &token.session).await?;
    if live { Ok(token.person) } else { Err(Problem::unauthorized()) }
}

/// Returns where the browser wants to go then: a page of an origin that may read our answers, and nowhere
/// else.
fn return_to(uri: &Uri, allowed: &[String]) -> Result<Option<String>, Problem> {
    let Some(text) = single_parameter(uri.query().unwrap_or_default(), "return_to")? else {
        return Ok(None);
    };
    let url = Url::parse(&text).ok().filter(|url| {
        allowed.contains(&url.origin().ascii_serialization()) && url.username().is_empty()
    });
    let message = "must be a URL of an origin that this API answers to (CORS)";
    let url = url.ok_or_else(|| Problem::invalid_input(vec![Issue::new("return_to", message)]))?;
    Ok(Some(url.into()))
}

/// Returns an answer for one browser, with cookies.
pub(super) fn private(
    answer: impl IntoResponse,
    cookies: impl IntoIterator<Item = HeaderValue>,
) -> Response {
    let mut response = answer.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    for cookie in cookies {
        headers.append(header::SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_no_open_redirect() {
        let allowed = ["https://app.example".to_owned()];
        let of = |target: &str| {
            let query: String = url::form_urlencoded::byte_serialize(target.as_bytes()).collect();
            return_to(&format!("/x?return_to={query}").parse().unwrap(), &allowed)
        };
        let good = of("https://app.example/done?x=1#y").unwrap();
        assert_eq!(good.as_deref(), Some("https://app.example/done?x=1#y"));
        assert_eq!(return_to(&"/x".parse().unwrap(), &allowed).unwrap(), None);
        for bad in [
            "",
            "/done",
            "//app.example",
            "http://app.example/",
            "https://app.example:444/",
            "https://app.example.evil.example/",
            "https://evil.example/#https://app.example",
            "https://app.example@evil.example/",
            "https://user@app.example/",
            "https:evil.example",
            "javascript:alert(1)",
            "data:text/html,x",
        ] {
            assert!(of(bad).is_err(), "{bad}");
        }
        let twice = "/x?return_to=https%3A%2F%2Fapp.example&return_to=https%3A%2F%2Fapp.example";
        assert!(return_to(&twice.parse().unwrap(), &allowed).is_err());
    }
}
