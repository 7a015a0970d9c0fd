//! Judges a record: thresholds, and the verdict.

mod cost;
mod threshold;
mod verdict;

pub use cost::CostResult;
pub use cost::evaluate as on_usage;
pub use threshold::{Measured, ThresholdResult, ThresholdStatus};
pub use threshold::{on_books, work_total};
pub use verdict::{Judgement, Reason, Verdict, judge};
pub use verdict::{hopeless, is_about_threshold, level, of_reasons, of_thresholds, spoiled};
