//! Causes of a latency that is too long.

use std::time::Duration;

use workway_price::Resource;

use super::{
    DOMINANT, NOTABLE,
    case::{Case, Slow},
    used,
};
use crate::{
    plan::Clock,
    record::{Latency, float},
    report::{LatencyReport, StepReport, number},
};

/// How many times the median the 99th percentile must be for a tail to be named.
const TAIL: f64 = 10.0;
/// How many times the beginning the end of a load must be for a growth to be named.
const GROWTH: f64 = 2.0;
/// Rows for one request that are a scan: a page of a list has at most a hundred.
const SCAN: f64 = 200.0;
/// Units for a request that a step must use more, as a part of what it used, to be slower by them.
const MORE_WORK: f64 = 0.1;

/// What takes time when a request uses it.
const WORK: [Resource; 6] = [
    Resource::RowsRead,
    Resource::RowsWritten,
    Resource::KvReads,
    Resource::KvWrites,
    Resource::ActorRequests,
    Resource::VectorDimensionsQueried,
];

/// The step in which it is slow, with everything that is known of it.
pub(super) struct Focus<'a> {
    pub(super) case: &'a Case<'a>,
    pub(super) slow: Slow<'a>,
    pub(super) head: &'a StepReport,
    pub(super) base: Option<&'a StepReport>,
    /// Operations beyond the bound.
    pub(super) above: u64,
}

type Cause = fn(&Focus<'_>) -> Option<String>;

/// In the order in which they are told: what the target does first, then what is around it.
pub(super) const CAUSES: [Cause; 10] =
    [cache, more_work, upstream, unanswered, connections, body, generator, queueing, growth, tail];

/// Why it is slow, and where.
pub(super) fn causes(case: &Case<'_>, slow: &Slow<'_>) -> (Vec<String>, Vec<String>) {
    let Some(focus) = Focus::new(case, *slow) else { return (Vec::new(), Vec::new()) };
    let causes = CAUSES.iter().filter_map(|cause| cause(&focus)).collect();
    (causes, focus.places())
}

impl<'a> Focus<'a> {
    /// The step that a threshold is about; else that with most operations beyond the bound, or that
    /// adds most to base.
    pub(super) fn new(case: &'a Case<'a>, slow: Slow<'a>) -> Option<Self> {
        let of = |head: &'a StepReport, base: Option<&'a StepReport>| {
            let above = slow.bound.map_or(0, |bound| beyond(head, slow.clock, bound));
            Self { case, slow, head, base, above }
        };
        if let Some(base) = &case.base {
            let pairs = case.head.work().filter_map(|head| Some((head, base.step(&head.name)?)));
            let most = pairs.max_by(|a, b| added(a).total_cmp(&added(b)));
            let (head, base) = most.or_else(|| Some((case.head.total?, base.total?)))?;
            return Some(of(head, Some(base)));
        }
        let head = match slow.step {
            Some(name) => case.head.step(name)?,
            None => case.head.work().max_by_key(|step| of(step, None).above)?,
        };
        Some(of(head, None))
    }

    fn name(&self) -> String {
        used::name(&self.head.name)
    }

    /// Where it shows, in figures.
    fn places(&self) -> Vec<String> {
        let mut places = Vec::new();
        let (head, name) = (self.head, self.name());
        match (self.base, self.slow.bound) {
            (Some(base), _) => {
                let (Some(from), Some(to)) = (mean(&base.response), mean(&head.response)) else {
                    return places;
                };
                let waits = mean(&head.first_byte).zip(mean(&base.first_byte));
                let waits = waits.map(|(head, base)| head - base).filter(|more| *more > 0.0);
                let waits = waits.map_or(String::new(), |more| {
                    format!("; {} of it waiting for the first byte", number::time(more))
                });
                let (from, to) = (number::time(from), number::time(to));
                places.push(format!("{name} adds most: mean {from} -> {to}{waits}"));
                places.extend(shape(self.case));
            }
            (None, Some(bound)) if self.above > 0 => {
                let of = number::count(head.response.count);
                let (above, bound) = (number::count(self.above), number::time(bound));
                let first = per_operation(&head.first_byte, head);
                let whole = mean(&head.service).unwrap_or(f64::INFINITY);
                let waits = if first > DOMINANT * whole {
                    ", most of the time waiting for the first byte"
                } else {
                    ""
                };
                places.push(format!("{above} of {of} of {name} took longer than {bound}{waits}"));
            }
            _ => {}
        }
        places
    }
}

/// Milliseconds that head adds to all operations of a step.
fn added((head, base): &(&StepReport, &StepReport)) -> f64 {
    let more = mean(&head.response).zip(mean(&base.response)).map(|(head, base)| head - base);
    more.unwrap_or_default() * float(head.response.count)
}

/// The mean, or a lower bound of it.
fn mean(latency: &LatencyReport) -> Option<f64> {
    latency.mean.or_else(|| latency.at_least.get("mean").copied())
}

/// Milliseconds of one part of an operation, which not every operation has.
fn per_operation(part: &LatencyReport, step: &StepReport) -> f64 {
    let whole = float(step.service.count.max(1));
    mean(part).unwrap_or_default() * float(part.count) / whole
}

fn clock(step: &StepReport, clock: Option<Clock>) -> Latency {
    let figures = match clock {
        None | Some(Clock::Response) => &step.response,
        Some(Clock::Service) => &step.service,
        Some(Clock::Lag) => &step.lag,
    };
    figures.stored.latency().unwrap_or_default()
}

/// Operations that took longer than `bound` milliseconds, or were never answered.
fn beyond(step: &StepReport, which: Option<Clock>, bound: f64) -> u64 {
    let latency = clock(step, which);
    let nanos = Duration::try_from_secs_f64(bound / 1e3).unwrap_or(Duration::MAX).as_nanos();
    let nanos = u64::try_from(nanos).unwrap_or(u64::MAX).saturating_add(1);
    let slow = latency.histogram().map_or(0, |known| known.count_between(nanos, u64::MAX));
    slow + latency.unanswered_len()
}

/// The rise of the service time, in milliseconds.
fn rise(focus: &Focus<'_>, base: &StepReport) -> f64 {
    let (head, base) = (mean(&focus.head.service), mean(&base.service));
    head.zip(base).map_or(0.0, |(head, base)| head - base)
}

fn base_usage<'a>(focus: &Focus<'a>) -> Option<&'a crate::model::usage::StepUsage> {
    focus.case.base.as_ref().and_then(|base| used::of(base, &focus.head.name))
}

/// A model was asked more often.
fn cache(focus: &Focus<'_>) -> Option<String> {
    let head = used::of(&focus.case.head, &focus.head.name)?;
    let name = used::name(&head.name);
    if focus.case.base.is_some() {
        let base = base_usage(focus)?;
        let from = used::hit_rate(base, Some(head))?;
        let to = used::hit_rate(head, Some(base))?;
        return (from - to >= NOTABLE)
            .then(|| format!("the cache hit rate of {name} fell from {from:.2} to {to:.2}"));
    }
    let rate = used::hit_rate(head, None)?;
    let (misses, above) = (head.used.with_model.count, focus.above);
    // The slow ones are the misses, and the misses are slow.
    let (misses_f, above_f) = (float(misses), float(above));
    let fits = misses > 0 && misses_f >= 0.9 * above_f && above_f >= DOMINANT * misses_f;
    fits.then(|| {
        let all = number::count(head.used.all().count);
        let misses = number::count(misses);
        format!("{name} asked a model for {misses} of {all} answers (cache hit rate {rate:.2})")
    })
}

/// It asks its storage for more.
fn more_work(focus: &Focus<'_>) -> Option<String> {
    let head = used::of(&focus.case.head, &focus.head.name)?;
    let name = used::name(&head.name);
    if focus.case.base.is_none() {
        let rows = used::each(head, Resource::RowsRead).filter(|rows| *rows >= SCAN)?;
        return Some(format!("{name} reads {rows:.0} rows for each request"));
    }
    let base = base_usage(focus)?;
    let more = WORK.iter().filter_map(|resource| {
        let (from, to) = (used::each(base, *resource)?, used::each(head, *resource)?);
        let notable = to - from > MORE_WORK * from.max(1.0);
        notable.then(|| format!("{:+.2} {} ({from:.2} -> {to:.2})", to - from, resource.label()))
    });
    let more: Vec<_> = more.collect();
    (!more.is_empty()).then(|| format!("{name} uses {} for each request", more.join(", ")))
}

/// Calls of upstreams for each operation, and milliseconds of one.
fn calls(side: &super::case::Side<'_>, step: &StepReport) -> Option<(f64, Option<f64>)> {
    let known = used::of(side, &step.name);
    let by_step = known.and_then(|used| used::each(used, Resource::OutboundRequests));
    let answered = |total: &StepReport| float(total.statuses.values().sum::<u64>().max(1));
    let of_all = || Some(float(side.upstream?.calls) / answered(side.total?));
    let ms = side.upstream.and_then(crate::report::UpstreamReport::mean_ms);
    Some((by_step.or_else(of_all)?, ms))
}

/// What it waits for elsewhere: more calls, or slower ones.
fn upstream(focus: &Focus<'_>) -> Option<String> {
    let name = focus.name();
    let (to, ms) = calls(&focus.case.head, focus.head)?;
    let (Some(side), Some(base)) = (&focus.case.base, focus.base) else {
        let (ms, whole) = (ms?, mean(&focus.head.service)?);
        return (to * ms > DOMINANT * whole).then(|| {
            let (ms, whole) = (number::time(ms), number::time(whole));
            format!("{name} calls upstream {to:.2} times for each request, {ms} each, of {whole}")
        });
    };
    let (from, ms_before) = calls(side, base)?;
    let rise = rise(focus, base);
    let mut parts = Vec::new();
    let costs = ms.is_none_or(|ms| (to - from) * ms > MORE_WORK * rise);
    if to - from >= NOTABLE && costs {
        parts.push(format!(
            "{name} calls upstream {to:.2} times for each request, {from:.2} before"
        ));
    }
    if let (Some(ms), Some(before)) = (ms, ms_before)
        && rise > 0.0
        && (ms - before) * to > DOMINANT * rise
    {
        let (ms, before) = (number::time(ms), number::time(before));
        parts.push(format!("calls of upstreams take {ms}, {before} before"));
    }
    (!parts.is_empty()).then(|| parts.join(", and "))
}

/// Whoever got no answer counts as slow.
fn unanswered(focus: &Focus<'_>) -> Option<String> {
    let lost = |step: &StepReport| clock(step, None).unanswered_len();
    let (head, name) = (lost(focus.head), focus.name());
    let mut kinds: Vec<_> = focus
        .head
        .errors
        .iter()
        .map(|(kind, n)| format!("{kind}: {}", number::count(*n)))
        .collect();
    if focus.head.unfinished > 0 {
        kinds.push(format!("unfinished at the end: {}", number::count(focus.head.unfinished)));
    }
    let kinds = kinds.join(", ");
    let shown = number::count(head);
    match focus.base {
        Some(base) => {
            let share = |lost: u64, step: &StepReport| float(lost) / float(step.scheduled.max(1));
            let before = lost(base);
            let rose = share(head, focus.head) - share(before, base) >= NOTABLE;
            rose.then(|| {
                format!("{shown} of {name} were never answered ({kinds}), {before} before")
            })
        }
        None => (head > 0 && float(head) >= DOMINANT * float(focus.above)).then(|| {
            let above = number::count(focus.above);
            format!("{shown} of the {above} slow ones of {name} were never answered ({kinds})")
        }),
    }
}

/// A part of the service time that is most of it, or of its rise: what it takes now and before.
fn dominant(focus: &Focus<'_>, part: fn(&StepReport) -> f64) -> Option<(f64, Option<f64>)> {
    let now = part(focus.head);
    match focus.base {
        Some(base) => {
            let (before, rise) = (part(base), rise(focus, base));
            (rise > 0.0 && now - before > DOMINANT * rise).then_some((now, Some(before)))
        }
        None => (now > DOMINANT * mean(&focus.head.service)?).then_some((now, None)),
    }
}

fn beside(before: Option<f64>, whole: Option<f64>) -> String {
    match (before, whole) {
        (Some(before), _) => format!(", {} before", number::time(before)),
        (None, Some(whole)) => format!(" of {}", number::time(whole)),
        (None, None) => String::new(),
    }
}

/// Connections are made anew.
fn connections(focus: &Focus<'_>) -> Option<String> {
    let setup =
        |step: &StepReport| per_operation(&step.connect, step) + per_operation(&step.tls, step);
    let (now, before) = dominant(focus, setup)?;
    let (made, of) = (focus.head.connect.count, focus.head.service.count);
    let beside = beside(before, mean(&focus.head.service));
    let (now, made, of) = (number::time(now), number::count(made), number::count(of));
    Some(format!(
        "{} makes connections, {made} for {of} requests: {now} for each{beside}",
        focus.name()
    ))
}

/// Answers that are long, or come slowly.
fn body(focus: &Focus<'_>) -> Option<String> {
    let (now, before) = dominant(focus, |step| per_operation(&step.body, step))?;
    let beside = beside(before, mean(&focus.head.service));
    Some(format!("reading the body of {} takes {}{beside}", focus.name(), number::time(now)))
}

/// The part of the response time before sending that is most of it, or of its rise.
fn waited(focus: &Focus<'_>) -> Option<(f64, f64)> {
    let waits = |step: &StepReport| Some((mean(&step.response)?, mean(&step.service)?));
    let (response, service) = waits(focus.head)?;
    let wait = response - service;
    let dominates = match focus.base.and_then(waits) {
        Some((before, service_before)) => {
            let rise = response - before;
            rise > 0.0 && wait - (before - service_before) > DOMINANT * rise
        }
        None => wait > DOMINANT * response,
    };
    dominates.then_some((response, service))
}

/// Whether it was the generator that did not send in time.
fn late(focus: &Focus<'_>, (response, service): (f64, f64)) -> Option<f64> {
    mean(&focus.head.lag).filter(|lag| *lag > DOMINANT * (response - service))
}

/// This machine sent late.
fn generator(focus: &Focus<'_>) -> Option<String> {
    if focus.slow.clock == Some(Clock::Lag) {
        let lag = mean(&focus.head.lag)?;
        return Some(format!("the generator sent {} late: {}", focus.name(), number::time(lag)));
    }
    let lag = late(focus, waited(focus)?)?;
    Some(format!(
        "the generator itself sent {} late by {}: this machine is too busy",
        focus.name(),
        number::time(lag)
    ))
}

/// Time between planned and sent that is not the generator's: too few connections for the rate.
fn queueing(focus: &Focus<'_>) -> Option<String> {
    let waited = waited(focus)?;
    if late(focus, waited).is_some() {
        return None;
    }
    let (response, service) = (number::time(waited.0), number::time(waited.1));
    Some(format!(
        "{} waited before it was sent (response mean {response}, service mean {service}): raise \
         max_connections, or the target cannot keep up with the rate",
        focus.name()
    ))
}

/// A load that gets slower as it goes on.
fn growth(focus: &Focus<'_>) -> Option<String> {
    let known: Vec<f64> = focus.case.timeline.iter().filter_map(|span| span.p50).collect();
    let third = known.len() / 3;
    if third == 0 || focus.base.is_some() {
        return None;
    }
    let mean = |part: &[f64]| part.iter().sum::<f64>() / float(part.len() as u64);
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

/// Only a few are slow, and the bound is about those.
fn tail(focus: &Focus<'_>) -> Option<String> {
    let (p50, p99) = (focus.head.response.p50?, focus.head.response.p99?);
    (focus.slow.tail && p99 > TAIL * p50).then(|| {
        format!(
            "the median of {} is well ({}) and p99 is not ({}): pauses, locks or retries",
            focus.name(),
            number::time(p50),
            number::time(p99)
        )
    })
}

/// Whether everything got slower, or only the tail.
fn shape(case: &Case<'_>) -> Option<String> {
    let near = |percent: f64| {
        case.shift.iter().find(|shift| (shift.percentile - percent).abs() < f64::EPSILON)
    };
    let (median, tail) = (near(50.0)?, near(95.0)?);
    let added = |shift: &crate::gate::Shift| shift.head - shift.base;
    Some(if added(median) > DOMINANT * added(tail) {
        format!("the whole distribution moved by about {}", number::time(added(median).max(0.0)))
    } else {
        let (median, tail) = (median.change * 1e2, tail.change * 1e2);
        format!("only the tail moved: median {median:+.1} %, p95 {tail:+.1} %")
    })
}
