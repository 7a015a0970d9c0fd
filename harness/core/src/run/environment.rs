//! Describes the environment in which a plan is run.

use std::{
    num::NonZeroUsize, path::PathBuf, sync::Arc, thread::available_parallelism, time::Duration,
};

use reqwest::Url;

use super::{Monitored, NoProgress, Operator, Progress, StopFlag, Tokens, UsageAudit};
use crate::{
    model::{Secret, stub::Stub},
    plan::Limiter,
};

/// Everything a run needs that is not in the scenario.
#[derive(Clone)]
pub struct Environment {
    /// Base URL of the target; paths are appended to it.
    pub target: Url,
    /// Base URL of the upstream stub, if the harness knows it.
    pub upstream: Option<Url>,
    /// The control of that stub, if it can be asked.
    pub stub: Option<Arc<dyn Stub>>,
    /// Asks the target for its own total of what was used, if it has one.
    pub usage_audit: Option<Arc<dyn UsageAudit>>,
    /// The source of tokens.
    pub tokens: Arc<dyn Tokens + Send + Sync>,
    /// The seed of every random choice.
    pub seed: u64,
    /// Names the run; `${{ run }}` in scenarios.
    pub run_id: String,
    /// Ends the run early.
    pub stop: StopFlag,
    /// Threads that send a load.
    pub threads: NonZeroUsize,
    /// Does to the target what is not asked of it, if somebody holds it.
    pub operator: Option<Operator>,
    /// The secret that the target verifies tokens with, if it is known.
    pub signing: Option<Secret>,
    /// The secret that the target verifies webhooks with, if it is known.
    pub webhook: Option<Secret>,
    /// An origin whose pages may read answers of the target, if one is known.
    pub page_origin: Option<String>,
    /// Hears of what is going on.
    pub progress: Arc<dyn Progress + Send + Sync>,
    /// The development server that the target runs on, if it does and can be looked at.
    pub server: Option<Arc<dyn Monitored + Send + Sync>>,
    /// The algorithm that the limiter of the target is known for.
    pub limiter: Option<Limiter>,
    /// The largest difference between the clock of the target and ours, where it cannot be read.
    pub skew: Duration,
    /// The folder of the reports, if there is one: counterexamples go there, too.
    pub out: Option<PathBuf>,
}

impl Environment {
    /// A run with seed 0, no run id, no upstream and nobody watching.
    pub fn new(target: Url, tokens: Arc<dyn Tokens + Send + Sync>) -> Self {
        Self {
            target,
            upstream: None,
            stub: None,
            usage_audit: None,
            tokens,
            seed: 0,
            run_id: String::new(),
            stop: StopFlag::new(),
            threads: default_threads(),
            operator: None,
            signing: None,
            webhook: None,
            page_origin: None,
            progress: Arc::new(NoProgress),
            server: None,
            limiter: None,
            skew: Duration::ZERO,
            out: None,
        }
    }
}

/// Half of the cores: the target often runs on the same machine.
fn default_threads() -> NonZeroUsize {
    let cores = available_parallelism().map_or(1, NonZeroUsize::get);
    NonZeroUsize::new(cores / 2).unwrap_or(NonZeroUsize::MIN)
}
