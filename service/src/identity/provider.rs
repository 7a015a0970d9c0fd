//! Defines the providers, the requests to them, and the parsing of their answers.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::{Url, form_urlencoded};

use crate::config::Client;
use crate::domain::Millis;
pub use crate::domain::provider::Provider;
use crate::ports::{OutboundRequest, OutboundResponse, PortError};

/// The time after which a provider counts as down, in milliseconds. A refresh and the call that
/// follows fit into one attempt of a step.
pub(crate) const TIMEOUT: Millis = 4_000;
/// The largest number of bytes of a provider's answer, ten times of what they send.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// The largest number of characters of a token. Google reserves 2,048, Notion's have about 50.
pub const MAX_TOKEN: usize = 4096;
/// The number of characters of the name of a person or an account that are kept.
const MAX_NAME: usize = 200;
/// The version of Notion's API that this code was written against.
pub(crate) const NOTION_VERSION: &str = "2026-03-11";

/// The reason why an exchange with a provider failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// The provider refused: the code, the token or this client is not valid, or not any more.
    #[error("the provider refused the request")]
    Refused,
    /// The provider did not answer, failed, or sent something that is not the answer.
    #[error("the provider gave no answer")]
    Unavailable,
}

/// The tokens that a provider issues. `Debug` shows none of them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token, which gets the next access token.
    pub refresh: Option<String>,
    /// The lifetime of the access token in seconds; `None` if it does not expire.
    pub expires_in: Option<i64>,
    /// The name of the account, if the provider tells it here.
    pub account: Option<String>,
}

/// The profile of a person, from Google.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Google's identifier, which is stable and never given to anyone else.
    pub sub: String,
    /// The name of the person.
    pub name: Option<String>,
    /// The email address, if Google has verified it.
    pub email: Option<String>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokens(expires_in: {:?})", self.expires_in)
    }
}

/// An endpoint of a provider. A stand-in for the provider has the same paths under one base URL.
#[derive(Clone, Copy, Debug)]
enum Endpoint {
    Authorize,
    Token,
    Revoke,
    Userinfo,
    Pages,
}

impl Provider {
    /// Returns true if the provider accepts a proof key (RFC 7636). Notion documents none, and
    /// refuses bodies with members that it does not know. There only the client's secret, and the
    /// state that is bound to the browser, protect the flow.
    const fn takes_proof_key(self) -> bool {
        matches!(self, Self::Google)
    }

    /// Returns the URL of the consent page. `challenge` is the S256 challenge of the proof key.
    pub fn authorize_url(
        self,
        client: &Client,
        redirect_uri: &str,
        state: &str,
        challenge: &str,
    ) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("client_id", &client.id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("response_type", "code")
            .append_pair("state", state);
        if self.takes_proof_key() {
            query.append_pair("code_challenge", challenge);
            query.append_pair("code_challenge_method", "S256");
        }
        match self {
            // Without `prompt=consent` Google issues no refresh token at a second sign-in.
            Self::Google => query
                .append_pair("scope", "openid email profile")
                .append_pair("access_type", "offline")
                .append_pair("prompt", "consent"),
            Self::Notion => query.append_pair("owner", "user"),
        };
        format!("{}?{}", endpoint(self, client, Endpoint::Authorize), query.finish())
    }

    /// Makes the request that exchanges a code for tokens.
    pub fn exchange(
        self,
        client: &Client,
        code: &str,
        redirect_uri: &str,
        verifier: &str,
    ) -> OutboundRequest {
        let mut members = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
        ];
        if self.takes_proof_key() {
            members.push(("code_verifier", verifier));
        }
        self.post(client, Endpoint::Token, members)
    }

    /// Makes the request that exchanges a refresh token for the next tokens.
    pub fn refresh(self, client: &Client, token: &str) -> OutboundRequest {
        let members = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
        self.post(client, Endpoint::Token, members)
    }

    /// Makes the request that revokes a token and those that came with it.
    pub fn revoke(self, client: &Client, token: &str) -> OutboundRequest {
        self.post(client, Endpoint::Revoke, vec![("token", token)])
    }

    /// Makes a POST request. Google takes forms that contain the secret; Notion takes JSON, with the
    /// secret in a header.
    fn post<'a>(
        self,
        client: &'a Client,
        to: Endpoint,
        mut members: Vec<(&'a str, &'a str)>,
    ) -> OutboundRequest {
        let mut request = request("POST", endpoint(self, client, to));
        let body = match self {
            Self::Google => {
                members.push(("client_id", &client.id));
                members.push(("client_secret", client.secret.expose()));
                let form = "application/x-www-form-urlencoded";
                request.headers.insert("content-type", form.to_owned());
                form_urlencoded::Serializer::new(String::new()).extend_pairs(members).finish()
            }
            Self::Notion => {
                let basic = STANDARD.encode(format!("{}:{}", client.id, client.secret.expose()));
                request.headers.insert("authorization", format!("Basic {basic}"));
                request.headers.insert("content-type", "application/json".to_owned());
                request.headers.insert("notion-version", NOTION_VERSION.to_owned());
                json!(members.into_iter().collect::<BTreeMap<_, _>>()).to_string()
            }
        };
        request.body = Some(body.into_bytes());
        request
    }
}

/// Makes the request that asks Google who the owner of a token is.
pub fn userinfo(client: &Client, token: &str) -> OutboundRequest {
    let mut request = request("GET", endpoint(Provider::Google, client, Endpoint::Userinfo));
    request.headers.insert("authorization", format!("Bearer {token}"));
    request
}

/// Makes the request that creates a page in Notion.
pub fn create_page(client: &Client, token: &str, page: &serde_json::Value) -> OutboundRequest {
    let mut request = request("POST", endpoint(Provider::Notion, client, Endpoint::Pages));
    request.headers.insert("authorization", format!("Bearer {token}"));
    request.headers.insert("content-type", "application/json".to_owned());
    request.headers.insert("notion-version", NOTION_VERSION.to_owned());
    request.body = Some(page.to_string().into_bytes());
    request
}

fn request(method: &str, url: String) -> OutboundRequest {
    let user_agent = concat!("workway/", env!("CARGO_PKG_VERSION")).to_owned();
    OutboundRequest {
        method: method.to_owned(),
        url,
        headers: BTreeMap::from([
            ("accept", "application/json".to_owned()),
            ("user-agent", user_agent),
        ]),
        body: None,
        timeout: Duration::from_millis(TIMEOUT.unsigned_abs()),
        max_body_bytes: MAX_ANSWER_BYTES,
    }
}

fn endpoint(provider: Provider, client: &Client, endpoint: Endpoint) -> String {
    let (real, path) = match (provider, endpoint) {
        (Provider::Google, Endpoint::Authorize) => {
            ("https://accounts.google.com", "/o/oauth2/v2/auth")
        }
        (Provider::Google, Endpoint::Token) => ("https://oauth2.googleapis.com", "/token"),
        (Provider::Google, Endpoint::Revoke) => ("https://oauth2.googleapis.com", "/revoke"),
        (Provider::Google, _) => ("https://openidconnect.googleapis.com", "/v1/userinfo"),
        (Provider::Notion, Endpoint::Authorize) => {
            ("https://api.notion.com", "/v1/oauth/authorize")
        }
        (Provider::Notion, Endpoint::Token) => ("https://api.notion.com", "/v1/oauth/token"),
        (Provider::Notion, Endpoint::Revoke) => ("https://api.notion.com", "/v1/oauth/revoke"),
        (Provider::Notion, _) => ("https://api.notion.com", "/v1/pages"),
    };
    let base = client.base.as_ref().map_or(real, Url::as_str).trim_end_matches('/');
    format!("{base}{path}")
}

/// Reads the tokens in an answer.
///
/// # Errors
/// [`ProviderError`] when there are none, or when they exceed a limit.
pub fn tokens(answer: Result<OutboundResponse, PortError>) -> Result<Tokens, ProviderError> {
    #[derive(Deserialize)]
    struct Answer {
        access_token: String,
        refresh_token: Option<String>,
        expires_in: Option<i64>,
        workspace_name: Option<String>,
    }
    let answer: Answer = parse(answer)?;
    // A token is sent in a header, where other characters could end the line.
    let fits = |token: &String| {
        (1..=MAX_TOKEN).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let lifetime_fits =
        answer.expires_in.is_none_or(|seconds| (1..=i64::from(i32::MAX)).contains(&seconds));
    if !fits(&answer.access_token)
        || !answer.refresh_token.as_ref().is_none_or(fits)
        || !lifetime_fits
    {
        return Err(ProviderError::Unavailable);
    }
    Ok(Tokens {
        access: answer.access_token,
        refresh: answer.refresh_token,
        expires_in: answer.expires_in,
        account: answer.workspace_name.as_deref().map(short),
    })
}

/// Reads the profile in an answer to [`userinfo`].
///
/// # Errors
/// [`ProviderError`] when there is none, or when it exceeds a limit.
pub fn profile(answer: Result<OutboundResponse, PortError>) -> Result<Profile, ProviderError> {
    #[derive(Deserialize)]
    struct Answer {
        sub: String,
        name: Option<String>,
        email: Option<String>,
        #[serde(default)]
        email_verified: bool,
    }
    let answer: Answer = parse(answer)?;
    // OpenID Connect Core §2 limits `sub` to 255 ASCII characters.
    if answer.sub.is_empty() || answer.sub.len() > 255 || !answer.sub.is_ascii() {
        return Err(ProviderError::Unavailable);
    }
    let email = answer.email.as_deref().filter(|_| answer.email_verified).map(short);
    Ok(Profile { sub: answer.sub, name: answer.name.as_deref().map(short), email })
}

/// Returns true if an answer whose body does not matter is a success.
pub(super) fn is_success(answer: &Result<OutboundResponse, PortError>) -> bool {
    answer.as_ref().is_ok_and(|answer| (200..300).contains(&answer.status))
}

fn short(text: &str) -> String {
    text.chars().take(MAX_NAME).collect()
}

fn parse<T: serde::de::DeserializeOwned>(
    answer: Result<OutboundResponse, PortError>,
) -> Result<T, ProviderError> {
    let answer = answer.map_err(|_| ProviderError::Unavailable)?;
    match answer.status {
        200 => serde_json::from_slice(&answer.body).map_err(|_| ProviderError::Unavailable),
        // These say that the code or token is invalid. With any other status, the next attempt may
        // succeed, so the connection is kept.
        400 | 401 | 403 => Err(ProviderError::Refused),
        _ => Err(ProviderError::Unavailable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Secret, ports::PortFailure};

    fn client(base: Option<&str>) -> Client {
        let base = base.map(|base| Url::parse(base).unwrap());
        Client { base, id: "id&".to_owned(), secret: Secret::new("s:&") }
    }

    #[expect(clippy::unnecessary_wraps, reason = "as the port gives it")]
    fn answer(status: u16, body: &str) -> Result<OutboundResponse, PortError> {
        Ok(OutboundResponse { status, body: body.as_bytes().to_vec() })
    }

    #[test]
    fn google_is_asked_with_a_proof_key_and_a_form() {
        let url = Provider::Google.authorize_url(&client(None), "https://x/cb", "st", "ch");
        let url = Url::parse(&url).unwrap();
        assert_eq!(url.host_str(), Some("accounts.google.com"));
        let pairs: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        for (name, value) in [
            ("client_id", "id&"),
            ("redirect_uri", "https://x/cb"),
            ("response_type", "code"),
            ("state", "st"),
            ("code_challenge", "ch"),
            ("code_challenge_method", "S256"),
            ("scope", "openid email profile"),
        ] {
            assert_eq!(pairs[name], value);
        }
        let request = Provider::Google.exchange(&client(None), "c", "https://x/cb", "v");
        assert_eq!(request.url, "https://oauth2.googleapis.com/token");
        let body = String::from_utf8(request.body.unwrap()).unwrap();
        assert!(body.contains("code_verifier=v&client_id=id%26&client_secret=s%3A%26"), "{body}");
    }

    #[test]
    fn notion_is_asked_with_basic_credentials_and_json_and_no_proof_key() {
        let client = client(Some("http://127.0.0.1:9/notion/"));
        let url = Provider::Notion.authorize_url(&client, "https://x/cb", "st", "ch");
        assert!(url.starts_with("http://127.0.0.1:9/notion/v1/oauth/authorize?"), "{url}");
        assert!(!url.contains("code_challenge"));
        let request = Provider::Notion.refresh(&client, "r");
        assert_eq!(request.url, "http://127.0.0.1:9/notion/v1/oauth/token");
        assert_eq!(request.headers["authorization"], "Basic aWQmOnM6Jg==");
        let body: serde_json::Value = serde_json::from_slice(&request.body.unwrap()).unwrap();
        assert_eq!(body, json!({"grant_type": "refresh_token", "refresh_token": "r"}));
    }

    #[test]
    fn answers_are_tokens_refusals_or_nothing() {
        let good = tokens(answer(200, r#"{"access_token":"a","expires_in":3599}"#)).unwrap();
        assert_eq!((good.access.as_str(), good.refresh, good.expires_in), ("a", None, Some(3599)));
        let long = |length| format!(r#"{{"access_token":"{}"}}"#, "x".repeat(length));
        assert!(tokens(answer(200, &long(MAX_TOKEN))).is_ok());
        let refused = tokens(answer(400, r#"{"error":"invalid_grant"}"#));
        assert_eq!(refused, Err(ProviderError::Refused));
        for (status, body) in [
            (200, "<html>"),
            (200, "{}"),
            (200, r#"{"access_token":""}"#),
            (200, r#"{"access_token":"a b"}"#),
            (200, "{\"access_token\":\"a\",\"refresh_token\":\"\\r\\n\"}"),
            (200, r#"{"access_token":"a","expires_in":-1}"#),
            (200, r#"{"access_token":"a","expires_in":"soon"}"#),
            (200, &long(MAX_TOKEN + 1)),
            (302, ""),
            (429, ""),
            (500, r#"{"access_token":"a"}"#),
        ] {
            assert_eq!(tokens(answer(status, body)), Err(ProviderError::Unavailable), "{body}");
        }
        let timeout = PortFailure::Timeout("http").into();
        assert_eq!(tokens(Err(timeout)), Err(ProviderError::Unavailable));
    }

    #[test]
    fn an_address_counts_when_google_verified_it() {
        let of = |body: &str| profile(answer(200, body));
        let ann = of(r#"{"sub":"1","email":"a@x","email_verified":true,"name":"Ann"}"#).unwrap();
        assert_eq!((ann.email.as_deref(), ann.name.as_deref()), (Some("a@x"), Some("Ann")));
        assert_eq!(of(r#"{"sub":"1","email":"a@x"}"#).unwrap().email, None);
        let sub = |length| format!(r#"{{"sub":"{}"}}"#, "1".repeat(length));
        assert!(of(&sub(255)).is_ok());
        for bad in ["{}", r#"{"sub":""}"#, r#"{"sub":"é"}"#, &sub(256)] {
            assert_eq!(of(bad), Err(ProviderError::Unavailable), "{bad}");
        }
    }
}
