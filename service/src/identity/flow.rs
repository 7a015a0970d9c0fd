//! Implements the authorization code flow: the way to a provider's consent page and back (RFC 6749
//! §4.1, RFC 7636).
//!
//! A callback is accepted only from the browser that began the flow: the `state` is an identifier
//! and a MAC over it, the provider and a cookie. So a state that is forged, or that belongs to
//! another provider or another browser, is refused before any object is called. The content of the
//! flow is in an object of its own, which returns it once.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::provider::Provider;
use crate::config::{Config, SigningKey};
use crate::domain::Millis;
use crate::ports::{PortError, Random};

/// The longest time between the way to the consent page and the way back. It is enough to look a
/// password up.
pub const FLOW_LIFETIME: Millis = 10 * 60 * 1000;
/// The largest number of characters of a `code`. Google's have about 75, Notion's 36.
pub const MAX_CODE: usize = 2048;
/// The number of random bytes of a secret that nobody can guess.
const SECRET_BYTES: usize = 32;
/// The number of random bytes of the identifier of a flow.
const ID_BYTES: usize = 16;

/// A flow that waits for its callback.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// The provider that was asked.
    pub provider: Provider,
    /// The proof key (`code_verifier`).
    pub verifier: String,
    /// The person who connects the provider; `None` if the flow signs a person in.
    pub person: Option<String>,
    /// The page that the browser goes to at the end.
    pub return_to: Option<String>,
    /// The time after which the callback is refused.
    pub expires_at: Millis,
}

/// Makes a text that nobody can guess.
///
/// # Errors
/// [`PortError`] when there is no randomness.
pub fn secret<R: Random>(random: &R) -> Result<String, PortError> {
    text::<SECRET_BYTES, R>(random)
}

/// Makes the identifier of a new flow.
///
/// # Errors
/// [`PortError`] when there is no randomness.
pub fn new_id<R: Random>(random: &R) -> Result<String, PortError> {
    text::<ID_BYTES, R>(random)
}

fn text<const N: usize, R: Random>(random: &R) -> Result<String, PortError> {
    let mut bytes = [0; N];
    random.fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Returns true if a cookie has the form of [`secret`].
pub fn is_secret(text: &str) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == SECRET_BYTES)
}

/// Returns the S256 challenge of a proof key (RFC 7636 §4.2).
pub fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

/// Makes the `state` of a flow that `browser`, the value of its cookie, begins.
pub fn state(id: &str, provider: Provider, browser: &str, key: &SigningKey) -> String {
    let mac = mac(id, provider, browser, key).map(|mac| mac.finalize().into_bytes());
    format!("{id}.{}", mac.map(|mac| URL_SAFE_NO_PAD.encode(mac)).unwrap_or_default())
}

/// Returns the identifier of the flow of a `state` if `browser` began it with `provider`.
pub fn id_of(state: &str, provider: Provider, browser: &str, config: &Config) -> Option<String> {
    let (id, signature) = state.split_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let signed = config.signing_keys().any(|key| {
        // `verify_slice` compares in constant time.
        mac(id, provider, browser, key).is_some_and(|mac| mac.verify_slice(&signature).is_ok())
    });
    signed.then(|| id.to_owned())
}

/// Computes the MAC of a state. The parts cannot contain the separator, because identifiers and
/// cookies are base64url.
fn mac(id: &str, provider: Provider, browser: &str, key: &SigningKey) -> Option<Hmac<Sha256>> {
    let mac = Hmac::<Sha256>::new_from_slice(key.secret()).ok()?;
    Some(mac.chain_update(format!("workway oauth state:{}:{id}:{browser}", provider.name())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(secret: &str, previous: &str) -> Config {
        Config::from_lookup(|name| match name {
            "JWT_SECRET" => Some(secret.repeat(32)),
            "JWT_SECRET_PREVIOUS" => Some(previous.repeat(32)),
            _ => None,
        })
        .unwrap()
    }

    #[test]
    fn a_state_is_good_for_one_browser_and_one_provider() {
        let old = config("a", "");
        let state = state("id", Provider::Google, "cookie", &old.signing_key);
        let id = |state: &str, provider, browser| id_of(state, provider, browser, &old);
        assert_eq!(id(&state, Provider::Google, "cookie").as_deref(), Some("id"));
        assert_eq!(id(&state, Provider::Notion, "cookie"), None);
        assert_eq!(id(&state, Provider::Google, "another"), None);
        for bad in ["", ".", "id", "id.", "other.x", &state[1..], &format!("{state}x")] {
            assert_eq!(id(bad, Provider::Google, "cookie"), None, "{bad}");
        }
        let rotated = config("b", "a");
        assert!(id_of(&state, Provider::Google, "cookie", &rotated).is_some());
        assert!(id_of(&state, Provider::Google, "cookie", &config("b", "")).is_none());
    }

    #[test]
    fn the_challenge_is_that_of_the_standard() {
        // RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(challenge(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(is_secret(verifier) && !is_secret("x") && !is_secret(""));
    }
}
