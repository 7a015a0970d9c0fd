//! The one serialised type of a run.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hdrhistogram::serialization::{Serializer as _, V2Serializer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    cost::{CostReport, CostThresholdReport},
    load::{self, GeneratorReport, LevelReport, SpanReport},
    number::{self, milliseconds},
};
use crate::{
    cost::RunUsage,
    execute::ErrorKind,
    exit::Exit,
    judge::{Judgement, Measured, ThresholdResult, ThresholdStatus, Verdict},
    plan::{Phase, Quantity, ScenarioPlan, StepLabel},
    record::{Failure, Figure, Latency, ScenarioRecord, StepRecord},
};

/// Version of the format: raised when a reader of the previous one would misread the new one.
pub const SCHEMA_VERSION: u32 = 1;

/// What the caller knows about a run.
#[derive(Clone, Debug)]
pub struct RunInfo {
    /// Names the run.
    pub run_id: String,
    /// What every random choice was drawn from.
    pub seed: u64,
    /// Base URL of the target.
    pub target: String,
    /// What the target is: `embedded`, `wrangler` or `url`.
    pub target_kind: String,
    /// When the run started, RFC 3339 in UTC.
    pub started_at: String,
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
    /// What every random choice was drawn from; with it a run can be repeated.
    pub seed: u64,
    /// Base URL of the target.
    pub target: String,
    /// What the target is: `embedded`, `wrangler` or `url`.
    pub target_kind: String,
    /// When the run started, RFC 3339 in UTC.
    pub started_at: String,
    /// Seconds that all scenarios took together.
    pub duration_s: f64,
    /// Every scenario, in the order they ran.
    pub scenarios: Vec<ScenarioReport>,
    /// What a month costs, by tier and book; absent unless a scenario measured usage.
    #[serde(default)]
    pub cost: Option<CostReport>,
    /// Exit code of the command.
    pub exit: u8,
}

/// One scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioReport {
    /// Its file, as the user named it.
    pub file: String,
    /// Its name.
    pub name: String,
    /// How it ended.
    pub verdict: Verdict,
    /// Exit code of the command if this were the only scenario; absent when it was not applicable.
    pub exit: Option<u8>,
    /// What speaks against a pass.
    pub reasons: Vec<String>,
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
    /// Every threshold.
    pub thresholds: Vec<ThresholdReport>,
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
    /// Every threshold on cost.
    pub thresholds: Vec<CostThresholdReport>,
}

impl ScenarioCost {
    fn new(plan: &ScenarioPlan, record: &ScenarioRecord, judgement: &Judgement) -> Option<Self> {
        Some(Self {
            tier: plan.cost.as_ref()?.tier.clone(),
            usage: record.usage.clone()?,
            thresholds: judgement.cost.iter().map(CostThresholdReport::new).collect(),
        })
    }
}

/// The operations of one step. `scheduled = ok + failed + dropped + unfinished`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepReport {
    /// Its name.
    pub name: String,
    /// Where it belongs.
    pub phase: Phase,
    /// Operations that were due.
    pub scheduled: u64,
    /// Answered as expected.
    pub ok: u64,
    /// Answered otherwise, or not because of an error or a timeout.
    pub failed: u64,
    /// Never sent: no user slot was free.
    pub dropped: u64,
    /// Still running when the run ended.
    pub unfinished: u64,
    /// Answers by status code.
    pub statuses: BTreeMap<u16, u64>,
    /// Failures without a complete answer, by kind.
    pub errors: BTreeMap<ErrorKind, u64>,
    /// Part of all answers that are 429, 0 to 1; absent without answers.
    pub share_of_429: Option<f64>,
    /// From the planned time to the end of the answer: what users wait.
    pub response: LatencyReport,
    /// From the moment of sending to the end of the answer.
    pub service: LatencyReport,
    /// From the planned time until it could be sent: the generator's own lateness.
    pub lag: LatencyReport,
    /// From sending until a connection was there, where one had to be made and that is known.
    #[serde(default)]
    pub connect: LatencyReport,
    /// From then, or from sending, to the first byte of the answer, where that is known.
    #[serde(default)]
    pub first_byte: LatencyReport,
    /// From the first to the last byte of the answer, likewise.
    #[serde(default)]
    pub body: LatencyReport,
    /// The response clock of answered operations in nanoseconds: an HDR histogram, V2 encoding,
    /// base64. Absent without answers.
    pub response_hdr: Option<String>,
}

/// One clock of one step, in milliseconds. A figure is null without data, and when it depends on
/// operations that were never answered; then `at_least` has its lower bound.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LatencyReport {
    /// Operations it stands on, never answered ones included.
    pub count: u64,
    /// Median.
    pub p50: Option<f64>,
    /// 90th percentile.
    pub p90: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
    /// 99.9th percentile.
    #[serde(rename = "p99.9")]
    pub p99_9: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
    /// The arithmetic mean.
    pub mean: Option<f64>,
    /// Lower bounds of the figures that are not known, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub at_least: BTreeMap<String, f64>,
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
    /// How it came out.
    pub status: ThresholdStatus,
    /// The figure in the unit of the bound: milliseconds, a part of 1, per second, or a number.
    pub measured: Option<f64>,
    /// Whether the figure is only a lower bound.
    pub measured_is_lower_bound: bool,
    /// The figure for a reader.
    pub measured_text: String,
    /// The comparison, `<`, `<=`, `>` or `>=`.
    pub comparison: String,
    /// The bound, in the same unit.
    pub bound: f64,
    /// The bound for a reader.
    pub bound_text: String,
    /// Operations the figure stands on.
    pub samples: u64,
}

/// One operation that did not go as expected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FailureReport {
    /// The step.
    pub step: String,
    /// Where it belongs.
    pub phase: Phase,
    /// Line of the expectation in the file.
    pub line: usize,
    /// Its column.
    pub column: usize,
    /// Seconds after the start of the scenario.
    pub at_s: f64,
    /// What should have been.
    pub expected: String,
    /// What was.
    pub actual: String,
    /// The request as a command line; secrets are shell variables.
    pub curl: String,
    /// The status, if there was an answer.
    pub status: Option<u16>,
    /// The beginning of the body, if there was one.
    pub body: Option<String>,
}

impl RunReport {
    /// The report of a run. Its exit code is the worst of its scenarios, or "nothing selected"
    /// when none was run.
    pub fn new(info: RunInfo, scenarios: Vec<ScenarioReport>) -> Self {
        let mut report = Self {
            schema_version: SCHEMA_VERSION,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            run_id: info.run_id,
            seed: info.seed,
            target: info.target,
            target_kind: info.target_kind,
            started_at: info.started_at,
            duration_s: info.duration.as_secs_f64(),
            cost: CostReport::of_run(&scenarios),
            scenarios,
            exit: 0,
        };
        report.exit = report.exit_code().code();
        report
    }

    /// How the command ends.
    pub fn exit_code(&self) -> Exit {
        let codes: Vec<_> = self.scenarios.iter().filter_map(|scenario| scenario.exit).collect();
        if codes.is_empty() {
            return Exit::NothingSelected;
        }
        let exits = SCENARIO_EXITS.into_iter().filter(|exit| codes.contains(&exit.code()));
        Exit::worst(exits)
    }
}

/// What a scenario that ran can mean for the command.
const SCENARIO_EXITS: [Exit; 9] = [
    Exit::Pass,
    Exit::Conformance,
    Exit::Threshold,
    Exit::Cost,
    Exit::Unreachable,
    Exit::Inconclusive,
    Exit::Internal,
    Exit::Interrupted,
    Exit::Terminated,
];

impl ScenarioReport {
    /// Of a scenario that was run.
    pub fn new(plan: &ScenarioPlan, record: &ScenarioRecord, judgement: &Judgement) -> Self {
        let steps = plan.labels.iter().zip(&record.steps);
        Self {
            file: plan.file.to_string(),
            name: plan.name.clone(),
            verdict: judgement.verdict,
            exit: judgement.exit.map(Exit::code),
            reasons: judgement.reasons.iter().map(|reason| reason.text.clone()).collect(),
            duration_s: record.elapsed.as_secs_f64(),
            window_s: record.window.as_secs_f64(),
            steps: steps.clone().map(|(label, step)| StepReport::new(label, step)).collect(),
            total: total(plan, record),
            generator: record.pace.map(GeneratorReport::new),
            timeline: load::timeline(&record.timeline),
            levels: record.levels.iter().map(LevelReport::new).collect(),
            cost: ScenarioCost::new(plan, record, judgement),
            thresholds: judgement
                .thresholds
                .iter()
                .map(|r| ThresholdReport::new(plan, r))
                .collect(),
            failures: steps.flat_map(|(_, step)| &step.samples).map(FailureReport::new).collect(),
        }
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

impl StepReport {
    fn new(label: &StepLabel, step: &StepRecord) -> Self {
        const TOO_MANY_REQUESTS: u16 = 429;
        let limited = step.statuses.get(&TOO_MANY_REQUESTS).copied().unwrap_or(0);
        Self {
            name: label.name.clone(),
            phase: label.phase,
            scheduled: step.scheduled,
            ok: step.ok,
            failed: step.failed,
            dropped: step.dropped,
            unfinished: step.unfinished,
            statuses: step.statuses.clone(),
            errors: step.errors.clone(),
            share_of_429: number::share(limited, step.answered()),
            response: LatencyReport::new(&step.response),
            service: LatencyReport::new(&step.service),
            lag: LatencyReport::new(&step.lag),
            connect: LatencyReport::new(&step.connect),
            first_byte: LatencyReport::new(&step.first_byte),
            body: LatencyReport::new(&step.body),
            response_hdr: encode(&step.response),
        }
    }
}

impl LatencyReport {
    fn new(latency: &Latency) -> Self {
        let mut report = Self { count: latency.len(), ..Self::default() };
        let at_least = &mut report.at_least;
        let mut figure = |name: &str, figure| match figure {
            Figure::Exact(time) => Some(milliseconds(time)),
            Figure::AtLeast(time) => {
                at_least.insert(name.to_owned(), milliseconds(time));
                None
            }
            Figure::NoData => None,
        };
        report.p50 = figure("p50", latency.percentile(50.0));
        report.p90 = figure("p90", latency.percentile(90.0));
        report.p95 = figure("p95", latency.percentile(95.0));
        report.p99 = figure("p99", latency.percentile(99.0));
        report.p99_9 = figure("p99.9", latency.percentile(99.9));
        report.max = figure("max", latency.max());
        report.mean = figure("mean", latency.mean());
        report
    }
}

fn encode(latency: &Latency) -> Option<String> {
    let mut bytes = Vec::new();
    // Writing to memory fails only for a histogram larger than memory.
    V2Serializer::new().serialize(latency.histogram()?, &mut bytes).ok()?;
    Some(STANDARD.encode(bytes))
}

impl ThresholdReport {
    fn new(plan: &ScenarioPlan, result: &ThresholdResult) -> Self {
        let threshold = &result.threshold;
        let (quantity, bounded) = match result.measured {
            Some(Measured::Exact(quantity)) => (Some(quantity), false),
            Some(Measured::AtLeast(quantity)) => (Some(quantity), true),
            None => (None, false),
        };
        let text = quantity.map_or("no data".to_owned(), number::quantity);
        let step = threshold.step.and_then(|step| plan.labels.get(step.0));
        Self {
            text: threshold.text.clone(),
            line: threshold.span.line,
            column: threshold.span.column,
            step: step.map(|label| label.name.clone()),
            status: result.status,
            measured: quantity.map(plain),
            measured_is_lower_bound: bounded,
            measured_text: if bounded { format!("≥ {text}") } else { text },
            comparison: threshold.comparison.to_string(),
            bound: plain(threshold.bound),
            bound_text: number::quantity(threshold.bound),
            samples: result.samples,
        }
    }
}

fn plain(quantity: Quantity) -> f64 {
    match quantity {
        Quantity::Time(time) => milliseconds(time),
        Quantity::Share(number) | Quantity::Rate(number) => number::rounded(number),
        Quantity::Count(count) => crate::record::float(count),
    }
}

impl FailureReport {
    fn new(failure: &Failure) -> Self {
        Self {
            step: failure.step.clone(),
            phase: failure.phase,
            line: failure.span.line,
            column: failure.span.column,
            at_s: failure.at.as_secs_f64(),
            expected: failure.expected.clone(),
            actual: failure.actual.clone(),
            curl: failure.curl.clone(),
            status: failure.status,
            body: failure.body.clone(),
        }
    }
}
