//! Usage of a deployed Worker that does not say in its answers what it used: from Cloudflare's
//! GraphQL analytics, for the time of a recorded run.
//!
//! Datasets and fields: <https://developers.cloudflare.com/analytics/graphql-api/> and the page
//! "Metrics and analytics" of each product. They are tested against the upstream stub, which
//! answers in the documented shape; nothing here was proven against a real account. Analytics are
//! sampled, some minutes behind, and count everybody who used the Worker in that time.

mod deployment;
mod query;
mod usage;

use std::time::{Duration, SystemTime};

pub use deployment::{Deployment, DeploymentError};
use reqwest::{StatusCode, Url, redirect};
use serde::Deserialize;
use serde_json::Value;
pub use usage::{DatasetError, Operations, Spent};

use crate::{http::question, model::causes};

/// The address of the API.
pub const API: &str = "https://api.cloudflare.com";
/// The variable that `wrangler` reads the token from, too.
pub const TOKEN_VARIABLE: &str = "CLOUDFLARE_API_TOKEN";
/// The variable that `wrangler` reads the account from, too.
pub const ACCOUNT_VARIABLE: &str = "CLOUDFLARE_ACCOUNT_ID";
/// Analytics of a busy account take some seconds.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);
/// Some datasets know minutes only, and alarms and the writing down of usage come after the last
/// answer.
const MINUTE: u64 = 60;

/// The account that is asked about, and the token that asks.
#[derive(Clone)]
pub struct Account {
    /// Base URL of the API.
    pub api: Url,
    /// The account's identifier.
    pub id: String,
    /// A token with the permission "Account Analytics: Read"; in no message.
    pub token: String,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { api, id, .. } = self;
        f.debug_struct("Account").field("api", api).field("id", id).finish_non_exhaustive()
    }
}

/// Says why no usage could be read.
#[derive(Debug, thiserror::Error)]
pub enum AnalyticsError {
    /// The API gave no whole answer.
    #[error("{api} does not answer: {why}")]
    Unreachable {
        /// The API.
        api: String,
        /// The cause.
        why: String,
    },
    /// The token is not accepted.
    #[error(
        "{api} refuses the token ({status}): it needs the permission \"Account Analytics: Read\" \
         for this account"
    )]
    Refused {
        /// The API.
        api: String,
        /// The status of the answer.
        status: StatusCode,
    },
    /// The query is not answered.
    #[error("{api} does not answer the query: {why}")]
    Query {
        /// The API.
        api: String,
        /// The API's own words.
        why: String,
    },
    /// The answer has another shape.
    #[error("{api} answered otherwise than documented: {error}")]
    Shape {
        /// The API.
        api: String,
        /// The difference.
        error: ShapeError,
    },
    /// The analytics show no request to the Worker in that time.
    #[error(
        "the analytics of account {account} have no request to the Worker `{script}` from {from} \
         to {to}: they are some minutes behind, so try again; or it is another account or Worker"
    )]
    Nothing {
        /// The account.
        account: String,
        /// The Worker.
        script: String,
        /// Begin of the time, RFC 3339.
        from: String,
        /// Its end.
        to: String,
    },
}

/// Says in what an answer differs from the documented one.
#[derive(Debug, thiserror::Error)]
pub enum ShapeError {
    /// Its body is another.
    #[error("status {0}, and no JSON of `data` and `errors`")]
    NoEnvelope(StatusCode),
    /// It has neither data nor errors.
    #[error("status {0} without `data`")]
    NoData(StatusCode),
    /// It has no account.
    #[error("there is no viewer.accounts[0]")]
    NoAccount,
    /// A dataset of it is of no use.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
}

/// A span of time, whole minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its begin, RFC 3339.
    pub from: String,
    /// Its end, RFC 3339.
    pub to: String,
}

impl Span {
    /// Returns the minutes of a run that began then and took so long, and the one after them.
    /// `None` for a time that no calendar has.
    pub fn of_run(started_at: SystemTime, took: Duration) -> Option<Self> {
        let begin = started_at.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let from = begin.as_secs() / MINUTE * MINUTE;
        let end = begin.checked_add(took)?;
        let seconds = end.as_secs() + u64::from(end.subsec_nanos() > 0);
        let minutes = seconds.div_ceil(MINUTE) + 1;
        let at = |seconds| {
            let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
            Some(humantime::format_rfc3339_seconds(at).to_string())
        };
        Some(Self { from: at(from)?, to: at(minutes * MINUTE)? })
    }
}

/// The envelope of an answer.
#[derive(Deserialize)]
struct Envelope {
    data: Option<Value>,
    #[serde(default)]
    errors: Option<Vec<Problem>>,
}

#[derive(Deserialize)]
struct Problem {
    message: String,
}

impl Account {
    /// Reads the usage of a deployment in a span of time.
    ///
    /// # Errors
    /// [`AnalyticsError`].
    pub async fn spent(
        &self,
        deployment: &Deployment,
        span: &Span,
    ) -> Result<Spent, AnalyticsError> {
        let data = self.ask(&query::body(&self.id, deployment, span)).await?;
        let account = data.pointer("/viewer/accounts/0").ok_or(ShapeError::NoAccount);
        let spent = account.and_then(|account| Ok(Spent::read(account, deployment)?));
        let spent = spent.map_err(|error| AnalyticsError::Shape { api: self.name(), error })?;
        if spent.requests == 0 {
            return Err(AnalyticsError::Nothing {
                account: self.id.clone(),
                script: deployment.script.clone(),
                from: span.from.clone(),
                to: span.to.clone(),
            });
        }
        Ok(spent)
    }

    async fn ask(&self, body: &Value) -> Result<Value, AnalyticsError> {
        let api = self.name();
        let unreachable = |error: reqwest::Error| AnalyticsError::Unreachable {
            api: api.clone(),
            why: causes(Some(&error.without_url())),
        };
        crate::http::tls::install();
        // A redirect would carry the token to somebody else. Who needs a proxy to Cloudflare has it in the
        // environment.
        let client = reqwest::Client::builder().redirect(redirect::Policy::none());
        let client = client.timeout(ANSWERS_WITHIN).build().map_err(unreachable)?;
        let url = format!("{}/client/v4/graphql", self.api.as_str().trim_end_matches('/'));
        let request = client.post(url).bearer_auth(&self.token);
        let request = request.header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(AnalyticsError::Refused { api, status });
        }
        let text = question::read_text(answer).await.map_err(|error| {
            AnalyticsError::Unreachable { api: api.clone(), why: causes(Some(&error)) }
        })?;
        let shape = |error| AnalyticsError::Shape { api: api.clone(), error };
        let parsed = serde_json::from_str(&text);
        let Envelope { data, errors } =
            parsed.map_err(|_| shape(ShapeError::NoEnvelope(status)))?;
        let said: Vec<_> = errors.unwrap_or_default().into_iter().map(|e| e.message).collect();
        if !said.is_empty() {
            // Whatever it quotes, it is not the token.
            let why = said.join("; ").replace(&self.token, "…");
            return Err(AnalyticsError::Query { api, why });
        }
        data.ok_or_else(|| shape(ShapeError::NoData(status)))
    }

    fn name(&self) -> String {
        self.api.as_str().trim_end_matches('/').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_minutes_and_one_more() {
        let span = |from, seconds| {
            let span =
                Span::of_run(humantime::parse_rfc3339(from).unwrap(), Duration::from_secs(seconds))
                    .unwrap();
            (span.from, span.to)
        };
        let text = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        assert_eq!(
            span("2026-11-22T10:00:30Z", 10),
            text("2026-11-22T10:00:00Z", "2026-11-22T10:02:00Z")
        );
        assert_eq!(
            span("2026-11-22T10:00:00Z", 60),
            text("2026-11-22T10:00:00Z", "2026-11-22T10:02:00Z")
        );
        assert_eq!(
            span("2026-11-22T10:00:00Z", 61),
            text("2026-11-22T10:00:00Z", "2026-11-22T10:03:00Z")
        );
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(Span::of_run(before, Duration::ZERO), None);
    }

    #[test]
    fn the_token_is_in_no_text() {
        let (api, id) = (Url::parse(API).unwrap(), "a".to_owned());
        let account = Account { api, id, token: "secret-token".to_owned() };
        assert!(!format!("{account:?}").contains("secret-token"));
    }
}
