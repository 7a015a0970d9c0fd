//! Holds the models with which the observed requests are compared.

use std::time::Duration;

use super::{Claim, KeyPart, RequestPlan, Span, UserId};

/// A model, as a step: it judges everything that was seen until then.
#[derive(Clone, Debug)]
pub struct ModelPlan {
    /// The name in failures.
    pub name: String,
    /// The place in the file.
    pub span: Span,
    /// The part of the target that is modelled.
    pub of: ModelOf,
}

/// See [`ModelPlan`].
#[derive(Clone, Debug)]
pub enum ModelOf {
    /// A rate limiter.
    RateLimit(RateLimitPlan),
    /// A model of runs.
    Runs(Box<RunsPlan>),
    /// A cache.
    Cache(Box<CachePlan>),
}

/// A cache in front of something that the stub stands for.
#[derive(Clone, Debug)]
pub struct CachePlan {
    /// The requests whose answers are kept: a path, in which `*` stands for anything.
    pub path: String,
    /// The parts of a request that answers depend on.
    pub key: Vec<KeyPart>,
    /// The time for which answers are kept, in milliseconds.
    pub ttl: i64,
    /// Asks the stub for the calls of what is behind the cache.
    pub calls: RequestPlan,
    /// The rule that it represents.
    pub claim: Claim,
}

/// Runs, and what is held against each.
#[derive(Clone, Debug)]
pub struct RunsPlan {
    /// The checks, each with the rule that it represents.
    pub checks: Vec<(RunsCheck, Claim)>,
    /// The requests that are about runs.
    pub paths: RunPaths,
    /// Looks at the run that has the name [`THE_RUN`].
    pub look: RequestPlan,
    /// Asks for its events.
    pub events: RequestPlan,
    /// The effects of the runs.
    pub effects: Option<EffectsPlan>,
}

/// Holds the paths of the requests about runs. In each, a segment `*` stands for an id: in `start`
/// that of what is run, in the others that of the run.
#[derive(Clone, Copy, Debug)]
pub struct RunPaths {
    /// A `POST` to it starts a run, and answers its `id`.
    pub start: &'static str,
    /// A `GET` of it shows a run.
    pub show: &'static str,
    /// A `POST` to it cancels a run.
    pub cancel: &'static str,
    /// A `GET` of it lists the events of a run.
    pub events: &'static str,
}

/// The placeholder for the id of a run in the requests of a [`RunsPlan`].
pub const THE_RUN: &str = "the-run";

/// The calls that reach the stub.
#[derive(Clone, Debug)]
pub struct EffectsPlan {
    /// Asks the stub for it.
    pub calls: RequestPlan,
    /// The number of effects of a run that succeeds.
    pub each: usize,
}

/// A check on runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunsCheck {
    /// Only legal transitions occur, and a final status stays.
    Legal,
    /// An acknowledged run is there.
    Durable,
    /// Answers about a run have an order that explains them.
    Linear,
    /// Each effect is there once.
    Once,
    /// A run goes on from where it was.
    Resumed,
}

impl RunsCheck {
    /// Those that need the effects, and those that do not.
    pub const fn all(effects: bool) -> &'static [Self] {
        const ALL: [RunsCheck; 5] = [
            RunsCheck::Legal,
            RunsCheck::Durable,
            RunsCheck::Linear,
            RunsCheck::Once,
            RunsCheck::Resumed,
        ];
        const WITHOUT_EFFECTS: usize = 3;
        if effects { &ALL } else { ALL.split_at(WITHOUT_EFFECTS).0 }
    }

    /// The rule that it is.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Legal => "WF1",
            Self::Durable => "WF2",
            Self::Linear => "WF11",
            Self::Once => "WF4",
            Self::Resumed => "WF6",
        }
    }
}

/// A rate limiter and whose requests it counts.
#[derive(Clone, Debug)]
pub struct RateLimitPlan {
    /// The algorithm; the one that the target is known for if `None`.
    pub limiter: Option<Limiter>,
    /// Requests of one key in a period.
    pub limit: i64,
    /// Milliseconds.
    pub period: i64,
    /// The users who are a key each.
    pub keys: Vec<UserId>,
    /// The largest difference between the clock of the target and ours, if the file states it.
    pub skew: Option<Duration>,
    /// The rule that it represents.
    pub claim: Claim,
}

/// The algorithm of a rate limiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limiter {
    /// Windows with fixed ends, counted from 1970.
    Fixed,
    /// Windows of the same kind; the one before counts as much as it still overlaps the last
    /// period.
    Sliding,
    /// A bucket of tokens, refilled evenly.
    TokenBucket,
    /// It may admit too many, and refuses nobody who has not spent the limit.
    AtLeast,
}

impl Limiter {
    /// Returns the name for a reader.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fixed => "windows with fixed ends",
            Self::Sliding => "a sliding counter",
            Self::TokenBucket => "a token bucket",
            Self::AtLeast => "a limiter that may admit too many",
        }
    }
}

impl ModelPlan {
    /// Lists the rules that the model represents.
    pub fn claims(&self) -> Vec<&Claim> {
        match &self.of {
            ModelOf::RateLimit(limiter) => vec![&limiter.claim],
            ModelOf::Cache(cache) => vec![&cache.claim],
            ModelOf::Runs(runs) => runs.checks.iter().map(|(_, claim)| claim).collect(),
        }
    }
}
