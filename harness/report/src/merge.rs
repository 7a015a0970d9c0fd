//! Reports of several generators, added up.

use std::time::Duration;

use super::{
    Billing, CostThresholdReport, ReasonReport, RuleReport, RunReport, ScenarioCost,
    ScenarioReport, StepError, StepReport, ThresholdReport, causes_of_run, document::worst,
};
use crate::{
    judge::{self, CostResult, Judgement, Reason, ThresholdResult, Verdict},
    plan::{CostPlan, CostThreshold, Phase, Span, StepLabel, Threshold},
    record::StepRecord,
};

/// Reports that do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// Nothing to add up.
    #[error("there are no reports to merge")]
    Nothing,
    /// One run is given twice: its operations would be counted twice.
    #[error("run {0} is given twice")]
    Twice(String),
    /// Two runs differ in something that must be the same.
    #[error(
        "runs {first} and {other} cannot be added up: {what} is {mine} in the one and {theirs} in the other"
    )]
    Differ {
        /// The first run.
        first: String,
        /// The run that differs.
        other: String,
        /// The fact in which they differ.
        what: &'static str,
        /// The fact of the first run.
        mine: String,
        /// The fact of the other run.
        theirs: String,
    },
    /// Two runs were not under way at the same time.
    #[error(
        "runs {first} and {other} cannot be added up: the one was over before the other began, so that \
         the target had their loads one after the other"
    )]
    Apart {
        /// The run that was first.
        first: String,
        /// The run that came later.
        other: String,
    },
    /// The same name stands for different scenarios.
    #[error(
        "scenario `{scenario}` is not the same in runs {first} and {other}: its file was changed \
         between them"
    )]
    Changed {
        /// The scenario.
        scenario: String,
        /// The first run.
        first: String,
        /// The run that differs.
        other: String,
    },
    /// A search chooses its next rate by what came of the last one, so two searches have no sum.
    #[error("scenario `{0}` searches for the highest rate: each generator searched for its own")]
    Search(String),
    /// A report without histograms.
    #[error("scenario `{scenario}`: {error}")]
    Histograms {
        /// The scenario.
        scenario: String,
        /// The step, and what is wrong with it.
        error: StepError,
    },
    /// Prices that are in no report.
    #[error(
        "scenario `{0}`: its price book or its tiers are files of their own, which reports do not \
         hold, so its thresholds on cost cannot be judged on the sum: take them out of the scenario, \
         merge, and ask `workway cost --book` or `--tiers`"
    )]
    OwnPrices(String),
}

/// Runs of the same scenarios at the same time, as one: operations and rates add up, histograms
/// without loss, and thresholds are judged on the sum.
///
/// # Errors
/// [`MergeError`].
pub fn merge(reports: &[RunReport], billing: &dyn Billing) -> Result<RunReport, MergeError> {
    let (first, rest) = reports.split_first().ok_or(MergeError::Nothing)?;
    for (index, report) in rest.iter().enumerate() {
        for earlier in reports.iter().take(index + 1) {
            comparable(earlier, report)?;
        }
    }
    let mut sum = first.clone();
    for report in rest {
        sum.duration_s = sum.duration_s.max(report.duration_s);
        for scenario in &report.scenarios {
            if let Some(mine) = sum.scenarios.iter_mut().find(|mine| mine.name == scenario.name) {
                add(mine, scenario)?;
            }
        }
    }
    for scenario in &mut sum.scenarios {
        let parts: Vec<_> = reports
            .iter()
            .flat_map(|report| &report.scenarios)
            .filter(|part| part.name == scenario.name)
            .collect();
        judge(scenario, &parts, billing)?;
    }
    sum.parts = reports.iter().flat_map(RunReport::runs).map(str::to_owned).collect();
    sum.run_id = sum.parts.join("+");
    sum.cost = billing.bill(&sum.scenarios);
    sum.verdict = worst(&sum.scenarios);
    // The parts were judged by themselves; what the sum means is for the command to say.
    sum.exit = None;
    sum.scenarios.iter_mut().for_each(|scenario| scenario.exit = None);
    Ok(sum)
}

/// Checks that two runs are parts of one: not the same part, of the same scenarios with the same random
/// choices, against the same target, at the same time.
fn comparable(one: &RunReport, other: &RunReport) -> Result<(), MergeError> {
    if let Some(twice) = one.runs().find(|run| other.runs().any(|theirs| theirs == *run)) {
        return Err(MergeError::Twice(twice.to_owned()));
    }
    let facts = [
        ("the set of scenarios", names(one, |_| true), names(other, |_| true)),
        ("the set of scenarios that were run", names(one, was_run), names(other, was_run)),
        ("the seed", one.seed.to_string(), other.seed.to_string()),
        ("the target", one.target.clone(), other.target.clone()),
        ("the kind of target", one.target_kind.to_string(), other.target_kind.to_string()),
    ];
    let ids = || (one.run_id.clone(), other.run_id.clone());
    if let Some((what, mine, theirs)) = facts.into_iter().find(|(_, a, b)| a != b) {
        let (first, other) = ids();
        return Err(MergeError::Differ { first, other, what, mine, theirs });
    }
    for mine in &one.scenarios {
        let theirs = other.scenarios.iter().find(|theirs| theirs.name == mine.name);
        if theirs.is_some_and(|theirs| !same_plan(mine, theirs)) {
            let (first, other) = ids();
            return Err(MergeError::Changed { scenario: mine.name.clone(), first, other });
        }
        if [Some(mine), theirs].into_iter().flatten().any(|part| !part.levels.is_empty()) {
            return Err(MergeError::Search(mine.name.clone()));
        }
    }
    let end = |run: &RunReport| {
        let lasted = Duration::try_from_secs_f64(run.duration_s).unwrap_or_default();
        // The beginning is known to the second.
        run.started_at.time().checked_add(lasted + Duration::from_secs(1))
    };
    let (earlier, later) =
        if one.started_at <= other.started_at { (one, other) } else { (other, one) };
    if end(earlier).is_some_and(|end| end <= later.started_at.time()) {
        let (first, other) = (earlier.run_id.clone(), later.run_id.clone());
        return Err(MergeError::Apart { first, other });
    }
    Ok(())
}

/// Returns the names of the scenarios of a run that are `wanted`, in an order that is the same in all.
fn names(run: &RunReport, wanted: fn(&ScenarioReport) -> bool) -> String {
    let wanted = run.scenarios.iter().filter(|scenario| wanted(scenario));
    let mut names: Vec<_> = wanted.map(|scenario| scenario.name.as_str()).collect();
    names.sort_unstable();
    names.join(", ")
}

fn was_run(scenario: &ScenarioReport) -> bool {
    scenario.verdict != Verdict::NotApplicable
}

/// Returns whether two reports are of one plan. Files are compared by their hash; a report without one
/// can still show that it judged something else.
fn same_plan(one: &ScenarioReport, other: &ScenarioReport) -> bool {
    fn plan(scenario: &ScenarioReport) -> impl PartialEq + use<'_> {
        let steps = scenario.steps.iter().map(|step| (&step.name, step.phase));
        let thresholds = &scenario.thresholds;
        let thresholds = thresholds.iter().map(|t| (&t.text, &t.step, t.comparison, t.bound));
        let cost = scenario.cost.as_ref();
        let costs = cost.map(|cost| {
            let thresholds = cost.thresholds.iter().map(|t| (&t.text, t.bound));
            (&cost.tier, &cost.book, thresholds.collect::<Vec<_>>())
        });
        let thresholds = thresholds.collect::<Vec<_>>();
        (&scenario.config, steps.collect::<Vec<_>>(), thresholds, costs)
    }
    plan(one) == plan(other)
}

/// Adds what was measured by another generator. Both reports have the steps of one plan.
fn add(mine: &mut ScenarioReport, other: &ScenarioReport) -> Result<(), MergeError> {
    let record = |step: &StepReport| {
        let scenario = mine.name.clone();
        step.record().map_err(|error| MergeError::Histograms { scenario, error })
    };
    let mut steps = Vec::new();
    for step in &mine.steps {
        let same = |s: &&StepReport| s.name == step.name && s.phase == step.phase;
        let mut sum = record(step)?;
        if let Some(other) = other.steps.iter().find(same) {
            sum.merge(&record(other)?);
        }
        steps.push((StepLabel { name: step.name.clone(), phase: step.phase }, sum));
    }
    let mut total = StepRecord::default();
    for (_, step) in steps.iter().filter(|(label, _)| label.phase == Phase::Work) {
        total.merge(step);
    }
    let all = StepLabel { name: "all".to_owned(), phase: Phase::Work };
    mine.total = (total.scheduled > 0).then(|| StepReport::new(&all, &total));
    mine.steps = steps.iter().map(|(label, step)| StepReport::new(label, step)).collect();
    mine.duration_s = mine.duration_s.max(other.duration_s);
    mine.window_s = mine.window_s.max(other.window_s);
    mine.failures.extend(other.failures.iter().cloned());
    // Percentiles of a second do not add up, and of rates nobody knows whose second it was.
    mine.timeline.clear();
    let new = other.remarks.iter().filter(|remark| !mine.remarks.contains(remark));
    let new: Vec<_> = new.cloned().collect();
    mine.remarks.extend(new);
    // The generators looked at one server, and each perhaps at another moment.
    mine.server = match (mine.server.take(), &other.server) {
        (Some(mine), Some(other)) => Some(mine.worst(other)),
        (mine, other) => mine.or_else(|| other.clone()),
    };
    mine.generator = match (mine.generator.take(), &other.generator) {
        (Some(mut mine), Some(other)) => {
            mine.planned += other.planned;
            mine.punctual += other.punctual;
            mine.busiest_thread = mine.busiest_thread.max(other.busiest_thread);
            Some(mine)
        }
        (mine, other) => mine.or_else(|| other.clone()),
    };
    for rule in &other.rules {
        let same = |mine: &&mut RuleReport| mine.id == rule.id && mine.severity == rule.severity;
        match mine.rules.iter_mut().find(same) {
            Some(mine) => {
                mine.held += rule.held;
                mine.broken += rule.broken;
            }
            None => mine.rules.push(rule.clone()),
        }
    }
    if let (Some(mine), Some(other)) = (&mut mine.cost, &other.cost) {
        mine.usage.add(&other.usage);
    }
    if let (Some(mine), Some(other)) = (&mut mine.upstream, &other.upstream) {
        mine.add(other);
    }
    Ok(())
}

/// Thresholds on the sum; everything else that speaks against a pass of one part speaks against it
/// of the whole.
fn judge(
    sum: &mut ScenarioReport,
    parts: &[&ScenarioReport],
    billing: &dyn Billing,
) -> Result<(), MergeError> {
    if parts.len() < 2 {
        return Ok(());
    }
    let of = |threshold| judged(sum, threshold);
    let results = sum.thresholds.iter().map(of).collect::<Result<Vec<_>, _>>()?;
    let costs = sum.cost.as_ref().map(|cost| judged_cost(&sum.name, cost, billing)).transpose()?;
    let costs = costs.unwrap_or_default();
    let mut reasons = others(parts);
    let total = sum.total.as_ref().map(StepReport::record).transpose();
    let histograms = |error| MergeError::Histograms { scenario: sum.name.clone(), error };
    let total = total.map_err(histograms)?.unwrap_or_default();
    let trouble = sum.generator.as_ref().map(|generator| generator.trouble(&total));
    let trouble = trouble.unwrap_or_default();
    // Lag is that of all steps; the errors that a threshold on a step is about are among those of all.
    reasons.extend(judge::Judged { results: &results, trouble: &trouble }.reasons(|_| &total));
    reasons.extend(judge::of_costs(&costs));
    let Judgement { verdict, reasons, .. } = Judgement::new(reasons);
    let named = sum.thresholds.iter().zip(&results);
    sum.thresholds =
        named.map(|(old, result)| ThresholdReport::of(result, old.step.clone())).collect();
    if let Some(cost) = &mut sum.cost {
        cost.thresholds = costs.iter().map(CostThresholdReport::new).collect();
    }
    sum.verdict = verdict;
    sum.reasons = reasons.into_iter().map(ReasonReport::from).collect();
    sum.causes = causes_of_run(sum, billing);
    Ok(())
}

/// What speaks against a pass of the parts and is not about a threshold, each once: thresholds are
/// judged on the sum.
fn others(parts: &[&ScenarioReport]) -> Vec<Reason> {
    let mut reasons: Vec<Reason> = Vec::new();
    for reason in parts.iter().flat_map(|part| &part.reasons).map(|report| &report.reason) {
        if !reason.is_about_threshold() && !reasons.contains(reason) {
            reasons.push(reason.clone());
        }
    }
    reasons
}

fn judged(
    sum: &ScenarioReport,
    threshold: &ThresholdReport,
) -> Result<ThresholdResult, MergeError> {
    let step = match &threshold.step {
        Some(name) => sum.steps.iter().find(|s| s.name == *name && s.phase == Phase::Work),
        None => sum.total.as_ref(),
    };
    let books = step
        .map(StepReport::record)
        .transpose()
        .map_err(|error| MergeError::Histograms { scenario: sum.name.clone(), error })?;
    let plain = Threshold {
        text: threshold.text.clone(),
        span: span(threshold.line, threshold.column),
        metric: threshold.metric,
        step: None,
        comparison: threshold.comparison,
        bound: threshold.bound,
    };
    Ok(judge::on_books(&plain, &books.unwrap_or_default(), sum.window_s))
}

/// Thresholds on cost, on what all parts used.
fn judged_cost(
    scenario: &str,
    cost: &ScenarioCost,
    billing: &dyn Billing,
) -> Result<Vec<CostResult>, MergeError> {
    let threshold = |threshold: &CostThresholdReport| CostThreshold {
        text: threshold.text.clone(),
        span: span(threshold.line, threshold.column),
        figure: threshold.figure.clone(),
        comparison: threshold.comparison,
        bound: threshold.bound,
    };
    let thresholds = cost.thresholds.iter().map(threshold).collect();
    let prices = billing.prices(cost).ok_or_else(|| MergeError::OwnPrices(scenario.to_owned()))?;
    let plan = CostPlan {
        tier: cost.tier.clone(),
        ai: Vec::new(),
        meter: billing.pricing().meter(),
        prices,
        audit: false,
        thresholds,
    };
    Ok(judge::on_usage(&plan, &cost.usage))
}

fn span(line: usize, column: usize) -> Span {
    Span { line, column, ..Span::default() }
}
