//! What a record means: expectations, thresholds, and the verdict.

pub mod cache;
mod cost;
mod difference;
mod equal;
pub mod expect;
mod judgement;
pub mod limiter;
mod matcher;
pub mod oracle;
mod reason;
pub mod runs;
mod threshold;
mod verdict;

pub use cost::CostResult;
pub(crate) use cost::evaluate as on_usage;
pub(crate) use difference::between;
pub use judgement::{Judgement, judge, of_thresholds, spoiled};
pub(crate) use judgement::{hopeless, level};
pub(crate) use matcher::clipped;
pub use reason::Reason;
pub use threshold::{Measured, ThresholdResult, ThresholdStatus};
pub(crate) use threshold::{on_books, work_total};
pub use verdict::{Failed, Verdict};
