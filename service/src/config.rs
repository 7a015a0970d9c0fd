//! Reads the configuration, once, from the variables and secrets of the deployment.

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
pub use vault::{InvalidKey, Sealed, Vault};

use crate::domain::{
    ai::{MODELS, Models},
    outbound::{AllowList, OriginError},
    plan::QuotaError,
    retention::{MAX_RUN_DAYS, MIN_RUN_DAYS, RunRetention},
};

/// The smallest number of bytes of a signing secret. RFC 7518 §3.2 demands at least the size of the
/// hash.
pub const MIN_SECRET_BYTES: usize = 32;

/// The configuration: everything that differs between deployments.
#[derive(Clone, Debug)]
pub struct Config {
    /// The key that access tokens are signed with.
    pub signing_key: SigningKey,
    /// The previous key, whose tokens are still accepted.
    pub previous_key: Option<SigningKey>,
    /// The origins that `http` steps may call.
    pub http_allow_list: AllowList,
    /// The origins, as browsers write them, whose pages may read responses of this API.
    pub cors_allowed_origins: Vec<String>,
    /// True if each request is a line in the log.
    pub log_requests: bool,
    /// True if the usage of a request is written to the database before its response leaves, with a
    /// row for each.
    pub usage_before_answer: bool,
    /// The sign-in and the providers; `None` if nobody can sign in.
    pub oauth: Option<OAuthConfig>,
    /// The project of Sentry that errors are reported to; `None` if they are not reported.
    pub sentry: Option<SentryConfig>,
    /// The account whose API serves AI and vectors if there are no bindings for them.
    pub cloudflare: Option<CloudflareAccount>,
    /// The model for each quality of a summary.
    pub models: Models,
    /// The settings of Stripe, plans and quotas.
    pub billing: Billing,
    /// The rate limit of each caller.
    pub rate_limit: RateLimit,
    /// How long runs are kept.
    pub run_retention: RunRetention,
}

/// An HMAC key. `Debug` shows the id only.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// The `kid` of tokens signed with the key. It is a hash of the secret, so that signer and
    /// verifier agree without further configuration.
    pub id: String,
    secret: Vec<u8>,
}

/// A variable that is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct ConfigError {
    /// The name of the variable.
    pub name: &'static str,
    /// The problem, which never contains the value of a secret.
    pub problem: ConfigProblem,
}

/// The problem of a variable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigProblem {
    /// A signing secret is too short.
    #[error(
        "must have at least {MIN_SECRET_BYTES} bytes, has {0}; `openssl rand -base64 48` makes one"
    )]
    ShortSecret(usize),
    /// An encryption key is not one.
    #[error(transparent)]
    Key(#[from] InvalidKey),
    /// An entry of the allow-list of `http` steps is not an origin.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// An origin for CORS is not written as browsers write it.
    #[error("{entry:?} is no origin as browsers send it; {origin:?} is")]
    OriginSpelling {
        /// The entry.
        entry: String,
        /// The same origin as browsers write it.
        origin: String,
    },
    /// An entry for CORS is not an origin.
    #[error("{0:?} is no origin: write https://host, without a path")]
    NotAnOrigin(String),
    /// A switch is neither on nor off.
    #[error("must be `on` or `off`")]
    Switch,
    /// The address of an API is not one.
    #[error("must be like https://host or https://host/path, and no more")]
    ApiUrl,
    /// The address of this API or of a provider is not a URL.
    #[error("{0}; write it as https://api.example.com")]
    BaseUrl(url::ParseError),
    /// The address of this API or of a provider has more than a base URL has.
    #[error("is no http URL without query and user; write it as https://api.example.com")]
    NotABaseUrl,
    /// A URL of a page has a query, or is none.
    #[error("must be a URL of a page, without a query")]
    PageUrl,
    /// Another variable is set that makes this one necessary.
    #[error("is missing, though {0} is set")]
    MissingWith(&'static str),
    /// An identifier has characters that would have to be escaped in a URL.
    #[error("may have letters, digits and hyphens")]
    Identifier,
    /// A model has no known price.
    #[error("has no known price; known are {}", MODELS.each_ref().map(|model| model.name).join(", "))]
    UnknownModel,
    /// A quota cannot be read.
    #[error(transparent)]
    Quota(#[from] QuotaError),
    /// An entry of the price list has no `=`.
    #[error("`{0}` is not like `startup=price_123`")]
    PriceEntry(String),
    /// A price is for a plan that is not sold.
    #[error("`{0}` is no plan that is sold; those are startup, growth, scale, enterprise")]
    UnsoldPlan(String),
    /// The limit of requests is out of bounds.
    #[error("must be a number from 1 to {MAX_RATE_LIMIT}")]
    RateLimit,
    /// The period of the rate limit is none that the platform has.
    #[error("must be 10 or 60, in seconds")]
    RatePeriod,
    /// The number of days that runs are kept is out of bounds.
    #[error("must be a number of days from {MIN_RUN_DAYS} to {MAX_RUN_DAYS}")]
    RunDays,
    /// The address of Sentry's project cannot be read.
    #[error("must be like https://KEY@HOST/PROJECT")]
    Dsn,
    /// The share of reported errors is out of bounds.
    #[error("must be a number from 0 to 1")]
    SampleRate,
}

impl Config {
    /// Reads the configuration. `lookup` returns the value of a variable.
    ///
    /// The variables are `JWT_SECRET`, `JWT_SECRET_PREVIOUS`, `HTTP_ALLOWED_ORIGINS` and
    /// `CORS_ALLOWED_ORIGINS` (both comma separated and empty by default), `LOG_REQUESTS` (`on` or
    /// `off`; the default is `off`, because a log would distort the measurements of a local server),
    /// `USAGE_BEFORE_ANSWER` (`on` or `off`; the default is `off`, because it writes a row for each
    /// request), `RUN_RETENTION_DAYS` ([`RunRetention`]), and those that the modules beside this one read, all of which are optional.
    ///
    /// # Errors
    /// [`ConfigError`] for the first variable that is missing or wrong.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let secret = lookup("JWT_SECRET").unwrap_or_default();
        let allowed = lookup("HTTP_ALLOWED_ORIGINS").unwrap_or_default();
        let origins = lookup("CORS_ALLOWED_ORIGINS").unwrap_or_default();
        let log_requests = lookup("LOG_REQUESTS").unwrap_or_default();
        let usage_before_answer = lookup("USAGE_BEFORE_ANSWER").unwrap_or_default();
        let previous = lookup("JWT_SECRET_PREVIOUS").filter(|secret| !secret.is_empty());
        // An empty variable counts as absent: deployments set variables that they do not use to ``.
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
            run_retention: run_retention(&lookup)?,
        })
    }

    /// Returns the keys whose signatures are accepted, the current one first.
    pub fn signing_keys(&self) -> impl Iterator<Item = &SigningKey> {
        [Some(&self.signing_key), self.previous_key.as_ref()].into_iter().flatten()
    }

    /// Returns the origins that may have private addresses because the operator has named them: the
    /// allow-list of `http` steps, the stand-ins for providers, and Sentry.
    pub fn trusted_origins(&self) -> AllowList {
        let oauth = self.oauth.iter().flat_map(OAuthConfig::stand_ins);
        let sentry = self.sentry.iter().map(|sentry| &sentry.endpoint);
        self.http_allow_list.with(oauth.chain(sentry))
    }
}

/// Returns a function that makes a [`ConfigError`] of a problem of the variable `name`.
fn wrong<P: Into<ConfigProblem>>(name: &'static str) -> impl Fn(P) -> ConfigError {
    move |problem| ConfigError { name, problem: problem.into() }
}

/// Reads the address of an API: `https://host`, or a path below it, without a slash at the end.
fn base(
    lookup: &impl Fn(&str) -> Option<String>,
    name: &'static str,
    default: &str,
) -> Result<String, ConfigError> {
    let text = lookup(name).filter(|value| !value.is_empty());
    let text = text.unwrap_or_else(|| default.to_owned());
    let wrong = || ConfigError { name, problem: ConfigProblem::ApiUrl };
    let url = Url::parse(&text).map_err(|_| wrong())?;
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    // Paths are appended to the text, so it must be what the URL's parser would write.
    let canonical = url.as_str().trim_end_matches('/') == text;
    let is_http = ["http", "https"].contains(&url.scheme());
    (is_http && plain && canonical).then_some(text).ok_or_else(wrong)
}

/// Reads `RUN_RETENTION_DAYS`.
fn run_retention(lookup: &impl Fn(&str) -> Option<String>) -> Result<RunRetention, ConfigError> {
    let Some(days) = lookup("RUN_RETENTION_DAYS").filter(|value| !value.is_empty()) else {
        return Ok(RunRetention::default());
    };
    let kept = days.parse().ok().and_then(RunRetention::new);
    kept.ok_or_else(|| wrong("RUN_RETENTION_DAYS")(ConfigProblem::RunDays))
}

fn parse_switch(text: &str) -> Result<bool, ConfigProblem> {
    match text {
        "on" => Ok(true),
        "" | "off" => Ok(false),
        _ => Err(ConfigProblem::Switch),
    }
}

/// Reads origins for CORS. Each must be written as browsers write it, because origins are compared
/// byte by byte, and one that never matches is a mistake. Neither a wildcard nor `null` is accepted.
fn parse_origins(text: &str) -> Result<Vec<String>, ConfigProblem> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let parsed = entries.map(|entry| {
        let origin = Url::parse(entry).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
        match origin.map(|url| url.origin().ascii_serialization()) {
            Some(origin) if origin == entry => Ok(origin),
            Some(origin) => Err(ConfigProblem::OriginSpelling { entry: entry.to_owned(), origin }),
            None => Err(ConfigProblem::NotAnOrigin(entry.to_owned())),
        }
    });
    parsed.collect()
}

impl SigningKey {
    /// Makes a key from its secret.
    ///
    /// # Errors
    /// [`ConfigProblem::ShortSecret`] when it is shorter than [`MIN_SECRET_BYTES`].
    pub fn new(secret: &[u8]) -> Result<Self, ConfigProblem> {
        if secret.len() < MIN_SECRET_BYTES {
            return Err(ConfigProblem::ShortSecret(secret.len()));
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
