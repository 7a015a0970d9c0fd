//! Thresholds against the books.

use crate::{
    plan::{Clock, Comparison, Metric, Phase, Quantity, ScenarioPlan, Threshold},
    record::{Figure, Latency, ScenarioRecord, StepRecord, float},
};

/// A threshold and what was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct ThresholdResult {
    /// The threshold as the scenario states it.
    pub threshold: Threshold,
    /// The result of the threshold.
    pub status: ThresholdStatus,
    /// The figure; `None` without data.
    pub measured: Option<Measured>,
    /// The number of operations that the figure is based on.
    pub samples: u64,
    /// The same figure of a time that counts from the planned instant, but counted from sending, without
    /// any lag in it; `None` if it is not known of the same operations.
    pub from_sending: Option<Quantity>,
}

/// How a threshold came out.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ThresholdStatus {
    /// It holds.
    Passed,
    /// It does not, or it depends on operations that were never answered.
    Failed,
    /// There is nothing to judge; not a pass.
    NoData,
}

/// A figure that is finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measured {
    /// The figure itself.
    Exact(Quantity),
    /// A lower bound of it: operations it depends on were never answered.
    AtLeast(Quantity),
}

/// Every threshold of the plan, in its order.
pub(super) fn evaluate(plan: &ScenarioPlan, record: &ScenarioRecord) -> Vec<ThresholdResult> {
    let total = work_total(plan, record);
    plan.thresholds
        .iter()
        .map(|threshold| {
            let books = match threshold.step {
                Some(step) => record.steps.get(step.0).unwrap_or(&total),
                None => &total,
            };
            on_books(threshold, books, record.window.as_secs_f64())
        })
        .collect()
}

/// The books of all steps of the work together.
pub fn work_total(plan: &ScenarioPlan, record: &ScenarioRecord) -> StepRecord {
    let mut total = StepRecord::default();
    for (label, step) in plan.labels.iter().zip(&record.steps) {
        if label.phase == Phase::Work {
            total.merge(step);
        }
    }
    total
}

/// A threshold on the books of its step, over a window of so many seconds.
pub fn on_books(threshold: &Threshold, books: &StepRecord, window: f64) -> ThresholdResult {
    let (measured, samples) = measure(threshold.metric, books, window);
    let holds = |quantity| threshold.comparison.holds(quantity, threshold.bound);
    let rises = matches!(threshold.comparison, Comparison::Above | Comparison::AtLeast);
    let status = match measured {
        None => ThresholdStatus::NoData,
        Some(Measured::Exact(quantity)) if holds(quantity) == Some(true) => ThresholdStatus::Passed,
        // The true figure is larger still, so this shows only that it is above a bound.
        Some(Measured::AtLeast(quantity)) if rises && holds(quantity) == Some(true) => {
            ThresholdStatus::Passed
        }
        Some(_) => ThresholdStatus::Failed,
    };
    let from_sending = from_sending(threshold.metric, books, window, samples);
    ThresholdResult { threshold: threshold.clone(), status, measured, samples, from_sending }
}

fn from_sending(metric: Metric, books: &StepRecord, window: f64, samples: u64) -> Option<Quantity> {
    let metric = match metric {
        Metric::Percentile(Clock::Response, percent) => Metric::Percentile(Clock::Service, percent),
        Metric::Mean(Clock::Response) => Metric::Mean(Clock::Service),
        Metric::Max(Clock::Response) => Metric::Max(Clock::Service),
        _ => return None,
    };
    match measure(metric, books, window) {
        (Some(Measured::Exact(quantity)), sent) if sent == samples => Some(quantity),
        _ => None,
    }
}

fn measure(metric: Metric, books: &StepRecord, window: f64) -> (Option<Measured>, u64) {
    let answered = books.answered();
    let latency = |clock, figure: &dyn Fn(&Latency) -> Figure| {
        let latency = clock_of(books, clock);
        (time(figure(latency)), latency.len())
    };
    match metric {
        Metric::Percentile(clock, percent) => latency(clock, &|l| l.percentile(percent)),
        Metric::Mean(clock) => latency(clock, &Latency::mean),
        Metric::Max(clock) => latency(clock, &Latency::max),
        Metric::ErrorRate => {
            let bad = books.failed + books.dropped + books.unfinished;
            (share(bad, books.scheduled), books.scheduled)
        }
        Metric::StatusShare(status) => {
            (share(books.statuses.get(&status).copied().unwrap_or(0), answered), answered)
        }
        Metric::Rate => {
            let has_data = window > 0.0 && books.scheduled > 0;
            let rate = || Measured::Exact(Quantity::Rate(float(books.in_window) / window));
            (has_data.then(rate), books.in_window)
        }
        Metric::Count => {
            let count = Measured::Exact(Quantity::Count(answered));
            ((books.scheduled > 0).then_some(count), answered)
        }
    }
}

fn clock_of(books: &StepRecord, clock: Clock) -> &Latency {
    match clock {
        Clock::Response => &books.response,
        Clock::Service => &books.service,
        Clock::Lag => &books.lag,
    }
}

fn time(figure: Figure) -> Option<Measured> {
    match figure {
        Figure::Exact(time) => Some(Measured::Exact(Quantity::Time(time))),
        Figure::AtLeast(time) => Some(Measured::AtLeast(Quantity::Time(time))),
        Figure::NoData => None,
    }
}

fn share(part: u64, whole: u64) -> Option<Measured> {
    (whole > 0).then(|| Measured::Exact(Quantity::Share(float(part) / float(whole))))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plan::Span;

    fn threshold(metric: Metric, comparison: Comparison, bound: Quantity) -> Threshold {
        let text = String::new();
        Threshold { text, span: Span::default(), metric, step: None, comparison, bound }
    }

    fn books() -> StepRecord {
        let mut books =
            StepRecord { scheduled: 10, ok: 6, failed: 2, dropped: 1, ..Default::default() };
        books.unfinished = 1;
        books.in_window = 8;
        books.statuses = [(200, 6), (429, 2)].into();
        for ms in 1..=8 {
            books.response.record(Duration::from_millis(ms));
            books.lag.record(Duration::from_millis(1));
        }
        books.response.record_unanswered(Duration::from_millis(500));
        books.response.record_unanswered(Duration::from_millis(600));
        books
    }

    const EVERY_METRIC: [Metric; 9] = [
        Metric::Percentile(Clock::Response, 50.0),
        Metric::Percentile(Clock::Service, 99.9),
        Metric::Percentile(Clock::Lag, 100.0),
        Metric::Mean(Clock::Response),
        Metric::Max(Clock::Lag),
        Metric::ErrorRate,
        Metric::StatusShare(429),
        Metric::Rate,
        Metric::Count,
    ];

    #[test]
    fn nothing_measured_is_never_a_pass() {
        let at_least = Quantity::Count(0);
        for metric in EVERY_METRIC {
            for comparison in [Comparison::AtMost, Comparison::AtLeast] {
                let result = on_books(
                    &threshold(metric, comparison, at_least),
                    &StepRecord::default(),
                    10.0,
                );
                assert_eq!(result.status, ThresholdStatus::NoData, "{metric:?}");
                assert_eq!((result.measured, result.samples), (None, 0), "{metric:?}");
            }
        }
    }

    #[test]
    fn figures_as_a_table() {
        use Comparison::{Above, AtLeast, AtMost, Below};
        use ThresholdStatus::{Failed, Passed};
        let ms = |n| Quantity::Time(Duration::from_millis(n));
        let response = |percent| Metric::Percentile(Clock::Response, percent);
        for (metric, comparison, bound, status, samples) in [
            (response(80.0), Below, ms(9), Passed, 10),
            (response(80.0), Below, ms(8), Failed, 10),
            // Never answered: no upper bound can be shown, however large.
            (response(99.0), Below, ms(100_000), Failed, 10),
            (response(99.0), Above, ms(400), Passed, 10),
            (response(99.0), Above, ms(700), Failed, 10),
            (Metric::Max(Clock::Lag), AtMost, ms(1), Passed, 8),
            (Metric::Mean(Clock::Response), Below, ms(100_000), Failed, 10),
            (Metric::ErrorRate, AtMost, Quantity::Share(0.4), Passed, 10),
            (Metric::ErrorRate, Below, Quantity::Share(0.4), Failed, 10),
            (Metric::StatusShare(429), AtMost, Quantity::Share(0.25), Passed, 8),
            (Metric::StatusShare(500), AtMost, Quantity::Share(0.0), Passed, 8),
            (Metric::Rate, AtLeast, Quantity::Rate(4.0), Passed, 8),
            (Metric::Count, AtLeast, Quantity::Count(9), Failed, 8),
        ] {
            let result = on_books(&threshold(metric, comparison, bound), &books(), 2.0);
            assert_eq!((result.status, result.samples), (status, samples), "{metric:?} {bound:?}");
        }
    }

    #[test]
    fn without_measured_time_there_is_no_rate() {
        let rate = threshold(Metric::Rate, Comparison::AtLeast, Quantity::Rate(1.0));
        assert_eq!(on_books(&rate, &books(), 0.0).status, ThresholdStatus::NoData);
    }
}
