//! When iterations arrive and which journey each takes: pure functions of the plan, the seed and
//! the arrival's number, so that every thread can compute its own share without asking another.

use std::time::Duration;

use crate::{plan::Profile, record::float};

mod mix;
mod random;

pub use mix::Mix;
pub use random::{Purpose, random};

/// The planned offsets of all arrivals of a load profile.
///
/// Each offset is computed from the arrival's number, never by adding to the one before, so
/// rounding does not accumulate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    profile: Profile,
    len: u64,
}

impl Schedule {
    /// The arrivals of `profile`.
    pub fn new(profile: &Profile) -> Self {
        let Profile::Constant { per_second, duration } = *profile;
        let mut schedule =
            Self { profile: *profile, len: ceil(per_second * duration.as_secs_f64()) };
        // The product is rounded: the last arrival may fall on the end itself, which is outside.
        while schedule.len > 0 && schedule.offset(schedule.len - 1) >= duration {
            schedule.len -= 1;
        }
        schedule
    }

    /// Offset of arrival `n` from the start of the load; `None` past the last one.
    pub fn at(&self, n: u64) -> Option<Duration> {
        (n < self.len).then(|| self.offset(n))
    }

    /// How many arrivals there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing ever arrives.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How long arrivals go on.
    pub fn duration(&self) -> Duration {
        let Profile::Constant { duration, .. } = self.profile;
        duration
    }

    fn offset(&self, n: u64) -> Duration {
        let Profile::Constant { per_second, .. } = self.profile;
        Duration::try_from_secs_f64(float(n) / per_second).unwrap_or(Duration::MAX)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and a number of arrivals is never negative"
)]
fn ceil(count: f64) -> u64 {
    count.ceil() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn constant(per_second: f64, duration: Duration) -> Schedule {
        Schedule::new(&Profile::Constant { per_second, duration })
    }

    #[test]
    fn constant_rate_as_a_table() {
        let ms = Duration::from_millis;
        for (rate, duration, expected) in [
            (10.0, ms(300), vec![ms(0), ms(100), ms(200)]),
            (10.0, ms(301), vec![ms(0), ms(100), ms(200), ms(300)]),
            (4.0, ms(1000), vec![ms(0), ms(250), ms(500), ms(750)]),
            (0.5, ms(1000), vec![ms(0)]),
            (1.0, ms(0), vec![]),
        ] {
            let schedule = constant(rate, duration);
            let offsets: Vec<_> = (0..schedule.len()).filter_map(|n| schedule.at(n)).collect();
            assert_eq!(offsets, expected, "{rate}/s for {duration:?}");
            assert_eq!(schedule.at(schedule.len()), None);
            assert_eq!(schedule.is_empty(), expected.is_empty());
        }
    }

    #[test]
    fn an_hour_later_there_is_no_drift() {
        let schedule = constant(3.0, Duration::from_secs(3601));
        assert_eq!(schedule.at(3 * 3600), Some(Duration::from_hours(1)));
    }

    proptest! {
        #[test]
        fn offsets_rise_and_stay_inside(rate in 0.01f64..50_000.0, millis in 0u64..7_200_000) {
            let duration = Duration::from_millis(millis);
            let schedule = constant(rate, duration);
            let expected = rate * duration.as_secs_f64();
            prop_assert!((float(schedule.len()) - expected).abs() <= 1.0);
            let last = schedule.len().saturating_sub(1);
            for n in [0, 1, last / 3, last / 2, last.saturating_sub(1)] {
                if let (Some(one), Some(next)) = (schedule.at(n), schedule.at(n + 1)) {
                    prop_assert!(one < next);
                }
            }
            prop_assert!(schedule.at(last).is_none_or(|offset| offset < duration));
        }
    }
}
