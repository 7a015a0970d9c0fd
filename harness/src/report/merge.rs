//! Reports of several generators, added up.

use super::{CostReport, RuleReport, RunReport, ScenarioReport, StepReport, ThresholdReport};
use crate::{
    exit::Exit,
    judge::{Judgement, Reason, ThresholdStatus, Verdict},
    plan::{Phase, Span, StepLabel, Threshold},
    record::StepRecord,
    scenario::threshold::ThresholdText,
};

/// Reports that do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// Nothing to add up.
    #[error("there are no reports to merge")]
    Nothing,
    /// The same name stands for different scenarios.
    #[error("scenario `{0}` is not the same in all reports: its file was changed between them")]
    Changed(String),
    /// A report without histograms.
    #[error("scenario `{scenario}`: {problem}")]
    Histograms {
        /// The scenario.
        scenario: String,
        /// What is wrong.
        problem: String,
    },
    /// A threshold that this program cannot read.
    #[error("scenario `{scenario}`: the threshold `{text}` cannot be read")]
    Threshold {
        /// The scenario.
        scenario: String,
        /// The threshold.
        text: String,
    },
}

/// Runs of the same scenarios at the same time, as one: operations and rates add up, histograms
/// without loss, and thresholds are judged on the sum.
///
/// # Errors
/// [`MergeError`].
pub fn merge(reports: &[RunReport]) -> Result<RunReport, MergeError> {
    let (first, rest) = reports.split_first().ok_or(MergeError::Nothing)?;
    let mut sum = first.clone();
    for report in rest {
        sum.duration_s = sum.duration_s.max(report.duration_s);
        for scenario in &report.scenarios {
            match sum.scenarios.iter_mut().find(|mine| mine.name == scenario.name) {
                Some(mine) => add(mine, scenario)?,
                None => sum.scenarios.push(scenario.clone()),
            }
        }
    }
    for scenario in &mut sum.scenarios {
        let parts: Vec<_> = reports
            .iter()
            .flat_map(|report| &report.scenarios)
            .filter(|part| part.name == scenario.name)
            .collect();
        judge(scenario, &parts)?;
    }
    sum.run_id = reports.iter().map(|r| r.run_id.as_str()).collect::<Vec<_>>().join("+");
    sum.cost = CostReport::of_run(&sum.scenarios);
    sum.exit = sum.exit_code().code();
    Ok(sum)
}

fn add(mine: &mut ScenarioReport, other: &ScenarioReport) -> Result<(), MergeError> {
    if mine.config != other.config {
        return Err(MergeError::Changed(mine.name.clone()));
    }
    let record = |step: &StepReport| {
        let scenario = mine.name.clone();
        step.record().map_err(|problem| MergeError::Histograms { scenario, problem })
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
    mine.levels.clear();
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
    Ok(())
}

/// Thresholds on the sum; everything else that speaks against a pass of one part speaks against it
/// of the whole.
fn judge(sum: &mut ScenarioReport, parts: &[&ScenarioReport]) -> Result<(), MergeError> {
    if parts.len() < 2 {
        return Ok(());
    }
    let mut results = Vec::new();
    for threshold in &sum.thresholds {
        results.push(judged(sum, threshold)?);
    }
    let mut reasons: Vec<Reason> = Vec::new();
    for part in parts {
        let exit = part.exit.map_or(Exit::Pass, Exit::of);
        // Of a part that missed thresholds only those count that the whole misses. Without
        // thresholds it was an operation that failed.
        if exit != Exit::Pass && (exit != Exit::Threshold || sum.thresholds.is_empty()) {
            reasons.extend(part.reasons.iter().map(|text| Reason { exit, text: text.clone() }));
        }
    }
    let missed = results.iter().filter(|threshold| threshold.status != ThresholdStatus::Passed);
    reasons.extend(missed.map(|threshold| Reason {
        exit: Exit::Threshold,
        text: format!("threshold missed: {}", threshold.text),
    }));
    let Judgement { verdict, exit, reasons, .. } = crate::judge::of_reasons(reasons);
    sum.thresholds = results;
    sum.verdict = verdict;
    sum.exit = exit.map(Exit::code);
    sum.reasons = reasons.into_iter().map(|reason| reason.text).collect();
    if verdict == Verdict::Pass {
        sum.causes.clear();
    }
    Ok(())
}

fn judged(
    sum: &ScenarioReport,
    threshold: &ThresholdReport,
) -> Result<ThresholdReport, MergeError> {
    let unreadable =
        || MergeError::Threshold { scenario: sum.name.clone(), text: threshold.text.clone() };
    let text = ThresholdText::parse(&threshold.text).ok_or_else(unreadable)?;
    let step = match &threshold.step {
        Some(name) => sum.steps.iter().find(|s| s.name == *name && s.phase == Phase::Work),
        None => sum.total.as_ref(),
    };
    let books = step
        .map(StepReport::record)
        .transpose()
        .map_err(|problem| MergeError::Histograms { scenario: sum.name.clone(), problem })?;
    let plain = Threshold {
        text: text.text,
        span: Span { line: threshold.line, column: threshold.column, ..Span::default() },
        metric: text.metric,
        step: None,
        comparison: text.comparison,
        bound: text.bound,
    };
    let books = books.unwrap_or_default();
    let result = crate::judge::on_books(&plain, &books, sum.window_s);
    Ok(ThresholdReport { step: threshold.step.clone(), ..ThresholdReport::of(&result, None) })
}
