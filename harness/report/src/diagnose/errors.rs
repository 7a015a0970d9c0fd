//! Causes of operations that failed, and of a rate that was not reached.

use super::{NOTABLE, case::Case, used};
use crate::{
    record::float,
    report::{StepReport, number},
};

/// Kinds of failures that are named of a step.
const KINDS: usize = 3;
const TOO_MANY_REQUESTS: u16 = 429;

/// Why operations failed.
pub(super) fn causes(case: &Case<'_>, step: Option<&str>) -> Vec<String> {
    let mut causes = Vec::new();
    causes.extend(kinds(case, step));
    causes.extend(limited(case, step));
    causes.extend(refused(case));
    causes
}

/// Why fewer were done than were due.
pub(super) fn of_rate(case: &Case<'_>) -> Vec<String> {
    let mut causes = Vec::new();
    causes.extend(unpunctual(case));
    causes.extend(kinds(case, None));
    causes.extend(limited(case, None));
    causes
}

/// What became of the operations of a step that did not end as expected, by kind.
fn failures(step: &StepReport) -> Vec<(String, u64)> {
    let refused = step.statuses.iter().filter(|(status, _)| **status >= 400);
    let statuses = refused.map(|(status, count)| (format!("status {status}"), *count));
    let errors = step.errors.iter().map(|(kind, count)| (kind.to_string(), *count));
    let rest = [
        ("dropped for want of a user slot".to_owned(), step.dropped),
        ("unfinished at the end".to_owned(), step.unfinished),
    ];
    errors.chain(statuses).chain(rest).filter(|(_, count)| *count > 0).collect()
}

/// The step with most failures, or most more than before, and what they are.
pub(super) fn kinds(case: &Case<'_>, step: Option<&str>) -> Option<String> {
    let bad = |step: &StepReport| step.failed + step.dropped + step.unfinished;
    let before = |step: &StepReport| case.base.as_ref().and_then(|base| base.step(&step.name));
    let more = |step: &StepReport| bad(step).saturating_sub(before(step).map_or(0, bad));
    let wanted = |candidate: &&StepReport| step.is_none_or(|name| candidate.name == name);
    let worst = case.head.work().filter(wanted).max_by_key(|step| more(step))?;
    if more(worst) == 0 {
        return None;
    }
    let known = before(worst).map(failures).unwrap_or_default();
    let of_base = |kind: &str| known.iter().find(|(k, _)| k == kind).map_or(0, |(_, n)| *n);
    let mut kinds = failures(worst);
    kinds.sort_by_key(|(kind, count)| std::cmp::Reverse(count.saturating_sub(of_base(kind))));
    let kinds: Vec<_> = kinds
        .iter()
        .take(KINDS)
        .map(|(kind, count)| match case.base {
            Some(_) => format!("{kind}: {} -> {}", of_base(kind), number::count(*count)),
            None => format!("{kind}: {}", number::count(*count)),
        })
        .collect();
    let (count, of) = (number::count(bad(worst)), number::count(worst.scheduled));
    let what = if kinds.is_empty() {
        "their answers were not the expected ones".to_owned()
    } else {
        kinds.join(", ")
    };
    Some(format!("{count} of {of} of {} failed ({what})", used::name(&worst.name)))
}

/// The target answers that it is asked too often.
pub(super) fn limited(case: &Case<'_>, step: Option<&str>) -> Option<String> {
    let share = |step: &StepReport| step.share_of_429.unwrap_or_default();
    let before = |step: &StepReport| case.base.as_ref()?.step(&step.name).map(share);
    let more = |step: &StepReport| share(step) - before(step).unwrap_or_default();
    let wanted = |candidate: &&StepReport| step.is_none_or(|name| candidate.name == name);
    let steps = case.head.work().filter(wanted);
    let worst = steps.max_by(|a, b| more(a).total_cmp(&more(b)))?;
    // Where the answer is the expected one it is no failure.
    let fails = worst.failed > 0 || before(worst).is_some();
    (more(worst) >= NOTABLE && fails).then(|| {
        let before = before(worst).map(|share| format!(", {} before", number::percent(share)));
        format!(
            "the target limits the rate: {} of the answers of {} are {TOO_MANY_REQUESTS}{}",
            number::percent(share(worst)),
            used::name(&worst.name),
            before.unwrap_or_default()
        )
    })
}

/// What the target calls refused it.
pub(super) fn refused(case: &Case<'_>) -> Option<String> {
    let head = case.head.upstream?;
    let share = |calls: u64, refused: u64| float(refused) / float(calls.max(1));
    let base = case.base.as_ref().and_then(|base| base.upstream);
    let before = base.map_or(0.0, |base| share(base.calls, base.refused));
    (share(head.calls, head.refused) - before >= NOTABLE).then(|| {
        let before = base.map_or(String::new(), |base| format!(", {} before", base.refused));
        let (refused, calls) = (number::count(head.refused), number::count(head.calls));
        format!("upstreams refused {refused} of {calls} calls{before}")
    })
}

/// The generator did not send what was due.
fn unpunctual(case: &Case<'_>) -> Option<String> {
    let (planned, punctual) = case.planned?;
    let missing = float(planned.saturating_sub(punctual));
    (missing >= NOTABLE * float(planned.max(1))).then(|| {
        let (punctual, planned) = (number::count(punctual), number::count(planned));
        format!("only {punctual} of {planned} arrivals were sent in time")
    })
}
