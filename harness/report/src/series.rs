//! A load over time, in a few lines of text.

use super::{SpanReport, number, spark};
use crate::record::float;

/// Columns at most: with what stands before and behind them, a line of a terminal.
const WIDTH: usize = 60;

/// A load with fewer spans says as much in its table.
const FEWEST: usize = 3;

/// One figure over time.
#[derive(Debug, PartialEq)]
pub(super) struct Series {
    /// What it is.
    pub(super) label: &'static str,
    /// One bar for each span, or for several.
    pub(super) bars: String,
    /// From the least to the most.
    pub(super) range: String,
}

/// What is sent and failed in a second, and the 95th percentile of what was due in it. Empty for a
/// load that is too short; without a line of failures if there are none.
pub(super) fn series(timeline: &[SpanReport]) -> Vec<Series> {
    // Neither warm-up nor drain.
    let planned = |span: &SpanReport| span.planned > 0;
    let first = timeline.iter().position(planned).unwrap_or(0);
    let end = timeline.iter().rposition(planned).map_or(0, |last| last + 1);
    let timeline = timeline.get(first..end).unwrap_or_default();
    if timeline.len() < FEWEST {
        return Vec::new();
    }
    let seconds = float(timeline[1].at_s - timeline[0].at_s).max(1.0);
    let per_second = |count: u64| float(count) / seconds;
    let rate = |number: f64| format!("{number:.0}/s");
    let sent: Vec<_> = timeline.iter().map(|span| Some(per_second(span.sent))).collect();
    let failed: Vec<_> = timeline.iter().map(|span| Some(per_second(span.failed))).collect();
    let p95: Vec<_> = timeline.iter().map(|span| span.p95).collect();
    let has_failed = timeline.iter().any(|span| span.failed > 0);
    let failures = has_failed.then(|| Series::of("failed", &failed, rate));
    let waits = Series::of("p95", &p95, number::time);
    [Series::of("sent", &sent, rate)].into_iter().chain(failures).chain([waits]).collect()
}

impl Series {
    fn of(label: &'static str, values: &[Option<f64>], show: impl Fn(f64) -> String) -> Self {
        let known = || values.iter().flatten().copied();
        let (least, most) = (known().fold(f64::INFINITY, f64::min), known().fold(0.0, f64::max));
        let range = if known().next().is_none() {
            "no answers".to_owned()
        } else {
            format!("{} to {}", show(least), show(most))
        };
        let bars = columns(values).into_iter().map(|value| spark::bar(value, most)).collect();
        Self { label, bars, range }
    }
}

/// At most [`WIDTH`] values: of those that share a column the largest.
fn columns(values: &[Option<f64>]) -> Vec<f64> {
    let together = values.len().div_ceil(WIDTH).max(1);
    let largest = |part: &[Option<f64>]| part.iter().flatten().copied().fold(0.0, f64::max);
    values.chunks(together).map(largest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(at_s: u64, planned: u64, sent: u64, failed: u64, p95: Option<f64>) -> SpanReport {
        let (ended, p50, max) = (sent, p95, p95);
        let service = crate::report::ServiceSpan::default();
        SpanReport { at_s, planned, sent, ended, failed, p50, p95, max, service }
    }

    fn lines(timeline: &[SpanReport]) -> Vec<(&'static str, String, String)> {
        series(timeline)
            .into_iter()
            .map(|Series { label, bars, range }| (label, bars, range))
            .collect()
    }

    #[test]
    fn a_stall_shows_and_warm_up_and_drain_do_not() {
        let timeline = [
            span(0, 0, 0, 0, None),
            span(0, 300, 300, 0, Some(2.0)),
            span(1, 300, 10, 3, Some(1900.0)),
            span(2, 300, 0, 0, None),
            span(3, 300, 890, 0, Some(2.5)),
            span(4, 0, 0, 3, None),
        ];
        assert_eq!(
            lines(&timeline),
            [
                ("sent", "▃▁ █".to_owned(), "0/s to 890/s".to_owned()),
                ("failed", " █  ".to_owned(), "0/s to 3/s".to_owned()),
                ("p95", "▁█ ▁".to_owned(), "2.00 ms to 1.90 s".to_owned()),
            ]
        );
    }

    #[test]
    fn a_short_load_has_none_and_a_silent_target_says_so() {
        let silent = |at| span(at, 5, 5, 0, None);
        assert_eq!(series(&[silent(0), silent(1)]), []);
        assert_eq!(series(&[silent(0), silent(1), silent(2)])[1].range, "no answers");
    }

    #[test]
    fn wider_spans_and_longer_loads_stay_within_the_width() {
        for (spans, width, columns) in [(60, 1, 60), (61, 1, 31), (600, 2, 60)] {
            let timeline: Vec<_> =
                (0..spans).map(|n| span(n * width, 8, 8 * width, 0, Some(1.0))).collect();
            let sent = &series(&timeline)[0];
            assert_eq!(sent.bars.chars().count(), columns);
            assert_eq!(sent.range, "8/s to 8/s");
        }
    }
}
