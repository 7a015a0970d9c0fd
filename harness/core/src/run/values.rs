//! Gives names in templates their values.

use std::{cell::RefCell, sync::Arc};

use crate::model::Value;
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::context::RunContext;
use crate::{
    plan::{Bindings, Values},
    schedule::{Purpose, random},
};

/// All of a feed, or a part: `0.name`.
fn item(feed: &[Value], path: &str) -> Option<Value> {
    if path.is_empty() {
        return Some(Value::Array(feed.to_vec()));
    }
    let (index, path) = path.split_once('.').unwrap_or((path, ""));
    part(feed.get(index.parse::<usize>().ok()?)?, path).cloned()
}

/// The part of a value that member names and indexes lead to: `steps.0.type`.
pub(super) fn part<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
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
    context: Arc<RunContext>,
    /// Variables, and what was captured before this iteration.
    base: Arc<Values>,
    captured: RefCell<Values>,
    /// The random draws of its made-up values; most iterations have none.
    draws: Draws,
    random: RefCell<Option<ChaCha8Rng>>,
    items: RefCell<Vec<String>>,
    /// The iteration's number in the load, from 0; 0 outside one.
    pub(crate) iteration: u64,
}

impl Scope {
    pub(crate) fn new(
        context: Arc<RunContext>,
        base: Arc<Values>,
        draws: Draws,
        iteration: u64,
    ) -> Self {
        let (captured, random) = (RefCell::default(), RefCell::default());
        Self { context, base, captured, draws, random, items: RefCell::default(), iteration }
    }

    pub(crate) fn context(&self) -> &RunContext {
        &self.context
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

    /// Returns the values for a branch that runs beside others: everything known until now. Each
    /// branch makes up values of its own, whatever the order in which branches run.
    pub(crate) fn fork(&self) -> Self {
        let mut number = [0; 8];
        self.draw(&mut number);
        let draws = Draws { purpose: Purpose::Branch, number: u64::from_le_bytes(number) };
        let fork = Self::new(Arc::clone(&self.context), self.values(), draws, self.iteration);
        fork.items.replace(self.items.borrow().clone());
        fork
    }

    /// Returns the values for a branch that belongs to another iteration, and so to other people.
    pub(crate) fn fork_as(&self, iteration: u64) -> Self {
        Self { iteration, ..self.fork() }
    }

    /// Takes over what a branch captured.
    pub(crate) fn join(&self, branch: &Self) {
        self.captured.borrow_mut().extend(branch.captured.take());
    }

    /// Returns the current value of a name, for [`Self::restore`].
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

    /// Returns a scope for a called scenario, which knows these names and nothing else.
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
            .get_or_insert_with(|| random(self.context.seed, purpose, number))
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
        let Scope { context, base, captured, iteration, .. } = self.scope;
        match name {
            "uuid" => Some(self.scope.uuid().into()),
            "run" => Some(context.run_id.as_str().into()),
            "iteration" => Some((*iteration).into()),
            "index" => Some(self.index.into()),
            "target" => Some(context.target.as_str().into()),
            "upstream" => context.upstream.as_deref().map(Into::into),
            "page_origin" => context.page_origin.as_deref().map(Into::into),
            _ => {
                if let Some(user) = name.strip_prefix("user.").and_then(|n| n.strip_suffix(".sub"))
                {
                    return context.virtual_users.subject(user, *iteration).map(Into::into);
                }
                if let Some(rest) = name.strip_prefix("row.") {
                    return context.row(rest, *iteration);
                }
                let (root, path) = name.split_once('.').unwrap_or((name, ""));
                let captured = captured.borrow();
                match captured.get(root).or_else(|| base.get(root)) {
                    Some(value) => part(value, path).cloned(),
                    None => context.feeds.get(root).and_then(|feed| item(feed, path)),
                }
            }
        }
    }
}
