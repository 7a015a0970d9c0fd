//! Answers the engine's questions about resources and prices from Cloudflare's price books.

use std::{
    any::Any,
    fmt,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use rust_decimal::Decimal;
use workway_core::{
    model::{clock::now_millis, usage::Meter},
    plan::{
        Book, CostFigure, PricedFigure, Prices, Pricing, PricingError, RequestUsage,
        Tiers as TierNames,
    },
};
use workway_price::{BOOKS, BuiltIn, Date, NoBook, PriceBook, Resource, cents, day, on};

use super::{
    Assessment, CostError, HeaderMeter, Mix, Question, RunUsage, TIERS, Tally, Tiers, UnitUsage,
    WhatIf, assess, mean, per_1000_requests,
};

/// The resources that Cloudflare bills, and the price books of this program.
#[derive(Clone, Copy, Debug, Default)]
pub struct CloudflarePricing;

/// A price book and tiers.
#[derive(Clone, Debug)]
pub struct CloudflarePrices {
    /// The book.
    pub book: Arc<PriceBook>,
    /// The tiers.
    pub tiers: Arc<Tiers>,
}

/// A price book that the engine holds without looking inside.
#[derive(Debug)]
struct OpenBook(Arc<PriceBook>);

/// Tiers that the engine knows the names of.
#[derive(Debug)]
struct OpenTiers(Arc<Tiers>);

/// Returns Cloudflare's book of today, in UTC.
///
/// # Errors
/// [`NoBook`] if the clock stands before the first book.
pub fn today() -> Result<PriceBook, NoBook> {
    let millis = u64::try_from(now_millis()).unwrap_or_default();
    let now = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(millis));
    // `2026-12-01T…`
    let today = now.to_string().get(..10).and_then(|text| day(text).ok());
    on(today.unwrap_or(Date { year: 1970, month: 1, day: 1 }))
}

fn error(error: impl fmt::Display) -> PricingError {
    PricingError(error.to_string())
}

impl Book for OpenBook {}

impl TierNames for OpenTiers {
    fn names(&self) -> Vec<&str> {
        self.0.tiers.iter().map(|tier| tier.name.as_str()).collect()
    }
}

impl Pricing for CloudflarePricing {
    fn meter(&self) -> Arc<dyn Meter> {
        Arc::new(HeaderMeter)
    }

    fn check_resource(&self, name: &str) -> Result<(), PricingError> {
        let resource: Resource = name
            .parse()
            .map_err(|unknown| PricingError(format!("must name a resource: {unknown}")))?;
        if resource.is_held() {
            return Err(PricingError(format!(
                "must name what is used; {resource} is held for a month, whatever is asked"
            )));
        }
        Ok(())
    }

    fn books(&self) -> Vec<&str> {
        BOOKS.iter().map(|book| book.name).collect()
    }

    fn book(&self, name: Option<&str>) -> Result<Arc<dyn Book>, PricingError> {
        let known = match name {
            Some(name) => BOOKS.iter().find(|book| book.name == name),
            None => return Ok(Arc::new(OpenBook(Arc::new(today().map_err(error)?)))),
        };
        let known = known.ok_or_else(|| error("there is no such price book"))?;
        Ok(Arc::new(OpenBook(Arc::new(known.open().map_err(error)?))))
    }

    fn parse_book(&self, text: &str, file: &str) -> Result<Arc<dyn Book>, PricingError> {
        let book = PriceBook::parse(text, file).map_err(error)?;
        Ok(Arc::new(OpenBook(Arc::new(book))))
    }

    fn tiers(&self, file: Option<(&str, &str)>) -> Result<Arc<dyn TierNames>, PricingError> {
        let (text, name) = file.unwrap_or((TIERS, "of this program"));
        Ok(Arc::new(OpenTiers(Arc::new(Tiers::parse(text, name).map_err(error)?))))
    }

    fn prices(
        &self,
        book: &Arc<dyn Book>,
        tiers: &Arc<dyn TierNames>,
    ) -> Result<Arc<dyn Prices>, PricingError> {
        let (book, tiers): (&dyn Any, &dyn Any) = (&**book, &**tiers);
        let book = book.downcast_ref::<OpenBook>().map(|open| Arc::clone(&open.0));
        let tiers = tiers.downcast_ref::<OpenTiers>().map(|open| Arc::clone(&open.0));
        match (book, tiers) {
            (Some(book), Some(tiers)) => Ok(Arc::new(CloudflarePrices { book, tiers })),
            _ => Err(error("these prices were opened by somebody else")),
        }
    }
}

impl CloudflarePrices {
    /// Returns the book and the tiers behind prices that this crate made.
    pub fn of(prices: &dyn Prices) -> Option<&Self> {
        let prices: &dyn Any = prices;
        prices.downcast_ref()
    }
}

impl Prices for CloudflarePrices {
    fn book_name(&self) -> &str {
        &self.book.name
    }

    fn are_own(&self) -> bool {
        let of_program = |book: &BuiltIn| book.open().is_ok_and(|book| book == *self.book);
        let tiers = Tiers::parse(TIERS, "of this program");
        !BOOKS.iter().any(of_program) || tiers.is_ok_and(|tiers| tiers != *self.tiers)
    }

    fn figure(
        &self,
        figure: &CostFigure,
        usage: &RunUsage,
        tier: Option<&str>,
    ) -> Result<PricedFigure, PricingError> {
        let unmetered = usage.unmetered();
        match figure {
            CostFigure::PerRequestOf(resource, name) => {
                let step = usage.steps.iter().find(|step| step.name == *name);
                let used = step.map(|step| step.used.clone()).unwrap_or_default();
                mean_of(resource, &used.all(), used.unmetered)
            }
            CostFigure::PerRun(resource) => mean_of(resource, &usage.runs, unmetered),
            of_mix => {
                let samples = usage.steps.iter().map(|step| step.used.all().count).sum();
                let Some(assessment) = self.assessed(of_mix, usage, tier).map_err(error)? else {
                    return Ok(PricedFigure { unmetered, ..PricedFigure::default() });
                };
                let figure = of_tier(of_mix, &assessment)?;
                Ok(PricedFigure { samples, unmetered, ..figure })
            }
        }
    }

    fn per_request(&self, usage: &RunUsage) -> Result<Option<RequestUsage>, PricingError> {
        let unit = UnitUsage::measured(usage).map_err(error)?;
        let dollars =
            per_1000_requests(&unit, ai_share(usage), &self.tiers, &self.book).map_err(error)?;
        let Some(amounts) = mean(&everything(usage)).map_err(error)? else { return Ok(None) };
        let shown = Resource::ALL.iter().filter(|resource| **resource != Resource::Requests);
        let amounts = shown.map(|resource| (resource.name().to_owned(), amounts.get(*resource)));
        Ok(Some(RequestUsage { amounts: amounts.collect(), dollars }))
    }
}

impl CloudflarePrices {
    /// Returns the tier that a figure is of. `None` when no answer said what it used.
    fn assessed(
        &self,
        figure: &CostFigure,
        usage: &RunUsage,
        tier: Option<&str>,
    ) -> Result<Option<Assessment>, CostError> {
        // Figures that name no tier are those of the scenario's own, or else of the largest, whose
        // allotments weigh least.
        let largest = || self.tiers.tiers.last().map(|tier| tier.name.clone());
        let tier = match figure {
            CostFigure::Monthly(tier) => tier.clone(),
            _ => tier.map(str::to_owned).or_else(largest).unwrap_or_default(),
        };
        let mix = Mix { scenario: String::new(), tier: None, usage: usage.clone() };
        let whatif = WhatIf::default();
        let only = std::slice::from_ref(&tier);
        let question = Question { tiers: &self.tiers, only, whatif: &whatif };
        Ok(assess(&[vec![mix]], &question, &self.book)?.into_iter().next())
    }
}

fn resource(name: &str) -> Result<Resource, PricingError> {
    name.parse().map_err(error)
}

/// Units of a resource for each of what was counted.
fn mean_of(name: &str, tally: &Tally, unmetered: u64) -> Result<PricedFigure, PricingError> {
    let mean = mean(tally).map_err(error)?.unwrap_or_default().get(resource(name)?);
    let measured = mean.round_dp(6).normalize();
    Ok(PricedFigure { measured, samples: tally.count, unmetered, ..PricedFigure::default() })
}

fn of_tier(figure: &CostFigure, assessment: &Assessment) -> Result<PricedFigure, PricingError> {
    let projection = &assessment.projection;
    let why = dearest(assessment);
    Ok(match figure {
        CostFigure::Monthly(_) => {
            let missing = projection.missing.first().map(|_| projection.missing.join("; "));
            let measured = cents(projection.bill.total());
            PricedFigure { measured, why, missing, ..PricedFigure::default() }
        }
        CostFigure::Per1000Requests => {
            let measured = assessment.per_1000_requests;
            PricedFigure { measured, why, ..PricedFigure::default() }
        }
        CostFigure::PerRequest(name)
        | CostFigure::PerRequestOf(name, _)
        | CostFigure::PerRun(name) => {
            let measured = projection.per_request(resource(name)?);
            PricedFigure { measured, ..PricedFigure::default() }
        }
    })
}

/// Returns the three dearest resources of a month.
fn dearest(assessment: &Assessment) -> String {
    let bill = &assessment.projection.bill;
    let mut lines: Vec<_> = bill
        .lines
        .iter()
        .filter_map(|line| Some((line.cost.filter(|cost| !cost.is_zero())?, line.resource)))
        .collect();
    lines.sort_by_key(|(cost, _)| std::cmp::Reverse(*cost));
    let share = |cost: Decimal| (cost * Decimal::ONE_HUNDRED / bill.total()).round();
    let parts =
        lines.iter().take(3).map(|(cost, resource)| format!("{resource} {} %", share(*cost)));
    parts.collect::<Vec<_>>().join(", ")
}

/// Returns the part of operations that are AI operations.
fn ai_share(usage: &RunUsage) -> Decimal {
    let count = |ai: bool| -> u64 {
        usage.steps.iter().filter(|step| step.ai == ai).map(|step| step.used.all().count).sum()
    };
    let (ai, rest) = (count(true), count(false));
    Decimal::from(ai) / Decimal::from((ai + rest).max(1))
}

/// Adds up everything that was used, over everything that was asked.
fn everything(usage: &RunUsage) -> Tally {
    let mut all = Tally::default();
    usage.steps.iter().for_each(|step| all.add(&step.used.all()));
    for (name, amount) in usage.runs.usage.iter().chain(&usage.background.usage) {
        *all.usage.entry(name.clone()).or_default() += amount;
    }
    all
}
