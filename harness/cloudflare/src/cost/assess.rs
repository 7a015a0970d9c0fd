//! Everything together: recorded runs → tiers → bills under every book.

use rust_decimal::Decimal;
use workway_price::{BillError, PriceBook};

use super::{
    interval::half_width,
    project::{Projection, per_1000_requests},
    tier::{Tier, Tiers},
    unit::{UnitUsage, WhatIf, WhatIfError},
    usage::{RunUsage, UsageError},
};

/// Holds the usage of a scenario of a run, and the tier that its mix of journeys stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix {
    /// The scenario.
    pub scenario: String,
    /// The tier; any if absent.
    pub tier: Option<String>,
    /// The usage of the scenario.
    pub usage: RunUsage,
}

/// Holds the parameters of an assessment.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// Every tier that there is.
    pub tiers: &'a Tiers,
    /// Those that are asked for, by name; all if empty.
    pub only: &'a [String],
    /// Other settings than the run's.
    pub whatif: &'a WhatIf,
}

/// A tier under a book, from one or more runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// The scenarios that the figures come from.
    pub scenarios: Vec<String>,
    /// The month, from all runs together.
    pub projection: Projection,
    /// Dollars for a thousand requests of the mix at list price.
    pub per_1000_requests: Decimal,
    /// Half of the 95 % confidence interval of the total, in dollars; `None` from a single run.
    pub half_width: Option<Decimal>,
    /// The number of runs.
    pub runs: usize,
}

/// Says why costs cannot be assessed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CostError {
    /// The usage cannot be read.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// A bill that the book cannot make.
    #[error(transparent)]
    Bill(#[from] BillError),
    /// A setting that cannot be applied.
    #[error(transparent)]
    WhatIf(#[from] WhatIfError),
    /// A tier that is not in the file.
    #[error("there is no tier `{name}`; there are {known}")]
    UnknownTier {
        /// The name as it was given.
        name: String,
        /// Those that exist.
        known: String,
    },
}

/// Lists every tier that is asked for and that the runs have a mix for.
///
/// # Errors
/// [`CostError`].
pub fn assess(
    runs: &[Vec<Mix>],
    question: &Question<'_>,
    book: &PriceBook,
) -> Result<Vec<Assessment>, CostError> {
    let mut assessments = Vec::new();
    for tier in question.tiers()? {
        let of_tier: Vec<_> = runs.iter().filter_map(|run| mix_of(run, tier)).collect();
        if !of_tier.is_empty() {
            assessments.push(Assessment::new(&of_tier, tier, question, book)?);
        }
    }
    Ok(assessments)
}

impl Question<'_> {
    fn tiers(&self) -> Result<Vec<&Tier>, CostError> {
        if self.only.is_empty() {
            return Ok(self.tiers.tiers.iter().collect());
        }
        let known = || {
            let names: Vec<_> = self.tiers.tiers.iter().map(|tier| tier.name.as_str()).collect();
            names.join(", ")
        };
        let find = |name: &String| {
            let unknown = || CostError::UnknownTier { name: name.clone(), known: known() };
            self.tiers.get(name).ok_or_else(unknown)
        };
        self.only.iter().map(find).collect()
    }
}

/// Returns the mixes of a run that stand for a tier; those for any tier if there is none of its
/// own.
fn mix_of(run: &[Mix], tier: &Tier) -> Option<(Vec<String>, RunUsage)> {
    let own = run.iter().any(|mix| mix.tier.as_ref() == Some(&tier.name));
    let wanted = own.then_some(&tier.name);
    let (mut scenarios, mut usage) =
        (Vec::new(), RunUsage { conserved: true, ..RunUsage::default() });
    for mix in run.iter().filter(|mix| mix.tier.as_ref() == wanted && !mix.usage.is_empty()) {
        scenarios.push(mix.scenario.clone());
        usage.add(&mix.usage);
    }
    (!scenarios.is_empty()).then_some((scenarios, usage))
}

impl Assessment {
    fn new(
        runs: &[(Vec<String>, RunUsage)],
        tier: &Tier,
        question: &Question<'_>,
        book: &PriceBook,
    ) -> Result<Self, CostError> {
        let month = |usage: &RunUsage| {
            let unit = UnitUsage::measured(usage)?.under(question.whatif, book)?;
            let projection = Projection::new(&unit, tier, question.tiers, book)?;
            Ok::<_, CostError>((unit, projection))
        };
        let mut scenarios = Vec::new();
        let mut together = RunUsage { conserved: true, ..RunUsage::default() };
        let mut totals = Vec::new();
        for (names, usage) in runs {
            for name in names {
                if !scenarios.contains(name) {
                    scenarios.push(name.clone());
                }
            }
            together.add(usage);
            totals.push(month(usage)?.1.bill.total());
        }
        let (unit, projection) = month(&together)?;
        let ai = Decimal::from(tier.ai_operations) / Decimal::from(tier.requests);
        Ok(Self {
            scenarios,
            per_1000_requests: per_1000_requests(&unit, ai, question.tiers, book)?,
            projection,
            half_width: half_width(&totals),
            runs: runs.len(),
        })
    }
}
