//! What happened, in a fixed amount of memory: counts, histograms and a few failures in full.

use std::time::Duration;

mod failure;
mod latency;
mod metrics;
mod observed;
mod recorder;
mod scenario;
mod secrets;
mod step;
mod timeline;

pub use failure::{BODY_EXCERPT, Failure, redact};
pub use latency::{Figure, Latency, LatencyPart, MAX_LATENCY};
pub use metrics::{Claims, Metrics, Tally};
pub use metrics::{merge, merge_claims};
pub use observed::Seen;
pub use recorder::{MAX_NOTES, Outcome, Parts, Recorder, Times};
pub use scenario::{Drift, Level, Pace, PhaseEnd, Reach, ScenarioRecord};
pub use secrets::Secrets;
pub use secrets::hex;
pub use step::{MAX_SAMPLES, StepRecord};
pub use timeline::{MAX_SPANS, Sketch, Span as TimelineSpan, Timeline};

/// A count as a float: exact below 2^53, which no run reaches.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub fn float(count: u64) -> f64 {
    count as f64
}

/// Whole nanoseconds; more than 584 years saturate.
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
