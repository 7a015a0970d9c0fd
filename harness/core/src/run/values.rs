//! What names in templates stand for.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::{
    Environment, clock,
    control::{Command, Operator},
    observer::Watch,
    virtual_users::{Tokens, VirtualUsers},
};
use crate::{
    model::Secret,
    plan::{Bindings, Limiter, ScenarioPlan, Values},
    record::Secrets,
    schedule::{Purpose, random},
};

/// What is the same for every thread of a scenario.
#[derive(Debug)]
pub(crate) struct World {
    /// When the scenario started; offsets in the record count from here.
    pub(crate) origin: Instant,
    /// The same on the system's clock, in milliseconds since 1970.
    pub(crate) origin_millis: i64,
    /// Base URL of the target.
    pub(crate) url: reqwest::Url,
    /// The same as text, without a slash at the end.
    pub(crate) target: String,
    /// Base URL of the upstream stub, likewise.
    pub(crate) upstream: Option<String>,
    /// Names the run.
    pub(crate) run_id: String,
    /// What every random choice is drawn from.
    pub(crate) seed: u64,
    /// Where tokens come from.
    pub(crate) tokens: Arc<dyn Tokens + Send + Sync>,
    /// Who sends requests.
    pub(crate) people: VirtualUsers,
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
    /// What no report shows.
    pub(crate) secrets: Secrets,
    /// What the limiter of the target is known for.
    pub(crate) limiter: Option<Limiter>,
    /// How far the clock of the target may be from ours.
    pub(crate) skew: Duration,
    /// What models look at.
    pub(crate) watch: Watch,
    /// The folder of the reports, if there is one.
    pub(crate) out: Option<PathBuf>,
}

impl World {
    pub(crate) fn new(environment: &Environment, people: VirtualUsers, origin: Instant) -> Self {
        let base = |url: &reqwest::Url| url.as_str().trim_end_matches('/').to_owned();
        Self {
            origin,
            origin_millis: clock::now_millis() - ago(origin),
            url: environment.target.clone(),
            target: base(&environment.target),
            upstream: environment.upstream.as_ref().map(base),
            run_id: environment.run_id.clone(),
            seed: environment.seed,
            tokens: Arc::clone(&environment.tokens),
            people,
            feeds: BTreeMap::new(),
            signing: environment.signing.clone(),
            webhook: environment.webhook.clone(),
            page_origin: environment.page_origin.clone(),
            operator: environment.operator.clone(),
            secrets: Secrets::default(),
            limiter: environment.limiter,
            skew: environment.skew,
            watch: Watch::default(),
            out: environment.out.clone(),
        }
    }

    /// With the feeds of a plan, and what its models look at.
    pub(crate) fn of_plan(self, plan: &ScenarioPlan) -> Self {
        let feeds = plan.feeds.iter().cloned().collect();
        Self { feeds, watch: Watch::new(plan), ..self }
    }

    /// Does something that may move the clock of the target. It goes afterwards if `goes` says so,
    /// and otherwise as before.
    pub(crate) async fn moving<T>(
        &self,
        goes: Option<bool>,
        act: impl Future<Output = Result<T, String>>,
    ) -> Result<T, String> {
        if !self.watch.is_on() {
            return act.await;
        }
        self.watch.moves();
        let done = act.await;
        let from = clock::now();
        let shows = self.now().await;
        self.watch.reads(from, clock::now(), shows.clone().unwrap_or_default(), goes);
        shows.and(done)
    }

    /// What the clock of the target shows, in milliseconds since 1970; ours, where it cannot be
    /// read.
    pub(crate) async fn now(&self) -> Result<i64, String> {
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

impl World {
    /// `people`, `people.name`: the item of a feed that this iteration has, or a part of it.
    fn row(&self, name: &str, iteration: u64) -> Option<Value> {
        let (feed, path) = name.split_once('.').unwrap_or((name, ""));
        let items = self.feeds.get(feed)?;
        let index = iteration.checked_rem(items.len() as u64)?;
        part(items.get(usize::try_from(index).ok()?)?, path).cloned()
    }
}

/// All of a feed, or a part: `0.name`.
fn item(feed: &[Value], path: &str) -> Option<Value> {
    if path.is_empty() {
        return Some(Value::Array(feed.to_vec()));
    }
    let (index, path) = path.split_once('.').unwrap_or((path, ""));
    part(feed.get(index.parse::<usize>().ok()?)?, path).cloned()
}

/// The part of a value that member names and indexes lead to: `steps.0.type`.
fn part<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').filter(|step| !step.is_empty()).try_fold(value, |value, step| match value {
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => value.get(step),
    })
}

/// One of the random sequences of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draws {
    pub(crate) purpose: Purpose,
    pub(crate) number: u64,
}

/// The names of one iteration.
#[derive(Debug)]
pub(crate) struct Scope {
    world: Arc<World>,
    /// Variables, and what was captured before this iteration.
    base: Arc<Values>,
    captured: RefCell<Values>,
    /// What its made-up values are drawn from; most iterations have none.
    draws: Draws,
    random: RefCell<Option<ChaCha8Rng>>,
    items: RefCell<Vec<String>>,
    /// The iteration's number in the load, from 0; 0 outside one.
    pub(crate) iteration: u64,
}

impl Scope {
    pub(crate) fn new(world: Arc<World>, base: Arc<Values>, draws: Draws, iteration: u64) -> Self {
        let (captured, random) = (RefCell::default(), RefCell::default());
        Self { world, base, captured, draws, random, items: RefCell::default(), iteration }
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    /// Keeps a value under a name.
    pub(crate) fn capture(&self, name: &str, value: Value) {
        self.captured.borrow_mut().insert(name.to_owned(), value);
    }

    /// Everything known at the end of the iteration, for what comes after it.
    pub(crate) fn values(&self) -> Arc<Values> {
        let captured = self.captured.borrow();
        if captured.is_empty() {
            return Arc::clone(&self.base);
        }
        let mut all = Values::clone(&self.base);
        all.extend(captured.iter().map(|(name, value)| (name.clone(), value.clone())));
        Arc::new(all)
    }

    /// The names as the request at this place in its burst or until sees them.
    pub(crate) fn at(&self, index: usize) -> At<'_> {
        At { scope: self, index }
    }

    /// What a branch knows that runs beside others: everything until now. What it makes up is its
    /// own, whatever the order in which branches get their turns.
    pub(crate) fn fork(&self) -> Self {
        let mut number = [0; 8];
        self.draw(&mut number);
        let draws = Draws { purpose: Purpose::Branch, number: u64::from_le_bytes(number) };
        let fork = Self::new(Arc::clone(&self.world), self.values(), draws, self.iteration);
        fork.items.replace(self.items.borrow().clone());
        fork
    }

    /// The same for another iteration, and so for other people.
    pub(crate) fn fork_as(&self, iteration: u64) -> Self {
        Self { iteration, ..self.fork() }
    }

    /// Takes over what a branch captured.
    pub(crate) fn join(&self, branch: &Self) {
        self.captured.borrow_mut().extend(branch.captured.take());
    }

    /// What a name stands for now, for [`Self::restore`].
    pub(crate) fn captured(&self, name: &str) -> Option<Value> {
        self.captured.borrow().get(name).cloned()
    }

    /// Gives a name the value that it had.
    pub(crate) fn restore(&self, name: &str, value: Option<Value>) {
        match value {
            Some(value) => self.captured.borrow_mut().insert(name.to_owned(), value),
            None => self.captured.borrow_mut().remove(name),
        };
    }

    /// What is known under these names and nothing else, for a called scenario.
    pub(crate) fn called(&self, values: Values) -> Self {
        let called = self.fork();
        Self { base: Arc::new(values), ..called }
    }

    /// The items of the loops around the current step, outermost first.
    pub(crate) fn items(&self) -> &RefCell<Vec<String>> {
        &self.items
    }

    fn draw(&self, bytes: &mut [u8]) {
        let Draws { purpose, number } = self.draws;
        self.random
            .borrow_mut()
            .get_or_insert_with(|| random(self.world.seed, purpose, number))
            .fill_bytes(bytes);
    }

    pub(crate) fn uuid(&self) -> String {
        let mut bytes = [0; 16];
        self.draw(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }
}

/// A [`Scope`] as one request sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'a> {
    scope: &'a Scope,
    index: usize,
}

impl Bindings for At<'_> {
    fn lookup(&self, name: &str) -> Option<Value> {
        let Scope { world, base, captured, iteration, .. } = self.scope;
        match name {
            "uuid" => Some(self.scope.uuid().into()),
            "run" => Some(world.run_id.as_str().into()),
            "iteration" => Some((*iteration).into()),
            "index" => Some(self.index.into()),
            "target" => Some(world.target.as_str().into()),
            "upstream" => world.upstream.as_deref().map(Into::into),
            "page_origin" => world.page_origin.as_deref().map(Into::into),
            _ => {
                if let Some(user) = name.strip_prefix("user.").and_then(|n| n.strip_suffix(".sub"))
                {
                    return world.people.subject(user, *iteration).map(Into::into);
                }
                if let Some(rest) = name.strip_prefix("row.") {
                    return world.row(rest, *iteration);
                }
                let (root, path) = name.split_once('.').unwrap_or((name, ""));
                let captured = captured.borrow();
                match captured.get(root).or_else(|| base.get(root)) {
                    Some(value) => part(value, path).cloned(),
                    None => world.feeds.get(root).and_then(|feed| item(feed, path)),
                }
            }
        }
    }
}
