//! Checks that states follow each other legally, and that nothing acknowledged is lost.

use super::{History, Operation, Progress, StepProgress, What};

/// The first change of what cannot change so, if there is one.
///
/// # Errors
/// What was seen first, and what later.
pub fn transitions(history: &History) -> Result<(), String> {
    if let Some(odd) = history.operations.iter().find_map(|operation| match &operation.what {
        What::Odd(state) => Some(state),
        _ => None,
    }) {
        return Err(format!("it was in a state that there is not: {odd}"));
    }
    let reads: Vec<_> = history.reads().collect();
    for (index, (later, after)) in reads.iter().enumerate() {
        for (earlier, before) in
            reads[..index].iter().filter(|(earlier, _)| earlier.is_before(later))
        {
            follows(before, after).map_err(|what| at(earlier, later, &what))?;
        }
    }
    Ok(())
}

fn at(earlier: &Operation, later: &Operation, what: &str) -> String {
    let seconds = |operation: &Operation| operation.sent.as_secs_f64();
    format!("{what} (asked at {:.3} s and at {:.3} s)", seconds(earlier), seconds(later))
}

fn follows(before: &Progress, after: &Progress) -> Result<(), String> {
    if !before.status.may_become(after.status) {
        return Err(format!("it was {}, and later {}", before.status, after.status));
    }
    if before.steps.len() != after.steps.len() {
        let (had, has) = (before.steps.len(), after.steps.len());
        return Err(format!("it had {had} steps, and later {has}"));
    }
    let steps = before.steps.iter().zip(&after.steps).enumerate();
    steps.into_iter().try_for_each(|(step, (before, after))| step_follows(step, before, after))
}

fn step_follows(step: usize, before: &StepProgress, after: &StepProgress) -> Result<(), String> {
    let went_back = before.status != "pending" && after.status == "pending";
    if went_back || (before.is_final() && before.status != after.status) {
        return Err(format!("step {step} was {}, and later {}", before.status, after.status));
    }
    let (had, has) = (before.attempts, after.attempts);
    if has < had || (before.status == "succeeded" && has > had) {
        return Err(format!("step {step}, {}, had {had} attempts, and later {has}", before.status));
    }
    Ok(())
}

/// An acknowledged run is there for whoever asks after the acknowledgement.
///
/// # Errors
/// When it was not.
pub fn durable(history: &History) -> Result<(), String> {
    let started = history.operations.iter().find(|operation| operation.what == What::Started);
    let Some(started) = started else { return Ok(()) };
    let gone = history
        .operations
        .iter()
        .find(|operation| operation.what == What::Absent && started.is_before(operation));
    match gone {
        None => Ok(()),
        Some(gone) => Err(at(started, gone, "it was acknowledged, and later was not there")),
    }
}
