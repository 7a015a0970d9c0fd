//! What a deployed domain must show to the outside, before the first request of the API means
//! anything: HTTPS only, modern TLS, a certificate that lasts, and headers that browsers and caches
//! obey. Facts are gathered first ([`probe()`]), then judged by rules that know no network.

mod old_tls;
mod probe;
mod rules;

use std::path::PathBuf;

pub use probe::{EdgeError, Facts, Page, probe};
use reqwest::Url;
pub use rules::{RULES, Rule, judge};
use serde::{Deserialize, Serialize};

/// Which domain, and how to reach it.
#[derive(Clone, Debug)]
pub struct Domain {
    /// Of the deployment: `https://api.example.com`.
    pub https: Url,
    /// Where it listens without TLS.
    pub http: Url,
    /// PEM of the authority that signed its certificate, if that is none that the system trusts.
    pub authority: Option<PathBuf>,
}

/// What became of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It holds.
    Holds,
    /// It is violated.
    Violated,
    /// It cannot be told.
    Unknown,
}

/// A rule, judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Of the rule: `EDGE-1`.
    pub id: String,
    /// What it demands.
    pub rule: String,
    /// Where that is written.
    pub source: String,
    /// What became of it.
    pub outcome: Outcome,
    /// What was seen.
    pub seen: String,
}
