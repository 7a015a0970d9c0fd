//! Compares the observed answers of a rate limiter with a model of that limiter. It is pure.

use std::time::Duration;

use super::oracle::{
    Finding,
    rate_limit::{Answer, Model, Observation, Opinion},
};
use crate::{
    plan::{Limiter, RateLimitPlan, StepLabel},
    record::Seen,
};

/// RFC 6585 section 4.
const TOO_MANY_REQUESTS: u16 = 429;

/// Requests that a failure shows one by one.
const SHOWN: usize = 8;

/// Holds the facts known about a key and its limiter.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// The name of its user.
    pub name: &'a str,
    /// The algorithm of its limiter.
    pub limiter: Limiter,
    /// The largest difference between the clock of the target and ours.
    pub skew: Duration,
    /// All requests of the key, in the order of their answers.
    pub seen: &'a [&'a Seen],
}

/// Judges whether the answers to a key are those of the limiter.
pub fn judge(plan: &RateLimitPlan, key: &Key<'_>, labels: &[StepLabel]) -> Finding {
    if key.seen.is_empty() {
        return Finding::Undecided(format!("no request was sent as `{}`", key.name));
    }
    let skew = i64::try_from(key.skew.as_millis()).unwrap_or(i64::MAX);
    let all: Vec<_> = key.seen.iter().map(|seen| observation(seen, skew)).collect();
    let opinion = model(key.limiter, plan).judge(&all);
    let requests = key.seen.len();
    if opinion.violated() {
        return Finding::Violated {
            expected: format!("answers to `{}` as {} gives them", key.name, described(plan, key)),
            actual: said(&opinion, &all),
            differences: shown(&opinion, key, labels),
        };
    }
    match opinion.undecided.len() {
        0 => Finding::Holds,
        open => Finding::Undecided(format!(
            "{open} of {requests} answers to `{}` are right or wrong for {} depending on when \
             exactly each was decided on",
            key.name,
            described(plan, key)
        )),
    }
}

/// Returns how many requests of a key were admitted by a limiter that may admit too many, if they
/// fell into one period: no expectation is about this number, but a reader of the report wants to
/// know it.
pub fn overshoot(plan: &RateLimitPlan, key: &Key<'_>) -> Option<String> {
    let (first, last) = (key.seen.first()?.earliest, key.seen.last()?.latest);
    if key.limiter != Limiter::AtLeast || last.saturating_sub(first) >= plan.period {
        return None;
    }
    let admitted = |seen: &&&Seen| seen.status.is_some_and(|status| status != TOO_MANY_REQUESTS);
    let admitted = key.seen.iter().filter(admitted).count();
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let share = admitted as f64 / plan.limit.max(1) as f64;
    let (name, sent, limit) = (key.name, key.seen.len(), plan.limit);
    Some(format!(
        "`{name}`: {admitted} of {sent} requests admitted, {share:.2} of the limit of {limit}"
    ))
}

fn model(limiter: Limiter, plan: &RateLimitPlan) -> Model {
    let RateLimitPlan { limit, period, .. } = *plan;
    match limiter {
        Limiter::Fixed => Model::Fixed { limit, period },
        Limiter::Sliding => Model::SlidingCounter { limit, period },
        Limiter::TokenBucket => Model::TokenBucket { limit, period },
        Limiter::AtLeast => Model::BindingDeployed { limit, period },
    }
}

fn observation(seen: &Seen, skew: i64) -> Observation {
    let answer = match seen.status {
        None => Answer::Unknown,
        Some(TOO_MANY_REQUESTS) => Answer::Refused,
        Some(_) => Answer::Admitted,
    };
    Observation {
        sent: seen.earliest.saturating_sub(skew),
        received: seen.latest.saturating_add(skew),
        answer,
    }
}

fn described(plan: &RateLimitPlan, key: &Key<'_>) -> String {
    let period = Duration::from_millis(plan.period.unsigned_abs());
    format!("{} of {} in {:.1} s", key.limiter.name(), plan.limit, period.as_secs_f64())
}

fn said(opinion: &Opinion, all: &[Observation]) -> String {
    let count = |answer| all.iter().filter(|observed| observed.answer == answer).count();
    let mut parts = Vec::new();
    if !opinion.over.is_empty() {
        parts.push(format!("{} were admitted past the limit", opinion.over.len()));
    }
    if !opinion.under.is_empty() {
        parts.push(format!("{} were refused below it", opinion.under.len()));
    }
    let (admitted, refused) = (count(Answer::Admitted), count(Answer::Refused));
    let lost = count(Answer::Unknown);
    let lost = if lost == 0 { String::new() } else { format!(", {lost} not answered") };
    format!("{} (in all {admitted} admitted, {refused} refused{lost})", parts.join(", "))
}

/// A line for each of the first requests that were answered wrongly.
fn shown(opinion: &Opinion, key: &Key<'_>, labels: &[StepLabel]) -> Vec<String> {
    let over = opinion.over.iter().map(|index| (index, "admitted: the limit was spent"));
    let under = opinion.under.iter().map(|index| (index, "refused: the limit was not spent"));
    let mut wrong: Vec<_> = over.chain(under).collect();
    wrong.sort_by_key(|(index, _)| key.seen[**index].sent);
    let line = |(index, what): &(&usize, &str)| {
        let seen = key.seen[**index];
        let step = labels.get(seen.step.0).map_or("", |label| label.name.as_str());
        let (sent, took) = (seen.sent, seen.received.saturating_sub(seen.sent));
        format!("{:.3} s (+{} ms) `{step}` was {what}", sent.as_secs_f64(), took.as_millis())
    };
    let mut lines: Vec<_> = wrong.iter().take(SHOWN).map(line).collect();
    if let Some(more) = wrong.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        lines.push(format!("and {more} more"));
    }
    lines
}
