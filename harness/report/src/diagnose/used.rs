//! What one operation used.

use workway_price::Resource;

use super::case::Side;
use crate::{
    model::usage::{StepUsage, Tally},
    record::float,
};

/// What the server's own counters call everything together.
const ALL: &str = "all";

/// What a step used; what all used where steps are not told apart.
pub(super) fn of<'a>(side: &Side<'a>, step: &str) -> Option<&'a StepUsage> {
    let steps = &side.usage?.steps;
    let named = |name: &str| steps.iter().find(|used| used.name == name);
    named(step).or_else(|| named(ALL).filter(|_| steps.len() == 1))
}

/// Units of a resource for each operation; `None` when nobody said.
pub(super) fn each(used: &StepUsage, resource: Resource) -> Option<f64> {
    per(&used.used.all(), resource)
}

/// The same of anything that was counted.
pub(super) fn per(tally: &Tally, resource: Resource) -> Option<f64> {
    (tally.count > 0).then(|| units(tally, resource) / float(tally.count))
}

/// Units of a resource together.
pub(super) fn units(tally: &Tally, resource: Resource) -> f64 {
    float(tally.usage.get(resource.name()).copied().unwrap_or(0))
}

/// The part of answers for which no model was asked, of a step that asks models at all.
pub(super) fn hit_rate(used: &StepUsage, other: Option<&StepUsage>) -> Option<f64> {
    let asks = |step: &StepUsage| step.ai || step.used.with_model.count > 0;
    let (asked, not) = (used.used.with_model.count, used.used.without_model.count);
    let cached = asks(used) || other.is_some_and(asks);
    (cached && asked + not > 0).then(|| float(not) / float(asked + not))
}

/// Its name for a sentence.
pub(super) fn name(step: &str) -> String {
    if step == ALL { "a request".to_owned() } else { format!("`{step}`") }
}
