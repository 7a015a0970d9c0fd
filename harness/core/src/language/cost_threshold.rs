//! Thresholds on cost as text: `monthly(scale) < 500 USD`.

use rust_decimal::Decimal;

use crate::model::{Comparison, CostFigure};

use super::{
    error::Problem,
    node::clip,
    text::{FromText, written_as_text},
};

/// A threshold on cost, not yet held against the tiers.
#[derive(Clone, Debug, PartialEq)]
pub struct CostThresholdText {
    /// The text as it is written.
    pub text: String,
    /// The figure that is compared.
    pub figure: CostFigure,
    /// The comparison.
    pub comparison: Comparison,
    /// The bound: dollars, or units of a resource.
    pub bound: Decimal,
}

written_as_text!(CostThresholdText);

impl CostThresholdText {
    /// Reads a threshold that was written down; `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_text(text).ok()
    }
}

impl FromText for CostThresholdText {
    const WHAT: &'static str = "a threshold on cost such as `monthly(scale) < 500 USD`";
    const PATTERN: &'static str = "(<|<=|>|>=)";

    fn from_text(text: &str) -> Result<Self, Problem> {
        let (left, comparison, right) = super::threshold::split(text, Self::WHAT)?;
        let figure = figure(left)?;
        let bound = bound(&figure, right)?;
        Ok(Self { text: text.to_owned(), figure, comparison, bound })
    }
}

fn problem(message: impl Into<String>) -> Problem {
    Problem::new("bad-cost-threshold", message)
}

fn figure(text: &str) -> Result<CostFigure, Problem> {
    let argument =
        |name| text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')').map(str::trim);
    if let Some(tier) = argument("monthly") {
        return Ok(CostFigure::Monthly(tier.to_owned()));
    }
    if let Some(arguments) = argument("per_request") {
        return Ok(per_request(arguments));
    }
    if let Some(name) = argument("per_run") {
        return Ok(CostFigure::PerRun(name.to_owned()));
    }
    if text == "per_1000_requests" {
        return Ok(CostFigure::Per1000Requests);
    }
    Err(problem(format!("has an unknown figure `{}`", clip(text))).with_help(
        "figures are `monthly(TIER)` and `per_1000_requests` in USD, `per_request(RESOURCE)`, \
         `per_request(RESOURCE, STEP)` and `per_run(RESOURCE)`",
    ))
}

/// `RESOURCE`, or `RESOURCE, STEP`.
fn per_request(arguments: &str) -> CostFigure {
    match arguments.split_once(',') {
        Some((name, step)) => {
            CostFigure::PerRequestOf(name.trim().to_owned(), step.trim().to_owned())
        }
        None => CostFigure::PerRequest(arguments.to_owned()),
    }
}

fn bound(figure: &CostFigure, text: &str) -> Result<Decimal, Problem> {
    let number = |text: &str| Decimal::from_str_exact(text.trim()).ok();
    let found = clip(text);
    let bound = match figure {
        CostFigure::Monthly(_) | CostFigure::Per1000Requests => {
            let wrong = || {
                problem(format!("must compare with dollars such as `0.02 USD`, found `{found}`"))
            };
            text.strip_suffix("USD").and_then(number).ok_or_else(wrong)?
        }
        CostFigure::PerRequest(resource)
        | CostFigure::PerRequestOf(resource, _)
        | CostFigure::PerRun(resource) => {
            let message =
                format!("must compare {resource} with a number such as `2.5`, found `{found}`");
            number(text).ok_or_else(|| problem(message))?
        }
    };
    if bound.is_sign_negative() {
        return Err(problem(format!("must not be negative, found `{found}`")));
    }
    Ok(bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_as_a_table() {
        let parse = CostThresholdText::from_text;
        let monthly = parse("monthly(scale) < 500 USD").unwrap();
        assert_eq!(monthly.figure, CostFigure::Monthly("scale".to_owned()));
        assert_eq!((monthly.comparison, monthly.bound), (Comparison::Below, Decimal::from(500)));
        assert_eq!(parse("per_1000_requests <= 0.02 USD").unwrap().bound, Decimal::new(2, 2));
        let rows = parse("per_request(rows_read) <= 2.5").unwrap();
        assert_eq!(rows.figure, CostFigure::PerRequest("rows_read".to_owned()));
        let rows = parse("per_request(rows_read, create to run) <= 0").unwrap();
        let step = "create to run".to_owned();
        assert_eq!(rows.figure, CostFigure::PerRequestOf("rows_read".to_owned(), step));
        let run = parse("per_run(rows_written) <= 9").unwrap();
        assert_eq!(run.figure, CostFigure::PerRun("rows_written".to_owned()));
        for (text, expected) in [
            ("monthly < 5 USD", "unknown figure `monthly`"),
            ("monthly(scale) < 5", "dollars such as `0.02 USD`, found `5`"),
            ("monthly(scale) < -5 USD", "negative"),
            ("per_request(rows_read) < 5 USD", "with a number"),
            ("per_1000_requests", "must be a threshold on cost"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.message.contains(expected), "{text}: {}", error.message);
        }
    }
}
