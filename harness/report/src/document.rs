//! The one serialised type of a run.

use std::{path::Path, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    conformance::{self, FailureReport, RuleReport},
    cost::{CostReport, CostThresholdReport},
    load::{self, GeneratorReport, LevelReport, ServerReport, SpanReport},
    number,
    reason::ReasonReport,
    step::StepReport,
    timestamp::Timestamp,
    upstream::UpstreamReport,
};
use crate::{
    judge::{Judgement, Measured, ThresholdResult, ThresholdStatus, Verdict},
    model::{TargetKind, usage::RunUsage},
    plan::{Comparison, Metric, Phase, Quantity, ScenarioPlan, StepLabel},
    record::ScenarioRecord,
    report::{
        Fact,
        host::{self, Host},
    },
};

/// Version of the format: raised when a reader of the previous one would misread the new one.
pub const SCHEMA_VERSION: u32 = 2;

/// What the caller knows about a run.
#[derive(Clone, Debug)]
pub struct RunInfo {
    /// Names the run.
    pub run_id: String,
    /// What every random choice was drawn from.
    pub seed: u64,
    /// Base URL of the target.
    pub target: String,
    /// How the target came to run.
    pub target_kind: TargetKind,
    /// When the run started.
    pub started_at: Timestamp,
    /// How long all scenarios took together.
    pub duration: Duration,
}

/// A run, complete: every other format is made from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Version of the tool that wrote it.
    pub tool_version: String,
    /// Names the run.
    pub run_id: String,
    /// The runs that this one is the sum of; empty for a run of one generator.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<String>,
    /// What every random choice was drawn from; with it a run can be repeated.
    pub seed: u64,
    /// Base URL of the target.
    pub target: String,
    /// How the target came to run.
    pub target_kind: TargetKind,
    /// When the run started.
    pub started_at: Timestamp,
    /// Seconds that all scenarios took together.
    pub duration_s: f64,
    /// The machine that sent the requests.
    #[serde(default)]
    pub host: Option<Host>,
    /// The commit of the repository that the command was called in, `-dirty` with changes.
    #[serde(default)]
    pub commit: Option<String>,
    /// What the self-check found out about the target.
    #[serde(default)]
    pub self_check: Vec<Fact>,
    /// Every scenario, in the order they ran.
    pub scenarios: Vec<ScenarioReport>,
    /// What a month costs, by tier and book; absent unless a scenario measured usage.
    #[serde(default)]
    pub cost: Option<CostReport>,
    /// The verdict on all scenarios: that of the worst.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Exit code of the command that wrote this; absent where no command did.
    #[serde(default)]
    pub exit: Option<u8>,
}

/// One scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioReport {
    /// Its file, as the user named it.
    pub file: String,
    /// Its name.
    pub name: String,
    /// A hash of the file: what figures can be compared with.
    #[serde(default)]
    pub config: Option<String>,
    /// How it ended.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Exit code of the command if this were the only scenario; absent when it was not applicable.
    #[serde(default)]
    pub exit: Option<u8>,
    /// What speaks against a pass.
    pub reasons: Vec<ReasonReport>,
    /// What the data at hand say of the cause, likeliest first.
    #[serde(default)]
    pub causes: Vec<String>,
    /// What no verdict depends on, such as how much a limiter admits past its limit.
    #[serde(default)]
    pub remarks: Vec<String>,
    /// Seconds it took.
    pub duration_s: f64,
    /// Seconds of the measured time.
    pub window_s: f64,
    /// Every place that sends requests.
    pub steps: Vec<StepReport>,
    /// All steps of the work together.
    pub total: Option<StepReport>,
    /// How well the generator kept its schedule; only a load has it.
    #[serde(default)]
    pub generator: Option<GeneratorReport>,
    /// What became of the development server under the load, if the target runs on one that can be
    /// looked at.
    #[serde(default)]
    pub server: Option<ServerReport>,
    /// A load in spans of equal length, warm-up excluded; empty otherwise.
    #[serde(default)]
    pub timeline: Vec<SpanReport>,
    /// The rates that a search tried, in order. The figures are those of the highest that held, or
    /// of the first if none did.
    #[serde(default)]
    pub levels: Vec<LevelReport>,
    /// What it used; only a scenario with a `cost` block has it.
    #[serde(default)]
    pub cost: Option<ScenarioCost>,
    /// What the stub of upstreams saw during the load, if there is one.
    #[serde(default)]
    pub upstream: Option<UpstreamReport>,
    /// Every threshold.
    pub thresholds: Vec<ThresholdReport>,
    /// What became of the rules that it names.
    #[serde(default)]
    pub rules: Vec<RuleReport>,
    /// The first failures of each step.
    pub failures: Vec<FailureReport>,
}

/// What a scenario used, for `workway cost`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioCost {
    /// The tier that its mix of journeys stands for; any if absent.
    pub tier: Option<String>,
    /// What it used.
    pub usage: RunUsage,
    /// The price book of the thresholds; absent in reports of older versions.
    #[serde(default)]
    pub book: Option<String>,
    /// Whether that book, or the tiers, are files of the author: a report does not hold them.
    #[serde(default)]
    pub own_prices: bool,
    /// Every threshold on cost.
    pub thresholds: Vec<CostThresholdReport>,
}

impl ScenarioCost {
    fn new(plan: &ScenarioPlan, record: &ScenarioRecord, judgement: &Judgement) -> Option<Self> {
        let cost = plan.cost.as_ref()?;
        Some(Self {
            tier: cost.tier.clone(),
            usage: record.usage.clone()?,
            book: Some(cost.prices.book_name().to_owned()),
            own_prices: cost.prices.are_own(),
            thresholds: judgement.cost.iter().map(CostThresholdReport::new).collect(),
        })
    }
}

/// A threshold and what was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThresholdReport {
    /// As the author wrote it.
    pub text: String,
    /// Line in the file.
    pub line: usize,
    /// Column in the file.
    pub column: usize,
    /// The step it is about; absent for all steps of the work.
    pub step: Option<String>,
    /// What is measured.
    pub metric: Metric,
    /// How it came out.
    pub status: ThresholdStatus,
    /// The figure, in the unit of the bound; absent without data.
    pub measured: Option<Quantity>,
    /// Whether the figure is only a lower bound.
    pub measured_is_lower_bound: bool,
    /// The figure for a reader.
    pub measured_text: String,
    /// The comparison, `<`, `<=`, `>` or `>=`.
    pub comparison: Comparison,
    /// The bound.
    pub bound: Quantity,
    /// The bound for a reader.
    pub bound_text: String,
    /// Operations the figure stands on.
    pub samples: u64,
}

impl RunReport {
    /// Makes the report of a run. Its verdict is the worst of its scenarios, or that nothing was
    /// applicable when none was run.
    pub fn new(info: RunInfo, scenarios: Vec<ScenarioReport>) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            run_id: info.run_id,
            parts: Vec::new(),
            seed: info.seed,
            target: info.target,
            target_kind: info.target_kind,
            started_at: info.started_at,
            duration_s: info.duration.as_secs_f64(),
            host: None,
            commit: None,
            cost: None,
            self_check: Vec::new(),
            verdict: worst(&scenarios),
            scenarios,
            exit: None,
        }
    }

    /// Returns the names of the runs whose operations are in it: its own, or those of its parts.
    pub fn runs(&self) -> impl Iterator<Item = &str> {
        let own = self.parts.is_empty().then_some(&self.run_id);
        self.parts.iter().chain(own).map(String::as_str)
    }

    /// Fills in the exit codes that these verdicts mean for the command that writes the report;
    /// a scenario that was not applicable has none.
    pub fn with_exit_codes(mut self, code: impl Fn(Verdict) -> u8) -> Self {
        self.exit = Some(code(self.verdict));
        for scenario in &mut self.scenarios {
            let was_run = scenario.verdict != Verdict::NotApplicable;
            scenario.exit = was_run.then(|| code(scenario.verdict));
        }
        self
    }
}

/// Returns the verdict on all scenarios together.
pub(super) fn worst(scenarios: &[ScenarioReport]) -> Verdict {
    scenarios.iter().map(|scenario| scenario.verdict).max().unwrap_or(Verdict::NotApplicable)
}

impl ScenarioReport {
    /// Of a scenario that was run.
    pub fn new(plan: &ScenarioPlan, record: &ScenarioRecord, judgement: &Judgement) -> Self {
        let steps = plan.labels.iter().zip(&record.steps);
        Self {
            file: plan.file.to_string(),
            name: plan.name.clone(),
            config: host::hash_of(Path::new(&*plan.file)),
            verdict: judgement.verdict,
            exit: None,
            reasons: judgement.reasons.iter().cloned().map(ReasonReport::from).collect(),
            causes: Vec::new(),
            remarks: record.remarks.clone(),
            duration_s: record.elapsed.as_secs_f64(),
            window_s: record.window.as_secs_f64(),
            steps: steps.clone().map(|(label, step)| StepReport::new(label, step)).collect(),
            total: total(plan, record),
            generator: record.pace.map(|pace| GeneratorReport::new(pace, plan.allowed_lag())),
            server: record.server.map(ServerReport::new),
            timeline: load::timeline(&record.timeline),
            levels: record.levels.iter().map(LevelReport::new).collect(),
            cost: ScenarioCost::new(plan, record, judgement),
            upstream: record.upstream.map(UpstreamReport::new),
            thresholds: judgement
                .thresholds
                .iter()
                .map(|r| ThresholdReport::new(plan, r))
                .collect(),
            rules: conformance::rules(plan, record),
            failures: steps
                .flat_map(|(_, step)| &step.samples)
                .chain(&record.failures)
                .map(FailureReport::new)
                .collect(),
        }
    }

    /// Returns what speaks against a pass in one line.
    pub fn reasons_text(&self) -> String {
        self.reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    /// Of a scenario that was not run, with [`Judgement::not_applicable`].
    pub fn not_run(plan: &ScenarioPlan, judgement: &Judgement) -> Self {
        Self::new(plan, &ScenarioRecord::default(), judgement)
    }
}

fn total(plan: &ScenarioPlan, record: &ScenarioRecord) -> Option<StepReport> {
    let label = StepLabel { name: "all".to_owned(), phase: Phase::Work };
    let total = crate::judge::work_total(plan, record);
    (total.scheduled > 0).then(|| StepReport::new(&label, &total))
}

impl ThresholdReport {
    fn new(plan: &ScenarioPlan, result: &ThresholdResult) -> Self {
        let step = result.threshold.step.and_then(|step| plan.labels.get(step.0));
        Self::of(result, step.map(|label| label.name.clone()))
    }

    pub(super) fn of(result: &ThresholdResult, step: Option<String>) -> Self {
        let threshold = &result.threshold;
        let (quantity, bounded) = match result.measured {
            Some(Measured::Exact(quantity)) => (Some(quantity), false),
            Some(Measured::AtLeast(quantity)) => (Some(quantity), true),
            None => (None, false),
        };
        let text = quantity.map_or("no data".to_owned(), number::quantity);
        Self {
            text: threshold.text.clone(),
            line: threshold.span.line,
            column: threshold.span.column,
            step,
            metric: threshold.metric,
            status: result.status,
            measured: quantity,
            measured_is_lower_bound: bounded,
            measured_text: if bounded { format!("≥ {text}") } else { text },
            comparison: threshold.comparison,
            bound: threshold.bound,
            bound_text: number::quantity(threshold.bound),
            samples: result.samples,
        }
    }
}
