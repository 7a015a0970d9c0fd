//! What a reader gets: one serialised type, and the formats made from it.
//!
//! Every format is made in memory; nothing here prints or writes.

mod document;
mod json;
mod number;
mod spark;
mod text;

pub use document::{
    FailureReport, LatencyReport, RunInfo, RunReport, SCHEMA_VERSION, ScenarioReport, StepReport,
    ThresholdReport,
};
pub use json::json;
pub use text::text;
