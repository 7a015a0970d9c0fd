//! A load, second by second, in a bounded amount of memory.

use std::time::Duration;

use super::{Outcome, Times, nanos};

/// The most spans of a timeline. A longer load has wider ones: twice as wide each time it would
/// have more.
pub const MAX_SPANS: usize = 600;

/// The events in each span of time after the first arrival.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// Offset of the first arrival.
    origin: Duration,
    /// Seconds of a span; 0 without a timeline.
    width: u64,
    spans: Vec<Span>,
}

/// The events in a span of time, warm-up excluded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Span {
    /// Operations that were due in it.
    pub planned: u64,
    /// Operations that were sent in it.
    pub sent: u64,
    /// Operations that ended in it, however they did.
    pub ended: u64,
    /// Operations of those that failed or did not finish.
    pub failed: u64,
    /// Response times of the answered operations that were due in it.
    pub waits: Sketch,
    /// Their service times: from sending.
    pub services: Sketch,
}

impl Timeline {
    /// Returns a timeline without operations; `origin` is the offset of the first arrival.
    pub fn new(origin: Duration) -> Self {
        Self { origin, width: 1, spans: Vec::new() }
    }

    /// Returns the length of each span.
    pub fn width(&self) -> Duration {
        Duration::from_secs(self.width)
    }

    /// The spans, in order and without gaps.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// An operation ended.
    pub(super) fn ended(&mut self, times: Times, outcome: Outcome) {
        if self.width == 0 {
            return;
        }
        let planned = self.at(times.planned);
        planned.planned += 1;
        if matches!(outcome, Outcome::Answered { .. }) {
            planned.waits.record(times.ended.saturating_sub(times.planned));
            if let Some(sent) = times.sent {
                planned.services.record(times.ended.saturating_sub(sent));
            }
        }
        if let Some(sent) = times.sent {
            self.at(sent).sent += 1;
        }
        let ended = self.at(times.ended);
        ended.ended += 1;
        ended.failed += u64::from(!matches!(outcome, Outcome::Answered { ok: true, .. }));
    }

    /// An operation that was due was never sent.
    pub(super) fn dropped(&mut self, planned: Duration) {
        if self.width > 0 {
            self.at(planned).planned += 1;
        }
    }

    /// Adds another thread's operations of the same load.
    pub(super) fn merge(&mut self, other: &Self) {
        if self.width == 0 {
            self.clone_from(other);
            return;
        }
        while self.width < other.width {
            self.widen();
        }
        for (index, span) in other.spans.iter().enumerate() {
            let offset = other.origin + other.width() * u32::try_from(index).unwrap_or(u32::MAX);
            self.at(offset).merge(span);
        }
    }

    fn at(&mut self, offset: Duration) -> &mut Span {
        let since = offset.saturating_sub(self.origin).as_secs();
        while since / self.width >= MAX_SPANS as u64 {
            self.widen();
        }
        let index = usize::try_from(since / self.width).unwrap_or(0);
        if index >= self.spans.len() {
            self.spans.resize_with(index + 1, Span::default);
        }
        &mut self.spans[index]
    }

    /// Makes one span of each two.
    fn widen(&mut self) {
        self.width *= 2;
        let pairs = self.spans.chunks(2).map(|pair| {
            let mut sum = pair[0].clone();
            pair.iter().skip(1).for_each(|span| sum.merge(span));
            sum
        });
        self.spans = pairs.collect();
    }
}

impl Span {
    fn merge(&mut self, other: &Self) {
        self.planned += other.planned;
        self.sent += other.sent;
        self.ended += other.ended;
        self.failed += other.failed;
        self.waits.merge(&other.waits);
        self.services.merge(&other.services);
    }
}

/// Durations in buckets whose bounds are within a sixteenth of each other: enough to draw a line,
/// at two kilobytes for each span and clock.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sketch {
    counts: Vec<u32>,
    max: u64,
}

/// Bits that tell buckets of one power of two apart.
const DETAIL: u32 = 4;

/// Shorter durations, 2 to this power in nanoseconds (1 µs), fall into the first bucket.
const SHORTEST: u32 = 10;

/// Longer ones (73 minutes) fall into the last.
const LONGEST: u32 = 42;

impl Sketch {
    fn record(&mut self, duration: Duration) {
        let nanos = nanos(duration);
        let index = bucket(nanos);
        if index >= self.counts.len() {
            self.counts.resize(index + 1, 0);
        }
        self.counts[index] = self.counts[index].saturating_add(1);
        self.max = self.max.max(nanos);
    }

    /// Adds the durations of `other`.
    pub fn merge(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (sum, count) in self.counts.iter_mut().zip(&other.counts) {
            *sum = sum.saturating_add(*count);
        }
        self.max = self.max.max(other.max);
    }

    /// The largest, exactly; `None` when there is nothing.
    pub fn max(&self) -> Option<Duration> {
        (!self.counts.is_empty()).then(|| Duration::from_nanos(self.max))
    }

    /// The duration that `percent` of all do not exceed, at most a sixteenth too long.
    pub fn percentile(&self, percent: u64) -> Option<Duration> {
        let total: u64 = self.counts.iter().map(|count| u64::from(*count)).sum();
        let rank = (total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let index = self.counts.iter().position(|count| {
            seen += u64::from(*count);
            seen >= rank
        })?;
        Some(Duration::from_nanos(upper_bound(index).min(self.max)))
    }
}

fn bucket(nanos: u64) -> usize {
    let clamped = nanos.clamp(1 << SHORTEST, (1 << LONGEST) - 1);
    let power = clamped.ilog2();
    let detail = (clamped >> (power - DETAIL)) & ((1 << DETAIL) - 1);
    let index = u64::from(power - SHORTEST) << DETAIL | detail;
    usize::try_from(index).unwrap_or(0)
}

fn upper_bound(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let (power, detail) = (bucket >> DETAIL, bucket & ((1 << DETAIL) - 1));
    (((1 << DETAIL) + detail + 1) << (power + u64::from(SHORTEST - DETAIL))) - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn times(planned: u64, ended: u64) -> Times {
        let sent = Some(secs(planned));
        Times { planned: secs(planned), ready: sent, sent, ended: secs(ended) }
    }

    const OK: Outcome = Outcome::Answered { status: 200, ok: true };

    #[test]
    fn each_event_counts_in_its_second() {
        let mut timeline = Timeline::new(secs(10));
        timeline.ended(times(10, 12), OK);
        timeline.ended(times(10, 11), Outcome::Unfinished);
        timeline.dropped(secs(11));
        let counts: Vec<_> = timeline
            .spans()
            .iter()
            .map(|span| (span.planned, span.sent, span.ended, span.failed))
            .collect();
        assert_eq!(counts, [(2, 2, 0, 0), (1, 0, 1, 1), (0, 0, 1, 0)]);
        assert_eq!(timeline.spans()[0].waits.max(), Some(secs(2)));
        assert_eq!(timeline.spans()[0].waits.percentile(50), Some(secs(2)));
        assert_eq!(timeline.spans()[0].services.max(), Some(secs(2)));
        assert_eq!(timeline.spans()[1].waits.percentile(50), None);
    }

    #[test]
    fn the_service_clock_starts_when_it_was_sent() {
        let mut timeline = Timeline::new(Duration::ZERO);
        let late = Times { sent: Some(secs(5)), ..times(1, 6) };
        timeline.ended(late, OK);
        let due = &timeline.spans()[1];
        assert_eq!((due.waits.max(), due.services.max()), (Some(secs(5)), Some(secs(1))));
    }

    #[test]
    fn a_long_load_has_wider_spans() {
        let mut timeline = Timeline::new(Duration::ZERO);
        let last = MAX_SPANS as u64 - 1;
        timeline.ended(times(last, last), OK);
        assert_eq!((timeline.spans().len(), timeline.width()), (MAX_SPANS, secs(1)));
        timeline.ended(times(last + 1, last + 1), OK);
        assert_eq!((timeline.spans().len(), timeline.width()), (MAX_SPANS / 2 + 1, secs(2)));
        assert_eq!(timeline.spans()[MAX_SPANS / 2 - 1].planned, 1);
        assert_eq!(timeline.spans()[MAX_SPANS / 2].planned, 1);
    }

    #[test]
    fn without_an_origin_nothing_is_kept() {
        let mut timeline = Timeline::default();
        timeline.ended(times(1, 1), OK);
        timeline.dropped(secs(1));
        assert!(timeline.spans().is_empty());
    }

    proptest! {
        #[test]
        fn parts_add_up(
            events in prop::collection::vec((0u64..2_000, 0u64..100), 0..60), threads in 1usize..4,
        ) {
            let record = |events: &mut dyn Iterator<Item = &(u64, u64)>| {
                let mut timeline = Timeline::new(Duration::ZERO);
                events.for_each(|(at, took)| timeline.ended(times(*at, at + took), OK));
                timeline
            };
            let whole = record(&mut events.iter());
            let mut merged = Timeline::default();
            for thread in 0..threads {
                merged.merge(&record(&mut events.iter().skip(thread).step_by(threads)));
            }
            prop_assert_eq!(merged.width, whole.width);
            prop_assert_eq!(merged.spans, whole.spans);
        }

        #[test]
        fn a_sketch_is_off_by_a_sixteenth_at_most(nanos in 1024u64..4_000_000_000_000) {
            let mut sketch = Sketch::default();
            sketch.record(Duration::from_nanos(nanos));
            sketch.record(Duration::from_secs(4300));
            let found = super::nanos(sketch.percentile(50).unwrap());
            prop_assert!(found >= nanos && found <= nanos + nanos / 16 + 1, "{} {}", found, nanos);
        }
    }
}
