//! Tokens and signatures that a careless verifier would take: signed again, so that the service
//! takes them, too.

use axum::http::HeaderValue;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;

use super::change::Head;
use crate::{model::Secret, token::Signer, upstream};

/// A token, taken apart and not believed.
#[derive(Clone, Debug)]
pub struct Token {
    /// Its header.
    pub header: Value,
    /// Its claims.
    pub claims: Value,
    /// True if our secret signed it, whatever the header says.
    pub is_ours: bool,
    /// The service's time, in seconds since 1970.
    pub now: i64,
}

impl Token {
    /// Takes a token apart.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (header, claims) = (decoded(parts.next()?)?, decoded(parts.next()?)?);
        parts.next()?;
        Some(Self { header, claims, is_ours: false, now: 0 })
    }

    /// Returns a claim that is a number.
    pub fn number(&self, claim: &str) -> Option<i64> {
        self.claims[claim].as_i64()
    }

    /// Returns a member of the header.
    pub fn alg(&self) -> &str {
        self.header["alg"].as_str().unwrap_or_default()
    }
}

fn decoded(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// Returns the header `Authorization` for a token that `accepts` takes for good: another one, with
/// the same subject and scope, that is.
pub(super) fn signed_again(
    head: &Head,
    secret: &Secret,
    accepts: fn(&Token) -> bool,
) -> Option<HeaderValue> {
    let (_, text) = head.header("authorization").split_once(' ')?;
    let mut token = Token::parse(text)?;
    token.now = head.now / 1000;
    token.is_ours = text.rsplit_once('.').is_some_and(|(signed, signature)| {
        URL_SAFE_NO_PAD.decode(signature).is_ok_and(|mac| is_mac(secret.expose(), signed, &mac))
    });
    if !accepts(&token) {
        return None;
    }
    let text = |claim: &str| token.claims[claim].as_str();
    let subject = text("sub").filter(|subject| !subject.is_empty()).unwrap_or("somebody");
    sign(secret, subject, text("scope").unwrap_or("read write"), token.now)
}

/// Returns a good token of somebody.
pub(super) fn sign(secret: &Secret, subject: &str, scope: &str, now: i64) -> Option<HeaderValue> {
    let now = u64::try_from(now).unwrap_or_default();
    let token = Signer::new(secret).sign(subject, scope, now).ok()?;
    HeaderValue::try_from(format!("Bearer {token}")).ok()
}

/// A signature of Stripe's, taken apart and not believed.
#[derive(Clone, Copy, Debug)]
pub struct Signature<'a> {
    /// The request that carried it.
    pub head: &'a Head,
    /// The header, empty if there was none.
    pub text: &'a str,
    /// The secret with which events are signed.
    secret: &'a str,
}

impl<'a> Signature<'a> {
    /// Returns the parts of a scheme, `v1` for most.
    pub fn parts(&self, scheme: &'a str) -> impl Iterator<Item = &'a str> {
        let parts = self.text.split(',').filter_map(|part| part.trim().split_once('='));
        parts.filter(move |(name, _)| *name == scheme).map(|(_, value)| value)
    }

    /// Returns the seconds from the time that it was made, as it says, until now.
    pub fn age(&self) -> i64 {
        self.head.now / 1000 - self.at()
    }

    /// Returns whether a part is right for the body.
    pub fn is_right(&self, part: &str) -> bool {
        let body = String::from_utf8_lossy(&self.head.body);
        upstream::signature(self.secret, self.at(), &body).ends_with(&format!("v1={part}"))
    }

    fn at(&self) -> i64 {
        self.parts("t").next().and_then(|at| at.parse().ok()).unwrap_or(0)
    }
}

/// Returns the header `Stripe-Signature` for an event whose signature `accepts` takes for good.
pub(super) fn event_signed_again(
    head: &Head,
    accepts: fn(&Signature<'_>) -> bool,
) -> Option<HeaderValue> {
    let secret = upstream::WEBHOOK_SECRET;
    let text = head.header("stripe-signature");
    accepts(&Signature { head, text, secret }).then(|| sign_event(head, &head.body)).flatten()
}

/// Returns a good signature of a body, made now.
pub(super) fn sign_event(head: &Head, body: &[u8]) -> Option<HeaderValue> {
    let body = String::from_utf8_lossy(body);
    let text = upstream::signature(upstream::WEBHOOK_SECRET, head.now / 1000, &body);
    HeaderValue::try_from(text).ok()
}

fn mac(secret: &str, text: &str) -> Option<Hmac<Sha256>> {
    Some(Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?.chain_update(text))
}

fn is_mac(secret: &str, text: &str, expected: &[u8]) -> bool {
    mac(secret, text).is_some_and(|mac| mac.verify_slice(expected).is_ok())
}
