//! Why a threshold or a gate failed, from the data at hand: latency, errors, usage, calls of
//! upstreams and the generator, joined by step.
//!
//! Each cause is a pure function over a [`Case`], and comes with the figures that it stands on.
//! Where no cause fits, that is said: a cause that has nothing to do with it misleads.

mod case;
mod errors;
mod latency;
mod money;
#[cfg(test)]
mod tests;
mod used;

use case::{Case, Missed, Question};

use super::{Billing, GateReport, ScenarioReport, baseline::Past};
use crate::gate::Finding;

/// Causes that are named at most for one figure: more are noise.
const MOST: usize = 4;
/// Part of a time, or of its rise, that must lie in one place for it to be a cause.
const DOMINANT: f64 = 0.5;
/// A share that changed by less, in parts of 1, explains nothing that can be seen.
const NOTABLE: f64 = 0.05;

/// Why a scenario missed its thresholds; empty when it did not.
pub fn causes_of_run(scenario: &ScenarioReport, billing: &dyn Billing) -> Vec<String> {
    explain(&Case::of_run(scenario, billing))
}

/// Why head is worse than base; empty when it is not.
pub fn causes_of_gate(report: &GateReport) -> Vec<String> {
    explain(&Case::of_gate(report))
}

/// Why a run is worse than the accepted ones; empty when it is not.
pub(super) fn causes_of_comparison(
    scenario: &ScenarioReport,
    past: &Past,
    findings: &[Finding],
) -> Vec<String> {
    explain(&Case::of_comparison(scenario, past, findings))
}

/// What is said of one question.
struct Explained {
    what: String,
    causes: Vec<String>,
    /// Where it shows; not a cause.
    places: Vec<String>,
}

fn explain(case: &Case<'_>) -> Vec<String> {
    let mut all: Vec<Explained> = Vec::new();
    for question in &case.questions {
        let Explained { what, mut causes, places } = of(case, question);
        causes.truncate(MOST);
        // Thresholds with the same answer are one line.
        match all.iter_mut().find(|known| (&known.causes, &known.places) == (&causes, &places)) {
            Some(known) => known.what = format!("{}, {what}", known.what),
            None => all.push(Explained { what, causes, places }),
        }
    }
    let mut lines: Vec<String> = Vec::new();
    for Explained { what, causes, places } in all {
        let known = !causes.is_empty();
        let first = if known {
            format!("{what} because {}", causes.join("; "))
        } else {
            format!("{what}, and nothing at hand says why{}", places_after(&places))
        };
        let rest = places.into_iter().filter(|_| known);
        for line in std::iter::once(first).chain(rest) {
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    lines
}

fn places_after(places: &[String]) -> String {
    if places.is_empty() { String::new() } else { format!(": {}", places.join("; ")) }
}

fn of(case: &Case<'_>, question: &Question<'_>) -> Explained {
    let what = question.what.clone();
    let (causes, places) = match &question.about {
        Missed::Latency(slow) => latency::causes(case, slow),
        Missed::Errors { step } => (errors::causes(case, *step), Vec::new()),
        Missed::Rate => (errors::of_rate(case), Vec::new()),
        Missed::Money { resource } => (money::causes(case, *resource), Vec::new()),
    };
    Explained { what, causes, places }
}
