//! Holds the conditions on the numbers of a run.

use super::{Span, StepId};
use crate::model::{Comparison, Metric, Quantity};

/// `p95(create) < 50 ms`.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// The text as the author wrote it.
    pub text: String,
    /// The place in the file.
    pub span: Span,
    /// The metric that is measured.
    pub metric: Metric,
    /// The step that it covers, or all steps of the work.
    pub step: Option<StepId>,
    /// The comparison.
    pub comparison: Comparison,
    /// The bound. Its kind fits the metric: the parser refuses `p95 < 1%`.
    pub bound: Quantity,
}
