//! A run on a page.

use maud::{Markup, html};

use super::{
    bill,
    plot::{Axis, Line, Plot},
    table,
};
use crate::{
    judge::{ThresholdStatus, Verdict},
    plan::Phase,
    record::{Figure, Latency, float},
    report::{
        FailureReport, LatencyReport, RunReport, ScenarioReport, SpanReport, StepReport,
        ThresholdLine, number,
    },
};

pub(super) fn body(report: &RunReport) -> Markup {
    let (class, word) =
        if report.verdict == Verdict::Pass { ("good", "passed") } else { ("bad", "did not pass") };
    html! {
        h1 { "Run " (report.run_id) " " span class={ "word " (class) } { (word) } }
        p class="dim" {
            (report.target) " (" (report.target_kind) "), " (report.started_at) ", "
            (number::time(report.duration_s * 1e3)) ", seed " (report.seed)
            @if let Some(exit) = report.exit { ", exit " (exit) }
            @if let Some(commit) = &report.commit { ", commit " (commit) }
            @if let Some(host) = &report.host { ", " (host.cpu) ", " (host.cores) " threads" }
        }
        @for scenario in &report.scenarios { (section(scenario)) }
        @if let Some(costs) = &report.cost { (bill::bill(costs)) }
    }
}

fn section(scenario: &ScenarioReport) -> Markup {
    let (class, word) = match scenario.verdict {
        Verdict::Pass => ("good", "pass"),
        Verdict::Fail(_) => ("bad", "fail"),
        Verdict::Unreachable => ("bad", "unreachable"),
        Verdict::Defect => ("bad", "defect of workway"),
        Verdict::Inconclusive => ("unsure", "inconclusive"),
        Verdict::Interrupted(_) => ("unsure", "interrupted"),
        Verdict::NotApplicable => ("dim", "not applicable"),
    };
    html! {
        h2 { (scenario.name) " " span class={ "word " (class) } { (word) } }
        p class="dim" { (scenario.file) ", " (number::time(scenario.duration_s * 1e3)) }
        @if !scenario.reasons.is_empty() { ul { @for reason in &scenario.reasons { li { (reason) } } } }
        @if !scenario.causes.is_empty() {
            h3 { "Likely causes" }
            ul { @for cause in &scenario.causes { li { (cause) } } }
        }
        (checks(scenario))
        (steps(scenario))
        div class="plots" {
            @for plot in plots(scenario) { @if let Some(figure) = plot.figure() { (figure) } }
        }
        (errors(scenario))
        (rules(scenario))
        @for failure in &scenario.failures { (evidence(&scenario.file, failure)) }
    }
}

fn checks(scenario: &ScenarioReport) -> Markup {
    let thresholds = scenario.threshold_lines();
    let explained = thresholds.iter().any(|threshold| !threshold.why.is_empty());
    let row = |threshold: ThresholdLine<'_>| {
        let word = match threshold.status {
            ThresholdStatus::Passed => "holds",
            ThresholdStatus::Failed => "missed",
            ThresholdStatus::NoData => "no data",
        };
        let samples = number::count(threshold.samples);
        let (text, why) = (threshold.text.to_owned(), threshold.why.to_owned());
        let mut row = vec![text, threshold.measured, samples, word.to_owned()];
        row.extend(explained.then_some(why));
        row
    };
    let rows: Vec<_> = thresholds.into_iter().map(row).collect();
    let mut columns =
        vec![("check", false), ("measured", true), ("operations", true), ("result", false)];
    columns.extend(explained.then_some(("made of", false)));
    html! { @if !rows.is_empty() { (table("Checks", &columns, &rows)) } }
}

fn steps(scenario: &ScenarioReport) -> Markup {
    let columns = [
        ("step", false),
        ("operations", true),
        ("failed", true),
        ("p50", true),
        ("p95", true),
        ("p99", true),
        ("max", true),
        ("service p95", true),
    ];
    let rows: Vec<_> = scenario
        .steps
        .iter()
        .chain(&scenario.total)
        .filter(|step| step.scheduled > 0)
        .map(|step| {
            let bad = step.failed + step.dropped + step.unfinished;
            let phase = match step.phase {
                Phase::Setup => " (setup)",
                Phase::Work => "",
                Phase::Teardown => " (teardown)",
                Phase::Audit => " (audit)",
            };
            let figures = ["p50", "p95", "p99", "max"].map(|name| figure(&step.response, name));
            let mut row = vec![
                format!("{}{phase}", step.name),
                number::count(step.scheduled),
                number::count(bad),
            ];
            row.extend(figures);
            row.push(figure(&step.service, "p95"));
            row
        })
        .collect();
    html! { @if !rows.is_empty() { (table("Steps, response time", &columns, &rows)) } }
}

fn figure(latency: &LatencyReport, name: &str) -> String {
    let LatencyReport { p50, p95, p99, max, at_least, .. } = latency;
    let known = match name {
        "p50" => p50,
        "p95" => p95,
        "p99" => p99,
        _ => max,
    };
    match (known, at_least.get(name)) {
        (Some(known), _) => number::time(*known),
        (None, Some(bound)) => format!("≥ {}", number::time(*bound)),
        (None, None) => "-".to_owned(),
    }
}

fn plots(scenario: &ScenarioReport) -> Vec<Plot> {
    let mut plots: Vec<_> = scenario.total.as_ref().map(percentiles).into_iter().collect();
    let timeline = loaded(&scenario.timeline);
    if timeline.len() > 1 {
        plots.extend([responses(timeline), services(timeline)]);
        plots.extend([rate(timeline), failures(timeline)]);
    }
    plots
}

/// Without warm-up and drain, in which nothing was due.
fn loaded(timeline: &[SpanReport]) -> &[SpanReport] {
    let due = |span: &SpanReport| span.planned > 0;
    let first = timeline.iter().position(due).unwrap_or(0);
    let end = timeline.iter().rposition(due).map_or(0, |last| last + 1);
    timeline.get(first..end).unwrap_or_default()
}

/// Latency by percentile; the axis gives each nine the same room.
fn percentiles(total: &StepReport) -> Plot {
    const NINES: f64 = 4.0;
    const STEPS: u32 = 80;
    let clock = |latency: &LatencyReport| -> Vec<Option<(f64, f64)>> {
        let latency = latency.stored.latency().unwrap_or_default();
        (0..=STEPS)
            .map(|n| {
                let nines = NINES * f64::from(n) / f64::from(STEPS);
                let beyond = 10.0_f64.powf(-nines);
                // A percentile that no operation is beyond is the largest; it says nothing new.
                let known = float(latency.len()) * beyond >= 1.0;
                let milliseconds = at(&latency, 100.0 * (1.0 - beyond)).filter(|_| known)?;
                Some((nines, milliseconds))
            })
            .collect()
    };
    let (response, service) = (clock(&total.response), clock(&total.service));
    let values: Vec<f64> = response.iter().chain(&service).flatten().map(|(_, ms)| *ms).collect();
    let logarithm = |points: Vec<Option<(f64, f64)>>| {
        points.into_iter().map(|point| point.map(|(x, ms)| (x, ms.max(1e-6).log10()))).collect()
    };
    let ticks =
        [(0.0, "0"), (0.301, "p50"), (1.0, "p90"), (2.0, "p99"), (3.0, "p99.9"), (4.0, "p99.99")];
    Plot {
        title: "Latency by percentile".to_owned(),
        x: Axis {
            label: "percentile",
            low: 0.0,
            high: NINES,
            ticks: ticks.map(|(at, text)| (at, text.to_owned())).to_vec(),
        },
        y: Axis::logarithmic("latency", values.iter().copied(), number::time),
        lines: vec![
            Line { name: "response, from the planned time", points: logarithm(response) },
            Line { name: "service, from sending", points: logarithm(service) },
        ],
        band: Vec::new(),
    }
}

/// In milliseconds; nothing where it is not known.
fn at(latency: &Latency, percent: f64) -> Option<f64> {
    match latency.percentile(percent) {
        Figure::Exact(time) => Some(time.as_secs_f64() * 1e3),
        Figure::AtLeast(_) | Figure::NoData => None,
    }
}

fn responses(timeline: &[SpanReport]) -> Plot {
    let of = |span: &SpanReport| [span.p50, span.p95, span.max];
    over_time("Response time over time", timeline, of)
}

fn services(timeline: &[SpanReport]) -> Plot {
    let of = |span: &SpanReport| [span.service.p50, span.service.p95, span.service.max];
    over_time("Service time over time", timeline, of)
}

/// The median, the 95th percentile and the largest of each span, in milliseconds.
fn over_time(
    title: &str,
    timeline: &[SpanReport],
    of: fn(&SpanReport) -> [Option<f64>; 3],
) -> Plot {
    let known: Vec<f64> = timeline.iter().flat_map(of).flatten().collect();
    let line = |figure: usize| {
        let point = |s: &SpanReport| Some((float(s.at_s), of(s)[figure]?.max(1e-6).log10()));
        timeline.iter().map(point).collect()
    };
    Plot {
        title: title.to_owned(),
        x: seconds(timeline),
        y: Axis::logarithmic("latency", known.into_iter(), number::time),
        lines: vec![
            Line { name: "median", points: line(0) },
            Line { name: "p95", points: line(1) },
            Line { name: "largest", points: line(2) },
        ],
        band: Vec::new(),
    }
}

fn rate(timeline: &[SpanReport]) -> Plot {
    let width = width(timeline);
    let line = |of: fn(&SpanReport) -> u64| {
        timeline.iter().map(|span| Some((float(span.at_s), float(of(span)) / width))).collect()
    };
    let values = timeline.iter().flat_map(|s| [s.planned, s.sent, s.ended]);
    let values: Vec<f64> = values.map(|count| float(count) / width).collect();
    Plot {
        title: "Operations per second".to_owned(),
        x: seconds(timeline),
        y: Axis::linear("per second", values.into_iter(), |at| format!("{at}")),
        lines: vec![
            Line { name: "planned", points: line(|span| span.planned) },
            Line { name: "sent", points: line(|span| span.sent) },
            Line { name: "ended", points: line(|span| span.ended) },
        ],
        band: Vec::new(),
    }
}

fn failures(timeline: &[SpanReport]) -> Plot {
    let width = width(timeline);
    let failed: Vec<f64> = timeline.iter().map(|span| float(span.failed) / width).collect();
    let any = failed.iter().any(|failed| *failed > 0.0);
    let points = timeline.iter().zip(&failed).map(|(s, failed)| Some((float(s.at_s), *failed)));
    Plot {
        title: "Failures per second".to_owned(),
        x: seconds(timeline),
        y: Axis::linear("per second", failed.clone().into_iter(), |at| format!("{at}")),
        lines: vec![Line { name: "failed", points: points.filter(|_| any).collect() }],
        band: Vec::new(),
    }
}

/// Seconds of a span.
fn width(timeline: &[SpanReport]) -> f64 {
    let first = timeline.first().map_or(0, |span| span.at_s);
    timeline.get(1).map_or(1.0, |next| float(next.at_s - first).max(1.0))
}

fn seconds(timeline: &[SpanReport]) -> Axis {
    let ends = timeline.iter().map(|span| float(span.at_s));
    Axis::linear("seconds after the first arrival", ends, |at| format!("{at}"))
}

fn errors(scenario: &ScenarioReport) -> Markup {
    let mut rows = Vec::new();
    for step in scenario.steps.iter().filter(|step| step.scheduled > 0) {
        let statuses = step.statuses.iter().filter(|(status, _)| **status >= 400);
        let kinds = statuses
            .map(|(status, count)| (format!("status {status}"), *count))
            .chain(step.errors.iter().map(|(kind, count)| (kind.to_string(), *count)))
            .chain([
                ("dropped".to_owned(), step.dropped),
                ("unfinished".to_owned(), step.unfinished),
            ]);
        for (kind, count) in kinds.filter(|(_, count)| *count > 0) {
            rows.push(vec![step.name.clone(), kind, number::count(count)]);
        }
    }
    let columns = [("step", false), ("kind", false), ("operations", true)];
    html! {
        @if !rows.is_empty() { (table("Errors by kind, and answers of 400 and above", &columns, &rows)) }
    }
}

/// The rules that the scenario names, and how often each was looked at.
fn rules(scenario: &ScenarioReport) -> Markup {
    let rows: Vec<_> = scenario
        .rules
        .iter()
        .map(|rule| {
            let word = match (rule.held, rule.broken) {
                (0, 0) => "not exercised",
                (_, 0) => "holds",
                _ => "broken",
            };
            let (held, broken) = (number::count(rule.held), number::count(rule.broken));
            let says = format!("{} ({})", rule.says, rule.source);
            vec![rule.id.clone(), says, held, broken, word.to_owned()]
        })
        .collect();
    let columns =
        [("rule", false), ("says", false), ("held", true), ("broken", true), ("result", false)];
    html! { @if !rows.is_empty() { (table("Rules", &columns, &rows)) } }
}

fn evidence(file: &str, failure: &FailureReport) -> Markup {
    let file = failure.file.as_deref().unwrap_or(file);
    html! {
        details {
            summary {
                (file) ":" (failure.line) ":" (failure.column) " " (failure.step) ": expected "
                (failure.expected) ", was " (failure.actual)
            }
            @if let Some(body) = &failure.body { p { "The body began:" } pre { (body) } }
            @if !failure.curl.is_empty() { p { "The request:" } pre { (failure.curl) } }
        }
    }
}
