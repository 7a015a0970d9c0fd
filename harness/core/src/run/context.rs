//! Holds the state that every thread of a scenario shares.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::model::Value;
use reqwest::Url;

use super::{
    Command, CommandError, Environment, Operator, Tokens, observer::Observer, values::part,
    virtual_users::VirtualUsers,
};
use crate::{
    model::{Secret, clock},
    plan::{Limiter, ScenarioPlan},
    record::Secrets,
};

/// Everything that is the same for every thread of a scenario.
#[derive(Debug)]
pub(crate) struct RunContext {
    pub(crate) plan: Arc<ScenarioPlan>,
    /// The start of the scenario; offsets in the record count from here.
    pub(crate) origin: Instant,
    /// The start of the scenario on the system's clock, in milliseconds since 1970.
    pub(crate) origin_millis: i64,
    /// Base URL of the target.
    pub(crate) url: Url,
    /// The base URL of the target as text, without a slash at the end.
    pub(crate) target: String,
    /// Base URL of the upstream stub, likewise.
    pub(crate) upstream: Option<String>,
    /// Names the run.
    pub(crate) run_id: String,
    /// The seed of every random choice.
    pub(crate) seed: u64,
    /// The virtual users, who send requests.
    pub(crate) virtual_users: VirtualUsers,
    /// Signs tokens.
    pub(crate) tokens: Arc<dyn Tokens + Send + Sync>,
    /// Lists read from files, by name.
    pub(crate) feeds: BTreeMap<String, Arc<Vec<Value>>>,
    /// The secret that the target verifies tokens with, if it is known.
    pub(crate) signing: Option<Secret>,
    /// The secret that the target verifies webhooks with, if it is known.
    pub(crate) webhook: Option<Secret>,
    /// An origin whose pages may read answers of the target, if one is known.
    pub(crate) page_origin: Option<String>,
    /// Does to the target what is not asked of it.
    pub(crate) operator: Option<Operator>,
    /// The secrets, which no report shows.
    pub(crate) secrets: Secrets,
    /// The algorithm that the limiter of the target is known for.
    pub(crate) limiter: Option<Limiter>,
    /// The largest difference between the clock of the target and ours.
    pub(crate) skew: Duration,
    /// Keeps what models look at.
    pub(crate) observer: Observer,
    /// The folder of the reports, if there is one.
    pub(crate) out: Option<PathBuf>,
}

impl RunContext {
    /// Returns the context of a run of `plan` that starts at `origin`.
    pub(crate) fn new(
        plan: Arc<ScenarioPlan>,
        environment: &Environment,
        virtual_users: VirtualUsers,
        origin: Instant,
    ) -> Self {
        let base = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
        Self {
            origin,
            origin_millis: clock::now_millis() - ago(origin),
            url: environment.target.clone(),
            target: base(&environment.target),
            upstream: environment.upstream.as_ref().map(base),
            run_id: environment.run_id.clone(),
            seed: environment.seed,
            virtual_users,
            tokens: Arc::clone(&environment.tokens),
            feeds: plan.feeds.iter().cloned().collect(),
            signing: environment.signing.clone(),
            webhook: environment.webhook.clone(),
            page_origin: environment.page_origin.clone(),
            operator: environment.operator.clone(),
            secrets: Secrets::default(),
            limiter: environment.limiter,
            skew: environment.skew,
            observer: Observer::new(&plan),
            out: environment.out.clone(),
            plan,
        }
    }

    /// Returns `instant` as an offset from the start of the scenario.
    pub(crate) fn offset(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.origin)
    }

    /// Does something that may move the clock of the target. It goes afterwards if `goes` says so,
    /// and otherwise as before.
    pub(crate) async fn moving<T>(
        &self,
        goes: Option<bool>,
        act: impl Future<Output = Result<T, CommandError>>,
    ) -> Result<T, CommandError> {
        if !self.observer.is_on() {
            return act.await;
        }
        self.observer.moves();
        let done = act.await;
        let from = clock::now();
        let shows = self.now().await;
        self.observer.reads(from, clock::now(), shows.clone().unwrap_or_default(), goes);
        shows.and(done)
    }

    /// Returns the reading of the target's clock, in milliseconds since 1970; ours, where it cannot
    /// be read.
    pub(crate) async fn now(&self) -> Result<i64, CommandError> {
        match self.operator.as_ref().filter(|operator| operator.has_clock) {
            Some(operator) => operator.give(Command::Clock).await,
            None => Ok(clock::now_millis()),
        }
    }
}

/// Milliseconds since `instant`.
fn ago(instant: Instant) -> i64 {
    let passed = clock::now().saturating_duration_since(instant).as_millis();
    i64::try_from(passed).unwrap_or_default()
}

impl RunContext {
    /// `people`, `people.name`: the item of a feed that this iteration has, or a part of it.
    pub(super) fn row(&self, name: &str, iteration: u64) -> Option<Value> {
        let (feed, path) = name.split_once('.').unwrap_or((name, ""));
        let items = self.feeds.get(feed)?;
        let index = iteration.checked_rem(items.len() as u64)?;
        part(items.get(usize::try_from(index).ok()?)?, path).cloned()
    }
}
