//! Each cause: where it is one, and where it is none.

use std::{collections::BTreeMap, time::Duration};

use rust_decimal::Decimal;
use workway_price::Resource;

use super::{
    case::{Case, Missed, Money, Question, Side, Slow},
    explain,
};
use crate::{
    model::{
        ErrorKind,
        usage::{RunUsage, StepUsage, Tallies, Tally},
    },
    plan::{Clock, Phase, StepLabel},
    record::StepRecord,
    report::{SpanReport, StepReport, UpstreamReport},
};

const OPERATIONS: u64 = 100;

/// A step whose operations all take so many milliseconds, every part of it told apart.
#[derive(Clone, Copy)]
struct Timing {
    lag: u64,
    wait: u64,
    connect: u64,
    first_byte: u64,
    body: u64,
}

const QUICK: Timing = Timing { lag: 0, wait: 0, connect: 0, first_byte: 10, body: 0 };

fn record(timing: Timing) -> StepRecord {
    let mut record = StepRecord { scheduled: OPERATIONS, ok: OPERATIONS, ..StepRecord::default() };
    record.statuses = [(200, OPERATIONS)].into();
    let Timing { lag, wait, connect, first_byte, body } = timing;
    let ms = Duration::from_millis;
    for _ in 0..OPERATIONS {
        record.lag.record(ms(lag));
        record.connect.record(ms(connect));
        record.first_byte.record(ms(first_byte));
        record.body.record(ms(body));
        record.service.record(ms(connect + first_byte + body));
        record.response.record(ms(lag + wait + connect + first_byte + body));
    }
    record
}

fn step(name: &str, record: &StepRecord) -> StepReport {
    StepReport::new(&StepLabel { name: name.to_owned(), phase: Phase::Work }, record)
}

fn timed(timing: Timing) -> Vec<StepReport> {
    vec![step("list", &record(timing))]
}

/// A hundred answers of which `misses` asked a model, and what they used together.
fn used(name: &str, misses: u64, usage: &[(Resource, u64)]) -> RunUsage {
    let usage: BTreeMap<_, _> =
        usage.iter().map(|(resource, units)| (resource.name().to_owned(), *units)).collect();
    let without_model = Tally { count: OPERATIONS - misses, usage };
    let with_model = Tally { count: misses, usage: BTreeMap::new() };
    let used = Tallies { without_model, with_model, unmetered: 0 };
    let step = StepUsage { name: name.to_owned(), ai: false, used };
    RunUsage { steps: vec![step], ..RunUsage::default() }
}

fn rows(units: u64) -> RunUsage {
    used("list", 0, &[(Resource::RowsRead, units)])
}

fn side<'a>(steps: &'a [StepReport], usage: Option<&'a RunUsage>) -> Side<'a> {
    Side { steps, total: steps.first(), usage, upstream: None }
}

fn ask(about: Missed<'_>) -> Vec<Question<'_>> {
    vec![Question { what: "it is missed".to_owned(), about }]
}

/// A latency that may be 5 ms long.
fn bounded() -> Slow<'static> {
    Slow { bound: Some(5.0), ..Slow::default() }
}

/// Why p95 rose from one to the other.
fn rose(base: Side<'_>, head: Side<'_>) -> Vec<String> {
    let questions = ask(Missed::Latency(Slow::default()));
    explain(&Case { questions, head, base: Some(base), ..Case::default() })
}

/// Why a run by itself is too slow.
fn slow(slow: Slow<'_>, head: Side<'_>) -> Vec<String> {
    explain(&Case { questions: ask(Missed::Latency(slow)), head, ..Case::default() })
}

#[track_caller]
fn says(lines: &[String], expected: &str) {
    assert!(lines[0].starts_with("it is missed because "), "{lines:?}");
    assert!(lines[0].contains(expected), "{lines:?}");
}

#[track_caller]
fn says_nothing(lines: &[String]) {
    assert!(lines[0].starts_with("it is missed, and nothing at hand says why"), "{lines:?}");
    assert_eq!(lines.len(), 1, "{lines:?}");
}

const SLOWER: Timing = Timing { first_byte: 30, ..QUICK };

#[test]
fn without_a_question_nothing_is_said() {
    let steps = timed(SLOWER);
    assert!(explain(&Case { head: side(&steps, None), ..Case::default() }).is_empty());
}

#[test]
fn slower_without_a_cause_says_where_and_that_nobody_knows_why() {
    let (base, head) = (timed(QUICK), timed(SLOWER));
    let lines = rose(side(&base, None), side(&head, None));
    says_nothing(&lines);
    let place =
        "`list` adds most: mean 10.0 ms -> 30.0 ms; 20.0 ms of it waiting for the first byte";
    assert!(lines[0].ends_with(place), "{lines:?}");
    let lines = slow(bounded(), side(&head, None));
    says_nothing(&lines);
    assert!(lines[0].contains("100 of 100 of `list` took longer than 5.00 ms"), "{lines:?}");
}

#[test]
fn a_cache_that_answers_less() {
    let (base, head) = (timed(QUICK), timed(SLOWER));
    let [ten, sixty, thirteen] = [10, 60, 13].map(|misses| used("list", misses, &[]));
    let lines = rose(side(&base, Some(&ten)), side(&head, Some(&sixty)));
    says(&lines, "because the cache hit rate of `list` fell from 0.90 to 0.40");
    says_nothing(&rose(side(&base, Some(&ten)), side(&head, Some(&thirteen))));
    says_nothing(&rose(side(&base, Some(&sixty)), side(&head, Some(&ten))));
}

#[test]
fn a_run_whose_slow_requests_are_those_that_ask_a_model() {
    let mut mixed = record(QUICK);
    mixed.response = crate::record::Latency::new();
    for n in 0..OPERATIONS {
        mixed.response.record(Duration::from_millis(if n < 40 { 30 } else { 1 }));
    }
    let steps = vec![step("list", &mixed)];
    let of = |misses| slow(bounded(), side(&steps, Some(&used("list", misses, &[]))));
    says(&of(40), "`list` asked a model for 40 of 100 answers (cache hit rate 0.60)");
    // Fewer misses than slow requests, and many more: it is something else.
    says_nothing(&of(20));
    says_nothing(&of(100));
}

#[test]
fn more_rows() {
    let (base, head) = (timed(QUICK), timed(SLOWER));
    let [two, five, a_little] = [200, 500, 205].map(rows);
    let lines = rose(side(&base, Some(&two)), side(&head, Some(&five)));
    says(&lines, "`list` uses +3.00 rows read (2.00 -> 5.00) for each request");
    says_nothing(&rose(side(&base, Some(&two)), side(&head, Some(&a_little))));
    says_nothing(&rose(side(&base, Some(&five)), side(&head, Some(&two))));
}

#[test]
fn a_scan() {
    let steps = timed(SLOWER);
    let of = |units| slow(bounded(), side(&steps, Some(&rows(units))));
    says(&of(20_000), "`list` reads 200 rows for each request");
    says_nothing(&of(19_900));
}

fn upstream(calls: u64, ms: f64) -> UpstreamReport {
    let busy_ms = ms * crate::record::float(calls);
    UpstreamReport { calls, refused: 0, answered: calls, busy_ms }
}

#[test]
fn upstreams_that_are_asked_more_or_answer_later() {
    let (base, head) = (timed(QUICK), timed(SLOWER));
    let (base, head) = (side(&base, None), side(&head, None));
    let of = |before: UpstreamReport, now: UpstreamReport| {
        rose(Side { upstream: Some(&before), ..base }, Side { upstream: Some(&now), ..head })
    };
    let lines = of(upstream(10, 20.0), upstream(100, 20.0));
    says(&lines, "`list` calls upstream 1.00 times for each request, 0.10 before");
    let lines = of(upstream(100, 5.0), upstream(100, 25.0));
    says(&lines, "calls of upstreams take 25.0 ms, 5.00 ms before");
    says_nothing(&of(upstream(100, 5.0), upstream(100, 6.0)));
    // More calls, but far too quick to explain it.
    says_nothing(&of(upstream(10, 0.1), upstream(100, 0.1)));
}

#[test]
fn a_run_that_waits_for_upstreams() {
    let steps = timed(SLOWER);
    let of = |seen: UpstreamReport| {
        slow(bounded(), Side { upstream: Some(&seen), ..side(&steps, None) })
    };
    let expected = "`list` calls upstream 1.00 times for each request, 25.0 ms each, of 30.0 ms";
    says(&of(upstream(100, 25.0)), expected);
    says_nothing(&of(upstream(100, 5.0)));
}

#[test]
fn requests_that_were_never_answered() {
    let with = |lost: u64, slow: u64| {
        let mut record = record(Timing { first_byte: 1, ..QUICK });
        for _ in 0..slow {
            for clock in [&mut record.response, &mut record.service] {
                clock.record(Duration::from_millis(30));
            }
        }
        for _ in 0..lost {
            for clock in [&mut record.response, &mut record.service] {
                clock.record_unanswered(Duration::from_secs(5));
            }
        }
        (record.scheduled, record.failed) = (OPERATIONS + lost + slow, lost);
        record.errors = [(ErrorKind::Timeout, lost)].into();
        vec![step("list", &record)]
    };
    let steps = with(10, 4);
    let lines = slow(bounded(), side(&steps, None));
    says(&lines, "10 of the 14 slow ones of `list` were never answered (");
    says_nothing(&slow(bounded(), side(&with(1, 4), None)));
    let (none, ten) = (with(0, 0), with(10, 0));
    says(&rose(side(&none, None), side(&ten, None)), "10 of `list` were never answered");
    says_nothing(&rose(side(&ten, None), side(&ten, None)));
}

#[test]
fn connections_that_are_made_anew() {
    let (base, head) = (timed(QUICK), timed(Timing { connect: 20, ..QUICK }));
    let expected = "`list` makes connections, 100 for 100 requests: 20.0 ms for each";
    says(&rose(side(&base, None), side(&head, None)), expected);
    says(&slow(bounded(), side(&head, None)), expected);
    let little = timed(Timing { connect: 2, ..SLOWER });
    says_nothing(&rose(side(&base, None), side(&little, None)));
    says_nothing(&slow(bounded(), side(&little, None)));
}

#[test]
fn bodies_that_take_long_to_read() {
    let (base, head) = (timed(QUICK), timed(Timing { body: 20, ..QUICK }));
    let expected = "reading the body of `list` takes 20.0 ms";
    says(&rose(side(&base, None), side(&head, None)), expected);
    says(&slow(bounded(), side(&head, None)), expected);
    let little = timed(Timing { body: 2, ..SLOWER });
    says_nothing(&rose(side(&base, None), side(&little, None)));
}

#[test]
fn a_generator_that_is_late() {
    let (base, head) = (timed(QUICK), timed(Timing { lag: 20, ..QUICK }));
    let expected = "the generator itself sent `list` late by 20.0 ms";
    says(&rose(side(&base, None), side(&head, None)), expected);
    says(&slow(bounded(), side(&head, None)), expected);
    let little = timed(Timing { lag: 2, ..SLOWER });
    says_nothing(&rose(side(&base, None), side(&little, None)));
    // A bound on the lag itself is about nothing else.
    let of_lag = Slow { clock: Some(Clock::Lag), bound: Some(1.0), ..Slow::default() };
    says(&slow(of_lag, side(&little, None)), "the generator sent `list` late: 2.00 ms");
}

#[test]
fn requests_that_wait_for_a_connection() {
    let (base, head) = (timed(QUICK), timed(Timing { wait: 20, ..QUICK }));
    let expected = "`list` waited before it was sent (response mean 30.0 ms, service mean 10.0 ms)";
    says(&rose(side(&base, None), side(&head, None)), expected);
    says(&slow(bounded(), side(&head, None)), expected);
    let little = timed(Timing { wait: 2, ..SLOWER });
    says_nothing(&rose(side(&base, None), side(&little, None)));
}

#[test]
fn a_load_that_gets_slower() {
    let steps = timed(SLOWER);
    let of = |last: f64| {
        let span = |at_s: u64| SpanReport {
            at_s,
            planned: 1,
            sent: 1,
            ended: 1,
            failed: 0,
            p50: Some(if at_s < 6 { 10.0 } else { last }),
            p95: None,
            max: None,
            service: crate::report::ServiceSpan::default(),
        };
        let timeline: Vec<_> = (0..9).map(span).collect();
        let questions = ask(Missed::Latency(bounded()));
        let head = side(&steps, None);
        explain(&Case { questions, head, timeline: &timeline, ..Case::default() })
    };
    says(&of(21.0), "it got slower as it went on (median 10.0 ms at first, 21.0 ms at the end)");
    says_nothing(&of(19.0));
}

#[test]
fn a_tail_only_where_the_bound_is_about_it() {
    let mut record = record(Timing { first_byte: 1, ..QUICK });
    for _ in 0..5 {
        for clock in [&mut record.response, &mut record.service] {
            clock.record(Duration::from_millis(200));
        }
    }
    let steps = vec![step("list", &record)];
    let tail = Slow { tail: true, ..bounded() };
    says(&slow(tail, side(&steps, None)), "the median of `list` is well (1.00 ms) and p99 is not");
    says_nothing(&slow(bounded(), side(&steps, None)));
}

#[test]
fn the_step_with_most_slow_requests_is_looked_at_not_the_slowest() {
    let often = step("often", &record(SLOWER));
    let mut rare = record(Timing { first_byte: 400, ..QUICK });
    rare.response = crate::record::Latency::new();
    rare.response.record(Duration::from_millis(400));
    let steps = vec![step("rare", &rare), often];
    let lines = slow(bounded(), side(&steps, None));
    assert!(lines[0].contains("100 of 100 of `often`"), "{lines:?}");
}

fn failing(status: u16, count: u64) -> Vec<StepReport> {
    let mut record = record(QUICK);
    (record.ok, record.failed) = (OPERATIONS - count, count);
    record.statuses = [(200, OPERATIONS - count), (status, count)].into();
    vec![step("list", &record)]
}

fn errors(base: Option<Side<'_>>, head: Side<'_>) -> Vec<String> {
    let questions = ask(Missed::Errors { step: None });
    explain(&Case { questions, head, base, ..Case::default() })
}

#[test]
fn failures_by_kind() {
    let (none, some) = (failing(500, 0), failing(500, 30));
    let expected = "30 of 100 of `list` failed (status 500: 30)";
    says(&errors(None, side(&some, None)), expected);
    let lines = errors(Some(side(&none, None)), side(&some, None));
    says(&lines, "30 of 100 of `list` failed (status 500: 0 -> 30)");
    says_nothing(&errors(Some(side(&some, None)), side(&some, None)));
    says_nothing(&errors(None, side(&none, None)));
}

#[test]
fn a_target_that_limits_the_rate() {
    let (none, some, few) = (failing(429, 0), failing(429, 20), failing(429, 4));
    let expected = "the target limits the rate: 20.0 % of the answers of `list` are 429";
    says(&errors(None, side(&some, None)), expected);
    says(&errors(Some(side(&none, None)), side(&some, None)), &format!("{expected}, 0 % before"));
    let lines = errors(None, side(&few, None));
    assert!(!lines[0].contains("limits the rate"), "{lines:?}");
}

#[test]
fn upstreams_that_refuse() {
    let steps = failing(503, 10);
    let of = |refused| {
        let seen = UpstreamReport { refused, ..upstream(100, 1.0) };
        errors(None, Side { upstream: Some(&seen), ..side(&steps, None) })
    };
    says(&of(10), "upstreams refused 10 of 100 calls");
    let lines = of(4);
    assert!(!lines[0].contains("refused"), "{lines:?}");
}

#[test]
fn a_rate_that_was_not_sent() {
    let steps = timed(QUICK);
    let of = |punctual| {
        let head = side(&steps, None);
        let planned = Some((100, punctual));
        explain(&Case { questions: ask(Missed::Rate), head, planned, ..Case::default() })
    };
    says(&of(95), "only 95 of 100 arrivals were sent in time");
    says_nothing(&of(96));
}

fn money(resource: Resource, usd: i64) -> Money {
    Money { resource, usd: Decimal::from(usd) }
}

fn dear(
    about: Option<Resource>,
    base: Option<&RunUsage>,
    head: &RunUsage,
    money: Vec<Money>,
) -> Vec<String> {
    let steps = timed(QUICK);
    let questions = ask(Missed::Money { resource: about });
    let base = base.map(|usage| side(&steps, Some(usage)));
    explain(&Case { questions, head: side(&steps, Some(head)), base, money, ..Case::default() })
}

#[test]
fn money_names_the_resource_who_uses_it_and_dollars() {
    let (two, three) = (rows(200), rows(300));
    let bill = || vec![money(Resource::RowsRead, 30), money(Resource::KvReads, 10)];
    let expected = "because `list` uses 3.00 rows read each time, 100 % of all; 30 USD a month at \
                    Scale, 75 % of what is used";
    says(&dear(None, None, &three, bill()), expected);
    says(&dear(Some(Resource::RowsRead), None, &three, bill()), expected);
    let lines = dear(None, Some(&two), &three, bill());
    says(&lines, "`list` uses +1.00 rows read each time (2.00 -> 3.00); +30 USD a month at Scale");
    // What an allotment holds is used and not paid: no word of money.
    let free = dear(Some(Resource::RowsRead), None, &three, vec![money(Resource::RowsRead, 0)]);
    assert!(free[0].ends_with("`list` uses 3.00 rows read each time, 100 % of all"), "{free:?}");
    // Nothing rose, so nothing is to blame.
    says_nothing(&dear(Some(Resource::RowsRead), Some(&three), &three, Vec::new()));
    says_nothing(&dear(None, Some(&two), &three, vec![money(Resource::RowsRead, 0)]));
}

#[test]
fn models_cost_more_when_a_cache_answers_less() {
    let tokens = |misses| used("list", misses, &[(Resource::AiInputTokens, 100 * misses)]);
    let (ten, sixty) = (tokens(10), tokens(60));
    let bill = vec![money(Resource::AiInputTokens, 41)];
    let lines = dear(None, Some(&ten), &sixty, bill.clone());
    says(&lines, "the cache hit rate of `list` fell from 0.90 to 0.40");
    says(&lines, "+41 USD a month at Scale");
    says(&dear(None, None, &sixty, bill), "the cache hit rate of `list` is 0.40");
    // Rows have nothing to do with models.
    let lines = dear(Some(Resource::RowsRead), Some(&ten), &sixty, Vec::new());
    assert!(!lines[0].contains("cache"), "{lines:?}");
}

#[test]
fn what_goes_on_after_the_answers_is_somebody_too() {
    let mut head = rows(0);
    let usage = BTreeMap::from([(Resource::RowsWritten.name().to_owned(), 40)]);
    head.runs = Tally { count: 10, usage };
    let lines = dear(Some(Resource::RowsWritten), None, &head, Vec::new());
    says(&lines, "a durable run uses 4.00 rows written each time, 100 % of all");
}

#[test]
fn thresholds_with_the_same_answer_are_one_line() {
    let steps = timed(SLOWER);
    let question =
        |what: &str| Question { what: what.to_owned(), about: Missed::Latency(bounded()) };
    let questions = vec![question("`p95 < 5 ms` is missed"), question("`p50 < 5 ms` is missed")];
    let lines = explain(&Case { questions, head: side(&steps, None), ..Case::default() });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].starts_with("`p95 < 5 ms` is missed, `p50 < 5 ms` is missed, and"),
        "{lines:?}"
    );
}
