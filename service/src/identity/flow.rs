//! One way through a provider's consent page and back (RFC 6749 §4.1, RFC 7636).
//!
//! What a browser brings back is believed only if the same browser began it: the `state` is a
//! number and its MAC over the provider and a cookie. So what was forged, belongs to another
//! provider or another browser is refused before any object is asked. What the number stands for is
//! in an object of its own, which gives it away once.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::provider::Provider;
use crate::config::{Config, SigningKey};
use crate::domain::Millis;
use crate::ports::{PortError, Random};

/// From the way to the consent page to the way back: time to find a password.
pub const FLOW_LIFETIME: Millis = 10 * 60 * 1000;
/// Longest `code` looked at. Google's have about 75 characters, Notion's 36.
pub const MAX_CODE: usize = 2048;
/// Of secrets that nobody should guess: 256 bits.
const SECRET_BYTES: usize = 32;
/// Of the number of a flow.
const ID_BYTES: usize = 16;

/// What waits for somebody to come back.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Who was asked.
    pub provider: Provider,
    /// The proof key.
    pub verifier: String,
    /// Whose connection it will be; without, it signs somebody in.
    pub person: Option<String>,
    /// Where the browser goes then.
    pub return_to: Option<String>,
    /// When it is over.
    pub expires_at: Millis,
}

/// Text that nobody can guess.
///
/// # Errors
/// Without randomness.
pub fn secret<R: Random>(random: &R) -> Result<String, PortError> {
    text::<SECRET_BYTES, R>(random)
}

/// The number of a new flow.
///
/// # Errors
/// Without randomness.
pub fn new_id<R: Random>(random: &R) -> Result<String, PortError> {
    text::<ID_BYTES, R>(random)
}

fn text<const N: usize, R: Random>(random: &R) -> Result<String, PortError> {
    let mut bytes = [0; N];
    random.fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Whether a cookie looks like one of ours.
pub fn is_secret(text: &str) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == SECRET_BYTES)
}

/// The S256 challenge of a proof key (RFC 7636 §4.2).
pub fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

/// The `state` of a flow.
pub fn state(id: &str, provider: Provider, browser: &str, key: &SigningKey) -> String {
    let mac = mac(id, provider, browser, key).map(|mac| mac.finalize().into_bytes());
    format!("{id}.{}", mac.map(|mac| URL_SAFE_NO_PAD.encode(mac)).unwrap_or_default())
}

/// The number of the flow that `state` is of, if `browser` began it with `provider`.
pub fn id_of(state: &str, provider: Provider, browser: &str, config: &Config) -> Option<String> {
    let (id, signature) = state.split_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let signed = config.signing_keys().any(|key| {
        // Constant time.
        mac(id, provider, browser, key).is_some_and(|mac| mac.verify_slice(&signature).is_ok())
    });
    signed.then(|| id.to_owned())
}

/// No part can hold the separator: numbers and cookies are base64url.
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
