//! Records the events of a run in a fixed amount of memory: counts, histograms and a few failures
//! in full.

mod failure;
mod latency;
mod metrics;
mod observed;
mod recorder;
mod scenario;
mod secrets;
mod step;
mod timeline;

pub use crate::model::Parts;
pub use crate::model::{float, hex, nanos};
pub use failure::{BODY_EXCERPT, Failure, redact};
pub use latency::{Figure, Latency, LatencyPart, MAX_LATENCY};
pub use metrics::{Claims, Metrics, Tally};
pub use metrics::{merge, merge_claims};
pub use observed::Seen;
pub use recorder::{MAX_NOTES, Outcome, Recorder, Times};
pub use scenario::{Drift, Level, Pace, PhaseEnd, Reach, ScenarioRecord};
pub use secrets::Secrets;
pub use step::{MAX_SAMPLES, StepRecord};
pub use timeline::{MAX_SPANS, Sketch, Span as TimelineSpan, Timeline};
