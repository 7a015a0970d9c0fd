//! What the numbers of a run must satisfy.

use super::{Span, StepId};
use crate::model::{Comparison, Metric, Quantity};

/// `p95(create) < 50 ms`.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// As the author wrote it.
    pub text: String,
    /// In the file.
    pub span: Span,
    /// What is measured.
    pub metric: Metric,
    /// Over one step, or over all steps of the work.
    pub step: Option<StepId>,
    /// How it is compared.
    pub comparison: Comparison,
    /// With what. Its kind fits the metric: the parser refuses `p95 < 1%`.
    pub bound: Quantity,
}
