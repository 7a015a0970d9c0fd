//! Thresholds of either kind, as every format shows them.

use super::{CostThresholdReport, ScenarioReport, ThresholdReport, number};
use crate::judge::ThresholdStatus;

/// A threshold on time, errors or cost, for a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThresholdLine<'a> {
    /// As the author wrote it.
    pub text: &'a str,
    /// Line in the file.
    pub line: usize,
    /// Column in the file.
    pub column: usize,
    /// How it came out.
    pub status: ThresholdStatus,
    /// The figure with its unit, or that there is none.
    pub measured: String,
    /// What the figure must satisfy, with how many operations it stands on.
    pub rule: String,
    /// What the figure is made of, or why there is none; may be empty.
    pub why: &'a str,
    /// Operations the figure stands on.
    pub samples: u64,
}

impl ScenarioReport {
    /// Every threshold: first those on latency, errors and rate, then those on cost.
    pub fn threshold_lines(&self) -> Vec<ThresholdLine<'_>> {
        let plain = self.thresholds.iter().map(ThresholdLine::plain);
        let cost = self.cost.iter().flat_map(|cost| &cost.thresholds).map(ThresholdLine::cost);
        plain.chain(cost).collect()
    }

    /// Those that do not hold.
    pub fn missed(&self) -> impl Iterator<Item = ThresholdLine<'_>> {
        let lines = self.threshold_lines().into_iter();
        lines.filter(|line| line.status != ThresholdStatus::Passed)
    }
}

impl<'a> ThresholdLine<'a> {
    fn plain(threshold: &'a ThresholdReport) -> Self {
        let ThresholdReport { comparison, bound_text, samples, .. } = threshold;
        Self {
            text: &threshold.text,
            line: threshold.line,
            column: threshold.column,
            status: threshold.status,
            measured: threshold.measured_text.clone(),
            rule: format!("{comparison} {bound_text}, n {}", number::count(*samples)),
            why: "",
            samples: *samples,
        }
    }

    /// The bound of a threshold on cost stands in its text, and dollars in the bound.
    fn cost(threshold: &'a CostThresholdReport) -> Self {
        let unit = if threshold.figure.is_in_dollars() { " USD" } else { "" };
        Self {
            text: &threshold.text,
            line: threshold.line,
            column: threshold.column,
            status: threshold.status,
            measured: threshold
                .measured
                .map_or("no data".to_owned(), |figure| format!("{figure}{unit}")),
            rule: format!("n {}", number::count(threshold.samples)),
            why: &threshold.why,
            samples: threshold.samples,
        }
    }

    /// What was measured, on how many operations, and what it is made of.
    pub fn evidence(&self) -> String {
        let samples = number::count(self.samples);
        let why = if self.why.is_empty() { String::new() } else { format!(" ({})", self.why) };
        format!("measured {} over {samples} operations{why}", self.measured)
    }
}
