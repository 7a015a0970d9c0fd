//! A gate on a page.

use maud::{Markup, html};

use super::{
    plot::{Axis, Line, Plot},
    table,
};
use crate::{
    gate::Decision,
    report::{
        GateReport, SideReport,
        gate_text::{Row, word},
        number, summary,
    },
};

pub(super) fn body(report: &GateReport) -> Markup {
    let class = match report.decision {
        Decision::Pass | Decision::Shown => "good",
        Decision::Fail => "bad",
        Decision::Inconclusive => "unsure",
    };
    html! {
        h1 { span class={ "word " (class) } { (summary(report)) } }
        p { (report.base.label()) " → " (report.head.label()) ", " (report.scenario) ", " (report.pairs) " pairs" }
        @for reason in &report.reasons { p class="unsure" { (reason) } }
        @if !report.causes.is_empty() {
            h2 { "Likely causes" }
            ul { @for cause in &report.causes { li { (cause) } } }
        }
        h2 { "Metrics" }
        (findings(report))
        h2 { "Where it moved" }
        div class="plots" { @if let Some(figure) = shift(report).figure() { (figure) } }
        h2 { "Steps" }
        (steps("base", &report.base))
        (steps("head", &report.head))
        (cost(report))
        h2 { "Again" }
        pre { (report.reproduce) }
        p class="dim" { (report.started_at) ", " (report.host.cpu) ", " (report.host.cores) " threads" }
    }
}

fn findings(report: &GateReport) -> Markup {
    let columns = [
        ("metric", false),
        ("base", true),
        ("head", true),
        ("change", true),
        ("interval", true),
        ("p", true),
        ("verdict", false),
    ];
    let rows: Vec<_> = report
        .findings
        .iter()
        .map(|finding| {
            let Row { metric, base, head, change, interval } = Row::new(finding);
            let p = finding.p.map_or("-".to_owned(), |p| format!("{p:.4}"));
            let why = finding.why.as_ref().map_or(String::new(), |why| format!(": {why}"));
            let end = format!("{}{why}", word(finding.decision));
            vec![metric, base, head, change, interval, p, end]
        })
        .collect();
    table("Base against head", &columns, &rows)
}

/// The change by percentile, with its interval.
fn shift(report: &GateReport) -> Plot {
    let points = &report.shift;
    let values = points.iter().flat_map(|p| [p.low * 1e2, p.high * 1e2, 0.0]);
    let x = |percentile: f64| percentile;
    let line = |of: fn(&crate::gate::Shift) -> f64| {
        points.iter().map(|point| Some((x(point.percentile), of(point)))).collect()
    };
    let ends = || [0.0, 25.0, 50.0, 75.0, 95.0];
    Plot {
        title: "Change of the response time by percentile".to_owned(),
        x: Axis {
            label: "percentile",
            low: 0.0,
            high: 100.0,
            ticks: ends().into_iter().map(|at| (at, format!("p{at:.0}"))).collect(),
        },
        y: Axis::linear("%", values, |at| format!("{at:+.1} %")),
        lines: vec![
            Line {
                name: "change from base to head, with its interval",
                points: line(|p| p.change * 1e2),
            },
            Line { name: "no change", points: line(|_| 0.0) },
        ],
        band: points.iter().map(|p| (x(p.percentile), p.low * 1e2, p.high * 1e2)).collect(),
    }
}

fn steps(name: &str, side: &SideReport) -> Markup {
    let columns = [
        ("step", false),
        ("operations", true),
        ("failed", true),
        ("p50", true),
        ("p95", true),
        ("p99", true),
    ];
    let time = |value: Option<f64>| value.map_or("-".to_owned(), number::time);
    let rows: Vec<_> = side
        .steps
        .iter()
        .map(|step| {
            let bad = step.failed + step.dropped + step.unfinished;
            let latency = &step.response;
            vec![
                step.name.clone(),
                number::count(step.scheduled),
                number::count(bad),
                time(latency.p50),
                time(latency.p95),
                time(latency.p99),
            ]
        })
        .collect();
    table(&format!("{name}: {}", side.label()), &columns, &rows)
}

fn cost(report: &GateReport) -> Markup {
    let rows: Vec<_> = report
        .cost
        .iter()
        .flat_map(|change| change.tiers.iter().map(move |tier| (&change.resource, tier)))
        .map(|(resource, tier)| {
            let crate::report::TierChangeReport { tier, base, head, usd } = tier;
            vec![
                resource.to_string(),
                tier.clone(),
                base.to_string(),
                head.to_string(),
                usd.to_string(),
            ]
        })
        .collect();
    html! {
        @if !rows.is_empty() {
            h2 { "Cost" }
            (table(
                "For each request, and dollars a month more",
                &[("resource", false), ("tier", false), ("base", true), ("head", true), ("USD a month", true)],
                &rows,
            ))
        }
    }
}
