//! What a record means: expectations, thresholds, and the verdict.

pub mod cache;
mod cost;
mod difference;
pub mod expect;
pub mod limiter;
pub mod oracle;
pub mod runs;
mod threshold;
mod verdict;

pub(crate) use crate::model::clipped;
pub use cost::CostResult;
pub(crate) use cost::evaluate as on_usage;
pub(crate) use difference::between;
pub use threshold::{Measured, ThresholdResult, ThresholdStatus};
pub(crate) use threshold::{on_books, work_total};
pub use verdict::{Judgement, Reason, Verdict, judge};
pub(crate) use verdict::{hopeless, is_about_threshold, level, of_reasons, of_thresholds, spoiled};
