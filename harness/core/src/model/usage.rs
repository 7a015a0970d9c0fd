//! Usage as it was measured: counters by the name of a resource. Which resources there are, and
//! how an answer names them, only the caller knows.

use std::{collections::BTreeMap, fmt};

use http::HeaderMap;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sums by the name of the resource.
pub type Counts = BTreeMap<String, u64>;

/// Reads from an answer how much it used.
pub trait Meter: fmt::Debug + Send + Sync {
    /// Returns the reading of an answer with these headers; `None` if it does not say.
    fn read(&self, headers: &HeaderMap) -> Option<Reading>;
}

/// Holds what one answer says that it used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The amount of each resource.
    pub usage: Counts,
    /// Set if a model was called for it.
    pub asked_model: bool,
}

/// How often something happened, and what that used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// How often.
    pub count: u64,
    /// What it used, together.
    pub usage: Counts,
}

/// What one step of a scenario used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepUsage {
    /// Its name.
    pub name: String,
    /// Whether its operations are the AI operations of a tier; its requests otherwise.
    pub ai: bool,
    /// What its answers said.
    pub used: Tallies,
}

/// What answers said of their usage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tallies {
    /// Those for which no AI model was asked.
    pub without_model: Tally,
    /// Those for which one was: in an AI step, the misses of its cache.
    pub with_model: Tally,
    /// Answers that did not say.
    pub unmetered: u64,
}

/// Who said what was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The service, in its answers and in its own total.
    #[default]
    Answers,
    /// The platform's analytics.
    Analytics,
}

/// What a scenario used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunUsage {
    /// Who says so.
    #[serde(default)]
    pub source: Source,
    /// By step.
    pub steps: Vec<StepUsage>,
    /// Durable runs that the scenario started, and what they used after the answer.
    pub runs: Tally,
    /// What the service used for the scenario's people beside that: following runs, and adding
    /// usage up.
    #[serde(default)]
    pub background: Tally,
    /// Where the service's own total or the stub's ledger says otherwise; empty when all agree.
    #[serde(default)]
    pub disagreements: Vec<String>,
    /// Whether the service's own total was asked, and everything agreed.
    #[serde(default)]
    pub conserved: bool,
}

impl Tally {
    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        for (name, amount) in &other.usage {
            let sum = self.usage.entry(name.clone()).or_default();
            *sum = sum.saturating_add(*amount);
        }
    }

    /// Returns what one of them used on average, exact where a decimal can be; `None` when there
    /// was none.
    pub fn mean(&self) -> Option<BTreeMap<&str, Decimal>> {
        let count = Decimal::from(self.count);
        let means =
            || self.usage.iter().map(|(name, sum)| (name.as_str(), Decimal::from(*sum) / count));
        (self.count > 0).then(|| means().collect())
    }
}

impl Tallies {
    /// Counts an answer by its reading.
    pub fn count(&mut self, reading: Option<Reading>) {
        let Some(Reading { usage, asked_model }) = reading else {
            self.unmetered += 1;
            return;
        };
        let tally = if asked_model { &mut self.with_model } else { &mut self.without_model };
        tally.add(&Tally { count: 1, usage });
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.without_model.add(&other.without_model);
        self.with_model.add(&other.with_model);
        self.unmetered += other.unmetered;
    }

    /// Those that said something.
    pub fn all(&self) -> Tally {
        let mut all = self.without_model.clone();
        all.add(&self.with_model);
        all
    }
}

impl RunUsage {
    /// Returns whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.steps.iter().all(|step| step.used.all().count == 0)
    }

    /// Answers that did not say what they used.
    pub fn unmetered(&self) -> u64 {
        self.steps.iter().map(|step| step.used.unmetered).sum()
    }

    /// Adds what another run of the same scenario used. Steps are told apart by name, and by
    /// whether they are AI operations.
    pub fn add(&mut self, other: &Self) {
        // All of a sum come from one source; the first one says which.
        if self.steps.is_empty() {
            self.source = other.source;
        }
        for step in &other.steps {
            let same = |mine: &&mut StepUsage| mine.name == step.name && mine.ai == step.ai;
            match self.steps.iter_mut().find(same) {
                Some(mine) => mine.used.add(&step.used),
                None => self.steps.push(step.clone()),
            }
        }
        self.runs.add(&other.runs);
        self.background.add(&other.background);
        self.disagreements.extend(other.disagreements.iter().cloned());
        self.conserved &= other.conserved;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_is_exact_where_a_decimal_can_be() {
        let tally = Tally { count: 8, usage: Counts::from([("rows".to_owned(), 9)]) };
        let mean = tally.mean().unwrap();
        assert_eq!(mean["rows"], Decimal::new(1125, 3));
        assert_eq!(Tally::default().mean(), None);
    }
}
