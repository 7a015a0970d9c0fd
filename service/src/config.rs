//! Configuration, read once from the variables and secrets of the deployment.

mod ai;
mod billing;
mod limit;
mod oauth;
mod secret;
mod sentry;
mod vault;

use std::fmt;

pub use ai::CloudflareAccount;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
pub use billing::Billing;
pub use limit::{MAX_RATE_LIMIT, RATE_LIMIT, RATE_PERIOD_SECONDS, RATE_PERIODS, RateLimit};
use sha2::{Digest, Sha256};
use url::Url;

pub use oauth::{Client, OAuthConfig};
pub use secret::Secret;
pub use sentry::SentryConfig;
pub use vault::{Sealed, Vault};

use crate::domain::{ai::Models, outbound::AllowList};

/// Shortest signing secret, in bytes: RFC 7518 §3.2 wants at least the hash's 32.
pub const MIN_SECRET_BYTES: usize = 32;

/// Everything that differs between deployments.
#[derive(Clone, Debug)]
pub struct Config {
    /// The key that access tokens are signed with.
    pub signing_key: SigningKey,
    /// The key before it, as long as tokens that it signed are accepted.
    pub previous_key: Option<SigningKey>,
    /// Where `http` steps may go.
    pub http_allow_list: AllowList,
    /// Whose pages may read our answers: origins, as browsers write them.
    pub cors_allowed_origins: Vec<String>,
    /// Whether each request is a line in the log.
    pub log_requests: bool,
    /// Whether what a request used is in the database before its answer leaves: a row for each.
    pub usage_before_answer: bool,
    /// How people sign in, if they can.
    pub oauth: Option<OAuthConfig>,
    /// Where errors are reported to, if they are.
    pub sentry: Option<SentryConfig>,
    /// For AI and vectors where there are no bindings of them.
    pub cloudflare: Option<CloudflareAccount>,
    /// Which model serves which quality.
    pub models: Models,
    /// Stripe, plans and quotas.
    pub billing: Billing,
    /// What each caller may ask for.
    pub rate_limit: RateLimit,
}

/// An HMAC key. Its `Debug` shows the id only.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// The `kid` of tokens signed with it: derived from the secret, so that signer and verifier
    /// agree without further configuration, and one-way.
    pub id: String,
    secret: Vec<u8>,
}

/// A variable that is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct ConfigError {
    /// The variable.
    pub name: &'static str,
    /// What is wrong; never its value.
    pub problem: String,
}

impl Config {
    /// Reads `JWT_SECRET` and `JWT_SECRET_PREVIOUS`, `HTTP_ALLOWED_ORIGINS` and
    /// `CORS_ALLOWED_ORIGINS` (comma separated, empty by default), `LOG_REQUESTS` (`on`, or `off`,
    /// which is the default: who measures a local server does not want to measure its log), and
    /// `USAGE_BEFORE_ANSWER` (`on`, or `off`, which is the default: it is a row for each request).
    /// The files beside this one say what else, all of which can be left out.
    ///
    /// # Errors
    /// [`ConfigError`] for the first that is missing or wrong.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let secret = lookup("JWT_SECRET").unwrap_or_default();
        let allowed = lookup("HTTP_ALLOWED_ORIGINS").unwrap_or_default();
        let origins = lookup("CORS_ALLOWED_ORIGINS").unwrap_or_default();
        let log_requests = lookup("LOG_REQUESTS").unwrap_or_default();
        let usage_before_answer = lookup("USAGE_BEFORE_ANSWER").unwrap_or_default();
        let previous = lookup("JWT_SECRET_PREVIOUS").filter(|secret| !secret.is_empty());
        let previous = previous.map(|secret| SigningKey::new(secret.as_bytes())).transpose();
        Ok(Self {
            previous_key: previous.map_err(wrong("JWT_SECRET_PREVIOUS"))?,
            signing_key: SigningKey::new(secret.as_bytes()).map_err(wrong("JWT_SECRET"))?,
            http_allow_list: AllowList::parse(&allowed).map_err(wrong("HTTP_ALLOWED_ORIGINS"))?,
            cors_allowed_origins: parse_origins(&origins).map_err(wrong("CORS_ALLOWED_ORIGINS"))?,
            log_requests: parse_switch(&log_requests).map_err(wrong("LOG_REQUESTS"))?,
            usage_before_answer: parse_switch(&usage_before_answer)
                .map_err(wrong("USAGE_BEFORE_ANSWER"))?,
            oauth: OAuthConfig::from_lookup(&lookup)?,
            sentry: SentryConfig::from_lookup(&lookup)?,
            cloudflare: ai::account(&lookup)?,
            models: ai::models(&lookup)?,
            billing: billing::billing(&lookup)?,
            rate_limit: RateLimit::from_lookup(&lookup)?,
        })
    }

    /// The keys whose signatures are accepted, the current one first.
    pub fn signing_keys(&self) -> impl Iterator<Item = &SigningKey> {
        [Some(&self.signing_key), self.previous_key.as_ref()].into_iter().flatten()
    }

    /// Origins that the operator named and that may therefore be private: those of the list, and
    /// those of stand-ins for providers.
    pub fn trusted_origins(&self) -> AllowList {
        let oauth = self.oauth.iter().flat_map(OAuthConfig::stand_ins);
        let sentry = self.sentry.iter().map(|sentry| &sentry.endpoint);
        self.http_allow_list.with(oauth.chain(sentry))
    }
}

/// Names the variable that a problem is about.
fn wrong(name: &'static str) -> impl Fn(String) -> ConfigError {
    move |problem| ConfigError { name, problem }
}

/// Where an API is: `https://host`, or below a path. No slash at its end.
fn base(
    lookup: &impl Fn(&str) -> Option<String>,
    name: &'static str,
    default: &str,
) -> Result<String, ConfigError> {
    let text = lookup(name).filter(|value| !value.is_empty());
    let text = text.unwrap_or_else(|| default.to_owned());
    let wrong = || {
        let problem = "must be like https://host or https://host/path, and no more".to_owned();
        ConfigError { name, problem }
    };
    let url = Url::parse(&text).map_err(|_| wrong())?;
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    let canonical = url.as_str().trim_end_matches('/') == text;
    let is_http = ["http", "https"].contains(&url.scheme());
    (is_http && plain && canonical).then_some(text).ok_or_else(wrong)
}

fn parse_switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "" | "off" => Ok(false),
        _ => Err("must be `on` or `off`".to_owned()),
    }
}

/// Each must be written as a browser would: the comparison is of bytes, and one that never matches
/// is a mistake. No wildcard, no `null`.
fn parse_origins(text: &str) -> Result<Vec<String>, String> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let parsed = entries.map(|entry| {
        let origin = Url::parse(entry).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
        match origin.map(|url| url.origin().ascii_serialization()) {
            Some(origin) if origin == entry => Ok(origin),
            Some(origin) => {
                Err(format!("{entry:?} is no origin as browsers send it; {origin:?} is"))
            }
            None => Err(format!("{entry:?} is no origin: write https://host, without a path")),
        }
    });
    parsed.collect()
}

impl SigningKey {
    /// A key from its secret.
    ///
    /// # Errors
    /// When it is shorter than [`MIN_SECRET_BYTES`].
    pub fn new(secret: &[u8]) -> Result<Self, String> {
        if secret.len() < MIN_SECRET_BYTES {
            return Err(format!(
                "must have at least {MIN_SECRET_BYTES} bytes, has {}; `openssl rand -base64 48` makes one",
                secret.len()
            ));
        }
        let digest = Sha256::new_with_prefix("workway key id:").chain_update(secret).finalize();
        let id = URL_SAFE_NO_PAD.encode(digest)[..12].to_owned();
        Ok(Self { id, secret: secret.to_vec() })
    }

    pub(crate) fn secret(&self) -> &[u8] {
        &self.secret
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_secret_is_refused_and_never_shown() {
        let short = "s".repeat(MIN_SECRET_BYTES - 1);
        let error =
            Config::from_lookup(|name| (name == "JWT_SECRET").then(|| short.clone())).unwrap_err();
        assert_eq!(error.name, "JWT_SECRET");
        assert!(!error.to_string().contains(&short));
        let key = SigningKey::new("s".repeat(MIN_SECRET_BYTES).as_bytes()).unwrap();
        assert!(!format!("{key:?}").contains("sss"));
        assert!(Config::from_lookup(|_| None).is_err());
    }

    #[test]
    fn origins_are_written_as_browsers_send_them_and_switches_are_on_or_off() {
        let with = |name: &'static str, value: &'static str| {
            Config::from_lookup(|asked| match asked {
                "JWT_SECRET" => Some("s".repeat(MIN_SECRET_BYTES)),
                _ => (asked == name).then(|| value.to_owned()),
            })
        };
        let config = with("CORS_ALLOWED_ORIGINS", "https://a.example, http://localhost:3000,");
        assert_eq!(
            config.unwrap().cors_allowed_origins,
            ["https://a.example", "http://localhost:3000"]
        );
        for bad in ["*", "null", "https://a.example/", "https://A.example", "https://a:443", "a"] {
            let error = with("CORS_ALLOWED_ORIGINS", bad).unwrap_err();
            assert_eq!(error.name, "CORS_ALLOWED_ORIGINS", "{bad}");
        }
        for (name, bad) in [
            ("CLOUDFLARE_ACCOUNT_ID", "without-a-token"),
            ("CLOUDFLARE_API_TOKEN", "without-an-account"),
            ("AI_MODEL_SIMPLE", "@cf/meta/llama-2-7b-chat-int8"),
            ("STRIPE_API", "https://api.stripe.com/"),
            ("STRIPE_API", "https://api.stripe.com?x"),
            ("STRIPE_API", "ftp://api.stripe.com"),
            ("STRIPE_PRICES", "free=price_1"),
            ("STRIPE_PRICES", "startup"),
            ("PLAN_QUOTAS", "free.runs=-1"),
            ("CHECKOUT_RETURN_URL", "javascript:x"),
        ] {
            let error = with(name, bad).unwrap_err().to_string();
            assert!(!error.contains("without-a"), "{error}: values may be secret");
            assert!(["CLOUDFLARE_", name].iter().any(|name| error.starts_with(name)), "{error}");
        }
        let config = with("STRIPE_SECRET_KEY", "sk_canary").unwrap();
        assert!(!format!("{config:?}").contains("sk_canary"));
        assert!(with("LOG_REQUESTS", "on").unwrap().log_requests);
        assert!(!with("LOG_REQUESTS", "off").unwrap().log_requests);
        assert!(with("USAGE_BEFORE_ANSWER", "on").unwrap().usage_before_answer);
        assert!(!with("USAGE_BEFORE_ANSWER", "").unwrap().usage_before_answer, "the default");
        for name in ["LOG_REQUESTS", "USAGE_BEFORE_ANSWER"] {
            assert_eq!(with(name, "yes").unwrap_err().name, name);
        }
    }
}
