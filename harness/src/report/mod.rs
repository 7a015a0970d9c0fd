//! What a reader gets: one serialised type, and the formats made from it.
//!
//! Every format is made in memory first, and nothing here prints.

mod cost;
mod cost_text;
mod diagnose;
mod document;
mod gate;
mod gate_text;
mod json;
mod load;
mod markdown;
mod number;
mod series;
mod spark;
mod step;
mod stored;
mod text;
mod write;

pub use cost::{
    BookReport, COST_SCHEMA_VERSION, ChangeReport, CostReport, CrossingReport, LineReport,
    TableReport, TierReport,
};
pub use cost_text::cost_text;
pub use diagnose::{causes_of_gate, causes_of_run};
pub use document::{
    FailureReport, RunInfo, RunReport, SCHEMA_VERSION, ScenarioCost, ScenarioReport,
    ThresholdReport,
};
pub use gate::{GATE_SCHEMA_VERSION, GateReport, SideReport};
pub use gate_text::{gate_markdown, gate_text, summary as gate_summary};
pub use json::json;
pub use load::{GeneratorReport, LevelReport, SpanReport};
pub use markdown::markdown;
pub use step::{LatencyReport, StepReport};
pub use stored::{StoredLatency, StoredPart};
pub use text::text;
pub use write::{WriteError, write, write_all};
