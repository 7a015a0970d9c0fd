//! A gate for readers.

use super::{
    Axis, Block, Cell, Column, Content, Heading, Line, Medium, Plot, Table, Tone, View, Word,
    run::figure,
};
use crate::{
    gate::{Decision, Finding, Kind, Scale, Shift},
    report::{Comparison, GateReport, SideReport, StepReport, cost_figures::change_text, number},
};

/// The view of a gate. Its first six facts are the metric that decides, base, head, the interval,
/// the rule, and the command that does it again.
pub(crate) fn gate(report: &GateReport) -> View {
    let heading = Heading {
        level: 1,
        word: Some(word(report.decision)),
        text: reason(report),
        aside: report.exit.map_or(String::new(), |code| format!("exit {code}")),
    };
    let mut blocks = vec![
        Content::Facts(facts(report)).everywhere(),
        Content::Table(findings("Base against head", &report.findings)).everywhere(),
        Content::Notes(notes(report)).everywhere(),
    ];
    let page = |content: Content| content.on(&[Medium::Page]);
    blocks.push(page(Content::Plot(shift(&report.shift))));
    for (name, side) in [("base", &report.base), ("head", &report.head)] {
        blocks.push(page(Content::Table(steps(name, side))));
    }
    blocks.push(page(Content::Table(cost(report))));
    let made = format!("{}, {}, {} threads", report.started_at, report.host.cpu, report.host.cores);
    blocks.push(page(Content::Text(Tone::Dim, made)));
    View { title: "workway: gate", heading, blocks }
}

/// Runs beside their baselines.
pub(crate) fn comparisons(comparisons: &[Comparison]) -> Vec<Block> {
    comparisons.iter().flat_map(comparison).collect()
}

fn comparison(comparison: &Comparison) -> [Block; 3] {
    let Comparison { scenario, runs, decision, .. } = comparison;
    let heading = Heading {
        level: 2,
        word: Some(word(*decision)),
        text: format!("{scenario}, {runs} earlier runs"),
        aside: if comparison.advisory {
            "(another machine: advice only)".to_owned()
        } else {
            String::new()
        },
    };
    let causes = comparison.causes.iter().map(|cause| format!("likely cause: {cause}"));
    let notes = whys(&comparison.findings).chain(causes).collect();
    [
        Content::Heading(heading).everywhere(),
        Content::Table(findings(scenario, &comparison.findings)).everywhere(),
        Content::Notes(notes).everywhere(),
    ]
}

/// The metric that decides, with its change.
fn reason(report: &GateReport) -> String {
    report.deciding().map_or(String::new(), |finding| {
        let row = Row::new(finding);
        format!("{} {} ({})", row.metric, row.change, row.interval)
    })
}

fn facts(report: &GateReport) -> Vec<(&'static str, String)> {
    let row = report.deciding().map_or_else(Row::default, Row::new);
    let rule = &report.rule;
    let percent = |part: f64| number::percent(part);
    let interval = format!(
        "{} ({} within {} at {}, {} pairs)",
        word(report.decision).text,
        row.change,
        row.interval,
        percent(1.0 - 2.0 * rule.alpha),
        report.pairs
    );
    let bounds = format!(
        "fails when significant (alpha {}, Holm) and above: p95 +{}, errors +{}, usage and cost \
         +{} ({})",
        rule.alpha,
        percent(rule.latency),
        percent(rule.errors),
        percent(rule.usage),
        report.rule_from
    );
    vec![
        ("metric", format!("{} of {}", row.metric, report.scenario)),
        ("base", format!("{}  {}", row.base, report.base.label())),
        ("head", format!("{}  {}", row.head, report.head.label())),
        ("interval", interval),
        ("rule", bounds),
        ("reproduce", report.reproduce.clone()),
    ]
}

fn notes(report: &GateReport) -> Vec<String> {
    let reasons = report.reasons.iter().map(|reason| format!("reason: {reason}"));
    let causes = report.causes.iter().map(|cause| format!("likely cause: {cause}"));
    let changes = report.cost.iter().map(change_text);
    let remade = report.remade.first().map(|why| {
        let count = report.remade.len();
        format!("{count} pairs were made again, as the generator was slow: {why}")
    });
    reasons.chain(causes).chain(whys(&report.findings)).chain(changes).chain(remade).collect()
}

fn whys(findings: &[Finding]) -> impl Iterator<Item = String> {
    findings
        .iter()
        .filter_map(|finding| finding.why.as_ref().map(|why| format!("{}: {why}", finding.metric)))
}

fn findings(caption: &str, findings: &[Finding]) -> Table {
    let mut columns = vec![Column::text("metric")];
    columns.extend(["base", "head", "change"].map(Column::number));
    columns.push(Column::text("interval"));
    columns.push(Column::number("p").only(Medium::Page));
    columns.push(Column::text("result"));
    let row = |finding: &Finding| {
        let Row { metric, base, head, change, interval } = Row::new(finding);
        let p = finding.p.map_or("-".to_owned(), |p| format!("{p:.4}"));
        let mut row: Vec<Cell> = [metric, base, head, change, interval, p].map(Cell::from).into();
        row.push(word(finding.decision).into());
        row
    };
    Table { caption: caption.to_owned(), columns, rows: findings.iter().map(row).collect() }
}

/// The change by percentile, with its interval.
fn shift(points: &[Shift]) -> Plot {
    let values = points.iter().flat_map(|point| [point.low * 1e2, point.high * 1e2, 0.0]);
    let line = |of: fn(&Shift) -> f64| {
        points.iter().map(|point| Some((point.percentile, of(point)))).collect()
    };
    let ends = [0.0, 25.0, 50.0, 75.0, 95.0];
    Plot {
        title: "Change of the response time by percentile".to_owned(),
        x: Axis {
            label: "percentile",
            low: 0.0,
            high: 100.0,
            ticks: ends.into_iter().map(|at| (at, format!("p{at:.0}"))).collect(),
        },
        y: Axis::linear("%", values, |at| format!("{at:+.1} %")),
        lines: vec![
            Line {
                name: "change from base to head, with its interval",
                points: line(|point| point.change * 1e2),
            },
            Line { name: "no change", points: line(|_| 0.0) },
        ],
        band: points.iter().map(|p| (p.percentile, p.low * 1e2, p.high * 1e2)).collect(),
        sparks: Vec::new(),
    }
}

fn steps(name: &str, side: &SideReport) -> Table {
    let mut columns = vec![Column::text("step")];
    columns.extend(["operations", "failed", "p50", "p95", "p99"].map(Column::number));
    let row = |step: &StepReport| {
        let bad = step.failed + step.dropped + step.unfinished;
        let mut row: Vec<Cell> = vec![step.name.as_str().into()];
        row.extend([step.scheduled, bad].map(|count| number::count(count).into()));
        row.extend(["p50", "p95", "p99"].map(|name| figure(&step.response, name).into()));
        row
    };
    let caption = format!("{name}: {}", side.label());
    Table { caption, columns, rows: side.steps.iter().map(row).collect() }
}

fn cost(report: &GateReport) -> Table {
    let changes = report.cost.iter().flat_map(|change| {
        change.tiers.iter().map(|tier| {
            vec![
                change.resource.to_string().into(),
                tier.tier.as_str().into(),
                tier.base.to_string().into(),
                tier.head.to_string().into(),
                tier.usd.to_string().into(),
            ]
        })
    });
    let mut columns = vec![Column::text("resource"), Column::text("tier")];
    columns.extend(["base", "head", "USD a month"].map(Column::number));
    let caption = "For each request, and dollars a month more".to_owned();
    Table { caption, columns, rows: changes.collect() }
}

/// A finding for a reader.
#[derive(Default)]
struct Row {
    metric: String,
    base: String,
    head: String,
    change: String,
    interval: String,
}

impl Row {
    fn new(finding: &Finding) -> Self {
        let figure = |value: Option<f64>| {
            value.map_or("-".to_owned(), |value| match finding.kind {
                Kind::Latency => number::time(value),
                Kind::Errors => number::percent(value),
                Kind::Usage => format!("{value:.3}"),
                Kind::Cost => format!("{value:.6} USD"),
            })
        };
        let interval = match (finding.low, finding.high) {
            (Some(low), Some(high)) => {
                format!("{} to {}", change(finding.scale, low), change(finding.scale, high))
            }
            _ => "-".to_owned(),
        };
        let metric = match finding.kind {
            Kind::Latency | Kind::Errors => finding.metric.clone(),
            Kind::Usage => format!("{} / request", finding.metric),
            Kind::Cost => "cost / 1000".to_owned(),
        };
        Self {
            metric,
            base: figure(finding.base),
            head: figure(finding.head),
            change: finding.change.map_or("-".to_owned(), |part| change(finding.scale, part)),
            interval,
        }
    }
}

/// `+3.2 %`, or `+0.40 pp` of two parts.
fn change(scale: Scale, part: f64) -> String {
    let unit = match scale {
        Scale::Relative => "%",
        Scale::Absolute => "pp",
    };
    format!("{:+.2} {unit}", part * 100.0)
}

fn word(decision: Decision) -> Word {
    let (tone, text) = match decision {
        Decision::Pass => (Tone::Good, "PASS"),
        Decision::Fail => (Tone::Bad, "FAIL"),
        Decision::Inconclusive => (Tone::Unsure, "INCONCLUSIVE"),
        Decision::Shown => (Tone::Dim, "not judged"),
    };
    Word { tone, text: text.to_owned() }
}
