//! What names in templates stand for.

use std::{cell::RefCell, sync::Arc, time::Instant};

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::{Environment, people::People};
use crate::{
    plan::{Bindings, Values},
    schedule::{Purpose, random},
};

/// What is the same for every thread of a scenario.
#[derive(Debug)]
pub(super) struct World {
    /// When the scenario started; offsets in the record count from here.
    pub(super) origin: Instant,
    /// Base URL of the target.
    pub(super) url: reqwest::Url,
    /// The same as text, without a slash at the end.
    pub(super) target: String,
    /// Base URL of the upstream stub, likewise.
    pub(super) upstream: Option<String>,
    /// Names the run.
    pub(super) run_id: String,
    /// What every random choice is drawn from.
    pub(super) seed: u64,
    /// Who sends requests.
    pub(super) people: People,
}

impl World {
    pub(super) fn new(environment: &Environment, people: People, origin: Instant) -> Self {
        let base = |url: &reqwest::Url| url.as_str().trim_end_matches('/').to_owned();
        Self {
            origin,
            url: environment.target.clone(),
            target: base(&environment.target),
            upstream: environment.upstream.as_ref().map(base),
            run_id: environment.run_id.clone(),
            seed: environment.seed,
            people,
        }
    }
}

/// One of the random sequences of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draws {
    pub(super) purpose: Purpose,
    pub(super) number: u64,
}

/// The names of one iteration.
#[derive(Debug)]
pub(super) struct Scope {
    world: Arc<World>,
    /// Variables, and what was captured before this iteration.
    base: Arc<Values>,
    captured: RefCell<Values>,
    /// What its made-up values are drawn from; most iterations have none.
    draws: Draws,
    random: RefCell<Option<ChaCha8Rng>>,
    /// The iteration's number in the load, from 0; 0 outside one.
    pub(super) iteration: u64,
}

impl Scope {
    pub(super) fn new(world: Arc<World>, base: Arc<Values>, draws: Draws, iteration: u64) -> Self {
        let (captured, random) = (RefCell::default(), RefCell::default());
        Self { world, base, captured, draws, random, iteration }
    }

    pub(super) fn world(&self) -> &World {
        &self.world
    }

    /// Keeps a value under a name.
    pub(super) fn capture(&self, name: &str, value: Value) {
        self.captured.borrow_mut().insert(name.to_owned(), value);
    }

    /// Everything known at the end of the iteration, for what comes after it.
    pub(super) fn values(&self) -> Arc<Values> {
        let captured = self.captured.borrow();
        if captured.is_empty() {
            return Arc::clone(&self.base);
        }
        let mut all = Values::clone(&self.base);
        all.extend(captured.iter().map(|(name, value)| (name.clone(), value.clone())));
        Arc::new(all)
    }

    /// The names as the request at this place in its burst or until sees them.
    pub(super) fn at(&self, index: usize) -> At<'_> {
        At { scope: self, index }
    }

    fn uuid(&self) -> String {
        let mut bytes = [0; 16];
        let Draws { purpose, number } = self.draws;
        self.random
            .borrow_mut()
            .get_or_insert_with(|| random(self.world.seed, purpose, number))
            .fill_bytes(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }
}

/// A [`Scope`] as one request sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'a> {
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
            _ => {
                if let Some(user) = name.strip_prefix("user.").and_then(|n| n.strip_suffix(".sub"))
                {
                    return world.people.subject(user, *iteration).map(Into::into);
                }
                captured.borrow().get(name).or_else(|| base.get(name)).cloned()
            }
        }
    }
}
