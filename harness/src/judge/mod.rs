//! What a record means: expectations, thresholds, and the verdict.

mod cost;
mod difference;
mod equal;
pub mod expect;
mod threshold;
mod verdict;

pub use cost::CostResult;
pub(crate) use threshold::work_total;
pub use threshold::{Measured, ThresholdResult, ThresholdStatus};
pub use verdict::{Judgement, Reason, Verdict, judge};
pub(crate) use verdict::{hopeless, level};
