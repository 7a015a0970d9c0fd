//! What a run used, as it was measured.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workway_price::{Amounts, Resource, UnknownResource};

/// Where an answer says what it used: an RFC 8941 dictionary of integers.
pub const USAGE_HEADER: &str = "workway-usage";

/// Sums by name of the resource, as they came in `Workway-Usage`.
pub type Counts = BTreeMap<String, u64>;

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

/// Why nobody says what is stored: a bill of it needs a month, a run takes minutes.
const STORED: &str = "a run stores nothing for a month; set what is kept";

impl Source {
    /// What it never says, and why not: nothing of these is no zero.
    pub fn silent_about(self) -> Vec<(Resource, &'static str)> {
        let silent: &[(Resource, &str)] = match self {
            Self::Answers => &[
                (Resource::CpuMs, "a Worker cannot read its CPU time"),
                (Resource::ActorGbS, "how long objects stay in memory is not measured"),
                (Resource::LogEvents, "lines of log are not counted"),
                (Resource::AnalyticsQueries, "whoever reads analytics asks beside the service"),
                (Resource::LogpushRequests, "Logpush works beside the service"),
            ],
            Self::Analytics => &[
                (Resource::OutboundRequests, "analytics have none"),
                (Resource::VectorDimensionsWritten, "analytics have none"),
                (Resource::AnalyticsPoints, "analytics have none"),
                (Resource::LogEvents, "analytics have none"),
                (Resource::AnalyticsQueries, "analytics have none"),
                (Resource::LogpushRequests, "analytics have none"),
            ],
        };
        let held = Resource::HELD.into_iter().map(|resource| (resource, STORED));
        silent.iter().copied().chain(held).collect()
    }
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

/// Measured usage that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// The run did not measure any.
    #[error(
        "{0} holds no usage: run a scenario with a `cost` block against a target that sends \
         Workway-Usage"
    )]
    None(String),
    /// The service named a resource that nobody here knows.
    #[error("the service metered {0}; this program is older than the service")]
    Unknown(#[from] UnknownResource),
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

    /// The sums, exact.
    ///
    /// # Errors
    /// [`UsageError::Unknown`].
    pub fn amounts(&self) -> Result<Amounts, UsageError> {
        let pairs = self.usage.iter().map(|(name, amount)| {
            let resource: Resource = name.parse()?;
            Ok((resource, Decimal::from(*amount)))
        });
        pairs.collect()
    }

    /// What one of them used on average. `None` when there was none.
    ///
    /// # Errors
    /// [`UsageError::Unknown`].
    pub fn mean(&self) -> Result<Option<Amounts>, UsageError> {
        if self.count == 0 {
            return Ok(None);
        }
        let count = Decimal::from(self.count);
        let amounts = self.amounts()?;
        Ok(Some(amounts.iter().map(|(resource, sum)| (resource, sum / count)).collect()))
    }
}

impl Tallies {
    /// Counts an answer, by its `Workway-Usage` header.
    pub fn count(&mut self, header: Option<&str>) {
        let Some(usage) = header.and_then(parse_header) else {
            self.unmetered += 1;
            return;
        };
        let tokens = |name: Resource| usage.get(name.name()).copied().unwrap_or_default();
        let asked = tokens(Resource::AiInputTokens) + tokens(Resource::AiOutputTokens) > 0;
        let tally = if asked { &mut self.with_model } else { &mut self.without_model };
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
    /// Whether nothing was measured.
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

/// Reads a `Workway-Usage` header: an RFC 8941 dictionary of integers. `None` when it is none.
pub fn parse_header(value: &str) -> Option<Counts> {
    let members = value.split(',').map(str::trim).filter(|member| !member.is_empty());
    members
        .map(|member| {
            let (name, amount) = member.split_once('=')?;
            Some((name.to_owned(), amount.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_as_the_service_writes_them() {
        let counts = |pairs: &[(&str, u64)]| {
            pairs.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect::<Counts>()
        };
        for (header, expected) in [
            ("", Some(counts(&[]))),
            ("rows_read=1", Some(counts(&[("rows_read", 1)]))),
            ("rows_read=1, kv_reads=20", Some(counts(&[("rows_read", 1), ("kv_reads", 20)]))),
            ("rows_read", None),
            ("rows_read=x", None),
            ("rows_read=-1", None),
        ] {
            assert_eq!(parse_header(header), expected, "{header}");
        }
    }

    #[test]
    fn a_mean_is_exact_where_a_decimal_can_be() {
        let tally = Tally { count: 8, usage: Counts::from([("rows_read".to_owned(), 9)]) };
        let mean = tally.mean().unwrap().unwrap();
        assert_eq!(mean.get(Resource::RowsRead), Decimal::new(1125, 3));
        assert_eq!(Tally::default().mean(), Ok(None));
    }
}
