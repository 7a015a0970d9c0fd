//! Access tokens: JWTs (RFC 7519) under the profile of RFC 9068, signed with HS256 and nothing
//! else (RFC 8725 §3.1).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde::Deserialize;
use sha2::Sha256;

use crate::config::SigningKey;
use crate::domain::{Millis, json};

/// `iss` of our tokens.
pub const ISSUER: &str = "workway";
/// `aud` of our tokens.
pub const AUDIENCE: &str = "workway-api";
/// Accepted difference between clocks, in seconds.
pub const LEEWAY_SECONDS: i64 = 5;
/// Longest token looked at. Ours have about 400 bytes; headers are cheap to send.
pub const MAX_TOKEN_BYTES: usize = 4096;
/// Longest `sub`: it is a key of the limiter and an index of analytics (96 bytes there).
const MAX_SUBJECT_BYTES: usize = 96;

/// The claims of a valid token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Claims {
    iss: String,
    aud: String,
    exp: i64,
    nbf: i64,
    /// The identifier of the caller.
    pub sub: String,
    /// The scopes, separated by spaces.
    pub scope: String,
    /// The session that it belongs to; without, it is good until it ends.
    #[serde(default)]
    pub sid: Option<String>,
}

/// Says why a token is not valid. The reason is for tests and for the log; clients see one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// The token is not three base64url parts of JSON, or is too long.
    Malformed,
    /// Another algorithm, type or key than ours, or an extension that must be understood.
    WrongHeader,
    /// The token is not signed by us.
    BadSignature,
    /// A claim is missing or of the wrong type.
    BadClaims,
    /// `exp` is past.
    Expired,
    /// `nbf` is in the future.
    NotYetValid,
    /// The issuer or the audience is another one.
    WrongParty,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
    crit: Option<serde_json::Value>,
}

/// Checks an access token, the signature before anything that it claims.
///
/// # Errors
/// [`TokenError`].
pub fn verify(token: &str, key: &SigningKey, now: Millis) -> Result<Claims, TokenError> {
    let claims: Claims = opened(token, "at+jwt", key)?;
    check_times(claims.exp, claims.nbf, now)?;
    if claims.iss != ISSUER || claims.aud != AUDIENCE {
        Err(TokenError::WrongParty)
    } else if claims.sub.is_empty() || claims.sub.len() > MAX_SUBJECT_BYTES {
        Err(TokenError::BadClaims)
    } else {
        Ok(claims)
    }
}

/// Returns the claims of a token of type `typ`, if `key` signed it.
///
/// # Errors
/// [`TokenError`].
pub(super) fn opened<T: serde::de::DeserializeOwned>(
    token: &str,
    typ: &str,
    key: &SigningKey,
) -> Result<T, TokenError> {
    let (signed, signature) = token
        .rsplit_once('.')
        .filter(|_| token.len() <= MAX_TOKEN_BYTES)
        .ok_or(TokenError::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;

    let header: Header = decode(header).ok_or(TokenError::Malformed)?;
    let ours = header.alg == "HS256" && header.typ == typ && header.kid == key.id;
    if !ours || header.crit.is_some() {
        return Err(TokenError::WrongHeader);
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenError::Malformed)?;
    let mac = Hmac::<Sha256>::new_from_slice(key.secret()).map_err(|_| TokenError::BadSignature)?;
    // Constant time.
    mac.chain_update(signed).verify_slice(&signature).map_err(|_| TokenError::BadSignature)?;
    decode(payload).ok_or(TokenError::BadClaims)
}

/// Checks the period in which a token is valid.
pub(super) fn check_times(exp: i64, nbf: i64, now: Millis) -> Result<(), TokenError> {
    let now = now / 1000;
    if exp <= now.saturating_sub(LEEWAY_SECONDS) {
        Err(TokenError::Expired)
    } else if nbf > now.saturating_add(LEEWAY_SECONDS) {
        Err(TokenError::NotYetValid)
    } else {
        Ok(())
    }
}

fn decode<T: serde::de::DeserializeOwned>(part: &str) -> Option<T> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    // Strict: a duplicate claim must not mean one thing here and another elsewhere.
    serde_json::from_value(json::parse(&bytes).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: Millis = 1_700_000_000_000;

    fn key() -> SigningKey {
        SigningKey::new(&[7; 32]).unwrap()
    }

    fn header() -> Value {
        json!({"alg": "HS256", "typ": "at+jwt", "kid": key().id})
    }

    fn claims() -> Value {
        let now = NOW / 1000;
        json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "scope": "read", "exp": now + 60, "nbf": now})
    }

    fn sign(header: &str, claims: &str, secret: &[u8]) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let signed = format!("{}.{}", part(header), part(claims));
        let mac = Hmac::<Sha256>::new_from_slice(secret).unwrap().chain_update(&signed);
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }

    fn outcome(header: &Value, claims: &Value) -> Result<String, TokenError> {
        let token = sign(&header.to_string(), &claims.to_string(), &[7; 32]);
        verify(&token, &key(), NOW).map(|claims| claims.sub)
    }

    fn with(mut value: Value, name: &str, member: Value) -> Value {
        value[name] = member;
        value
    }

    #[test]
    fn a_good_token_passes() {
        assert_eq!(outcome(&header(), &claims()), Ok("ann".to_owned()));
    }

    #[test]
    fn wrong_headers() {
        for (name, value) in [
            ("alg", json!("none")),
            ("alg", json!("HS512")),
            ("alg", json!("RS256")),
            ("typ", json!("JWT")),
            ("kid", json!("../../dev/null")),
            ("kid", json!("' OR 1=1")),
            ("crit", json!(["exp"])),
            ("crit", json!([])),
        ] {
            let wrong = with(header(), name, value);
            assert_eq!(outcome(&wrong, &claims()), Err(TokenError::WrongHeader), "{wrong}");
        }
        let no_kid = json!({"alg": "HS256", "typ": "at+jwt"});
        assert_eq!(outcome(&no_kid, &claims()), Err(TokenError::Malformed));
    }

    #[test]
    fn clocks_at_the_leeway_and_one_second_past_it() {
        let now = NOW / 1000;
        let at = |name, value: i64| outcome(&header(), &with(claims(), name, json!(value)));
        assert!(at("exp", now - LEEWAY_SECONDS + 1).is_ok());
        assert_eq!(at("exp", now - LEEWAY_SECONDS), Err(TokenError::Expired));
        assert!(at("nbf", now + LEEWAY_SECONDS).is_ok());
        assert_eq!(at("nbf", now + LEEWAY_SECONDS + 1), Err(TokenError::NotYetValid));
    }

    #[test]
    fn wrong_claims() {
        let cases = [
            ("iss", json!("workway2"), TokenError::WrongParty),
            ("aud", json!("workway"), TokenError::WrongParty),
            ("aud", json!([AUDIENCE]), TokenError::BadClaims),
            ("sub", json!(""), TokenError::BadClaims),
            ("sub", json!("x".repeat(MAX_SUBJECT_BYTES + 1)), TokenError::BadClaims),
            ("exp", json!("never"), TokenError::BadClaims),
            ("exp", json!(1.5), TokenError::BadClaims),
            ("exp", Value::Null, TokenError::BadClaims),
            ("scope", json!(["read"]), TokenError::BadClaims),
        ];
        for (name, value, expected) in cases {
            assert_eq!(outcome(&header(), &with(claims(), name, value)), Err(expected), "{name}");
        }
        assert!(
            outcome(&header(), &with(claims(), "sub", json!("x".repeat(MAX_SUBJECT_BYTES))))
                .is_ok()
        );
    }

    #[test]
    fn tokens_at_the_longest_and_past_it() {
        let mut longest = 0;
        // Base64 has no text of every length: some of these have exactly the limit.
        for padding in 2_700..3_000 {
            let claims = with(claims(), "x", json!("x".repeat(padding))).to_string();
            let token = sign(&header().to_string(), &claims, &[7; 32]);
            let fits = token.len() <= MAX_TOKEN_BYTES;
            assert_eq!(verify(&token, &key(), NOW).is_ok(), fits, "{}", token.len());
            longest = if fits { token.len() } else { longest };
        }
        assert_eq!(longest, MAX_TOKEN_BYTES);
    }

    #[test]
    fn forged_and_broken_tokens() {
        let good = sign(&header().to_string(), &claims().to_string(), &[7; 32]);
        let stripped = &good[..=good.rfind('.').unwrap()];
        let other_key = sign(&header().to_string(), &claims().to_string(), &[8; 32]);
        let duplicate = sign(&header().to_string(), r#"{"sub":"ann","sub":"bob"}"#, &[7; 32]);
        for bad in [
            "",
            ".",
            "..",
            "...",
            "a.b.c",
            stripped,
            &good[1..],
            &format!("{good}.x"),
            &format!("{good}="),
            &"x".repeat(MAX_TOKEN_BYTES + 1),
            &other_key,
            &duplicate,
        ] {
            assert!(verify(bad, &key(), NOW).is_err(), "{bad}");
        }
    }
}
