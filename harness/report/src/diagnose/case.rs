//! What is to be explained, and everything that is known: the one input of every cause.

use rust_decimal::Decimal;
use workway_price::Resource;

use crate::{
    gate::{Decision, Finding, Kind, Shift},
    judge::{Failed, ThresholdStatus, Verdict},
    model::usage::RunUsage,
    plan::{Clock, Metric, Phase, Quantity},
    report::{
        Billing, ChangeReport, CostThresholdReport, GateReport, ScenarioReport, SpanReport,
        StepReport, UpstreamReport, baseline::Past, number,
    },
};

/// The tier that money is told of.
pub(super) const TIER: &str = "scale";

/// Everything that is known about a failure.
#[derive(Default)]
pub(super) struct Case<'a> {
    /// What is to be explained.
    pub(super) questions: Vec<Question<'a>>,
    /// What was measured.
    pub(super) head: Side<'a>,
    /// What it is worse than; nothing for a run by itself.
    pub(super) base: Option<Side<'a>>,
    /// The load over time.
    pub(super) timeline: &'a [SpanReport],
    /// Percentile by percentile, base against head.
    pub(super) shift: &'a [Shift],
    /// Iterations that were due, and those that left in time.
    pub(super) planned: Option<(u64, u64)>,
    /// Dollars a month in [`TIER`], the largest first: more than base's, or all of them.
    pub(super) money: Vec<Money>,
}

/// One version, or one run.
#[derive(Clone, Copy, Default)]
pub(super) struct Side<'a> {
    /// The steps of the work.
    pub(super) steps: &'a [StepReport],
    /// All of them together.
    pub(super) total: Option<&'a StepReport>,
    /// What they used.
    pub(super) usage: Option<&'a RunUsage>,
    /// What they called.
    pub(super) upstream: Option<&'a UpstreamReport>,
}

/// What a resource costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Money {
    /// The resource.
    pub(super) resource: Resource,
    /// Dollars a month.
    pub(super) usd: Decimal,
}

/// Something that is to be explained.
pub(super) struct Question<'a> {
    /// What happened: `p95 rose`.
    pub(super) what: String,
    /// What that is about.
    pub(super) about: Missed<'a>,
}

/// What kind of figure is too bad.
pub(super) enum Missed<'a> {
    /// A latency is too long.
    Latency(Slow<'a>),
    /// Too many operations failed.
    Errors {
        /// The step, if it is about one.
        step: Option<&'a str>,
    },
    /// Too few operations were done.
    Rate,
    /// It uses or costs too much.
    Money {
        /// Of which resource; all of them together if absent.
        resource: Option<Resource>,
    },
}

/// A latency that is too long.
#[derive(Clone, Copy, Default)]
pub(super) struct Slow<'a> {
    /// The step, if it is about one.
    pub(super) step: Option<&'a str>,
    /// How long it may be, in milliseconds; nothing when it is compared with base.
    pub(super) bound: Option<f64>,
    /// Counted from when; from the planned time if absent.
    pub(super) clock: Option<Clock>,
    /// Whether it is about the slowest percent only.
    pub(super) tail: bool,
}

impl<'a> Case<'a> {
    pub(super) fn of_run(scenario: &'a ScenarioReport, billing: &dyn Billing) -> Self {
        let mut questions: Vec<_> = scenario.thresholds.iter().filter_map(of_threshold).collect();
        let costs = scenario.cost.iter().flat_map(|cost| &cost.thresholds);
        let costs = costs.filter(|threshold| threshold.status == ThresholdStatus::Failed);
        questions.extend(costs.filter_map(of_cost));
        let missed = scenario.verdict == Verdict::Fail(Failed::Threshold);
        if questions.is_empty() && missed && scenario.generator.is_some() {
            let (what, about) = ("operations failed".to_owned(), Missed::Errors { step: None });
            questions.push(Question { what, about });
        }
        if questions.is_empty() {
            return Self::default();
        }
        Self {
            questions,
            head: Side::of_run(scenario),
            timeline: &scenario.timeline,
            planned: scenario.generator.as_ref().map(|g| (g.planned, g.punctual)),
            money: bill(scenario, billing),
            ..Self::default()
        }
    }

    pub(super) fn of_gate(report: &'a GateReport) -> Self {
        let side = |side: &'a crate::report::SideReport| Side {
            steps: side.steps.split_last().map_or(&[], |(_, steps)| steps),
            total: side.steps.last(),
            usage: side.usage.as_ref(),
            upstream: side.upstream.as_ref(),
        };
        Self {
            questions: rises(&report.findings),
            head: side(&report.head),
            base: Some(side(&report.base)),
            shift: &report.shift,
            money: dearest(report.cost.iter().filter_map(more).collect()),
            ..Self::default()
        }
    }

    pub(super) fn of_comparison(
        scenario: &'a ScenarioReport,
        past: &'a Past,
        findings: &'a [Finding],
    ) -> Self {
        let base = Side {
            steps: &past.steps,
            total: Some(&past.total),
            usage: past.usage.as_ref(),
            upstream: past.upstream.as_ref(),
        };
        Self {
            questions: rises(findings),
            head: Side::of_run(scenario),
            base: Some(base),
            ..Self::default()
        }
    }
}

impl<'a> Side<'a> {
    fn of_run(scenario: &'a ScenarioReport) -> Self {
        Self {
            steps: &scenario.steps,
            total: scenario.total.as_ref(),
            usage: scenario.cost.as_ref().map(|cost| &cost.usage),
            upstream: scenario.upstream.as_ref(),
        }
    }

    /// The steps of the work that were due.
    pub(super) fn work(&self) -> impl Iterator<Item = &'a StepReport> + use<'a> {
        self.steps.iter().filter(|step| step.phase == Phase::Work && step.scheduled > 0)
    }

    pub(super) fn step(&self, name: &str) -> Option<&'a StepReport> {
        self.work().find(|step| step.name == name)
    }
}

/// A threshold that bounds from above what is too large, or from below what is too small.
fn of_threshold(threshold: &crate::report::ThresholdReport) -> Option<Question<'_>> {
    if threshold.status != ThresholdStatus::Failed {
        return None;
    }
    let above = threshold.comparison.is_upper_bound();
    let step = threshold.step.as_deref();
    let slow = |clock, tail| {
        let bound = match threshold.bound {
            Quantity::Time(time) => Some(number::milliseconds(time)),
            Quantity::Share(_) | Quantity::Rate(_) | Quantity::Count(_) => None,
        };
        Missed::Latency(Slow { step, bound, clock: Some(clock), tail })
    };
    let about = match threshold.metric {
        Metric::Percentile(clock, percent) if above => slow(clock, percent >= 99.0),
        Metric::Mean(clock) if above => slow(clock, false),
        Metric::Max(clock) if above => slow(clock, true),
        Metric::ErrorRate | Metric::StatusShare(_) if above => Missed::Errors { step },
        Metric::Rate | Metric::Count if !above => Missed::Rate,
        _ => return None,
    };
    Some(Question { what: format!("`{}` is missed", threshold.text), about })
}

fn of_cost(threshold: &CostThresholdReport) -> Option<Question<'_>> {
    let resource = threshold.figure.resource().and_then(|name| name.parse().ok());
    threshold.comparison.is_upper_bound().then(|| Question {
        what: format!("`{}` is missed", threshold.text),
        about: Missed::Money { resource },
    })
}

/// What failed beside base.
fn rises(findings: &[Finding]) -> Vec<Question<'_>> {
    let failed = findings.iter().filter(|finding| finding.decision == Decision::Fail);
    failed
        .map(|finding| {
            let about = match finding.kind {
                Kind::Latency => Missed::Latency(Slow::default()),
                Kind::Errors => Missed::Errors { step: None },
                Kind::Usage => Missed::Money { resource: finding.metric.parse().ok() },
                Kind::Cost => Missed::Money { resource: None },
            };
            Question { what: format!("{} rose", finding.metric), about }
        })
        .collect()
}

/// What a month of a run costs, by resource.
fn bill(scenario: &ScenarioReport, billing: &dyn Billing) -> Vec<Money> {
    let Some(report) = billing.bill(std::slice::from_ref(scenario)) else {
        return Vec::new();
    };
    let tiers = report.books.first().map_or(&[][..], |book| &book.tiers);
    let Some(tier) = tiers.iter().find(|tier| tier.tier == TIER) else { return Vec::new() };
    let lines = tier
        .lines
        .iter()
        .filter_map(|line| Some(Money { resource: line.resource, usd: line.usd? }));
    dearest(lines.collect())
}

/// What a change adds to the month.
fn more(change: &ChangeReport) -> Option<Money> {
    let tier = change.tiers.iter().find(|tier| tier.tier == TIER)?;
    Some(Money { resource: change.resource, usd: tier.usd })
}

fn dearest(mut money: Vec<Money>) -> Vec<Money> {
    money.sort_by_key(|one| std::cmp::Reverse(one.usd));
    money
}
