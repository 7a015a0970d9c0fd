//! Checks the properties that a deployed domain must show to the outside, before the first request
//! of the API means anything: HTTPS only, modern TLS, a certificate that lasts, and headers that
//! browsers and caches obey. Facts are gathered first ([`probe()`]), then judged by rules that do
//! not use the network.

mod old_tls;
mod probe;
mod rules;

use std::path::PathBuf;

pub use old_tls::OldTlsError;
pub use probe::{AuthorityError, EdgeError, Facts, NoAnswer, Page, probe};
use reqwest::Url;
pub use rules::{RULES, Rule, judge};
use serde::{Deserialize, Serialize};

/// Names a domain, and says how to reach it.
#[derive(Clone, Debug)]
pub struct Domain {
    /// The URL of the deployment: `https://api.example.com`.
    pub https: Url,
    /// The URL at which it listens without TLS.
    pub http: Url,
    /// PEM of the authority that signed its certificate, if that is none that the system trusts.
    pub authority: Option<PathBuf>,
}

/// Says how a rule came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The rule holds.
    Holds,
    /// The rule is violated.
    Violated,
    /// It is unknown whether the rule holds.
    Unknown,
}

/// A rule, judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The identifier of the rule: `EDGE-1`.
    pub id: String,
    /// The demand of the rule.
    pub rule: String,
    /// The document that states the demand.
    pub source: String,
    /// The result of the rule.
    pub outcome: Outcome,
    /// The observation behind the result.
    pub seen: String,
}
