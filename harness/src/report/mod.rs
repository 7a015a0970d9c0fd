//! What a reader gets: one serialised type, and the formats made from it.
//!
//! Every format is made in memory first, and nothing here prints.

mod conformance;
mod cost;
mod cost_text;
mod document;
mod json;
mod load;
mod number;
mod series;
mod spark;
mod step;
mod text;
mod write;

pub use conformance::{FailureReport, RuleName, RuleReport};
pub use cost::{
    BookReport, COST_SCHEMA_VERSION, ChangeReport, CostReport, CostThresholdReport, CrossingReport,
    LineReport, TableReport, TierReport, mixes, warnings,
};
pub use cost_text::cost_text;
pub use document::{
    RunInfo, RunReport, SCHEMA_VERSION, ScenarioCost, ScenarioReport, ThresholdReport,
};
pub use json::json;
pub use load::{GeneratorReport, LevelReport, ServerReport, SpanReport};
pub use step::{LatencyReport, StepReport};
pub use text::text;
pub use write::{WriteError, write};
