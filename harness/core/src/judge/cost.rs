//! Thresholds on cost against measured usage.

use rust_decimal::Decimal;

use crate::{
    model::usage::RunUsage,
    plan::{Comparison, CostFigure, CostPlan, CostThreshold, PricedFigure},
};

use super::threshold::ThresholdStatus;

/// A threshold on cost and what was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct CostResult {
    /// The threshold as the scenario states it.
    pub threshold: CostThreshold,
    /// The result of the threshold.
    pub status: ThresholdStatus,
    /// The figure; `None` without data.
    pub measured: Option<Decimal>,
    /// The components of the figure, dearest first, or the reason why there is none.
    pub why: String,
    /// The number of operations that the figure is based on.
    pub samples: u64,
}

/// Every threshold on cost of the plan, in its order.
pub fn evaluate(plan: &CostPlan, usage: &RunUsage) -> Vec<CostResult> {
    plan.thresholds.iter().map(|threshold| judge(threshold, usage, plan)).collect()
}

fn judge(threshold: &CostThreshold, usage: &RunUsage, plan: &CostPlan) -> CostResult {
    let figure = match plan.prices.figure(&threshold.figure, usage, plan.tier.as_deref()) {
        Ok(figure) if figure.samples > 0 => figure,
        Ok(_) => return without_data(threshold, nothing_of(&threshold.figure)),
        Err(error) => return without_data(threshold, error.to_string()),
    };
    let PricedFigure { measured, why, samples, unmetered, missing } = figure;
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
