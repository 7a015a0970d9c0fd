//! Judges a record: thresholds, and the verdict.

mod cost;
mod judgement;
mod reason;
mod threshold;
mod trouble;
mod verdict;

pub use cost::CostResult;
pub use cost::evaluate as on_usage;
pub use judgement::{Judged, Judgement, LAG_PERCENTILE, hopeless, judge, level, of_costs, spoiled};
pub use reason::Reason;
pub use threshold::{Measured, ThresholdResult, ThresholdStatus, on_books, work_total};
pub use trouble::Trouble;
pub use verdict::{Failed, Verdict};
