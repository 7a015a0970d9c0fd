//! Two versions side by side: pairs of windows → findings → decision.
//!
//! Nothing here sends or prints; the command makes the windows.

mod calibration;
mod finding;
mod history;
mod judge;
mod pair;
pub mod statistics;

pub use calibration::{Calibration, Expectation, Noise, PERCENTILES, POWER};
pub use finding::{Decision, Finding, Kind, Scale, Shift};
pub use history::{FEWEST_RUNS, against};
pub use judge::{GATED_PERCENTILE, Judged, SHIFT_PERCENTILES, SHOWN_PERCENTILES, judge};
pub use pair::{Pair, Window};

use serde::{Deserialize, Serialize};

/// When a change is too much. A change fails when it is significant and larger than this.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Rule {
    /// Bound on the probability that any gated metric fails by chance, before the size counts.
    pub alpha: f64,
    /// Allowed rise of the gated percentile, as a part of base.
    pub latency: f64,
    /// Allowed rise of the part of operations that fail, in parts of all operations.
    pub errors: f64,
    /// Allowed rise of each resource and of the cost for a request, as a part of base.
    pub usage: f64,
}

impl Default for Rule {
    /// 5 % of latency is what people have been found to tolerate as noise of a release; half a
    /// percent of errors is what a window of a few thousand operations can exclude; usage is
    /// counted, not timed, and hardly varies.
    fn default() -> Self {
        Self { alpha: 0.01, latency: 0.05, errors: 0.005, usage: 0.02 }
    }
}

/// Pairs, when nobody says otherwise: twelve can show p = 1/4096, so that Holm's correction leaves
/// room for many metrics at 1 %.
pub const DEFAULT_PAIRS: usize = 12;

/// Fewer pairs cannot show p ≤ 0.01 whatever they measure (1/2^7 = 0.0078).
pub const FEWEST_PAIRS: usize = 7;

/// More pairs would run for hours.
pub const MOST_PAIRS: usize = 200;
