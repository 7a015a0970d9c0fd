//! Checks that states follow each other legally, and that nothing acknowledged is lost.

use super::{History, Operation, Progress, StepProgress, What};

/// Returns the first change of what cannot change so: what was seen first, and what later.
pub fn transitions(history: &History) -> Option<String> {
    if let Some(odd) = history.operations.iter().find_map(|operation| match &operation.what {
        What::Odd(state) => Some(state),
        _ => None,
    }) {
        return Some(format!("it was in a state that there is not: {odd}"));
    }
    let reads: Vec<_> = history.reads().collect();
    reads.iter().enumerate().find_map(|(index, (later, after))| {
        let mut before = reads[..index].iter().filter(|(earlier, _)| earlier.is_before(later));
        before.find_map(|(earlier, before)| {
            follows(before, after).map(|what| at(earlier, later, &what))
        })
    })
}

fn at(earlier: &Operation, later: &Operation, what: &str) -> String {
    let seconds = |operation: &Operation| operation.sent.as_secs_f64();
    format!("{what} (asked at {:.3} s and at {:.3} s)", seconds(earlier), seconds(later))
}

/// Returns why the one cannot have become the other.
fn follows(before: &Progress, after: &Progress) -> Option<String> {
    if !before.status.may_become(after.status) {
        return Some(format!("it was {}, and later {}", before.status, after.status));
    }
    if before.steps.len() != after.steps.len() {
        let (had, has) = (before.steps.len(), after.steps.len());
        return Some(format!("it had {had} steps, and later {has}"));
    }
    let mut steps = before.steps.iter().zip(&after.steps).enumerate();
    steps.find_map(|(step, (before, after))| step_follows(step, before, after))
}

fn step_follows(step: usize, before: &StepProgress, after: &StepProgress) -> Option<String> {
    let went_back = before.status != "pending" && after.status == "pending";
    if went_back || (before.is_final() && before.status != after.status) {
        return Some(format!("step {step} was {}, and later {}", before.status, after.status));
    }
    let (had, has) = (before.attempts, after.attempts);
    let is_odd = has < had || (before.status == "succeeded" && has > had);
    is_odd.then(|| format!("step {step}, {}, had {had} attempts, and later {has}", before.status))
}

/// Returns when an acknowledged run was not there for somebody who asked after the acknowledgement.
pub fn durable(history: &History) -> Option<String> {
    let started = history.operations.iter().find(|operation| operation.what == What::Started)?;
    let gone = history
        .operations
        .iter()
        .find(|operation| operation.what == What::Absent && started.is_before(operation));
    gone.map(|gone| at(started, gone, "it was acknowledged, and later was not there"))
}
