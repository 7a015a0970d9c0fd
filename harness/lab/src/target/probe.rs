//! The self-check: what a target is like, found out before a suite blames the application for it.
//!
//! A probe runs only when a scenario asks for what it finds out. It uses the API as a client would,
//! as a person of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use reqwest::{Method, Response, StatusCode, header::HeaderMap};
use serde_json::{Value, json};

use super::{OperateError, Target, client, wrangler};
use crate::{
    http::question::{self, AnswerError},
    model::{Capability, TargetKind, clock::now_millis},
    plan::DEFAULT_SCOPE,
    report::Fact,
    run::Command,
    token::{SignError, Signer},
};

/// Holds the facts that are known about a target.
#[derive(Clone, Debug, Default)]
pub struct SelfCheck {
    /// The facts for the report.
    pub facts: Vec<Fact>,
    /// The capabilities that were probed, with the results.
    pub offers: BTreeMap<&'static str, bool>,
}

/// A probe's request that is not answered by then will not be.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Seconds: Workers KV takes no shorter `expirationTtl`, and the native store refuses one as well.
const KEY_LIVES: u64 = 60;
/// A run with one pause of a second that has not ended by then never will.
const RUN_ENDS_WITHIN: Duration = Duration::from_secs(20);

/// Says why a probe found nothing out.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProbeError {
    /// A request was not answered.
    #[error(transparent)]
    Http(reqwest::Error),
    /// An answer cannot be read.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// A token could not be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// An answer shows nothing that was made.
    #[error("POST {path} answered {status}")]
    NotMade {
        /// The path of the request.
        path: String,
        /// The status of the answer.
        status: StatusCode,
    },
    /// The target was not killed or did not start again.
    #[error(transparent)]
    Operate(#[from] OperateError),
}

impl From<reqwest::Error> for ProbeError {
    fn from(error: reqwest::Error) -> Self {
        // The report names the target once.
        Self::Http(error.without_url())
    }
}

impl SelfCheck {
    /// Returns whether the target offers this; a capability that nobody probed is not offered.
    pub fn offers(&self, capability: Capability) -> bool {
        self.offers.get(capability.name()).copied().unwrap_or_default()
    }

    pub(super) fn fact(&mut self, name: &str, found: impl Into<String>) {
        self.facts.push(Fact { name: name.to_owned(), found: found.into() });
    }

    pub(super) fn found(
        &mut self,
        capability: Capability,
        offered: bool,
        found: impl Into<String>,
    ) {
        self.offers.insert(capability.name(), offered);
        self.fact(capability.name(), found);
    }
}

impl Target {
    /// Finds out what is asked for, and then also what one request tells.
    pub async fn self_check(&mut self, asked: &BTreeSet<&'static str>) -> SelfCheck {
        let mut check = SelfCheck::default();
        check.fact("harness", env!("CARGO_PKG_VERSION"));
        if self.kind == TargetKind::Wrangler {
            for (tool, version) in wrangler::versions() {
                check.fact(tool, version);
            }
        }
        if asked.is_empty() {
            // Nobody's verdict depends on it: the target hears of nothing but the scenarios.
            return check;
        }
        self.front(&mut check).await;
        self.lifetimes(&mut check).await;
        let asks = |capability: Capability| asked.contains(capability.name());
        if asks(Capability::ExactLimiter) || asks(Capability::SlidingLimiter) {
            self.probe_limiter(&mut check, asks(Capability::SlidingLimiter)).await;
        }
        if asks(Capability::DurableStorage) || asks(Capability::DurableAlarms) {
            self.durability(&mut check).await;
        }
        check
    }

    /// Asks for clock and version, and whether something answers in its place.
    async fn front(&mut self, check: &mut SelfCheck) {
        let ahead = self.obey(Command::Clock).await.unwrap_or_default() - now_millis();
        let sent = now_millis();
        let Ok(response) = self.ask(Method::GET, "/openapi.json", "nobody", None).await else {
            return check.found(Capability::NoCacheInFront, false, "it did not answer");
        };
        let received = now_millis();
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let cached = ["cf-cache-status", "x-cache", "age"].into_iter().find_map(|name| {
            let value = header(name)?;
            let is_hit = value.to_uppercase().contains("HIT") || name == "age";
            is_hit.then(|| format!("`{name}: {value}`"))
        });
        let date = header("date").and_then(|date| http_date(&date));
        if let Some(date) = date {
            // The header has whole seconds, and was written between sending and receiving.
            let (least, most) = (date - received, date + 1000 - sent);
            check.fact("clock", format!("{least} to {most} ms ahead of ours; moved by {ahead} ms"));
        }
        if let Some(version) = header("workway-version") {
            check.fact("version", version);
        }
        let found = cached.clone().unwrap_or("no header of a cache".to_owned());
        check.found(Capability::NoCacheInFront, cached.is_none(), found);
        let text = question::read_text(response).await.unwrap_or_default();
        let document = serde_json::from_str::<Value>(&text).unwrap_or_default();
        if let Some(version) = document.pointer("/info/version").and_then(Value::as_str) {
            check.fact("service", version);
        }
    }

    /// Reads how healthy it says it is, and the shortest lifetime of what it caches.
    async fn lifetimes(&self, check: &mut SelfCheck) {
        if let Ok(response) = self.ask(Method::GET, "/health", "nobody", None).await {
            let status = response.status();
            let text = question::read_text(response).await.unwrap_or_default();
            let report = serde_json::from_str::<Value>(&text).unwrap_or_default();
            let says = report["status"].as_str().unwrap_or("nothing of its health");
            check.fact("health", format!("{says} ({})", status.as_u16()));
        }
        let told = match self.ask(Method::GET, "/api/workflows", "nobody", None).await {
            Ok(response) => shared_age(response.headers()),
            Err(_) => None,
        };
        let catalogue = match told {
            Some(seconds) => format!("the catalogue says {seconds} s to shared caches"),
            None => "the catalogue says nothing to shared caches".to_owned(),
        };
        let keys = if self.kind == TargetKind::Url {
            "how long a key lives at least is not known of a URL: no answer tells".to_owned()
        } else {
            format!("a key of its store lives {KEY_LIVES} s at least")
        };
        check.fact("cache-ttl", format!("{keys}; {catalogue}"));
    }

    /// Checks that a workflow and a run that waits outlive a kill.
    async fn durability(&mut self, check: &mut SelfCheck) {
        let (storage, alarms) = match self.crash_with_a_run().await {
            Ok(found) => found,
            Err(problem) => {
                let problem = problem.to_string();
                check.found(Capability::DurableStorage, false, problem.clone());
                return check.found(Capability::DurableAlarms, false, problem);
            }
        };
        let word = |kept: bool| if kept { "outlived a kill" } else { "was gone after a kill" };
        check.found(Capability::DurableStorage, storage, format!("a run {}", word(storage)));
        check.found(Capability::DurableAlarms, alarms, format!("its alarm {}", word(alarms)));
    }

    async fn crash_with_a_run(&mut self) -> Result<(bool, bool), ProbeError> {
        const CALLER: &str = "probe-durability";
        let pause = json!({"type": "delay", "config": {"seconds": 1}});
        let draft = json!({"name": "probe", "description": "", "steps": [pause]});
        let workflow = self.made("/workflows", CALLER, Some(&draft)).await?;
        let run = self.made(&format!("/workflows/{workflow}/runs"), CALLER, None).await?;
        self.obey(Command::Restart).await?;
        let path = format!("/runs/{run}");
        let polls = RUN_ENDS_WITHIN.as_millis() / 100;
        for _ in 0..polls {
            let response = self.ask(Method::GET, &path, CALLER, None).await?;
            if response.status().as_u16() == 404 {
                return Ok((false, false));
            }
            let text = question::read_text(response).await?;
            let status = serde_json::from_str::<Value>(&text).unwrap_or_default();
            if status["status"] == "succeeded" {
                return Ok((true, true));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok((true, false))
    }

    /// Returns the id of what a POST makes.
    async fn made(
        &self,
        path: &str,
        caller: &str,
        body: Option<&Value>,
    ) -> Result<String, ProbeError> {
        let response = self.ask(Method::POST, path, caller, body).await?;
        let status = response.status();
        let text = question::read_text(response).await?;
        let id = serde_json::from_str::<Value>(&text).unwrap_or_default()["id"].clone();
        id.as_str()
            .map(str::to_owned)
            .ok_or_else(|| ProbeError::NotMade { path: path.to_owned(), status })
    }

    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        caller: &str,
        body: Option<&Value>,
    ) -> Result<Response, ProbeError> {
        let url = format!("{}{path}", self.url.as_str().trim_end_matches('/'));
        let mut request = client().request(method, url).timeout(ANSWER_WITHIN);
        if let Some(secret) = &self.secret {
            let now = u64::try_from(now_millis() / 1000).unwrap_or_default();
            let token = Signer::new(secret).sign(caller, DEFAULT_SCOPE, now)?;
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        Ok(request.send().await?)
    }
}

/// Returns the seconds that a shared cache is told to keep an answer (RFC 9213; RFC 9111 section
/// 5.2.2.10).
fn shared_age(headers: &HeaderMap) -> Option<u64> {
    let directive = |header: &str, name: &str| {
        let value = headers.get(header)?.to_str().ok()?;
        let value = value.split(',').find_map(|part| part.trim().strip_prefix(name))?;
        value.strip_prefix('=')?.parse().ok()
    };
    directive("cdn-cache-control", "max-age")
        .or_else(|| directive("cache-control", "s-maxage"))
        .or_else(|| directive("cache-control", "max-age"))
}

/// Parses an IMF-fixdate into milliseconds since 1970 (RFC 9110 section 5.6.7).
fn http_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split(' ').skip(1);
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    let time = words.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let since = humantime::parse_rfc3339(&format!("{year}-{month:02}-{day}T{time}Z")).ok()?;
    let since = since.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shared_caches_are_told() {
        let of = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| {
                (name.parse::<reqwest::header::HeaderName>().unwrap(), value.parse().unwrap())
            });
            shared_age(&pairs.collect())
        };
        let both = ("cache-control", "public, max-age=60, s-maxage=300");
        assert_eq!(of(&[both]), Some(300));
        assert_eq!(of(&[both, ("cdn-cache-control", "max-age=7")]), Some(7));
        assert_eq!(of(&[("cache-control", "max-age=60")]), Some(60));
        assert_eq!(of(&[("cache-control", "no-store")]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn dates_of_headers() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777_000));
        assert_eq!(http_date("yesterday"), None);
    }
}
