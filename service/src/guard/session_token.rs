//! Tokens that this service issues when somebody signs in: an access token of ten minutes, and a
//! refresh token for the next.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::token::{AUDIENCE, ISSUER, TokenError, check_times, opened};
use crate::config::SigningKey;
use crate::domain::Millis;
use crate::identity::SESSION_LIFETIME;

/// Access tokens live so long. A session that ends is noticed sooner, see
/// [`crate::identity::REVOCATION_STALENESS`]; this is what a token is good for when nothing else
/// works.
pub const ACCESS_LIFETIME_SECONDS: i64 = 600;
/// `aud` of refresh tokens: no API takes them.
pub const REFRESH_AUDIENCE: &str = "workway-refresh";
/// `typ` of refresh tokens.
const REFRESH_TYPE: &str = "rt+jwt";

/// The content of a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionToken {
    /// The person.
    pub person: String,
    /// Their session.
    pub session: String,
    /// The number of times that the refresh token has been replaced.
    pub generation: u32,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

#[derive(Serialize)]
struct AccessClaims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    scope: &'a str,
    sid: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
}

#[derive(Serialize, Deserialize)]
struct RefreshClaims {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    generation: u32,
    nbf: i64,
    exp: i64,
}

impl SessionToken {
    /// Signs an access token with this scope.
    pub fn access(&self, scope: &str, key: &SigningKey, now: Millis) -> String {
        let now = now / 1000;
        let claims = AccessClaims {
            iss: ISSUER,
            aud: AUDIENCE,
            sub: &self.person,
            scope,
            sid: &self.session,
            iat: now,
            nbf: now,
            exp: now + ACCESS_LIFETIME_SECONDS,
        };
        sign("at+jwt", &claims, key)
    }

    /// Signs the refresh token. The session may end before it.
    pub fn refresh(&self, key: &SigningKey, now: Millis) -> String {
        let claims = RefreshClaims {
            iss: ISSUER.to_owned(),
            aud: REFRESH_AUDIENCE.to_owned(),
            sub: self.person.clone(),
            sid: self.session.clone(),
            generation: self.generation,
            nbf: now / 1000,
            exp: (now + SESSION_LIFETIME) / 1000,
        };
        sign(REFRESH_TYPE, &claims, key)
    }

    /// Reads a refresh token. Whether it was used before, the person's object knows.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn of_refresh(token: &str, key: &SigningKey, now: Millis) -> Result<Self, TokenError> {
        let claims: RefreshClaims = opened(token, REFRESH_TYPE, key)?;
        check_times(claims.exp, claims.nbf, now)?;
        if claims.iss != ISSUER || claims.aud != REFRESH_AUDIENCE {
            return Err(TokenError::WrongParty);
        }
        let RefreshClaims { sub: person, sid: session, generation, .. } = claims;
        Ok(Self { person, session, generation })
    }
}

fn sign(typ: &'static str, claims: &impl Serialize, key: &SigningKey) -> String {
    // Strings and numbers, and a MAC that takes keys of any length: these cannot fail.
    let part = |json: Result<Vec<u8>, _>| URL_SAFE_NO_PAD.encode(json.unwrap_or_default());
    let header = serde_json::to_vec(&Header { alg: "HS256", typ, kid: &key.id });
    let signed = format!("{}.{}", part(header), part(serde_json::to_vec(claims)));
    let mac = Hmac::<Sha256>::new_from_slice(key.secret());
    let mac = mac.map(|mac| mac.chain_update(&signed).finalize().into_bytes());
    format!("{signed}.{}", mac.map(|mac| URL_SAFE_NO_PAD.encode(mac)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::{LEEWAY_SECONDS, verify};

    const NOW: Millis = 1_700_000_000_000;

    fn token() -> SessionToken {
        SessionToken { person: "ann".to_owned(), session: "s".to_owned(), generation: 7 }
    }

    #[test]
    fn each_kind_of_token_is_good_for_its_purpose_only() {
        let key = SigningKey::new(&[7; 32]).unwrap();
        let (access, refresh) = (token().access("read", &key, NOW), token().refresh(&key, NOW));
        let claims = verify(&access, &key, NOW).unwrap();
        assert_eq!((claims.sub.as_str(), claims.sid.as_deref()), ("ann", Some("s")));
        assert_eq!(SessionToken::of_refresh(&refresh, &key, NOW), Ok(token()));
        assert_eq!(verify(&refresh, &key, NOW), Err(TokenError::WrongHeader));
        let mixed = SessionToken::of_refresh(&access, &key, NOW);
        assert_eq!(mixed, Err(TokenError::WrongHeader));
        let other = SigningKey::new(&[8; 32]).unwrap();
        assert!(SessionToken::of_refresh(&refresh, &other, NOW).is_err());
    }

    #[test]
    fn tokens_end() {
        let key = SigningKey::new(&[7; 32]).unwrap();
        let access = token().access("read", &key, NOW);
        let end = NOW + (ACCESS_LIFETIME_SECONDS + LEEWAY_SECONDS) * 1000;
        assert!(verify(&access, &key, end - 1000).is_ok());
        assert_eq!(verify(&access, &key, end), Err(TokenError::Expired));
        let refresh = token().refresh(&key, NOW);
        let end = NOW + SESSION_LIFETIME + LEEWAY_SECONDS * 1000;
        assert!(SessionToken::of_refresh(&refresh, &key, end - 1000).is_ok());
        assert_eq!(SessionToken::of_refresh(&refresh, &key, end), Err(TokenError::Expired));
    }
}
