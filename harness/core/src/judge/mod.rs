//! What a record means: expectations, thresholds, and the verdict.

pub mod cache;
mod cost;
mod difference;
mod equal;
pub mod expect;
pub mod limiter;
mod matcher;
pub mod oracle;
pub mod runs;
mod threshold;
mod verdict;

pub use cost::CostResult;
pub use cost::evaluate as on_usage;
pub use difference::between;
pub use matcher::clipped;
pub use threshold::{Measured, ThresholdResult, ThresholdStatus};
pub use threshold::{on_books, work_total};
pub use verdict::{Judgement, Reason, Verdict, judge};
pub use verdict::{hopeless, is_about_threshold, level, of_reasons, of_thresholds, spoiled};
