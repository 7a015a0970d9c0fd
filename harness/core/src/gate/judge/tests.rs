use std::{collections::BTreeMap, time::Duration};

use super::*;
use crate::{
    model::usage::{RunUsage, StepUsage, Tallies, Tally},
    plan::{CostFigure, PricedFigure},
    record::StepRecord,
};

/// A dollar for each row that is read.
#[derive(Debug)]
struct DollarForRow;

impl Prices for DollarForRow {
    fn book_name(&self) -> &'static str {
        "a dollar for each row"
    }

    fn are_own(&self) -> bool {
        false
    }

    fn figure(
        &self,
        _: &CostFigure,
        _: &RunUsage,
        _: Option<&str>,
    ) -> Result<PricedFigure, PricingError> {
        Err(PricingError("a gate has no thresholds on cost".to_owned()))
    }

    fn per_request(&self, usage: &RunUsage) -> Result<Option<RequestUsage>, PricingError> {
        let mut all = Tally::default();
        usage.steps.iter().for_each(|step| all.add(&step.used.all()));
        Ok(all.mean().map(|mean| {
            let rows = mean["rows_read"];
            RequestUsage { amounts: vec![("rows_read".to_owned(), rows)], dollars: rows }
        }))
    }
}

const OPERATIONS: u64 = 200;

/// A window in which every latency is `scale` times a fixed set.
fn window(scale: f64, failed: u64, rows_read: u64) -> Window {
    let mut total = StepRecord { scheduled: OPERATIONS, failed, ..StepRecord::default() };
    total.ok = OPERATIONS - failed;
    for n in 0..OPERATIONS {
        total.response.record(Duration::from_secs_f64(scale * (10.0 + float(n) / 10.0) / 1e3));
    }
    let usage = BTreeMap::from([("rows_read".to_owned(), rows_read * OPERATIONS)]);
    let all = Tally { count: OPERATIONS, usage };
    let used = Tallies { without_model: all, ..Tallies::default() };
    let step = StepUsage { name: "all".to_owned(), used, ..StepUsage::default() };
    let usage = Some(RunUsage { steps: vec![step], ..RunUsage::default() });
    Window { total, usage, ..Window::default() }
}

/// `count` pairs; `head` gives the factor, the failures and the rows read of head's windows.
fn pairs(count: u32, head: impl Fn(u32) -> (f64, u64, u64)) -> Vec<Pair> {
    let wobble = |n: u32| 1.0 + f64::from(n % 5) / 500.0;
    (0..count)
        .map(|n| {
            let (scale, failed, rows) = head(n);
            Pair {
                base: window(wobble(n), 0, 10),
                head: window(wobble(n + 2) * scale, failed, rows),
            }
        })
        .collect()
}

fn judged(pairs: &[Pair]) -> Judged {
    judge(pairs, &Rule::default(), &DollarForRow).unwrap()
}

fn of<'a>(judged: &'a Judged, metric: &str) -> &'a Finding {
    judged.findings.iter().find(|finding| finding.metric == metric).unwrap()
}

#[test]
fn the_same_passes() {
    let judged = judged(&pairs(12, |_| (1.0, 0, 10)));
    assert_eq!(judged.decision, Decision::Pass, "{judged:?}");
    assert_eq!(of(&judged, "p95").decision, Decision::Pass);
    assert_eq!(of(&judged, "rows_read").p, None, "what is equal takes no share of alpha");
    assert_eq!(of(&judged, "p50").decision, Decision::Shown);
    assert!(judged.shift.iter().any(|shift| shift.percentile > 94.0));
}

#[test]
fn slower_by_more_than_the_bound_fails_and_by_less_passes() {
    let slower = judged(&pairs(12, |_| (1.10, 0, 10)));
    let p95 = of(&slower, "p95");
    assert_eq!((slower.decision, p95.decision), (Decision::Fail, Decision::Fail));
    assert!((p95.change.unwrap() - 0.10).abs() < 0.01, "{p95:?}");
    assert!(p95.low.unwrap() < 0.10 && p95.high.unwrap() > 0.10, "{p95:?}");
    let slightly = judged(&pairs(12, |_| (1.03, 0, 10)));
    assert_eq!(of(&slightly, "p95").decision, Decision::Pass);
}

#[test]
fn noise_is_inconclusive_and_not_a_failure() {
    let wild = |n: u32| if n.is_multiple_of(2) { 1.5 } else { 0.8 };
    let judged = judged(&pairs(12, |n| (wild(n), 0, 10)));
    let p95 = of(&judged, "p95");
    assert_eq!(p95.decision, Decision::Inconclusive, "{p95:?}");
    assert!(p95.why.as_ref().unwrap().contains("chance"), "{p95:?}");
}

#[test]
fn a_percentile_of_too_few_operations_is_refused() {
    // Nine pairs of 200 are 1,800 operations; ten are the 2,000 that p95 needs.
    let few = judged(&pairs(9, |_| (1.5, 0, 10)));
    assert!(of(&few, "p95").why.as_ref().unwrap().contains("needs 2000"), "{few:?}");
    assert_eq!(few.decision, Decision::Inconclusive);
    let enough = judged(&pairs(10, |_| (1.5, 0, 10)));
    assert_eq!(of(&enough, "p95").decision, Decision::Fail);
    assert!(of(&enough, "p99").why.is_some(), "p99 needs 10,000");
}

#[test]
fn failures_are_counted_not_divided() {
    let judged = judged(&pairs(12, |_| (1.0, 4, 10)));
    let errors = of(&judged, "errors");
    assert_eq!(errors.decision, Decision::Fail, "{errors:?}");
    assert!((errors.head.unwrap() - 0.02).abs() < 1e-9, "{errors:?}");
}

#[test]
fn one_more_row_for_each_request_fails_by_usage_and_cost() {
    let judged = judged(&pairs(12, |_| (1.0, 0, 11)));
    for metric in ["rows_read", "cost"] {
        let finding = of(&judged, metric);
        let change = finding.change.unwrap();
        assert!(change > 0.0 && finding.p.unwrap() < 0.001, "{finding:?}");
    }
    assert_eq!(of(&judged, "rows_read").decision, Decision::Fail);
}

/// Nothing was measured, so that nothing passes.
#[test]
fn without_a_pair_nothing_passes() {
    let judged = judged(&[]);
    for finding in &judged.findings {
        assert_ne!(finding.decision, Decision::Pass, "{finding:?}");
    }
    assert_eq!(of(&judged, "cost").why.as_deref(), Some("no pair was measured"));
}

#[test]
fn unknown_usage_is_shown_as_such_and_decides_nothing() {
    let mut pairs = pairs(12, |_| (1.0, 0, 10));
    pairs[3].head.usage = None;
    let judged = judged(&pairs);
    assert_eq!(of(&judged, "cost").decision, Decision::Shown);
    assert_eq!(judged.decision, Decision::Pass);
}
