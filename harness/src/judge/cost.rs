//! Thresholds on cost against measured usage.

use rust_decimal::Decimal;

use crate::{
    cost::{
        Assessment, BOOKS, BuiltIn, CostError, Mix, PriceBook, Question, RunUsage, TIERS, Tiers,
        WhatIf, assess, cents,
    },
    plan::{Comparison, CostFigure, CostPlan, CostThreshold},
};

use super::threshold::ThresholdStatus;

/// A threshold on cost and what was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct CostResult {
    /// What was asked for.
    pub threshold: CostThreshold,
    /// How it came out.
    pub status: ThresholdStatus,
    /// The figure; `None` without data.
    pub measured: Option<Decimal>,
    /// What the figure is made of, dearest first, or why there is none.
    pub why: String,
    /// How many operations the figure stands on.
    pub samples: u64,
}

/// Every threshold on cost of the plan, in its order.
pub(crate) fn evaluate(plan: &CostPlan, usage: &RunUsage) -> Vec<CostResult> {
    let book = BOOKS.iter().find(|book| book.name == plan.book).map(BuiltIn::open);
    let tiers = Tiers::parse(TIERS, "of this program");
    let judge = |threshold: &CostThreshold| match (&book, &tiers) {
        (Some(Ok(book)), Ok(tiers)) => judge(threshold, usage, tiers, book),
        // The files are part of the program; its tests read them.
        _ => without_data(threshold, "the price book or the tiers cannot be read".to_owned()),
    };
    plan.thresholds.iter().map(judge).collect()
}

fn judge(
    threshold: &CostThreshold,
    usage: &RunUsage,
    tiers: &Tiers,
    book: &PriceBook,
) -> CostResult {
    let upper = matches!(threshold.comparison, Comparison::Below | Comparison::AtMost);
    let unmetered = usage.unmetered();
    let samples = usage.steps.iter().map(|step| step.used.all().count).sum();
    if samples == 0 {
        return without_data(threshold, "no answer said what it used".to_owned());
    }
    if unmetered > 0 && upper {
        let why = format!("{unmetered} answers did not say what they used");
        return without_data(threshold, why);
    }
    match figure(threshold, usage, tiers, book) {
        Err(error) => without_data(threshold, error.to_string()),
        Ok((measured, why)) => {
            let holds = threshold.comparison.accepts(measured.cmp(&threshold.bound));
            let status = if holds { ThresholdStatus::Passed } else { ThresholdStatus::Failed };
            let threshold = threshold.clone();
            CostResult { threshold, status, measured: Some(measured), why, samples }
        }
    }
}

fn without_data(threshold: &CostThreshold, why: String) -> CostResult {
    let (threshold, status) = (threshold.clone(), ThresholdStatus::NoData);
    CostResult { threshold, status, measured: None, why, samples: 0 }
}

fn figure(
    threshold: &CostThreshold,
    usage: &RunUsage,
    tiers: &Tiers,
    book: &PriceBook,
) -> Result<(Decimal, String), CostError> {
    // Figures that name no tier are those of the largest, whose allotments weigh least.
    let largest = tiers.tiers.last().map(|tier| tier.name.clone()).unwrap_or_default();
    let tier = match &threshold.figure {
        CostFigure::Monthly(tier) => tier.clone(),
        CostFigure::Per1000Requests | CostFigure::PerRequest(_) => largest,
    };
    let mix = Mix { scenario: String::new(), tier: None, usage: usage.clone() };
    let whatif = WhatIf::default();
    let question = Question { tiers, only: std::slice::from_ref(&tier), whatif: &whatif };
    let assessments = assess(&[vec![mix]], &question, book)?;
    let unknown = || CostError::UnknownTier { name: tier.clone(), known: String::new() };
    let assessment = assessments.first().ok_or_else(unknown)?;
    let why = dearest(assessment);
    Ok(match &threshold.figure {
        CostFigure::Monthly(_) => (cents(assessment.projection.bill.total()), why),
        CostFigure::Per1000Requests => (assessment.per_1000_requests, why),
        CostFigure::PerRequest(resource) => {
            let requests = Decimal::from(assessment.projection.tier.requests);
            let amount = assessment.projection.amounts.get(*resource) / requests;
            (amount.round_dp(6).normalize(), String::new())
        }
    })
}

/// The three dearest resources of a month.
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
