//! Defines the plans and what a month of each includes.

use serde::{Deserialize, Serialize};

/// A plan that a user can have. The names are those of the guide's tiers, and each plan includes
/// what its tier uses in a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub enum Plan {
    /// The plan of users without a subscription.
    Free,
    /// The plan with 100,000 runs and 10,000 AI operations.
    Startup,
    /// The plan with 1,000,000 runs and 100,000 AI operations.
    Growth,
    /// The plan with 10,000,000 runs and 1,000,000 AI operations.
    Scale,
    /// The plan with 100,000,000 runs and 10,000,000 AI operations.
    Enterprise,
}

/// The amounts of a month: included in a plan, or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct Quota {
    /// The number of runs that were accepted.
    pub runs: i64,
    /// The number of calls of models: summaries that were not cached, and searches.
    pub ai_operations: i64,
}

/// An amount that a quota limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Counts [`Quota::runs`].
    Runs,
    /// Counts [`Quota::ai_operations`].
    AiOperations,
}

impl Metric {
    /// Returns the name as messages write it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::AiOperations => "AI operations",
        }
    }
}

impl Quota {
    /// Returns the amount of one metric.
    pub const fn of(&self, metric: Metric) -> i64 {
        match metric {
            Metric::Runs => self.runs,
            Metric::AiOperations => self.ai_operations,
        }
    }
}

impl Plan {
    /// All plans, the smallest first.
    pub const ALL: [Self; 5] =
        [Self::Free, Self::Startup, Self::Growth, Self::Scale, Self::Enterprise];

    /// Returns the name as JSON and the database write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Startup => "startup",
            Self::Growth => "growth",
            Self::Scale => "scale",
            Self::Enterprise => "enterprise",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|plan| plan.name() == name)
    }

    /// Returns the plan of this name if it costs something.
    pub fn sold(name: &str) -> Option<Self> {
        Self::named(name).filter(|plan| *plan != Self::Free)
    }
}

/// The quota of each plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quotas([Quota; 5]);

/// The largest quota: far above any month, and far below the integers that a database keeps exact.
pub const MAX_QUOTA: i64 = 1_000_000_000_000;

/// An entry of [`Quotas::parse`] that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not like `free.runs=5000` or `free.ai_operations=50`, with at most {MAX_QUOTA}")]
pub struct QuotaError(String);

impl Default for Quotas {
    /// Returns the guide's tiers, whose requests are runs here. The free plan is for trying the
    /// service: it allows a run every 45 minutes, and AI for a few cents.
    fn default() -> Self {
        let quota = |runs, ai_operations| Quota { runs, ai_operations };
        Self([
            quota(1_000, 50),
            quota(100_000, 10_000),
            quota(1_000_000, 100_000),
            quota(10_000_000, 1_000_000),
            quota(100_000_000, 10_000_000),
        ])
    }
}

impl Quotas {
    /// Returns the quota of a plan.
    pub fn of(&self, plan: Plan) -> Quota {
        let found = Plan::ALL.into_iter().zip(self.0).find(|(known, _)| *known == plan);
        found.map_or(Quota { runs: 0, ai_operations: 0 }, |(_, quota)| quota)
    }

    /// Reads changes of the default quotas: `free.runs=5000,startup.ai_operations=20000`.
    ///
    /// # Errors
    /// [`QuotaError`] for the first entry that cannot be read.
    pub fn parse(text: &str) -> Result<Self, QuotaError> {
        let mut quotas = Self::default();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            quotas.change(entry).ok_or_else(|| QuotaError(entry.to_owned()))?;
        }
        Ok(quotas)
    }

    fn change(&mut self, entry: &str) -> Option<()> {
        let (name, amount) = entry.split_once('=')?;
        let (plan, metric) = name.split_once('.')?;
        let plan = Plan::named(plan)?;
        let amount = amount.parse().ok().filter(|amount| (0..=MAX_QUOTA).contains(amount))?;
        let index = Plan::ALL.into_iter().position(|known| known == plan)?;
        let quota = self.0.get_mut(index)?;
        match metric {
            "runs" => quota.runs = amount,
            "ai_operations" => quota.ai_operations = amount,
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_plan_includes_more_than_the_one_before() {
        let quotas = Quotas::default();
        for pair in Plan::ALL.windows(2) {
            let less = quotas.of(pair[0]);
            let more = quotas.of(pair[1]);
            assert!(less.runs < more.runs && less.ai_operations < more.ai_operations);
        }
    }

    #[test]
    fn quotas_can_be_changed_one_by_one() {
        let quotas = Quotas::parse("free.runs=0, scale.ai_operations=1000000000000,").unwrap();
        assert_eq!(quotas.of(Plan::Free), Quota { runs: 0, ai_operations: 50 });
        assert_eq!(quotas.of(Plan::Scale).ai_operations, MAX_QUOTA);
        for bad in [
            "free",
            "free.runs",
            "free.runs=-1",
            "free.runs=1000000000001",
            "free.runs=x",
            "gold.runs=1",
            "free.users=1",
        ] {
            assert!(Quotas::parse(bad).is_err(), "{bad}");
        }
    }
}
