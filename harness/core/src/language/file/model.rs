//! Models: what was seen of the target, held against what it must have done.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Spanned;
use crate::{
    language::{
        quantity::{Time, TimeOrZero, Whole},
        text::{Name, PathText, RuleId},
    },
    model::{KeyPart, Severity},
};

/// Compares the requests and answers so far with a model of the target.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "model", rename_all = "kebab-case")]
pub enum ModelFile {
    /// A rate limiter.
    RateLimit(Box<RateLimitFile>),
    /// Every run that was started so far: WF1, WF2 and WF11, and WF4 and WF6 with `effects`. Those
    /// that had not ended are looked at once more.
    Runs(Box<RunsFile>),
    /// A cache in front of something that the stub stands for: how often that was asked since the
    /// scenario began.
    Cache(Box<CacheFile>),
}

/// A cache: what is asked for the same again within the time to live, also while it is asked for,
/// costs one call; errors are not kept.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "cache", deny_unknown_fields)]
pub struct CacheFile {
    /// The requests whose answers are kept: a path without names, in which `*` stands for anything.
    pub path: Spanned<PathText>,
    /// The parts of a request that answers depend on.
    pub key: Spanned<Vec<KeyPart>>,
    /// The time for which answers are kept.
    pub ttl: Time,
    /// The calls of what is behind the cache: a path of the stub, likewise.
    pub calls: Spanned<PathText>,
    /// The rule that it stands for.
    pub rule: Option<Spanned<RuleId>>,
    /// The severity of a failure.
    pub severity: Option<Severity>,
}

/// The most effects of one run: as many as it has steps.
pub const MAX_EFFECTS_EACH: u64 = 50;

/// Runs: every request so far that started, showed or cancelled one.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "runs", deny_unknown_fields)]
pub struct RunsFile {
    /// The calls that the runs send to the stub, if they send any.
    pub effects: Option<EffectsFile>,
    /// The severity of a failure.
    pub severity: Option<Severity>,
}

/// The calls that reach the stub.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "effects", deny_unknown_fields)]
pub struct EffectsFile {
    /// The path of the calls, in which `*` stands for anything.
    pub path: Spanned<PathText>,
    /// The number of calls of each run that succeeds, every one once.
    pub each: Whole<1, MAX_EFFECTS_EACH>,
}

/// The largest limit: as many requests as a burst can have.
pub const MAX_RATE_LIMIT: u64 = super::MAX_BURST;

/// A rate limiter: of all requests that certain users sent so far, those with status 429 were
/// refused. Nobody else's requests count.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "rate-limit", deny_unknown_fields)]
pub struct RateLimitFile {
    /// The algorithm of the limiter.
    pub algorithm: Spanned<Algorithm>,
    /// Requests of one key in a period.
    pub limit: Whole<1, MAX_RATE_LIMIT>,
    /// The period.
    pub period: Spanned<Time>,
    /// The users who are a key each.
    pub keys: Spanned<Vec<Spanned<Name>>>,
    /// The largest difference between the clock of the target and ours; by default nothing where it
    /// can be read or is the same, and 1s elsewhere.
    pub skew: Option<TimeOrZero>,
    /// The rule that it stands for.
    pub rule: Option<Spanned<RuleId>>,
    /// The severity of a failure.
    pub severity: Option<Severity>,
}

/// The algorithm of a rate limiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "algorithm", rename_all = "kebab-case")]
pub enum Algorithm {
    /// The algorithm that the self-check knows of the target; `cloudflare-deployed` if it does not
    /// know one.
    Target,
    /// Windows with fixed ends, counted from 1970.
    Fixed,
    /// Windows of the same kind; the one before counts as much as it still overlaps the last
    /// period.
    Sliding,
    /// A bucket of so many tokens, refilled evenly.
    TokenBucket,
    /// Cloudflare's binding under `wrangler dev`: windows with fixed ends.
    CloudflareLocal,
    /// Cloudflare's binding where it is deployed: it may admit too many, and refuses nobody who has
    /// not spent the limit.
    CloudflareDeployed,
}
