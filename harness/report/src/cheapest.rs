//! Settings side by side, as a document and for a terminal.

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ScenarioReport, ThresholdReport};
use crate::{
    judge::{Failed, ThresholdStatus, Verdict},
    plan::Metric,
};

/// Columns of a scenario's name.
const NAME: usize = 36;
/// Columns of dollars.
const FIGURE: usize = 12;

/// Which setting is the cheapest that is fast enough. Dollars are decimals in strings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheapestReport {
    /// [`COST_SCHEMA_VERSION`](super::COST_SCHEMA_VERSION).
    pub schema_version: u32,
    /// Other settings than those of the runs, as they were given.
    pub settings: Vec<String>,
    /// By book and tier.
    pub tiers: Vec<TierChoices>,
    /// What to know before believing it, and settings that a scenario says nothing about.
    pub notes: Vec<String>,
}

/// The settings in a tier under a book.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TierChoices {
    /// The book.
    pub book: String,
    /// The tier.
    pub tier: String,
    /// The cheapest that meets its thresholds on latency, by its scenario and what was set beside it;
    /// absent when none does.
    pub cheapest: Option<String>,
    /// All of them: first those that meet their thresholds, the cheaper ones first.
    pub choices: Vec<ChoiceReport>,
}

/// A setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChoiceReport {
    /// The scenario that stands for it.
    pub scenario: String,
    /// What was set beside it.
    pub settings: Vec<String>,
    /// Runs that the figure comes from.
    pub runs: usize,
    /// Dollars a month.
    #[schemars(with = "String")]
    pub usd: Decimal,
    /// Half of its 95 % confidence interval; absent from a single run.
    #[schemars(with = "Option<String>")]
    pub usd_half_width: Option<Decimal>,
    /// What speaks against it; nothing if it meets its thresholds.
    pub against: Vec<String>,
}

impl CheapestReport {
    /// Whether there is one in each tier.
    pub fn found(&self) -> bool {
        self.tiers.iter().all(|tier| tier.cheapest.is_some())
    }
}

impl ChoiceReport {
    /// The scenario, and what was set beside it.
    pub fn name(&self) -> String {
        match self.settings.as_slice() {
            [] => self.scenario.clone(),
            settings => format!("{} with {}", self.scenario, settings.join(", ")),
        }
    }
}

/// What speaks against a scenario beside its cost: a threshold that is missed, that it has none on
/// latency, or everything else that went wrong.
pub fn against_latency(scenario: &ScenarioReport) -> Vec<String> {
    let of_latency = |threshold: &ThresholdReport| {
        matches!(threshold.metric, Metric::Percentile(..) | Metric::Mean(_) | Metric::Max(_))
    };
    if !scenario.thresholds.iter().any(of_latency) {
        return vec!["it has no threshold on latency".to_owned()];
    }
    let missed = scenario.thresholds.iter().filter(|one| one.status != ThresholdStatus::Passed);
    let missed: Vec<_> = missed.map(|one| format!("{}: {}", one.text, one.measured_text)).collect();
    let fine =
        matches!(scenario.verdict, Verdict::Pass | Verdict::Fail(Failed::Cost | Failed::Threshold));
    if missed.is_empty() && !fine {
        scenario.reasons.iter().map(ToString::to_string).collect()
    } else {
        missed
    }
}

/// The report as text.
pub fn cheapest_text(report: &CheapestReport) -> String {
    let mut lines = Vec::new();
    if !report.settings.is_empty() {
        lines.push(format!("with {}", report.settings.join(", ")));
    }
    for TierChoices { book, tier, cheapest, choices } in &report.tiers {
        lines.push(format!("{tier} under {book}, USD a month"));
        for choice in choices {
            let half = choice.usd_half_width.map_or(String::new(), |h| format!(" ±{h}"));
            let word = match (&choice.against, cheapest) {
                (against, _) if !against.is_empty() => against.join("; "),
                (_, Some(name)) if *name == choice.name() => "the cheapest".to_owned(),
                _ => String::new(),
            };
            let (name, usd) = (choice.name(), choice.usd);
            lines.push(format!("  {name:NAME$}{usd:>FIGURE$}{half}  {word}").trim_end().to_owned());
        }
        if cheapest.is_none() {
            lines.push("  none meets its thresholds on latency".to_owned());
        }
    }
    lines.extend(report.notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n") + "\n"
}
