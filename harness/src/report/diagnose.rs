//! Why a threshold or a gate failed, from the data at hand: latency, errors, usage and the
//! generator, joined by step. Every sentence is a figure that points somewhere, not a verdict.

use super::{GateReport, LatencyReport, ScenarioReport, StepReport, number};
use crate::{
    gate::{Decision, Kind},
    judge::ThresholdStatus,
    plan::Phase,
};

/// Causes that are named at most: more are noise.
const MOST: usize = 5;
/// Part of the waiting time that must lie in one place for it to be named.
const DOMINANT: f64 = 0.5;
/// How many times the median a percentile must be for a tail to be named.
const TAIL: f64 = 10.0;
/// How many times the beginning the end of a load must be for a growth to be named.
const GROWTH: f64 = 2.0;

type Part = fn(&StepReport) -> &LatencyReport;

/// A step is compared with itself by the place where its time is spent.
const PLACES: [(&str, Part); 4] = [
    ("making connections", |step| &step.connect),
    ("the TLS handshake", |step| &step.tls),
    ("waiting for the first byte, which is the target's work", |step| &step.first_byte),
    ("reading the body", |step| &step.body),
];

/// Why a scenario missed its thresholds; empty when it did not.
pub fn causes_of_run(scenario: &ScenarioReport) -> Vec<String> {
    let missed = scenario.thresholds.iter().any(|t| t.status == ThresholdStatus::Failed);
    let Some(total) = scenario.total.as_ref().filter(|_| missed || !scenario.reasons.is_empty())
    else {
        return Vec::new();
    };
    let mut causes = Vec::new();
    causes.extend(failures(scenario, total));
    causes.extend(queueing(total));
    causes.extend(slowest(scenario));
    causes.extend(growth(scenario));
    causes.extend(tail(total));
    causes.truncate(MOST);
    causes
}

/// What failed, and how.
fn failures(scenario: &ScenarioReport, total: &StepReport) -> Option<String> {
    let bad = |step: &StepReport| step.failed + step.dropped + step.unfinished;
    if bad(total) == 0 {
        return None;
    }
    let worst = work(scenario).max_by_key(|step| bad(step))?;
    let mut kinds: Vec<(String, u64)> =
        total.errors.iter().map(|(kind, count)| (kind.to_string(), *count)).collect();
    let refused = total.statuses.iter().filter(|(status, _)| **status >= 400);
    kinds.extend(refused.map(|(status, count)| (format!("status {status}"), *count)));
    kinds.push(("dropped for want of a user slot".to_owned(), total.dropped));
    kinds.push(("unfinished at the end".to_owned(), total.unfinished));
    kinds.retain(|(_, count)| *count > 0);
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let kinds: Vec<_> =
        kinds.iter().take(3).map(|(kind, n)| format!("{kind}: {}", number::count(*n))).collect();
    let (name, count, all) = (&worst.name, bad(worst), bad(total));
    Some(format!("{count} of {all} failures are in `{name}` ({})", kinds.join(", ")))
}

/// Time between planned and sent is nobody's work: too few slots or connections for the rate.
fn queueing(total: &StepReport) -> Option<String> {
    let (response, service) = (total.response.p95?, total.service.p95?);
    (response - service > DOMINANT * response).then(|| {
        format!(
            "requests waited before they were sent: response p95 {}, service p95 {}; raise \
             max_connections, or the target cannot keep up with the rate",
            number::time(response),
            number::time(service)
        )
    })
}

/// The step that takes longest, and where in it the time goes.
fn slowest(scenario: &ScenarioReport) -> Option<String> {
    let p95 = |step: &StepReport| step.response.p95;
    let step = work(scenario)
        .filter(|s| p95(s).is_some())
        .max_by(|a, b| p95(a).unwrap_or_default().total_cmp(&p95(b).unwrap_or_default()))?;
    let whole = step.service.mean?;
    let place = PLACES.iter().find(|(_, part)| {
        let part = part(step);
        part.count > 0 && part.mean.is_some_and(|mean| mean > DOMINANT * whole)
    });
    let at = place.map_or(String::new(), |(name, _)| format!(", most of it {name}"));
    Some(format!("`{}` is the slowest step: p95 {}{at}", step.name, number::time(p95(step)?)))
}

/// A load that gets slower as it goes on.
fn growth(scenario: &ScenarioReport) -> Option<String> {
    let known: Vec<f64> = scenario.timeline.iter().filter_map(|span| span.p50).collect();
    let third = known.len() / 3;
    if third == 0 {
        return None;
    }
    let mean = |part: &[f64]| part.iter().sum::<f64>() / crate::record::float(part.len() as u64);
    let (first, last) = (mean(&known[..third]), mean(&known[known.len() - third..]));
    (last > GROWTH * first).then(|| {
        format!(
            "it got slower as it went on (median {} at first, {} at the end): a queue or a table \
             that grows",
            number::time(first),
            number::time(last)
        )
    })
}

fn tail(total: &StepReport) -> Option<String> {
    let (p50, p99) = (total.response.p50?, total.response.p99?);
    (p99 > TAIL * p50).then(|| {
        format!(
            "the median is well ({}) and p99 is not ({}): pauses, locks or retries, not the usual \
             path",
            number::time(p50),
            number::time(p99)
        )
    })
}

fn work(scenario: &ScenarioReport) -> impl Iterator<Item = &StepReport> {
    scenario.steps.iter().filter(|step| step.phase == Phase::Work && step.scheduled > 0)
}

/// Why head is worse than base.
pub fn causes_of_gate(report: &GateReport) -> Vec<String> {
    let mut causes = Vec::new();
    let failed =
        |kind| report.findings.iter().any(|f| f.kind == kind && f.decision == Decision::Fail);
    if failed(Kind::Latency) {
        causes.extend(slower_step(report));
        causes.extend(shape(report));
    }
    if failed(Kind::Errors) {
        causes.extend(new_errors(report));
    }
    let risen = report.findings.iter().filter(|f| f.kind == Kind::Usage);
    for finding in risen.filter(|finding| finding.decision == Decision::Fail) {
        let (Some(base), Some(head)) = (finding.base, finding.head) else { continue };
        let dearest = report.cost.iter().find(|change| change.resource == finding.metric);
        let month = dearest.and_then(super::ChangeReport::most);
        let month =
            month.map_or(String::new(), |m| format!("; {} USD a month at {}", m.usd, m.tier));
        let more = head - base;
        causes.push(format!("{more:+.2} {} for each request{month}", finding.metric));
    }
    causes.truncate(MOST);
    causes
}

/// The step that adds most to the time, and where in it.
fn slower_step(report: &GateReport) -> Option<String> {
    let pairs = report.head.steps.iter().filter_map(|head| {
        let base = report.base.steps.iter().find(|base| base.name == head.name)?;
        let added = head.response.mean? - base.response.mean?;
        Some((base, head, added * crate::record::float(head.response.count)))
    });
    let steps: Vec<_> = pairs.filter(|(_, head, _)| head.name != "all").collect();
    let (base, head, _) = steps.into_iter().max_by(|a, b| a.2.total_cmp(&b.2))?;
    let place = PLACES
        .iter()
        .filter_map(|(name, part)| Some((name, part(head).mean? - part(base).mean?)))
        .max_by(|a, b| a.1.total_cmp(&b.1));
    let at = place
        .filter(|(_, added)| *added > 0.0)
        .map_or(String::new(), |(name, added)| format!("; {} of it {name}", number::time(added)));
    Some(format!(
        "`{}` adds most: mean {} -> {}{at}",
        head.name,
        number::time(base.response.mean?),
        number::time(head.response.mean?)
    ))
}

/// Whether everything got slower, or only the tail.
fn shape(report: &GateReport) -> Option<String> {
    let near = |percent: f64| {
        report.shift.iter().find(|shift| (shift.percentile - percent).abs() < f64::EPSILON)
    };
    let (median, tail) = (near(50.0)?, near(95.0)?);
    let added = |shift: &crate::gate::Shift| shift.head - shift.base;
    let even = added(median) > DOMINANT * added(tail);
    Some(if even {
        format!("the whole distribution moved by about {}", number::time(added(median).max(0.0)))
    } else {
        format!(
            "only the tail moved: median {:+.1} %, p95 {:+.1} %",
            median.change * 1e2,
            tail.change * 1e2
        )
    })
}

fn new_errors(report: &GateReport) -> Option<String> {
    let all = |side: &super::SideReport| side.steps.iter().find(|s| s.name == "all").cloned();
    let (base, head) = (all(&report.base)?, all(&report.head)?);
    let errors = head.errors.iter().map(|(kind, count)| {
        (kind.to_string(), *count, base.errors.get(kind).copied().unwrap_or(0))
    });
    let statuses = head.statuses.iter().filter(|(status, _)| **status >= 400).map(|(status, n)| {
        (format!("status {status}"), *n, base.statuses.get(status).copied().unwrap_or(0))
    });
    let (kind, head, base) =
        errors.chain(statuses).max_by_key(|(_, head, base)| head.saturating_sub(*base))?;
    Some(format!("{kind}: {base} -> {head} operations"))
}
