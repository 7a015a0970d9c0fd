//! Holds the usage of one request and of one AI operation: measured, or as it would be under other
//! settings.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use workway_price::{Amounts, Origin, Origins, PriceBook, Resource, UnknownResource};

use super::{
    tier::{MAX_EACH, Tier},
    usage::{RunUsage, Tallies, Tally, UsageError, mean, silent_about},
};

/// Holds the average usage of one operation, by kind. Each counts as one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitUsage {
    /// A request without AI, with its part of the durable runs and of work in the background;
    /// `None` when there were none.
    pub request: Option<Amounts>,
    /// An AI operation that asked no model: a hit of the cache.
    pub hit: Option<Amounts>,
    /// An AI operation that asked a model.
    pub miss: Option<Amounts>,
    /// Part of the AI operations that were hits, 0 to 1.
    pub hit_rate: Decimal,
    /// The amounts that are stored during a month, whatever is asked: nothing unless it was set.
    pub held: Amounts,
    /// The origins of the resources that were not measured.
    pub origins: Origins,
}

/// Other settings than those of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WhatIf {
    /// Part of AI operations that the cache answers, 0 to 1.
    pub cache_hit: Option<Decimal>,
    /// The model that is asked, by its name in the price book.
    pub model: Option<String>,
    /// Amounts of resources for each request, in place of measured or assumed ones; zero is one.
    pub per_request: BTreeMap<Resource, Decimal>,
    /// Amounts of what is held for a month.
    pub held: BTreeMap<Resource, Decimal>,
}

/// Settings that cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhatIfError {
    /// A pair without `=`, or a value out of range.
    #[error("--set {setting}: {problem}")]
    Setting {
        /// The setting as it was given.
        setting: String,
        /// The description of the error.
        problem: String,
    },
    /// The run did not do what the setting changes.
    #[error("--set {setting}: the run had no {missing}, so nothing is known of their cost")]
    NotMeasured {
        /// The setting.
        setting: &'static str,
        /// The measurement that would have been needed.
        missing: &'static str,
    },
    /// The model is not billed by tokens, which are all that a run counts.
    #[error("--set model={model}: it is not billed by tokens, and the run counted nothing else")]
    NotByTokens {
        /// The model as it was given.
        model: String,
    },
    /// The book does not know the model.
    #[error("--set model={model}: price book {book} has {known}")]
    UnknownModel {
        /// The model as it was given.
        model: String,
        /// The book.
        book: String,
        /// The models that the book has.
        known: String,
    },
}

impl UnitUsage {
    /// Returns the unit usage of a run, as it was measured.
    ///
    /// # Errors
    /// [`UsageError::Unknown`].
    pub fn measured(run: &RunUsage) -> Result<Self, UsageError> {
        let sum = |ai: bool, part: fn(&Tallies) -> Tally| {
            let mut sum = Tally::default();
            run.steps
                .iter()
                .filter(|step| step.ai == ai)
                .for_each(|step| sum.add(&part(&step.used)));
            sum
        };
        let mut requests = sum(false, Tallies::all);
        for (name, amount) in run.runs.usage.iter().chain(&run.background.usage) {
            *requests.usage.entry(name.clone()).or_default() += amount;
        }
        let hits = sum(true, |used| used.without_model.clone());
        let misses = sum(true, |used| used.with_model.clone());
        let operations = hits.count + misses.count;
        let hit_rate = Decimal::from(hits.count) / Decimal::from(operations.max(1));
        let mut unit = Self {
            request: one(&requests)?,
            hit: one(&hits)?,
            miss: one(&misses)?,
            hit_rate,
            ..Self::default()
        };
        for (resource, why) in silent_about(run.source) {
            if unit.kinds().all(|kind| kind.get(resource).is_zero()) {
                unit.origins.insert(resource, Origin::Absent(why.to_owned()));
            }
        }
        Ok(unit)
    }

    fn kinds(&self) -> impl Iterator<Item = &Amounts> {
        [&self.request, &self.hit, &self.miss].into_iter().flatten()
    }

    fn assume(&mut self, resource: Resource, what: String) {
        self.origins.insert(resource, Origin::Assumed(what));
    }

    /// Returns the unit usage under other settings.
    ///
    /// # Errors
    /// [`WhatIfError`].
    pub fn under(mut self, settings: &WhatIf, book: &PriceBook) -> Result<Self, WhatIfError> {
        if let Some(hit_rate) = settings.cache_hit {
            let missing = |missing| WhatIfError::NotMeasured { setting: "cache_hit", missing };
            if self.hit.is_none() && !hit_rate.is_zero() {
                return Err(missing("AI operations that the cache answered"));
            }
            if self.miss.is_none() && hit_rate < Decimal::ONE {
                return Err(missing("AI operations that asked a model"));
            }
            self.cached(hit_rate);
        }
        if let Some(model) = &settings.model {
            let missing = "AI operations that asked a model";
            let miss =
                self.miss.take().ok_or(WhatIfError::NotMeasured { setting: "model", missing })?;
            self.miss = Some(with_model(miss, model, book)?);
            let what = format!("by the price of {model} for the tokens of the run");
            self.assume(Resource::AiMillineurons, what);
        }
        for (&resource, &amount) in &settings.per_request {
            for unit in [&mut self.request, &mut self.hit, &mut self.miss] {
                *unit = unit.take().map(|amounts| amounts.with(resource, amount));
            }
            self.assume(resource, format!("set to {amount} for each request"));
        }
        for (&resource, &amount) in &settings.held {
            self.held.set(resource, amount);
            self.assume(resource, format!("set to {amount} for the month"));
        }
        Ok(self)
    }

    /// Sets another part of hits. Usage in which hits and misses differ is then no longer measured.
    fn cached(&mut self, hit_rate: Decimal) {
        if hit_rate == self.hit_rate {
            return;
        }
        self.hit_rate = hit_rate;
        let none = Amounts::default();
        let kinds = [&self.hit, &self.miss].map(|kind| kind.clone().unwrap_or(none.clone()));
        let [hit, miss] = kinds;
        for &resource in Resource::ALL {
            if hit.get(resource) != miss.get(resource) {
                self.assume(
                    resource,
                    format!("set: the cache answers {hit_rate} of AI operations"),
                );
            }
        }
    }

    /// Returns the usage of one request of a mix in which a part `ai` of them, 0 to 1, are AI
    /// operations. If the run did not have one kind, nothing is known of it: then it is one request
    /// of the other. `None` when the mix has nothing that the run had.
    pub fn of_mix(&self, ai: Decimal) -> Option<Amounts> {
        let mut sum = Amounts::default();
        let mut known = Decimal::ZERO;
        for (one, part) in [(self.request.clone(), Decimal::ONE - ai), (self.ai(), ai)] {
            if let Some(one) = one {
                sum += &(&one * part);
                known += part;
            }
        }
        let whole = Decimal::ONE.checked_div(known)?;
        Some(&sum * whole)
    }

    /// Returns the usage of one AI operation, hits and misses in their proportion. `None` when
    /// there were none.
    pub fn ai(&self) -> Option<Amounts> {
        let part = |unit: &Option<Amounts>, share| unit.as_ref().map(|amounts| amounts * share);
        let hits = part(&self.hit, self.hit_rate);
        let misses = part(&self.miss, Decimal::ONE - self.hit_rate);
        match (hits, misses) {
            (None, None) => None,
            (Some(one), None) | (None, Some(one)) => Some(one),
            (Some(mut hits), Some(misses)) => {
                hits += &misses;
                Some(hits)
            }
        }
    }

    /// Returns the amounts of a month, and the part of it that is not known.
    pub fn month(&self, tier: &Tier) -> (Amounts, Vec<String>) {
        let mut amounts = Amounts::default();
        let mut missing = Vec::new();
        let plain = tier.requests - tier.ai_operations;
        for (unit, volume, what) in [
            (self.request.clone(), plain, "requests without AI"),
            (self.ai(), tier.ai_operations, "AI operations"),
        ] {
            match unit {
                Some(unit) => amounts += &(&unit * Decimal::from(volume)),
                None if volume > 0 => {
                    missing.push(format!(
                        "{volume} {what}: the run had none, they are not in the sum"
                    ));
                }
                None => {}
            }
        }
        amounts += &self.held;
        (amounts, missing)
    }
}

/// Returns one of them on average; it is a request, too.
fn one(tally: &Tally) -> Result<Option<Amounts>, UsageError> {
    let mean = mean(tally)?;
    Ok(mean.map(|amounts| amounts.with(Resource::Requests, Decimal::ONE)))
}

/// Returns the usage of a miss with the neurons that a model takes for its tokens, by its price.
fn with_model(miss: Amounts, model: &str, book: &PriceBook) -> Result<Amounts, WhatIfError> {
    let unknown = || WhatIfError::UnknownModel {
        model: model.to_owned(),
        book: book.name.clone(),
        known: match book.models().collect::<Vec<_>>().join(", ") {
            names if names.is_empty() => "no prices of models".to_owned(),
            names => names,
        },
    };
    let price = book.model(model).ok_or_else(unknown)?;
    let [input, cached, output] =
        [Resource::AiInputTokens, Resource::AiCachedInputTokens, Resource::AiOutputTokens]
            .map(|resource| miss.get(resource));
    let neurons = price.of_tokens(input, cached, output);
    let neurons = neurons.ok_or_else(|| WhatIfError::NotByTokens { model: model.to_owned() })?;
    Ok(miss.with(Resource::AiMillineurons, neurons * Decimal::ONE_THOUSAND))
}

impl WhatIf {
    /// Reads `cache_hit=0.9`, `model=NAME` and `RESOURCE=AMOUNT`: for each request, or for the
    /// month where it is something that is held.
    ///
    /// # Errors
    /// [`WhatIfError::Setting`].
    pub fn parse<'a>(settings: impl IntoIterator<Item = &'a str>) -> Result<Self, WhatIfError> {
        let mut whatif = Self::default();
        for setting in settings {
            let fault = |problem: &str| {
                let (setting, problem) = (setting.to_owned(), problem.to_owned());
                WhatIfError::Setting { setting, problem }
            };
            let (name, value) = setting.split_once('=').ok_or_else(|| fault("write NAME=VALUE"))?;
            let number = || {
                let number = Decimal::from_str_exact(value).ok();
                let possible = |n: &Decimal| !n.is_sign_negative() && *n <= Decimal::from(MAX_EACH);
                number.filter(possible).ok_or_else(|| fault("needs a number from 0 to 10^12"))
            };
            match name {
                "cache_hit" => {
                    let share = number()?;
                    if share > Decimal::ONE {
                        return Err(fault("is a share: 0 to 1"));
                    }
                    whatif.cache_hit = Some(share);
                }
                "model" => whatif.model = Some(value.to_owned()),
                resource => {
                    let resource: Resource =
                        resource.parse().map_err(|error: UnknownResource| {
                            fault(&format!("{error}; or set `cache_hit` or `model`"))
                        })?;
                    if resource == Resource::Requests {
                        return Err(fault("a request is one request; choose a tier instead"));
                    }
                    let amounts =
                        if resource.is_held() { &mut whatif.held } else { &mut whatif.per_request };
                    amounts.insert(resource, number()?);
                }
            }
        }
        Ok(whatif)
    }
}
