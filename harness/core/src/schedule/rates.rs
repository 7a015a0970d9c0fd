//! Rates that change linearly.

use std::time::Duration;

use super::{ceil, float};
use crate::plan::Stretch;

/// Arrivals at rates that change linearly from stretch to stretch.
///
/// Each offset is computed from the arrival's number, never by adding to the one before, so
/// rounding does not accumulate: arrival `n` is due when the integral of the rate reaches `n`.
#[derive(Clone, Debug)]
pub(super) struct Rates {
    pieces: Vec<Piece>,
    len: u64,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    stretch: Stretch,
    /// Seconds before it.
    start: f64,
    /// Arrivals up to its end, with fractions.
    until: f64,
}

impl Rates {
    pub(super) fn new(stretches: &[Stretch]) -> Self {
        let (mut start, mut arrivals) = (0.0, 0.0);
        let pieces: Vec<_> = stretches
            .iter()
            .map(|stretch| {
                let seconds = stretch.duration.as_secs_f64();
                let before = start;
                start += seconds;
                arrivals += f64::midpoint(stretch.from, stretch.to) * seconds;
                Piece { stretch: *stretch, start: before, until: arrivals }
            })
            .collect();
        let mut rates = Self { pieces, len: ceil(arrivals) };
        // The sum is rounded: the last arrival may fall on the end itself, which is outside.
        let end: Duration = stretches.iter().map(|stretch| stretch.duration).sum();
        while rates.len > 0 && rates.offset(rates.len - 1).is_none_or(|offset| offset >= end) {
            rates.len -= 1;
        }
        rates
    }

    /// Offset of arrival `n`; `None` past the last one.
    pub(super) fn at(&self, n: u64) -> Option<Duration> {
        if n < self.len { self.offset(n) } else { None }
    }

    /// Returns the number of arrivals.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    fn offset(&self, n: u64) -> Option<Duration> {
        let index = self.pieces.partition_point(|piece| piece.until <= float(n));
        let piece = self.pieces.get(index)?;
        let before = index.checked_sub(1).map_or(0.0, |index| self.pieces[index].until);
        let seconds = piece.start + piece.stretch.reaches(float(n) - before);
        Duration::try_from_secs_f64(seconds).ok()
    }
}

impl Stretch {
    /// Seconds from its beginning until it has had this many arrivals: the root of
    /// `from·t + slope·t²/2 = count`, in the form that does not cancel.
    fn reaches(&self, count: f64) -> f64 {
        let slope = (self.to - self.from) / self.duration.as_secs_f64();
        let under = self.from.mul_add(self.from, 2.0 * slope * count).max(0.0);
        2.0 * count / (self.from + under.sqrt())
    }
}
