//! Settings side by side: which is the cheapest of those that are fast enough?

use rust_decimal::Decimal;

use super::{
    PriceBook,
    assess::{CostError, Mix, Question, assess},
    usage::RunUsage,
};

/// A setting that was tried, such as a model with or without a cache: a scenario and its runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternative {
    /// The scenario.
    pub scenario: String,
    /// What each of its runs used.
    pub runs: Vec<RunUsage>,
    /// What speaks against it, whatever it costs.
    pub against: Vec<String>,
}

/// An alternative in a tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The scenario.
    pub scenario: String,
    /// Runs that the figure comes from.
    pub runs: usize,
    /// Dollars a month.
    pub usd: Decimal,
    /// Half of its 95 % confidence interval; `None` from a single run.
    pub half_width: Option<Decimal>,
    /// What speaks against it.
    pub against: Vec<String>,
}

impl Alternative {
    /// One run of it.
    pub fn new(mix: &Mix, against: Vec<String>) -> Self {
        Self { scenario: mix.scenario.clone(), runs: vec![mix.usage.clone()], against }
    }

    /// One more run.
    pub fn add(&mut self, usage: RunUsage, against: Vec<String>) {
        self.runs.push(usage);
        for reason in against {
            if !self.against.contains(&reason) {
                self.against.push(reason);
            }
        }
    }
}

/// The alternatives in each tier that is asked for: first those that nothing speaks against, and
/// the cheaper ones first.
///
/// # Errors
/// [`CostError`].
pub fn choices(
    alternatives: &[Alternative],
    question: &Question<'_>,
    book: &PriceBook,
) -> Result<Vec<(String, Vec<Choice>)>, CostError> {
    let mut tiers = Vec::<(String, Vec<Choice>)>::new();
    for Alternative { scenario, runs, against } in alternatives {
        let mix = |usage: &RunUsage| {
            vec![Mix { scenario: scenario.clone(), tier: None, usage: usage.clone() }]
        };
        let runs: Vec<_> = runs.iter().map(mix).collect();
        for assessment in assess(&runs, question, book)? {
            let tier = &assessment.projection.tier.name;
            let choice = Choice {
                scenario: scenario.clone(),
                runs: assessment.runs,
                usd: assessment.projection.bill.total(),
                half_width: assessment.half_width,
                against: against.clone(),
            };
            match tiers.iter_mut().find(|(name, _)| name == tier) {
                Some((_, choices)) => choices.push(choice),
                None => tiers.push((tier.clone(), vec![choice])),
            }
        }
    }
    for (_, choices) in &mut tiers {
        choices.sort_by_key(|choice| (!choice.against.is_empty(), choice.usd));
    }
    Ok(tiers)
}
