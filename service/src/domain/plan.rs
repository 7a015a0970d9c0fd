//! Plans and what they include.

use serde::{Deserialize, Serialize};

/// What somebody has subscribed to. Named after the guide's tiers, and including what those use in
/// a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub enum Plan {
    /// Without a subscription.
    Free,
    /// 100,000 runs, 10,000 AI operations.
    Startup,
    /// 1,000,000 runs, 100,000 AI operations.
    Growth,
    /// 10,000,000 runs, 1,000,000 AI operations.
    Scale,
    /// 100,000,000 runs, 10,000,000 AI operations.
    Enterprise,
}

/// What a month includes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct Quota {
    /// Runs accepted.
    pub runs: i64,
    /// Calls of models: summaries that were not cached, and searches.
    pub ai_operations: i64,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// See [`Quota::runs`].
    Runs,
    /// See [`Quota::ai_operations`].
    AiOperations,
}

impl Metric {
    /// For people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::AiOperations => "AI operations",
        }
    }
}

impl Quota {
    /// Of one metric.
    pub const fn of(&self, metric: Metric) -> i64 {
        match metric {
            Metric::Runs => self.runs,
            Metric::AiOperations => self.ai_operations,
        }
    }
}

impl Plan {
    /// All of them, the smallest first.
    pub const ALL: [Self; 5] =
        [Self::Free, Self::Startup, Self::Growth, Self::Scale, Self::Enterprise];

    /// As it is written.
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

    /// The plan of this name, if it costs something.
    pub fn sold(name: &str) -> Option<Self> {
        Self::named(name).filter(|plan| *plan != Self::Free)
    }
}

/// The quota of each plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quotas([Quota; 5]);

/// Most that a quota can be: far above any month, far below what a database keeps exact.
pub const MAX_QUOTA: i64 = 1_000_000_000_000;

impl Default for Quotas {
    /// The guide's tiers: `requests` are what its runs are here. Free is for a try: a run every 45
    /// minutes, and AI for some cents.
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
    /// What a plan includes.
    pub fn of(&self, plan: Plan) -> Quota {
        let found = Plan::ALL.into_iter().zip(self.0).find(|(known, _)| *known == plan);
        found.map_or(Quota { runs: 0, ai_operations: 0 }, |(_, quota)| quota)
    }

    /// The defaults with some of them changed: `free.runs=5000,startup.ai_operations=20000`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut quotas = Self::default();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            quotas.change(entry).ok_or_else(|| {
                format!("`{entry}` is not like `free.runs=5000` or `free.ai_operations=50`, with at most {MAX_QUOTA}")
            })?;
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
            let (less, more) = (quotas.of(pair[0]), quotas.of(pair[1]));
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
