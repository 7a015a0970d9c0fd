//! What a reader gets: one serialised type, and the formats made from it.
//!
//! Every format is made in memory first, and nothing here prints.

mod conformance;
mod document;
mod json;
mod load;
mod number;
mod spark;
mod text;
mod write;

pub use conformance::{FailureReport, RuleName, RuleReport};
pub use document::{
    LatencyReport, RunInfo, RunReport, SCHEMA_VERSION, ScenarioReport, StepReport, ThresholdReport,
};
pub use json::json;
pub use load::{GeneratorReport, LevelReport, SpanReport};
pub use text::text;
pub use write::{WriteError, write};
