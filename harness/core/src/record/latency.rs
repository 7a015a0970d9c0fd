//! One clock of one step.

use std::{fmt, time::Duration};

use hdrhistogram::Histogram;

use super::{float, nanos};

/// The longest latency that is told apart; longer ones are recorded as this. A request has a
/// timeout far below it, and the bound fixes the memory of a histogram.
pub const MAX_LATENCY: Duration = Duration::from_hours(1);

/// Three significant digits: no percentile is off by more than 0.1 %.
const SIGNIFICANT_DIGITS: u8 = 3;

/// Latencies of operations that were answered, and ages of those that never were.
///
/// Nobody knows how long an unanswered operation would have taken, only that it was longer than
/// its age. So it ranks behind every answered one, and a percentile that falls among the
/// unanswered is a lower bound.
#[derive(Clone, Default)]
pub struct Latency {
    // A histogram takes a quarter of a megabyte: it is made when it is needed.
    answered: Option<Samples>,
    unanswered: Option<Samples>,
}

/// A figure of a [`Latency`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Measured.
    Exact(Duration),
    /// A lower bound: the figure depends on operations that were never answered.
    AtLeast(Duration),
    /// There was no operation.
    NoData,
}

impl Latency {
    /// Returns a record without operations.
    pub fn new() -> Self {
        Self::default()
    }

    /// An answer after this long.
    pub fn record(&mut self, latency: Duration) {
        self.answered.get_or_insert_with(Samples::new).record(latency, 1);
    }

    /// No answer for this long.
    pub fn record_unanswered(&mut self, age: Duration) {
        self.record_unanswered_n(age, 1);
    }

    pub(super) fn record_unanswered_n(&mut self, age: Duration, count: u64) {
        self.unanswered.get_or_insert_with(Samples::new).record(age, count);
    }

    /// Adds the operations of `other`.
    pub fn merge(&mut self, other: &Self) {
        merge(&mut self.answered, other.answered.as_ref());
        merge(&mut self.unanswered, other.unanswered.as_ref());
    }

    /// Returns the number of operations, answered or not.
    pub fn len(&self) -> u64 {
        self.answered_len() + self.unanswered_len()
    }

    /// Returns whether there is no operation.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of operations that were answered.
    pub fn answered_len(&self) -> u64 {
        self.histogram().map_or(0, Histogram::len)
    }

    /// Returns the number of operations that were never answered.
    pub fn unanswered_len(&self) -> u64 {
        self.unanswered.as_ref().map_or(0, |samples| samples.histogram.len())
    }

    /// The answered operations, in nanoseconds; `None` when there are none.
    pub fn histogram(&self) -> Option<&Histogram<u64>> {
        self.answered.as_ref().map(|samples| &samples.histogram)
    }

    /// The latency that `percent` (0 to 100) of all operations do not exceed.
    pub fn percentile(&self, percent: f64) -> Figure {
        if self.is_empty() {
            return Figure::NoData;
        }
        let rank = rank(percent, self.len());
        match &self.answered {
            Some(answered) if rank <= self.answered_len() => Figure::Exact(answered.at(rank)),
            _ => Figure::AtLeast(self.lower_bound_at(rank)),
        }
    }

    /// Returns a lower bound of the value of rank `rank`, the ages being lower bounds.
    fn lower_bound_at(&self, rank: u64) -> Duration {
        let mut all = self.answered.clone();
        merge(&mut all, self.unanswered.as_ref());
        all.map_or(Duration::ZERO, |all| {
            let value = value_at(&all.histogram, rank);
            Duration::from_nanos(all.histogram.lowest_equivalent(value))
        })
    }

    /// The arithmetic mean.
    pub fn mean(&self) -> Figure {
        let sum: u128 = self.samples().map(|samples| samples.total).sum();
        let mean = sum.checked_div(u128::from(self.len())).unwrap_or(0);
        self.figure(u64::try_from(mean).unwrap_or(u64::MAX))
    }

    /// The largest, exactly.
    pub fn max(&self) -> Figure {
        self.figure(self.samples().map(|samples| samples.max).max().unwrap_or(0))
    }

    /// The answered operations and those that never were, to be stored.
    pub fn parts(&self) -> (Option<LatencyPart<'_>>, Option<LatencyPart<'_>>) {
        (self.answered.as_ref().map(Samples::part), self.unanswered.as_ref().map(Samples::part))
    }

    /// Restores a record from the results of [`Latency::parts`]: histogram, sum and maximum. The
    /// result is `None` when a histogram holds values that this one cannot.
    pub fn from_parts(
        answered: Option<(Histogram<u64>, u128, u64)>,
        unanswered: Option<(Histogram<u64>, u128, u64)>,
    ) -> Option<Self> {
        let samples = |part: Option<(Histogram<u64>, u128, u64)>| match part {
            Some(part) => Samples::stored(part).map(Some),
            None => Some(None),
        };
        Some(Self { answered: samples(answered)?, unanswered: samples(unanswered)? })
    }

    fn samples(&self) -> impl Iterator<Item = &Samples> {
        self.answered.iter().chain(&self.unanswered)
    }

    /// `value` as a figure that depends on every operation.
    fn figure(&self, value: u64) -> Figure {
        let value = Duration::from_nanos(value);
        match (self.len(), self.unanswered_len()) {
            (0, _) => Figure::NoData,
            (_, 0) => Figure::Exact(value),
            _ => Figure::AtLeast(value),
        }
    }
}

impl fmt::Debug for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latency")
            .field("len", &self.len())
            .field("unanswered", &self.unanswered_len())
            .field("p50", &self.percentile(50.0))
            .field("max", &self.max())
            .finish()
    }
}

/// A histogram in nanoseconds with what it cannot tell exactly.
#[derive(Clone, Copy, Debug)]
pub struct LatencyPart<'a> {
    /// Nanoseconds.
    pub histogram: &'a Histogram<u64>,
    /// The sum of all values.
    pub total: u128,
    /// The largest.
    pub max: u64,
}

/// A histogram in nanoseconds with what it cannot tell exactly.
#[derive(Clone)]
struct Samples {
    histogram: Histogram<u64>,
    total: u128,
    max: u64,
}

impl Samples {
    fn new() -> Self {
        Self { histogram: histogram(), total: 0, max: 0 }
    }

    fn part(&self) -> LatencyPart<'_> {
        LatencyPart { histogram: &self.histogram, total: self.total, max: self.max }
    }

    /// Into bounds of our own: whatever a file holds, its histogram can then be added to others.
    fn stored((stored, total, max): (Histogram<u64>, u128, u64)) -> Option<Self> {
        let mut histogram = histogram();
        histogram.add(&stored).ok()?;
        Some(Self { histogram, total, max })
    }

    fn record(&mut self, value: Duration, count: u64) {
        let value = nanos(value.min(MAX_LATENCY));
        self.histogram.saturating_record_n(value, count);
        self.total += u128::from(value) * u128::from(count);
        self.max = self.max.max(value);
    }

    fn merge(&mut self, other: &Self) {
        // Both have the same bounds, so the addition has no way to fail.
        let added = self.histogram.add(&other.histogram);
        debug_assert!(added.is_ok(), "histograms of equal bounds add up");
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    /// The value of rank `rank`, counted from 1.
    fn at(&self, rank: u64) -> Duration {
        let value = value_at(&self.histogram, rank);
        Duration::from_nanos(self.histogram.highest_equivalent(value).min(self.max))
    }
}

fn merge(into: &mut Option<Samples>, other: Option<&Samples>) {
    if let Some(other) = other {
        into.get_or_insert_with(Samples::new).merge(other);
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, nanos(MAX_LATENCY), SIGNIFICANT_DIGITS)
        .expect("the bounds are constant and within what the type allows")
}

/// Nearest rank: the smallest number of operations that is at least `percent` of `len`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates and the result is clamped to 1..=len"
)]
fn rank(percent: f64, len: u64) -> u64 {
    // Without the small step back, 99.9 % of 1000 could become rank 1000 by rounding.
    const ROUNDING: f64 = 1e-6;
    ((percent * float(len) / 100.0 - ROUNDING).ceil() as u64).clamp(1, len)
}

fn value_at(histogram: &Histogram<u64>, rank: u64) -> u64 {
    let mut seen = 0;
    histogram
        .iter_recorded()
        .find(|step| {
            seen += step.count_since_last_iteration();
            seen >= rank
        })
        .map_or(0, |step| step.value_iterated_to())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn nearest_rank_without_rounding_up() {
        for (percent, len, expected) in
            [(99.9, 1000, 999), (50.0, 2, 1), (50.0, 3, 2), (100.0, 7, 7), (0.001, 7, 1)]
        {
            assert_eq!(rank(percent, len), expected, "{percent} of {len}");
        }
    }

    #[test]
    fn without_operations_there_is_no_figure() {
        let latency = Latency::new();
        assert_eq!(latency.percentile(50.0), Figure::NoData);
        assert_eq!(latency.mean(), Figure::NoData);
        assert_eq!(latency.max(), Figure::NoData);
    }

    #[test]
    fn a_percentile_among_the_unanswered_is_a_lower_bound() {
        let mut latency = Latency::new();
        for n in 1..=5 {
            latency.record(ms(n));
            latency.record_unanswered(ms(1000 * n));
        }
        assert!(matches!(latency.percentile(50.0), Figure::Exact(p) if p.as_millis() == 5));
        let Figure::AtLeast(p99) = latency.percentile(99.0) else { panic!("{latency:?}") };
        assert!(p99 > ms(4990) && p99 <= ms(5000), "{p99:?}");
        assert_eq!(latency.max(), Figure::AtLeast(ms(5000)));
        assert!(matches!(latency.mean(), Figure::AtLeast(_)));
    }

    #[test]
    fn a_young_unanswered_operation_does_not_lower_the_bound() {
        let mut latency = Latency::new();
        for _ in 0..9 {
            latency.record(ms(800));
        }
        latency.record_unanswered(ms(1));
        let Figure::AtLeast(max) = latency.percentile(100.0) else { panic!("{latency:?}") };
        assert!(max > ms(798), "{max:?}");
    }

    #[test]
    fn more_than_an_hour_is_an_hour() {
        let mut latency = Latency::new();
        latency.record(MAX_LATENCY + ms(1));
        assert_eq!(latency.max(), Figure::Exact(MAX_LATENCY));
        latency.record(MAX_LATENCY);
        assert_eq!(latency.percentile(100.0), Figure::Exact(MAX_LATENCY));
    }

    proptest! {
        #[test]
        fn percentiles_match_an_exact_sort(
            mut values in prop::collection::vec(1u64..3_600_000_000_000, 1..500),
            percent in 0.1f64..100.0,
        ) {
            let mut latency = Latency::new();
            for value in &values {
                latency.record(Duration::from_nanos(*value));
            }
            values.sort_unstable();
            let index = usize::try_from(rank(percent, values.len() as u64)).unwrap() - 1;
            let exact = float(values[index]);
            let Figure::Exact(got) = latency.percentile(percent) else { panic!() };
            prop_assert!((float(nanos(got)) - exact).abs() <= exact * 0.001 + 1.0);
            prop_assert_eq!(latency.max(), Figure::Exact(Duration::from_nanos(values[values.len() - 1])));
        }
    }
}
