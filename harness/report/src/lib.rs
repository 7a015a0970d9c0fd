//! What a reader gets: one serialised type, and the formats made from it.
//!
//! Every format is made in memory first, and nothing here prints.

#![forbid(unsafe_code)]

use crate as report;
use workway_core::{gate, judge, model, plan, record};

mod baseline;
mod billing;
mod cheapest;
mod conformance;
mod cost;
mod cost_change;
mod cost_figures;
mod diagnose;
mod document;
mod format;
mod gate_report;
mod github;
mod harmless;
mod hdr_log;
pub mod host;
mod junit;
mod load;
mod matrix;
mod merge;
mod number;
mod prometheus;
mod read;
mod reason;
mod render;
mod rendered;
mod self_check;
mod series;
mod spark;
mod step;
mod stored;
mod threshold;
mod timestamp;
mod upstream;
mod view;
mod write;

pub use crate::model::TargetKind;
pub use baseline::{
    AcceptedRun, BASELINE_SCHEMA_VERSION, Baseline, BaselineError, Comparison, MAX_RUNS,
};
pub use billing::Billing;
pub use cheapest::{CheapestReport, ChoiceReport, TierChoices, against_latency, cheapest_text};
pub use conformance::{FailureReport, RuleName, RuleReport};
pub use cost::{
    BookDifference, BookReport, COST_SCHEMA_VERSION, CostReport, CostThresholdReport,
    CrossingReport, LineDifference, LineReport, Origin, TableReport, TierDifference, TierReport,
    plain, scaled, usd,
};
pub use cost_change::{ChangeReport, TierChangeReport};
pub use diagnose::{causes_of_gate, causes_of_run};
pub use document::{
    RunInfo, RunReport, SCHEMA_VERSION, ScenarioCost, ScenarioReport, ThresholdReport,
};
pub use format::{Format, RenderError};
pub use gate_report::{GATE_SCHEMA_VERSION, GateReport, SideReport};
pub use github::github;
pub use hdr_log::hdr_log;
pub use junit::junit;
pub use load::{GeneratorReport, LevelReport, ServerReport, ServiceSpan, SpanReport};
pub use matrix::{
    Area, CleanRuns, Detection, DetectionMatrix, Kill, MATRIX_SCHEMA_VERSION, Outcome,
    RuleDetections, RuleElsewhere,
};
pub use merge::{MergeError, merge};
pub use prometheus::prometheus;
pub use read::{ReadError, Written, read, read_run};
pub use reason::ReasonReport;
pub use rendered::{Rendered, comparison_text, cost_text, json};
pub use self_check::Fact;
pub use step::{LatencyReport, StepError, StepReport};
pub use stored::{StoredError, StoredLatency, StoredPart};
pub use threshold::ThresholdLine;
pub use timestamp::Timestamp;
pub use upstream::UpstreamReport;
pub use view::View;
pub use write::{WriteError, check_folder, write, write_all};
