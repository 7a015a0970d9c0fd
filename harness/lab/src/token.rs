//! Access tokens for targets whose signing secret the harness holds: its own local ones.

use std::env;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac, digest::InvalidLength};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::{
    model::{Secret, clock::now_millis},
    upstream::WEBHOOK_SECRET,
};

/// Signs and verifies tokens of local services. Published here, so worth nothing: a local service
/// listens on loopback only, and the harness never sends what it signs to another address.
pub const LOCAL_SECRET: &str = "workway-local-secret-published-and-so-for-loopback-only";
/// The variable that holds another secret.
pub const SECRET_VARIABLE: &str = "WORKWAY_JWT_SECRET";
/// The variable that holds the secret that webhooks of a target are verified with.
pub const WEBHOOK_VARIABLE: &str = "WORKWAY_WEBHOOK_SECRET";
/// The lifetime of a token, in seconds: longer than any run.
pub const LIFETIME_SECONDS: u64 = 24 * 60 * 60;

/// The `typ` of access tokens (RFC 9068).
const TYPE: &str = "at+jwt";

/// Signs access tokens with HMAC-SHA-256: the algorithm `HS256` of RFC 7518, section 3.2, in the compact
/// form of RFC 7515, section 7.1.
#[derive(Clone)]
pub struct Signer {
    /// The header as it stands in the token.
    header: String,
    secret: Secret,
}

/// A token could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot sign a token: {0}")]
pub struct SignError(#[from] InvalidLength);

/// Returns the claims of a token of `subject`: for the API, with these space-separated scopes,
/// valid from `now` (Unix seconds).
pub fn claims(subject: &str, scope: &str, now: u64) -> Map<String, Value> {
    let members = [
        ("iss", json!("workway")),
        ("aud", json!("workway-api")),
        ("sub", json!(subject)),
        ("scope", json!(scope)),
        ("iat", json!(now)),
        ("nbf", json!(now)),
        ("exp", json!(now + LIFETIME_SECONDS)),
    ];
    members.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

/// Returns the signing secret that everybody knows.
pub fn local_secret() -> Secret {
    Secret::new(LOCAL_SECRET)
}

/// Returns the signing secret in [`SECRET_VARIABLE`], if it is set.
pub fn secret_from_environment() -> Option<Secret> {
    env::var(SECRET_VARIABLE).ok().filter(|secret| !secret.is_empty()).map(Secret::new)
}

/// Returns the secret that a local service verifies webhooks with.
pub fn local_webhook_secret() -> Secret {
    Secret::new(WEBHOOK_SECRET)
}

/// Returns the secret in [`WEBHOOK_VARIABLE`], if it is set.
pub fn webhook_secret_from_environment() -> Option<Secret> {
    env::var(WEBHOOK_VARIABLE).ok().filter(|secret| !secret.is_empty()).map(Secret::new)
}

/// Returns the header of a token that is signed with `secret`.
pub fn header(secret: &Secret) -> Map<String, Value> {
    let members = [("alg", "HS256".to_owned()), ("typ", TYPE.to_owned()), ("kid", key_id(secret))];
    members.map(|(name, value)| (name.to_owned(), value.into())).into_iter().collect()
}

/// Returns the id of a key; the service derives it in the same way.
fn key_id(secret: &Secret) -> String {
    let digest =
        Sha256::new_with_prefix("workway key id:").chain_update(secret.expose()).finalize();
    URL_SAFE_NO_PAD.encode(digest)[..12].to_owned()
}

impl Signer {
    /// Makes a signer with `secret`.
    pub fn new(secret: &Secret) -> Self {
        let header = Value::Object(header(secret)).to_string();
        Self { header: URL_SAFE_NO_PAD.encode(header), secret: secret.clone() }
    }

    /// Signs a token of `subject` with these space-separated scopes, valid from `now` (Unix
    /// seconds).
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign(&self, subject: &str, scope: &str, now: u64) -> Result<String, SignError> {
        let claims = Value::Object(claims(subject, scope, now)).to_string();
        let mut token = format!("{}.{}", self.header, URL_SAFE_NO_PAD.encode(claims));
        let mac = Hmac::<Sha256>::new_from_slice(self.secret.expose().as_bytes())?;
        let mac = mac.chain_update(&token).finalize().into_bytes();
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(mac, &mut token);
        Ok(token)
    }
}

/// Returns the current time in Unix seconds.
pub fn now() -> u64 {
    u64::try_from(now_millis() / 1000).unwrap_or_default()
}

#[cfg(all(test, feature = "service"))]
mod tests {
    use workway_service::{config::SigningKey, guard::verify};

    use super::*;

    #[test]
    fn the_service_accepts_what_is_signed_here() {
        let token = Signer::new(&local_secret()).sign("ann", "read", 1_000).unwrap();
        let key = SigningKey::new(LOCAL_SECRET.as_bytes()).unwrap();
        let claims = verify(&token, &key, 1_000_000).unwrap();
        assert_eq!((claims.sub.as_str(), claims.scope.as_str()), ("ann", "read"));
        assert!(verify(&token, &key, 1_000 * (1_000 + 2 * 86_400)).is_err());
    }
}
