//! Events for analysis: one for each request and for each run that ended.

use super::{PortResult, Usage};
use crate::domain::Millis;

/// Most numbers of a data point (Analytics Engine's limit).
const MAX_DOUBLES: usize = 20;
const _: () = assert!(Usage::NAMES.len() < MAX_DOUBLES, "one is the duration");

/// The usage of writing an event.
pub const ONE_POINT: Usage = Usage { analytics_points: 1, ..Usage::NONE };

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// `request` or `run`.
    pub kind: &'static str,
    /// The account it belongs to: a caller, at most 96 bytes long (Analytics Engine's limit), or nobody.
    pub tenant: &'a str,
    /// The method of a request.
    pub method: &'a str,
    /// The route of a request, as a pattern; of a run nothing.
    pub route: &'a str,
    /// The outcome: an HTTP status, or the status of a run.
    pub status: &'a str,
    /// The duration in milliseconds.
    pub duration: Millis,
    /// The usage. That of a request includes this event.
    pub usage: Usage,
}

/// An event, as it is stored. The schema is fixed, queries know it by position:
///
/// | column | what |
/// |---|---|
/// | `index1` | tenant |
/// | `blob1` … `blob5` | kind, method, route, status, class of the duration |
/// | `double1` | duration in ms |
/// | `double2` … | usage, in the order of [`Usage::NAMES`] |
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct DataPoint<'a> {
    /// The key by which points are sampled, and the only one: a tenant's sums stay right.
    pub index: &'a str,
    /// Texts.
    pub blobs: [&'a str; 5],
    /// Numbers.
    pub doubles: Vec<f64>,
}

impl<'a> Event<'a> {
    /// Returns the event as it is stored.
    #[expect(clippy::cast_precision_loss, reason = "below 2^53 of anything")]
    pub fn point(&self) -> DataPoint<'a> {
        let class = duration_class(self.duration);
        let usage = self.usage.amounts().map(|(_, amount)| amount as f64);
        DataPoint {
            index: self.tenant,
            blobs: [self.kind, self.method, self.route, self.status, class],
            doubles: std::iter::once(self.duration as f64).chain(usage).collect(),
        }
    }
}

/// Durations by powers of ten: what a dashboard groups by.
const fn duration_class(duration: Millis) -> &'static str {
    match duration {
        ..10 => "<10ms",
        10..100 => "<100ms",
        100..1_000 => "<1s",
        1_000..10_000 => "<10s",
        _ => ">=10s",
    }
}

/// The sink of events.
pub trait Analytics: Send + Sync {
    /// Hands an event over. It returns at once, and nobody says whether the event arrived.
    ///
    /// # Errors
    /// [`super::PortFailure::Unavailable`] when there is nowhere to hand it to.
    fn write(&self, event: &Event<'_>) -> PortResult<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stay_where_they_are() {
        let event = Event {
            kind: "request",
            tenant: "ann",
            method: "GET",
            route: "/runs/{id}",
            status: "200",
            duration: 12,
            usage: Usage { rows_read: 1, rows_written: 2, analytics_points: 1, ..Usage::NONE },
        };
        let DataPoint { index, blobs, doubles } = event.point();
        assert_eq!((index, blobs), ("ann", ["request", "GET", "/runs/{id}", "200", "<100ms"]));
        assert_eq!(doubles.len(), 1 + Usage::NAMES.len());
        assert_eq!((&doubles[..4], doubles[13]), (&[12.0, 1.0, 2.0, 0.0][..], 1.0));
    }

    #[test]
    fn classes_of_durations() {
        let classes = [-1, 9, 10, 99, 100, 999, 1_000, 9_999, 10_000].map(duration_class);
        let expected =
            ["<10ms", "<10ms", "<100ms", "<100ms", "<1s", "<1s", "<10s", "<10s", ">=10s"];
        assert_eq!(classes, expected);
    }
}
