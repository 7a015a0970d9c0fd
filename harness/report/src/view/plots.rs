//! The plots of a scenario.

use super::{Axis, Line, Plot};
use crate::{
    record::{Figure, Latency, float},
    report::{LatencyReport, ScenarioReport, SpanReport, StepReport, number, series::series},
};

/// Everything that a scenario has to plot.
pub(super) fn of_scenario(scenario: &ScenarioReport) -> Vec<Plot> {
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
        sparks: Vec::new(),
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
        sparks: Vec::new(),
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
        sparks: series(timeline),
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
        sparks: Vec::new(),
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
