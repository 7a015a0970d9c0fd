//! Implements the part that the stub's providers share: a page that asks a person, and codes for
//! the answer.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    http::{HeaderName, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Url;
use sha2::{Digest, Sha256};

/// Codes and tokens kept of each kind; the oldest go first, so that memory does not grow with the
/// length of a load.
const MAX_KEPT: usize = 100_000;

/// A code that was handed out, and what whoever brings it must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    /// The S256 of the proof key; empty when there was none.
    pub(super) challenge: String,
    /// The person who agreed.
    pub(super) user: String,
}

/// One provider's memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Grants(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    last: u64,
    codes: Kept<Grant>,
    /// The owners of access tokens, by token.
    access: Kept<String>,
    refresh: Kept<String>,
}

/// Keeps values by text, up to [`MAX_KEPT`].
#[derive(Debug)]
struct Kept<T> {
    by_text: HashMap<String, T>,
    order: VecDeque<String>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { by_text: HashMap::new(), order: VecDeque::new() }
    }
}

impl<T> Kept<T> {
    fn keep(&mut self, text: String, value: T) {
        if self.order.len() == MAX_KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_text.remove(&oldest);
        }
        self.order.push_back(text.clone());
        self.by_text.insert(text, value);
    }
}

/// A pair of tokens.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) access: String,
    pub(super) refresh: String,
}

impl Grants {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a code for what a person agreed to.
    pub(super) fn code(&self, grant: Grant) -> String {
        let mut inner = self.inner();
        inner.last += 1;
        let code = format!("code-{}-{}", inner.last, uuid::Uuid::new_v4());
        inner.codes.keep(code.clone(), grant);
        code
    }

    /// Tokens for a code, once, if everything fits. `verifier` is the proof key.
    pub(super) fn redeem(
        &self,
        code: &str,
        client_id: &str,
        redirect_uri: &str,
        verifier: &str,
    ) -> Option<Pair> {
        let mut inner = self.inner();
        let grant = inner.codes.by_text.remove(code)?;
        let proven = grant.challenge.is_empty()
            || grant.challenge == URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
        let fits = grant.client_id == client_id && grant.redirect_uri == redirect_uri && proven;
        fits.then(|| inner.issue(&grant.user))
    }

    /// Tokens for a refresh token, which is used up.
    pub(super) fn renew(&self, refresh: &str) -> Option<Pair> {
        let mut inner = self.inner();
        let user = inner.refresh.by_text.remove(refresh)?;
        Some(inner.issue(&user))
    }

    /// Returns the owner of this access token.
    pub(super) fn user(&self, access: &str) -> Option<String> {
        self.inner().access.by_text.get(access).cloned()
    }

    /// Forgets all tokens of whoever this one belongs to; whether it was known.
    pub(super) fn revoke(&self, token: &str) -> bool {
        let mut inner = self.inner();
        let user = inner.access.by_text.get(token).or(inner.refresh.by_text.get(token)).cloned();
        let Some(user) = user else { return false };
        inner.access.by_text.retain(|_, of| *of != user);
        inner.refresh.by_text.retain(|_, of| *of != user);
        true
    }
}

impl Inner {
    fn issue(&mut self, user: &str) -> Pair {
        self.last += 1;
        let token = |kind: &str| format!("{kind}-{}-{}", self.last, uuid::Uuid::new_v4());
        let pair = Pair { access: token("access"), refresh: token("refresh") };
        self.access.keep(pair.access.clone(), user.to_owned());
        self.refresh.keep(pair.refresh.clone(), user.to_owned());
        pair
    }
}

/// Returns the token of a `Bearer` header.
pub(super) fn bearer(headers: &axum::http::HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// Returns a page that asks, as browsers see it: a name to agree as, and two buttons. A program
/// that wants no page adds `&decide=allow` or `&decide=deny`, and `&user=NAME`.
pub(super) fn page(provider: &str, query: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{provider} (stub)</title></head>\
         <body><h1>{provider} (stub)</h1><p>WORKWAY asks for access to your account.</p>\
         <form method=\"get\">{hidden}\
         <label>Account <input name=\"user\" value=\"ann\"></label>\
         <button id=\"allow\" name=\"decide\" value=\"allow\">Allow</button>\
         <button id=\"deny\" name=\"decide\" value=\"deny\">Deny</button></form></body></html>",
        hidden = hidden(query),
    );
    Html(html).into_response()
}

/// Returns the query again, for the form.
fn hidden(query: &str) -> String {
    let pairs = form_pairs(query);
    pairs.iter().fold(String::new(), |html, (name, value)| {
        let (name, value) = (escaped(name), escaped(value));
        html + &format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">")
    })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// Returns the pairs of a query or a form.
pub(super) fn form_pairs(text: &str) -> Vec<(String, String)> {
    let url = Url::parse(&format!("http://form/?{text}"));
    url.map(|url| url.query_pairs().into_owned().collect()).unwrap_or_default()
}

/// Sends the browser back with these parameters; 400 for a redirect URI that is none.
pub(super) fn send_back(redirect_uri: &str, parameters: &[(&str, &str)]) -> Response {
    let Ok(mut url) = Url::parse(redirect_uri) else {
        return (StatusCode::BAD_REQUEST, "redirect_uri is no URL").into_response();
    };
    url.query_pairs_mut().extend_pairs(parameters);
    let location: [(HeaderName, String); 1] = [(header::LOCATION, url.into())];
    (StatusCode::FOUND, location).into_response()
}

/// Sends the browser to the page, or back with what was decided.
pub(super) fn decide(provider: &str, query: &str, grants: &Grants) -> Response {
    let pairs = form_pairs(query);
    let of = |name: &str| {
        let found = pairs.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let (redirect_uri, state) = (of("redirect_uri"), of("state"));
    match of("decide").as_str() {
        "allow" => {
            let code = grants.code(Grant {
                client_id: of("client_id"),
                redirect_uri: redirect_uri.clone(),
                challenge: of("code_challenge"),
                user: of("user"),
            });
            send_back(&redirect_uri, &[("code", &code), ("state", &state)])
        }
        "deny" => send_back(&redirect_uri, &[("error", "access_denied"), ("state", &state)]),
        _ => page(provider, query),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(challenge: &str) -> Grant {
        Grant {
            client_id: "c".to_owned(),
            redirect_uri: "http://x/".to_owned(),
            challenge: challenge.to_owned(),
            user: "ann".to_owned(),
        }
    }

    #[test]
    fn a_code_is_good_once_and_for_whoever_asked_for_it() {
        let grants = Grants::default();
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest("proof"));
        for (client, redirect, verifier) in
            [("d", "http://x/", "proof"), ("c", "http://y/", "proof"), ("c", "http://x/", "other")]
        {
            let code = grants.code(grant(&challenge));
            assert!(grants.redeem(&code, client, redirect, verifier).is_none());
            assert!(grants.redeem(&code, "c", "http://x/", "proof").is_none(), "used up");
        }
        let code = grants.code(grant(&challenge));
        let pair = grants.redeem(&code, "c", "http://x/", "proof").unwrap();
        assert_eq!(grants.user(&pair.access).as_deref(), Some("ann"));
        let next = grants.renew(&pair.refresh).unwrap();
        assert!(grants.renew(&pair.refresh).is_none(), "used up");
        assert!(grants.revoke(&next.access));
        assert!(grants.user(&pair.access).is_none() && grants.renew(&next.refresh).is_none());
        assert!(!grants.revoke(&next.access));
    }

    #[test]
    fn the_page_repeats_what_it_was_asked_without_believing_it() {
        let hidden = hidden("state=%22%3E%3Cscript%3E&x=%26");
        assert!(hidden.contains("value=\"&quot;>&lt;script>\""), "{hidden}");
        assert!(hidden.contains("value=\"&amp;\""), "{hidden}");
    }
}
