//! A latency distribution in one line.

use hdrhistogram::Histogram;

use super::{StepReport, number, stored};
use crate::record::float;

/// Columns of a distribution: enough to see two humps, few enough for a table.
pub(super) const WIDTH: usize = 16;

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Distributions of several steps on one logarithmic scale.
pub(super) struct Sparks {
    /// Nanoseconds.
    low: f64,
    /// Nanoseconds.
    high: f64,
    histograms: Vec<Option<Histogram<u64>>>,
}

impl Sparks {
    /// A scale that fits all of `steps`.
    pub(super) fn new(steps: &[&StepReport]) -> Self {
        let histograms: Vec<_> = steps.iter().map(|step| decode(step)).collect();
        let known = || histograms.iter().flatten();
        let low = known().map(|h| h.min_nz().min(h.max())).min().unwrap_or(1).max(1);
        let high = known().map(Histogram::max).max().unwrap_or(1).max(low + 1);
        Self { low: float(low), high: float(high), histograms }
    }

    /// The scale, as wide as a distribution at least.
    pub(super) fn scale(&self) -> String {
        let end = |nanos: f64| number::time(nanos / 1e6);
        let (low, high) = (end(self.low), end(self.high));
        let gap = WIDTH.saturating_sub(low.chars().count() + high.chars().count()).max(1);
        format!("{low}{}{high}", " ".repeat(gap))
    }

    /// The distribution of the step at `index`: a bar where there is anything at all.
    pub(super) fn line(&self, index: usize) -> String {
        let Some(Some(histogram)) = self.histograms.get(index) else { return String::new() };
        let mut counts = [0; WIDTH];
        for step in histogram.iter_recorded() {
            counts[self.column(float(step.value_iterated_to()))] +=
                step.count_since_last_iteration();
        }
        let most = float(counts.into_iter().max().unwrap_or(0));
        counts.into_iter().map(|count| bar(float(count), most)).collect()
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates and the result is bounded"
    )]
    fn column(&self, nanos: f64) -> usize {
        let part = (nanos / self.low).ln() / (self.high / self.low).ln();
        ((part * float(WIDTH as u64)) as usize).min(WIDTH - 1)
    }
}

/// A bar where there is anything at all, as high as `value` is of `most`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates and the result is bounded"
)]
pub(super) fn bar(value: f64, most: f64) -> char {
    if value <= 0.0 {
        return ' ';
    }
    let last = BARS.len() - 1;
    let height = (value / most * float(last as u64)) as usize;
    BARS[height.min(last)]
}

fn decode(step: &StepReport) -> Option<Histogram<u64>> {
    stored::decode(step.response_hdr.as_deref()?)
}
