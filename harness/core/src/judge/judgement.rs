//! Judges a scenario that was run: the record leads to reasons, and the reasons to a verdict.

use std::time::Duration;

use super::{
    cost::{self, CostResult},
    reason::Reason,
    threshold::{Measured, ThresholdResult, ThresholdStatus, evaluate, work_total},
    verdict::Verdict,
};
use crate::{
    model::{ErrorKind, usage::RunUsage},
    plan::{Metric, Phase, ScenarioPlan, Work},
    record::{Drift, Figure, Level, PhaseEnd, ScenarioRecord, StepRecord, float},
};

/// A verdict and what led to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Everything that speaks against a pass; for a scenario that is not applicable, why.
    pub reasons: Vec<Reason>,
    /// Every threshold of the plan.
    pub thresholds: Vec<ThresholdResult>,
    /// Every threshold on cost.
    pub cost: Vec<CostResult>,
}

impl Judgement {
    /// Judges a scenario that was not run, because the target lacks something.
    pub fn not_applicable(missing: impl Into<String>) -> Self {
        Self::new(vec![Reason::NotApplicable { missing: missing.into() }])
    }

    /// Returns what these reasons lead to, without thresholds.
    pub fn new(reasons: Vec<Reason>) -> Self {
        let verdict = Verdict::of_reasons(reasons.iter().map(Reason::verdict));
        Self { verdict, reasons, thresholds: Vec::new(), cost: Vec::new() }
    }
}

/// Judges a scenario that was run.
pub fn judge(plan: &ScenarioPlan, record: &ScenarioRecord) -> Judgement {
    let thresholds = evaluate(plan, record);
    let cost = costs(plan, record);
    let mut reasons = Vec::new();
    defects(plan, record, &mut reasons);
    reasons.extend(record.stopped.map(|signal| Reason::Interrupted { signal }));
    reasons.extend(record.hopeless.clone().map(|threshold| Reason::Aborted { threshold }));
    reachability(record, &mut reasons);
    phases(plan, record, &mut reasons);
    let undecided = record.undecided.iter().cloned();
    reasons.extend(undecided.map(|question| Reason::Undecided { question }));
    if record.work != PhaseEnd::Skipped {
        reasons.extend(of_thresholds(&thresholds, &cost));
        disagreements(record, &mut reasons);
        if matches!(plan.work, Work::Load(_)) {
            operations(plan, record, &mut reasons);
            if time_matters(plan) {
                generator(plan, record, LAG_PERCENTILE, &mut reasons);
            }
            server(record, &mut reasons);
        }
    }
    Judgement { thresholds, cost, ..Judgement::new(reasons) }
}

/// Returns why a figure at `percent` of this load says nothing about the target, if it does not.
pub fn spoiled(plan: &ScenarioPlan, record: &ScenarioRecord, percent: f64) -> Option<Reason> {
    let mut reasons = Vec::new();
    defects(plan, record, &mut reasons);
    generator(plan, record, percent, &mut reasons);
    server(record, &mut reasons);
    reasons.into_iter().find(|reason| reason.verdict() == Verdict::Inconclusive)
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
        threshold.comparison.is_upper_bound()
            && !matches!(threshold.metric, Metric::Rate | Metric::Count)
    };
    let missed = |result: &ThresholdResult| result.status == ThresholdStatus::Failed;
    let results = evaluate(plan, record);
    let result = results.iter().find(|result| from_above(result) && missed(result))?;
    Some(result.threshold.text.clone())
}

/// Returns the result of a search at one rate.
pub fn level(plan: &ScenarioPlan, rate: f64, record: &ScenarioRecord) -> Level {
    let reasons = judge(plan, record).reasons;
    let inconclusive = |reason: &Reason| reason.verdict() == Verdict::Inconclusive;
    let p95 = match work_total(plan, record).response.percentile(95.0) {
        Figure::Exact(p95) => Some(p95),
        Figure::AtLeast(_) | Figure::NoData => None,
    };
    Level {
        rate,
        generator_bound: reasons.iter().any(inconclusive),
        fell: reasons.iter().map(ToString::to_string).collect(),
        p95,
    }
}

fn defects(plan: &ScenarioPlan, record: &ScenarioRecord, reasons: &mut Vec<Reason>) {
    reasons.extend(record.defect.clone().map(|problem| Reason::Defect { problem }));
    reasons.extend(record.starved.clone().map(|problem| Reason::MachineTooSmall { problem }));
    let steps = plan.labels.iter().zip(&record.steps);
    let unbalanced = steps.filter(|(_, step)| !step.balanced());
    reasons.extend(unbalanced.map(|(label, _)| Reason::Unbalanced { step: label.name.clone() }));
}

/// Operations in a row, at the end of a run, that found nobody listening before the target counts
/// as dead. One refusal may be a restart in progress; in steps that run once it ends the run anyway.
const ABSENCES_OF_A_DEAD_TARGET: u64 = 3;

fn reachability(record: &ScenarioRecord, reasons: &mut Vec<Reason>) {
    let reach = record.reach;
    let enough = if record.pace.is_some() { ABSENCES_OF_A_DEAD_TARGET } else { 1 };
    // A request that could not be built says nothing about the target.
    let asked = |step: &StepRecord| {
        step.scheduled - step.errors.get(&ErrorKind::NotSent).copied().unwrap_or_default()
    };
    let asked = record.steps.iter().map(asked).sum::<u64>() > 0;
    if asked && reach.reacted == 0 && record.stopped.is_none() {
        let mut total = StepRecord::default();
        record.steps.iter().for_each(|step| total.merge(step));
        reasons.push(Reason::NeverAnswered { errors: total.errors });
    } else if reach.reacted > 0 && reach.absent_since >= enough {
        reasons.push(Reason::WentAway { operations: reach.absent_since });
    }
}

fn phases(plan: &ScenarioPlan, record: &ScenarioRecord, reasons: &mut Vec<Reason>) {
    // Where nobody listens, later phases fail for that reason, which is among the reasons already.
    let gone = reasons.iter().any(|reason| reason.verdict() == Verdict::Unreachable);
    let problems = record.problems.iter().cloned();
    reasons.extend(problems.map(|problem| Reason::Problem { problem }));
    if record.setup == PhaseEnd::Failed {
        reasons.push(Reason::SetupFailed);
    }
    if gone {
        return;
    }
    let steps = |phase| failed_steps(plan, record, phase);
    if record.work == PhaseEnd::Failed && matches!(plan.work, Work::Once(_)) {
        reasons.push(Reason::ExpectationFailed { steps: steps(Phase::Work) });
    }
    if record.audit == PhaseEnd::Failed {
        reasons.push(Reason::AuditFailed { steps: steps(Phase::Audit) });
    }
    if record.teardown == PhaseEnd::Failed {
        reasons.push(Reason::TeardownFailed { steps: steps(Phase::Teardown) });
    }
}

fn failed_steps(plan: &ScenarioPlan, record: &ScenarioRecord, phase: Phase) -> Vec<String> {
    let requests = plan
        .labels
        .iter()
        .zip(&record.steps)
        .filter(|(label, step)| label.phase == phase && step.failed + step.broken_counts > 0)
        .map(|(label, _)| &label.name);
    let others = record.failures.iter().filter(|failure| failure.phase == phase);
    let others = others.filter(|failure| failure.claim.is_required());
    let mut names: Vec<_> = requests.chain(others.map(|failure| &failure.step)).cloned().collect();
    names.dedup();
    names
}

/// Returns what thresholds of both kinds say against a pass.
pub fn of_thresholds(thresholds: &[ThresholdResult], cost: &[CostResult]) -> Vec<Reason> {
    thresholds.iter().filter_map(missed).chain(cost.iter().filter_map(missed_cost)).collect()
}

fn missed(result: &ThresholdResult) -> Option<Reason> {
    let ThresholdResult { threshold, status, measured, .. } = result;
    match (status, measured) {
        (ThresholdStatus::Passed, _) => None,
        (ThresholdStatus::Failed, Some(Measured::Exact(figure) | Measured::AtLeast(figure))) => {
            Some(Reason::missed(threshold, *figure))
        }
        (ThresholdStatus::NoData | ThresholdStatus::Failed, _) => {
            Some(Reason::ThresholdWithoutData { threshold: threshold.text.clone() })
        }
    }
}

fn missed_cost(result: &CostResult) -> Option<Reason> {
    let CostResult { threshold, status, measured, why, .. } = result;
    let text = threshold.text.clone();
    match (status, measured) {
        (ThresholdStatus::Passed, _) => None,
        (ThresholdStatus::Failed, Some(measured)) => Some(Reason::CostMissed {
            threshold: text,
            measured: *measured,
            dollars: threshold.figure.is_in_dollars(),
            made_of: why.clone(),
        }),
        (ThresholdStatus::NoData | ThresholdStatus::Failed, _) => {
            Some(Reason::CostWithoutData { threshold: text, missing: why.clone() })
        }
    }
}

/// Usage on which the service and its own answers disagree.
fn disagreements(record: &ScenarioRecord, reasons: &mut Vec<Reason>) {
    let disagreements = record.usage.iter().flat_map(|usage| &usage.disagreements).cloned();
    reasons.extend(disagreements.map(|disagreement| Reason::UsageDisagrees { disagreement }));
}

/// Judges the operations: in a load, failed ones are judged by the error rate; without a threshold
/// on it, none may fail.
fn operations(plan: &ScenarioPlan, record: &ScenarioRecord, reasons: &mut Vec<Reason>) {
    let total = work_total(plan, record);
    if total.scheduled == 0 {
        reasons.push(Reason::NothingMeasured);
    }
    if total.broken_counts > 0 {
        reasons.push(Reason::BurstCounts { bursts: total.broken_counts });
    }
    let judged = plan.thresholds.iter().any(|threshold| threshold.metric == Metric::ErrorRate);
    let StepRecord { failed, dropped, unfinished, .. } = total;
    if !judged && failed + dropped + unfinished > 0 {
        reasons.push(Reason::OperationsFailed { failed, dropped, unfinished });
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

/// Returns whether lateness can change what is judged: the usage of a request is the same however
/// late it was sent, so a scenario that measures usage, and has no threshold on a time or a rate,
/// needs no punctual generator.
fn time_matters(plan: &ScenarioPlan) -> bool {
    let about_time = |metric: Metric| {
        !matches!(metric, Metric::ErrorRate | Metric::StatusShare(_) | Metric::Count)
    };
    plan.cost.is_none() || plan.thresholds.iter().any(|threshold| about_time(threshold.metric))
}

/// Judges whether the generator kept up. Arrivals that found no free slot are not its fault.
fn generator(
    plan: &ScenarioPlan,
    record: &ScenarioRecord,
    percent: f64,
    reasons: &mut Vec<Reason>,
) {
    let total = work_total(plan, record);
    if let Some(operations) = total.errors.get(&ErrorKind::Exhausted) {
        reasons.push(Reason::GeneratorExhausted { operations: *operations });
    }
    if let Figure::Exact(lag) = total.lag.percentile(percent) {
        let half = match total.response.percentile(50.0) {
            Figure::Exact(p50) | Figure::AtLeast(p50) => p50,
            Figure::NoData => Duration::ZERO,
        };
        let allowed = LAG_FLOOR.max(half / LAG_SHARE);
        if lag > allowed {
            reasons.push(Reason::GeneratorLate {
                percentile: percent,
                lag_ms: lag.as_secs_f64() * 1e3,
                allowed_ms: allowed.as_secs_f64() * 1e3,
            });
        }
    }
    punctuality(record, reasons);
}

fn punctuality(record: &ScenarioRecord, reasons: &mut Vec<Reason>) {
    let Some(pace) = record.pace else { return };
    let cut_short =
        record.stopped.is_some() || record.hopeless.is_some() || pace.gave_up || pace.planned == 0;
    if pace.busiest > BUSY {
        reasons.push(Reason::GeneratorBusy { busiest_thread: pace.busiest });
    }
    if !cut_short && float(pace.punctual) < PUNCTUAL_SHARE * float(pace.planned) {
        let (punctual, planned) = (pace.punctual, pace.planned);
        reasons.push(Reason::GeneratorBehind { punctual, planned });
    }
}

/// Memory that a development server may take more of in a load, in bytes: twice what Cloudflare
/// gives a Worker at all (128 MB), so what grows by more is not the Worker.
const SERVER_GROWTH: u64 = 256 * 1000 * 1000;

/// Judges whether the development server withstood the load.
fn server(record: &ScenarioRecord, reasons: &mut Vec<Reason>) {
    let Some(Drift { memory, peak, errors, lost }) = record.server else { return };
    if peak.saturating_sub(memory) > SERVER_GROWTH {
        reasons.push(Reason::ServerGrew { before: memory, peak });
    }
    if lost > 0 {
        reasons.push(Reason::ServerLost { processes: lost });
    }
    if errors > 0 {
        reasons.push(Reason::ServerErrors { errors });
    }
}

#[cfg(test)]
mod tests;
