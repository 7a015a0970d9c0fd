//! From everything that is known of a scenario to one word.

use std::{fmt, time::Duration};

use super::{
    cost::{self, CostResult},
    threshold::{ThresholdResult, ThresholdStatus, evaluate, work_total},
};
use crate::{
    exit::Exit,
    model::{ErrorKind, Signal, usage::RunUsage},
    plan::{Comparison, CostFigure, Metric, Phase, ScenarioPlan, Work},
    record::{Drift, Figure, Level, PhaseEnd, ScenarioRecord, StepRecord, float},
};

/// How a scenario ended.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything asked for was shown to hold.
    Pass,
    /// Something asked for does not hold, or was not shown to.
    Fail,
    /// The target was never there, or went away.
    Unreachable,
    /// The generator was the bottleneck, the development server was not well, or a model could not
    /// decide, so what was seen says nothing about the target.
    Inconclusive,
    /// The target does not offer what the scenario requires; nothing was sent.
    NotApplicable,
    /// Ended by a signal.
    Interrupted,
    /// A defect of this program.
    Defect,
}

/// A verdict and what led to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// What it means for the command; `None` when it means nothing.
    pub exit: Option<Exit>,
    /// Everything that speaks against a pass; for a scenario that is not applicable, why.
    pub reasons: Vec<Reason>,
    /// Every threshold of the plan.
    pub thresholds: Vec<ThresholdResult>,
    /// Every threshold on cost.
    pub cost: Vec<CostResult>,
}

/// Something that speaks against a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What it would mean by itself.
    pub exit: Exit,
    /// One line.
    pub text: String,
}

impl Judgement {
    /// Of a scenario that was not run, and why.
    pub fn not_applicable(why: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::NotApplicable,
            exit: None,
            reasons: vec![Reason { exit: Exit::NothingSelected, text: why.into() }],
            thresholds: Vec::new(),
            cost: Vec::new(),
        }
    }
}

/// Of a scenario that was run.
pub fn judge(plan: &ScenarioPlan, record: &ScenarioRecord) -> Judgement {
    let thresholds = evaluate(plan, record);
    let cost = costs(plan, record);
    let mut reasons = Reasons::default();
    defects(plan, record, &mut reasons);
    interruption(record, &mut reasons);
    if let Some(threshold) = &record.hopeless {
        reasons.add(Exit::Threshold, format_args!("ended early: `{threshold}` was hopeless"));
    }
    reachability(record, &mut reasons);
    phases(plan, record, &mut reasons);
    undecided(record, &mut reasons);
    if record.work != PhaseEnd::Skipped {
        misses(&thresholds, &mut reasons);
        dearer(&cost, &mut reasons);
        disagreements(record, &mut reasons);
        if matches!(plan.work, Work::Load(_)) {
            operations(plan, record, &mut reasons);
            if time_matters(plan) {
                generator(plan, record, LAG_PERCENTILE, &mut reasons);
            }
            server(record, &mut reasons);
        }
    }
    Judgement { thresholds, cost, ..of_reasons(reasons.0) }
}

/// What these reasons come to.
pub fn of_reasons(reasons: Vec<Reason>) -> Judgement {
    let exit = overall(&reasons);
    let (thresholds, cost) = (Vec::new(), Vec::new());
    Judgement { verdict: verdict(exit), exit: Some(exit), reasons, thresholds, cost }
}

/// Why a figure at `percent` of this load says nothing about the target, if it does not.
pub fn spoiled(plan: &ScenarioPlan, record: &ScenarioRecord, percent: f64) -> Option<String> {
    let mut reasons = Reasons::default();
    defects(plan, record, &mut reasons);
    generator(plan, record, percent, &mut reasons);
    server(record, &mut reasons);
    let spoils = |reason: &Reason| reason.exit == Exit::Inconclusive;
    reasons.0.into_iter().find(spoils).map(|reason| reason.text)
}

fn costs(plan: &ScenarioPlan, record: &ScenarioRecord) -> Vec<CostResult> {
    let Some(cost) = &plan.cost else { return Vec::new() };
    cost::evaluate(cost, record.usage.as_ref().unwrap_or(&RunUsage::default()))
}

/// A threshold that bounds something from above, and is missed by the books so far. (What is
/// bounded from below may still come.)
pub fn hopeless(plan: &ScenarioPlan, record: &ScenarioRecord) -> Option<String> {
    let from_above = |result: &ThresholdResult| {
        let threshold = &result.threshold;
        let bounds = matches!(threshold.comparison, Comparison::Below | Comparison::AtMost);
        bounds && !matches!(threshold.metric, Metric::Rate | Metric::Count)
    };
    let missed = |result: &ThresholdResult| result.status == ThresholdStatus::Failed;
    let results = evaluate(plan, record);
    let result = results.iter().find(|result| from_above(result) && missed(result))?;
    Some(result.threshold.text.clone())
}

/// What a search learned at one rate.
pub fn level(plan: &ScenarioPlan, rate: f64, record: &ScenarioRecord) -> Level {
    let judgement = judge(plan, record);
    let inconclusive = |reason: &Reason| reason.exit == Exit::Inconclusive;
    let p95 = match work_total(plan, record).response.percentile(95.0) {
        Figure::Exact(p95) => Some(p95),
        Figure::AtLeast(_) | Figure::NoData => None,
    };
    Level {
        rate,
        generator_bound: judgement.reasons.iter().any(inconclusive),
        fell: judgement.reasons.into_iter().map(|reason| reason.text).collect(),
        p95,
    }
}

/// The worst reason; but figures that cannot be trusted neither pass nor miss a threshold.
fn overall(reasons: &[Reason]) -> Exit {
    let inconclusive = reasons.iter().any(|reason| reason.exit == Exit::Inconclusive);
    match Exit::worst(reasons.iter().map(|reason| reason.exit)) {
        Exit::Pass | Exit::Threshold if inconclusive => Exit::Inconclusive,
        worst => worst,
    }
}

fn verdict(exit: Exit) -> Verdict {
    match exit {
        Exit::Pass => Verdict::Pass,
        Exit::Unreachable => Verdict::Unreachable,
        Exit::Inconclusive => Verdict::Inconclusive,
        Exit::Interrupted | Exit::Terminated => Verdict::Interrupted,
        Exit::Internal => Verdict::Defect,
        Exit::NothingSelected => Verdict::NotApplicable,
        Exit::Conformance
        | Exit::Threshold
        | Exit::Cost
        | Exit::Usage
        | Exit::Scenario
        | Exit::ReportNotWritten => Verdict::Fail,
    }
}

#[derive(Default)]
struct Reasons(Vec<Reason>);

impl Reasons {
    fn has(&self, exit: Exit) -> bool {
        self.0.iter().any(|reason| reason.exit == exit)
    }

    fn add(&mut self, exit: Exit, text: impl fmt::Display) {
        self.0.push(Reason { exit, text: text.to_string() });
    }
}

fn defects(plan: &ScenarioPlan, record: &ScenarioRecord, reasons: &mut Reasons) {
    if let Some(defect) = &record.defect {
        reasons.add(Exit::Internal, format_args!("a defect of workway: {defect}"));
    }
    if let Some(starved) = &record.starved {
        reasons
            .add(Exit::Inconclusive, format_args!("this machine did not allow the run: {starved}"));
    }
    for (label, step) in plan.labels.iter().zip(&record.steps) {
        if !step.balanced() {
            let name = &label.name;
            reasons.add(Exit::Internal, format_args!("the books of `{name}` do not balance"));
        }
    }
}

fn interruption(record: &ScenarioRecord, reasons: &mut Reasons) {
    match record.stopped {
        Some(Signal::Interrupt) => reasons.add(Exit::Interrupted, "interrupted"),
        Some(Signal::Terminate) => reasons.add(Exit::Terminated, "terminated"),
        None => {}
    }
}

/// Operations in a row, at the end of a run, that found nobody listening before the target counts
/// as dead. One refusal may be a restart in progress; in steps that run once it ends the run anyway.
const ABSENCES_OF_A_DEAD_TARGET: u64 = 3;

fn reachability(record: &ScenarioRecord, reasons: &mut Reasons) {
    let reach = record.reach;
    let enough = if record.pace.is_some() { ABSENCES_OF_A_DEAD_TARGET } else { 1 };
    // A request that could not be built says nothing about the target.
    let asked = |step: &StepRecord| {
        step.scheduled - step.errors.get(&ErrorKind::NotSent).copied().unwrap_or_default()
    };
    let asked = record.steps.iter().map(asked).sum::<u64>() > 0;
    if asked && reach.reacted == 0 && record.stopped.is_none() {
        reasons.add(Exit::Unreachable, format_args!("the target never answered{}", errors(record)));
    } else if reach.reacted > 0 && reach.absent_since >= enough {
        let last = reach.absent_since;
        reasons.add(
            Exit::Unreachable,
            format_args!("the target went away: nobody listened for the last {last} operations"),
        );
    }
}

/// The kinds of errors with their numbers, in parentheses.
fn errors(record: &ScenarioRecord) -> String {
    let mut total = StepRecord::default();
    for step in &record.steps {
        total.merge(step);
    }
    let kinds: Vec<_> =
        total.errors.iter().map(|(kind, count)| format!("{kind}: {count}")).collect();
    if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) }
}

fn phases(plan: &ScenarioPlan, record: &ScenarioRecord, reasons: &mut Reasons) {
    for problem in &record.problems {
        reasons.add(Exit::Conformance, problem);
    }
    if record.setup == PhaseEnd::Failed {
        reasons.add(Exit::Conformance, "the setup failed, so the work was not done");
    }
    // That nobody listens is said already.
    let gone = reasons.has(Exit::Unreachable);
    if record.work == PhaseEnd::Failed && matches!(plan.work, Work::Once(_)) && !gone {
        let steps = failed_steps(plan, record, Phase::Work);
        reasons.add(Exit::Conformance, format_args!("an expectation does not hold{steps}"));
    }
    if record.audit == PhaseEnd::Failed && !gone {
        let steps = failed_steps(plan, record, Phase::Audit);
        reasons.add(Exit::Conformance, format_args!("the audit failed{steps}"));
    }
    if record.teardown == PhaseEnd::Failed && !gone {
        let steps = failed_steps(plan, record, Phase::Teardown);
        reasons.add(Exit::Conformance, format_args!("the teardown failed{steps}"));
    }
}

/// What models could not decide says nothing about the target.
fn undecided(record: &ScenarioRecord, reasons: &mut Reasons) {
    for why in &record.undecided {
        reasons.add(Exit::Inconclusive, format_args!("undecided: {why}"));
    }
}

fn failed_steps(plan: &ScenarioPlan, record: &ScenarioRecord, phase: Phase) -> String {
    let requests = plan
        .labels
        .iter()
        .zip(&record.steps)
        .filter(|(label, step)| label.phase == phase && step.failed + step.broken_counts > 0)
        .map(|(label, _)| label.name.as_str());
    let others = record.failures.iter().filter(|failure| failure.phase == phase);
    let others = others.filter(|failure| failure.claim.is_required());
    let mut names: Vec<_> = requests
        .chain(others.map(|failure| failure.step.as_str()))
        .map(|name| format!("`{name}`"))
        .collect();
    names.dedup();
    if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) }
}

/// How reasons about thresholds begin; everything else that speaks against a pass begins otherwise.
const MISSED: &str = "threshold missed: ";
const WITHOUT_DATA: &str = "threshold without data: ";
const COST_MISSED: &str = "cost missed: ";
const COST_WITHOUT_DATA: &str = "cost without data: ";

/// Whether a reason is about a threshold, which can be judged again.
pub fn is_about_threshold(reason: &str) -> bool {
    [MISSED, WITHOUT_DATA, COST_MISSED, COST_WITHOUT_DATA]
        .iter()
        .any(|word| reason.starts_with(word))
}

/// What thresholds of both kinds say against a pass.
pub fn of_thresholds(thresholds: &[ThresholdResult], cost: &[CostResult]) -> Vec<Reason> {
    let mut reasons = Reasons::default();
    misses(thresholds, &mut reasons);
    dearer(cost, &mut reasons);
    reasons.0
}

fn misses(thresholds: &[ThresholdResult], reasons: &mut Reasons) {
    for result in thresholds {
        let text = &result.threshold.text;
        match result.status {
            ThresholdStatus::Passed => {}
            ThresholdStatus::Failed => {
                reasons.add(Exit::Threshold, format_args!("{MISSED}{text}"));
            }
            ThresholdStatus::NoData => {
                reasons.add(Exit::Threshold, format_args!("{WITHOUT_DATA}{text}"));
            }
        }
    }
}

/// Decimals of a figure on cost that are shown: a thousand requests cost some thousandths of a
/// dollar.
const COST_DECIMALS: u32 = 6;

fn dearer(cost: &[CostResult], reasons: &mut Reasons) {
    for result in cost {
        let (text, why) = (&result.threshold.text, &result.why);
        match (result.status, result.measured) {
            (ThresholdStatus::Failed, Some(measured)) => {
                let of = if why.is_empty() { String::new() } else { format!(" ({why})") };
                let unit = match result.threshold.figure {
                    CostFigure::Monthly(_) | CostFigure::Per1000Requests => " USD",
                    CostFigure::PerRequest(_)
                    | CostFigure::PerRequestOf(..)
                    | CostFigure::PerRun(_) => "",
                };
                let is = measured.round_dp(COST_DECIMALS).normalize();
                reasons.add(Exit::Cost, format_args!("{COST_MISSED}{text}: it is {is}{unit}{of}"));
            }
            (ThresholdStatus::Passed, _) => {}
            (ThresholdStatus::NoData | ThresholdStatus::Failed, _) => {
                reasons.add(Exit::Cost, format_args!("{COST_WITHOUT_DATA}{text}: {why}"));
            }
        }
    }
}

/// Usage on which the service and its own answers disagree.
fn disagreements(record: &ScenarioRecord, reasons: &mut Reasons) {
    let disagreements = record.usage.iter().flat_map(|usage| &usage.disagreements);
    for disagreement in disagreements {
        reasons.add(Exit::Conformance, format_args!("usage: {disagreement}"));
    }
}

/// In a load, failed operations are judged by the error rate; without a threshold on it, none may
/// fail.
fn operations(plan: &ScenarioPlan, record: &ScenarioRecord, reasons: &mut Reasons) {
    let total = work_total(plan, record);
    if total.scheduled == 0 {
        reasons.add(Exit::Threshold, "no operation was measured");
    }
    if total.broken_counts > 0 {
        let bursts = total.broken_counts;
        reasons.add(Exit::Threshold, format_args!("the counts of {bursts} bursts do not hold"));
    }
    let judged = plan.thresholds.iter().any(|threshold| threshold.metric == Metric::ErrorRate);
    let StepRecord { failed, dropped, unfinished, .. } = total;
    if !judged && failed + dropped + unfinished > 0 {
        let text = format_args!(
            "{failed} failed, {dropped} dropped, {unfinished} unfinished, and no threshold on \
             error_rate allows any"
        )
        .to_string();
        reasons.add(Exit::Threshold, text);
    }
}

/// Lag that a healthy generator may have: the timer ticks once per millisecond, and a busy machine
/// takes a few more to wake a thread up.
const LAG_FLOOR: Duration = Duration::from_millis(5);

/// Lag above the floor is still harmless while it is a small part of what is measured: a tenth
/// shifts no percentile by more than the noise between two runs.
const LAG_SHARE: u32 = 10;

/// The percentile of the lag that a run is judged by.
const LAG_PERCENTILE: f64 = 99.0;

/// The part of the planned arrivals that must have left in time.
const PUNCTUAL_SHARE: f64 = 0.99;

/// The part of a core that a thread of the generator may use. Above it, answers wait for the
/// generator to read them, and their time is taken for the target's.
const BUSY: f64 = 0.95;

/// What a request uses is the same however late it was sent: a scenario that measures that, and
/// asks for no time and no rate, needs no punctual generator.
fn time_matters(plan: &ScenarioPlan) -> bool {
    let about_time = |metric: Metric| {
        !matches!(metric, Metric::ErrorRate | Metric::StatusShare(_) | Metric::Count)
    };
    plan.cost.is_none() || plan.thresholds.iter().any(|threshold| about_time(threshold.metric))
}

/// Whether the generator kept up. Arrivals that found no free slot are not its fault.
fn generator(plan: &ScenarioPlan, record: &ScenarioRecord, percent: f64, reasons: &mut Reasons) {
    let total = work_total(plan, record);
    if let Some(count) = total.errors.get(&ErrorKind::Exhausted) {
        let kind = ErrorKind::Exhausted;
        reasons.add(Exit::Inconclusive, format_args!("this machine is {kind}: {count} operations"));
    }
    if let Figure::Exact(lag) = total.lag.percentile(percent) {
        let half = match total.response.percentile(50.0) {
            Figure::Exact(p50) | Figure::AtLeast(p50) => p50,
            Figure::NoData => Duration::ZERO,
        };
        let allowed = LAG_FLOOR.max(half / LAG_SHARE);
        if lag > allowed {
            reasons.add(
                Exit::Inconclusive,
                format_args!(
                    "the generator was late: lag p{percent} {:.1} ms, allowed {:.1} ms",
                    lag.as_secs_f64() * 1e3,
                    allowed.as_secs_f64() * 1e3
                ),
            );
        }
    }
    punctuality(record, reasons);
}

fn punctuality(record: &ScenarioRecord, reasons: &mut Reasons) {
    let Some(pace) = record.pace else { return };
    let cut_short =
        record.stopped.is_some() || record.hopeless.is_some() || pace.gave_up || pace.planned == 0;
    if pace.busiest > BUSY {
        let percent = pace.busiest * 100.0;
        reasons.add(
            Exit::Inconclusive,
            format_args!("the generator had no time left: a thread used {percent:.0} % of a core"),
        );
    }
    if !cut_short && float(pace.punctual) < PUNCTUAL_SHARE * float(pace.planned) {
        let (punctual, planned) = (pace.punctual, pace.planned);
        reasons.add(
            Exit::Inconclusive,
            format_args!("the generator missed the rate: {punctual} of {planned} arrivals in time"),
        );
    }
}

/// Memory that a development server may take more of in a load, in bytes: twice what Cloudflare
/// gives a Worker at all (128 MB), so what grows by more is not the Worker.
const SERVER_GROWTH: u64 = 256 * 1000 * 1000;

/// Whether the development server bore the load.
fn server(record: &ScenarioRecord, reasons: &mut Reasons) {
    let Some(Drift { memory, peak, errors, lost }) = record.server else { return };
    let mut degraded = |text: String| {
        reasons.add(Exit::Inconclusive, format_args!("the development server degraded: {text}"));
    };
    if peak.saturating_sub(memory) > SERVER_GROWTH {
        let megabytes = |bytes: u64| bytes / 1_000_000;
        let (from, to) = (megabytes(memory), megabytes(peak));
        degraded(format!("its memory grew from {from} MB to {to} MB"));
    }
    if lost > 0 {
        degraded(format!("{lost} of its processes ended"));
    }
    if errors > 0 {
        degraded(format!("it reported {errors} errors of its own"));
    }
}

#[cfg(test)]
mod tests;
