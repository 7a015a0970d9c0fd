//! Thresholds on cost against measured usage.

use rust_decimal::Decimal;

use crate::{
    cost::{
        Assessment, CostError, Mix, Question, Resource, RunUsage, Tally, WhatIf, assess, cents,
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

/// A figure before it is held against its bound.
#[derive(Default)]
struct Figure {
    measured: Decimal,
    why: String,
    samples: u64,
    /// Answers behind it that did not say what they used.
    unmetered: u64,
    /// What is not in it, so that it is a lower bound.
    missing: Option<String>,
}

/// Every threshold on cost of the plan, in its order.
pub(crate) fn evaluate(plan: &CostPlan, usage: &RunUsage) -> Vec<CostResult> {
    plan.thresholds.iter().map(|threshold| judge(threshold, usage, plan)).collect()
}

fn judge(threshold: &CostThreshold, usage: &RunUsage, plan: &CostPlan) -> CostResult {
    let figure = match figure(threshold, usage, plan) {
        Ok(figure) if figure.samples > 0 => figure,
        Ok(_) => return without_data(threshold, nothing_of(&threshold.figure)),
        Err(error) => return without_data(threshold, error.to_string()),
    };
    let Figure { measured, why, samples, unmetered, missing } = figure;
    let upper = matches!(threshold.comparison, Comparison::Below | Comparison::AtMost);
    if unmetered > 0 && upper {
        let why = format!("{unmetered} answers did not say what they used");
        return without_data(threshold, why);
    }
    let holds = threshold.comparison.accepts(measured.cmp(&threshold.bound));
    // What a lower bound is below, the whole may be beyond.
    if let Some(missing) = missing.filter(|_| holds == upper) {
        return without_data(threshold, missing);
    }
    let status = if holds { ThresholdStatus::Passed } else { ThresholdStatus::Failed };
    let threshold = threshold.clone();
    CostResult { threshold, status, measured: Some(measured), why, samples }
}

fn nothing_of(figure: &CostFigure) -> String {
    match figure {
        CostFigure::PerRequestOf(_, step) => format!("no answer of `{step}` said what it used"),
        CostFigure::PerRun(_) => {
            "no durable run was started, or nobody said what it used".to_owned()
        }
        _ => "no answer said what it used".to_owned(),
    }
}

fn without_data(threshold: &CostThreshold, why: String) -> CostResult {
    let (threshold, status) = (threshold.clone(), ThresholdStatus::NoData);
    CostResult { threshold, status, measured: None, why, samples: 0 }
}

fn figure(
    threshold: &CostThreshold,
    usage: &RunUsage,
    plan: &CostPlan,
) -> Result<Figure, CostError> {
    let unmetered = usage.unmetered();
    match &threshold.figure {
        CostFigure::PerRequestOf(resource, name) => {
            let step = usage.steps.iter().find(|step| step.name == *name);
            let used = step.map(|step| step.used.clone()).unwrap_or_default();
            Figure::mean(*resource, &used.all(), used.unmetered)
        }
        CostFigure::PerRun(resource) => Figure::mean(*resource, &usage.runs, unmetered),
        of_mix => {
            let samples = usage.steps.iter().map(|step| step.used.all().count).sum();
            let Some(assessment) = assessed(of_mix, usage, plan)? else {
                return Ok(Figure { unmetered, ..Figure::default() });
            };
            Ok(Figure { samples, unmetered, ..Figure::of_tier(of_mix, &assessment) })
        }
    }
}

impl Figure {
    /// Units of a resource for each of what was counted.
    fn mean(resource: Resource, tally: &Tally, unmetered: u64) -> Result<Self, CostError> {
        let mean = tally.mean()?.unwrap_or_default().get(resource);
        let measured = mean.round_dp(6).normalize();
        Ok(Self { measured, samples: tally.count, unmetered, ..Self::default() })
    }

    fn of_tier(figure: &CostFigure, assessment: &Assessment) -> Self {
        let projection = &assessment.projection;
        let why = dearest(assessment);
        match figure {
            CostFigure::Monthly(_) => {
                let missing = projection.missing.first().map(|_| projection.missing.join("; "));
                let measured = cents(projection.bill.total());
                Self { measured, why, missing, ..Self::default() }
            }
            CostFigure::Per1000Requests => {
                Self { measured: assessment.per_1000_requests, why, ..Self::default() }
            }
            CostFigure::PerRequest(resource)
            | CostFigure::PerRequestOf(resource, _)
            | CostFigure::PerRun(resource) => {
                Self { measured: projection.per_request(*resource), ..Self::default() }
            }
        }
    }
}

/// The tier that a figure is of. `None` when no answer said what it used.
fn assessed(
    figure: &CostFigure,
    usage: &RunUsage,
    plan: &CostPlan,
) -> Result<Option<Assessment>, CostError> {
    // Figures that name no tier are those of the scenario's own, or else of the largest, whose
    // allotments weigh least.
    let largest = || plan.tiers.tiers.last().map(|tier| tier.name.clone());
    let tier = match figure {
        CostFigure::Monthly(tier) => tier.clone(),
        _ => plan.tier.clone().or_else(largest).unwrap_or_default(),
    };
    let mix = Mix { scenario: String::new(), tier: None, usage: usage.clone() };
    let whatif = WhatIf::default();
    let only = std::slice::from_ref(&tier);
    let question = Question { tiers: &plan.tiers, only, whatif: &whatif };
    Ok(assess(&[vec![mix]], &question, &plan.book)?.into_iter().next())
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

#[cfg(test)]
mod tests;
