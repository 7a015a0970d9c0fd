//! Judges a scenario that was run: the record leads to reasons, and the reasons to a verdict.

use super::{
    cost::{self, CostResult},
    reason::Reason,
    threshold::{Measured, ThresholdResult, ThresholdStatus, evaluate, work_total},
    trouble::Trouble,
    verdict::Verdict,
};
use crate::{
    model::{ErrorKind, usage::RunUsage},
    plan::{Metric, Phase, ScenarioPlan, Work},
    record::{Figure, Level, PhaseEnd, ScenarioRecord, StepRecord},
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
    let trouble = match plan.work {
        Work::Load(_) => trouble(plan, record, LAG_PERCENTILE),
        Work::Once(_) => Trouble::default(),
    };
    let judged = Judged { results: &thresholds, trouble: &trouble };
    let mut reasons = Vec::new();
    defects(plan, record, &mut reasons);
    reasons.extend(record.stopped.map(|signal| Reason::Interrupted { signal }));
    let aborted = record.hopeless.clone().filter(|text| !judged.is_undecided(text, plan, record));
    reasons.extend(aborted.map(|threshold| Reason::Aborted { threshold }));
    reachability(record, &mut reasons);
    phases(plan, record, &mut reasons);
    let undecided = record.undecided.iter().cloned();
    reasons.extend(undecided.map(|question| Reason::Undecided { question }));
    if record.work != PhaseEnd::Skipped {
        let total = work_total(plan, record);
        reasons.extend(judged.reasons(|result| books_of(result, record, &total)));
        reasons.extend(of_costs(&cost));
        disagreements(record, &mut reasons);
        if matches!(plan.work, Work::Load(_)) {
            operations(plan, &total, &trouble, &mut reasons);
            search(record, &mut reasons);
            reasons.extend(trouble.worthless().iter().cloned());
        }
    }
    deduplicate(&mut reasons);
    Judgement { thresholds, cost, ..Judgement::new(reasons) }
}

/// Returns why a figure at `percent` of this load says nothing about the target, if it does not.
pub fn spoiled(plan: &ScenarioPlan, record: &ScenarioRecord, percent: f64) -> Option<Reason> {
    let mut reasons = Vec::new();
    defects(plan, record, &mut reasons);
    reasons.extend(trouble(plan, record, percent).all());
    reasons.into_iter().find(|reason| reason.verdict() == Verdict::Inconclusive)
}

/// Results of thresholds, with the trouble there was in measuring.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    /// The results.
    pub results: &'a [ThresholdResult],
    /// The trouble.
    pub trouble: &'a Trouble,
}

impl Judged<'_> {
    /// Returns what the thresholds say against a pass: those that are missed, and those of which nobody
    /// knows, with the trouble that is to blame. `books` gives the operations of a threshold.
    pub fn reasons<'b>(&self, books: impl Fn(&ThresholdResult) -> &'b StepRecord) -> Vec<Reason> {
        let mut reasons = Vec::new();
        for result in self.results {
            if self.trouble.undecides(result, books(result)) {
                reasons.push(undecided(result));
                reasons.extend(self.trouble.all());
            } else {
                reasons.extend(missed(result));
            }
        }
        deduplicate(&mut reasons);
        reasons
    }

    fn is_undecided(&self, text: &str, plan: &ScenarioPlan, record: &ScenarioRecord) -> bool {
        let total = work_total(plan, record);
        let mut same = self.results.iter().filter(|result| result.threshold.text == text);
        same.any(|result| self.trouble.undecides(result, books_of(result, record, &total)))
    }
}

/// Returns the operations that a threshold is about.
fn books_of<'a>(
    result: &ThresholdResult,
    record: &'a ScenarioRecord,
    total: &'a StepRecord,
) -> &'a StepRecord {
    result.threshold.step.and_then(|step| record.steps.get(step.0)).unwrap_or(total)
}

/// Keeps each reason once, where it came first.
fn deduplicate(reasons: &mut Vec<Reason>) {
    let mut kept: Vec<Reason> = Vec::new();
    for reason in reasons.drain(..) {
        if !kept.contains(&reason) {
            kept.push(reason);
        }
    }
    *reasons = kept;
}

/// A search that the generator ended does not say what the target can do.
fn search(record: &ScenarioRecord, reasons: &mut Vec<Reason>) {
    let Some(last) = record.levels.last().filter(|level| level.generator_bound) else { return };
    let held = record.levels.iter().rev().find(|level| level.holds()).map(|level| level.rate);
    reasons.push(Reason::SearchCutShort { rate: last.rate, held });
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
    let Judgement { verdict, reasons, .. } = judge(plan, record);
    // Whatever was measured: it was measured at a lower rate.
    let rate_was_missed = trouble(plan, record, LAG_PERCENTILE).rate_was_missed();
    let p95 = match work_total(plan, record).response.percentile(95.0) {
        Figure::Exact(p95) => Some(p95),
        Figure::AtLeast(_) | Figure::NoData => None,
    };
    Level {
        rate,
        // What fell whatever the generator did has fallen.
        generator_bound: rate_was_missed || verdict == Verdict::Inconclusive,
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

/// Returns what thresholds on cost say against a pass.
pub fn of_costs(cost: &[CostResult]) -> Vec<Reason> {
    cost.iter().filter_map(missed_cost).collect()
}

fn undecided(result: &ThresholdResult) -> Reason {
    let measured = match result.measured {
        Some(Measured::Exact(figure) | Measured::AtLeast(figure)) => Some(figure),
        None => None,
    };
    let (threshold, bound) = (result.threshold.text.clone(), result.threshold.bound);
    Reason::ThresholdUndecided { threshold, measured, bound }
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
fn operations(
    plan: &ScenarioPlan,
    total: &StepRecord,
    trouble: &Trouble,
    reasons: &mut Vec<Reason>,
) {
    if total.scheduled == 0 && trouble.worthless().is_empty() {
        reasons.push(Reason::NothingMeasured);
    }
    if total.broken_counts > 0 {
        reasons.push(Reason::BurstCounts { bursts: total.broken_counts });
    }
    let judged = plan.thresholds.iter().any(|threshold| threshold.metric == Metric::ErrorRate);
    let StepRecord { failed, dropped, unfinished, .. } = *total;
    if judged || failed + dropped + unfinished == 0 {
        return;
    }
    if failed + dropped + unfinished > trouble.own_errors(total) {
        reasons.push(Reason::OperationsFailed { failed, dropped, unfinished });
    } else {
        reasons.extend(trouble.all());
    }
}

/// The percentile of the lag that a run is judged by.
pub const LAG_PERCENTILE: f64 = 99.0;

/// Returns what was wrong with the measuring of a load.
fn trouble(plan: &ScenarioPlan, record: &ScenarioRecord, percent: f64) -> Trouble {
    let total = work_total(plan, record);
    let trouble = Trouble::of_generator(&total, record.pace, plan.allowed_lag(), percent)
        .with_server(record.server)
        .with_starved(record.starved.clone());
    let gave_up = record.pace.is_some_and(|pace| pace.gave_up);
    if record.stopped.is_some() || record.hopeless.is_some() || gave_up {
        trouble.cut_short()
    } else {
        trouble
    }
}

#[cfg(test)]
mod tests;
