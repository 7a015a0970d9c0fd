//! Settings side by side: which is the cheapest of those that are fast enough?

use rust_decimal::Decimal;

use super::{
    PriceBook,
    assess::{CostError, Mix, Question, assess},
    tier::Tiers,
    unit::{WhatIf, WhatIfError},
    usage::RunUsage,
};

/// Most combinations of settings: each is a bill for each scenario, tier and book.
pub const MAX_COMBINATIONS: usize = 256;

/// A setting that was tried, such as a model with or without a cache: a scenario and its runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternative {
    /// The scenario.
    pub scenario: String,
    /// The usage of each of its runs.
    pub runs: Vec<RunUsage>,
    /// The objections to it, whatever it costs.
    pub against: Vec<String>,
}

/// Settings that are not those of the runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Combination {
    /// The settings as they were given, one value each.
    pub settings: Vec<String>,
    /// The settings after they were parsed.
    pub whatif: WhatIf,
}

/// An alternative in a tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The scenario.
    pub scenario: String,
    /// The settings that were added to it.
    pub settings: Vec<String>,
    /// Runs that the figure comes from.
    pub runs: usize,
    /// Dollars a month.
    pub usd: Decimal,
    /// Half of its 95 % confidence interval; `None` from a single run.
    pub half_width: Option<Decimal>,
    /// The objections to it.
    pub against: Vec<String>,
}

/// The choices in every tier, and what could not be one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    /// The choices of each tier: first those without objections, and the cheaper ones first.
    pub tiers: Vec<(String, Vec<Choice>)>,
    /// Settings that a scenario says nothing about, each with the reason.
    pub left_out: Vec<String>,
}

impl Alternative {
    /// Creates a selection from one run.
    pub fn new(mix: &Mix, against: Vec<String>) -> Self {
        Self { scenario: mix.scenario.clone(), runs: vec![mix.usage.clone()], against }
    }

    /// Adds one more run.
    pub fn add(&mut self, usage: RunUsage, against: Vec<String>) {
        self.runs.push(usage);
        for reason in against {
            if !self.against.contains(&reason) {
                self.against.push(reason);
            }
        }
    }

    fn mixes(&self) -> Vec<Vec<Mix>> {
        let mix = |usage: &RunUsage| {
            vec![Mix { scenario: self.scenario.clone(), tier: None, usage: usage.clone() }]
        };
        self.runs.iter().map(mix).collect()
    }
}

impl Combination {
    /// Returns every combination of settings such as `cache_hit=0,0.5,0.9`; one where each has one
    /// value.
    ///
    /// # Errors
    /// [`WhatIfError`], also for more than [`MAX_COMBINATIONS`].
    pub fn all(settings: &[String]) -> Result<Vec<Self>, WhatIfError> {
        let mut lists: Vec<Vec<String>> = vec![Vec::new()];
        for setting in settings {
            let (name, values) = setting.split_once('=').unwrap_or((setting, ""));
            let complete = setting.contains('=');
            let one = |value: &str| {
                if complete { format!("{name}={value}") } else { setting.clone() }
            };
            let with = |list: &Vec<String>| {
                let more =
                    values.split(',').map(|value| [&list[..], &[one(value.trim())]].concat());
                more.collect::<Vec<_>>()
            };
            lists = lists.iter().flat_map(with).collect();
            if lists.len() > MAX_COMBINATIONS {
                let problem = format!("more than {MAX_COMBINATIONS} combinations of settings");
                return Err(WhatIfError::Setting { setting: setting.clone(), problem });
            }
        }
        let read = |settings: Vec<String>| {
            let whatif = WhatIf::parse(settings.iter().map(String::as_str))?;
            Ok(Self { settings, whatif })
        };
        lists.into_iter().map(read).collect()
    }
}

/// Returns each alternative under each combination of settings, in the tiers that are asked for by
/// name; in all if none is.
///
/// # Errors
/// [`CostError`]; a setting that a run says nothing about is no error, but left out.
pub fn choices(
    alternatives: &[Alternative],
    combinations: &[Combination],
    (tiers, only): (&Tiers, &[String]),
    book: &PriceBook,
) -> Result<Choices, CostError> {
    let mut found = Choices::default();
    for alternative in alternatives {
        for Combination { settings, whatif } in combinations {
            let question = Question { tiers, only, whatif };
            match assess(&alternative.mixes(), &question, book) {
                Ok(assessments) => {
                    for assessment in assessments {
                        let choice = Choice {
                            scenario: alternative.scenario.clone(),
                            settings: settings.clone(),
                            runs: assessment.runs,
                            usd: assessment.projection.bill.total(),
                            half_width: assessment.half_width,
                            against: alternative.against.clone(),
                        };
                        found.add(assessment.projection.tier.name, choice);
                    }
                }
                Err(CostError::WhatIf(why @ WhatIfError::NotMeasured { .. })) => {
                    found.left_out.push(format!("{}: {why}", alternative.scenario));
                }
                Err(error) => return Err(error),
            }
        }
    }
    found.left_out.dedup();
    for (_, choices) in &mut found.tiers {
        choices.sort_by_key(|choice| (!choice.against.is_empty(), choice.usd));
    }
    Ok(found)
}

impl Choices {
    fn add(&mut self, tier: String, choice: Choice) {
        match self.tiers.iter_mut().find(|(name, _)| *name == tier) {
            Some((_, choices)) => choices.push(choice),
            None => self.tiers.push((tier, vec![choice])),
        }
    }
}
