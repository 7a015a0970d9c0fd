//! Defines the day of a backup, and the keys of its objects.

use crate::domain::{Millis, month::Month};

const DAY: Millis = 24 * 60 * 60 * 1000;
/// The time of day at which a day of backups begins: two in the morning (UTC), when most users sleep.
const BEGINS: Millis = 2 * 60 * 60 * 1000;
/// The prefix of the keys of all backups.
pub(super) const ROOT: &str = "d1/";

/// A day of backups: a number of days since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(i64);

impl Day {
    /// Returns the day whose backup is made at an instant.
    pub fn of(instant: Millis) -> Self {
        Self((instant - BEGINS).div_euclid(DAY))
    }

    /// Returns the name of the day, such as `2026-11-22`.
    pub fn name(self) -> String {
        let month = Month::of(self.0 * DAY);
        let day = (self.0 * DAY - month.start()) / DAY + 1;
        format!("{}-{day:02}", month.name())
    }

    /// Returns the prefix of the keys of this day's objects, such as `d1/2026-11-22/`.
    pub fn folder(self) -> String {
        format!("{ROOT}{}/", self.name())
    }

    /// Returns the key of an object of this day.
    pub fn object(self, name: &str) -> String {
        self.folder() + name
    }

    fn is_sunday(self) -> bool {
        // 1970-01-01 was a Thursday, the fourth day after a Sunday.
        (self.0 + 4).rem_euclid(7) == 0
    }

    /// Returns the days up to this one whose backups are kept: the last `days`, and the Sundays of
    /// the last `weeks`.
    pub(super) fn kept(self, days: i64, weeks: i64) -> Vec<Self> {
        let span = days.max(weeks * 7);
        (0..span)
            .map(|back| (back, Self(self.0 - back)))
            .filter(|(back, day)| *back < days || (*back < weeks * 7 && day.is_sunday()))
            .map(|(_, day)| day)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T00:00:00Z, a Sunday.
    const SUNDAY: Millis = 1_795_305_600_000;

    #[test]
    fn days_begin_at_two() {
        let names =
            [0, BEGINS - 1, BEGINS, DAY, DAY + BEGINS].map(|at| Day::of(SUNDAY + at).name());
        assert_eq!(names, ["2026-11-21", "2026-11-21", "2026-11-22", "2026-11-22", "2026-11-23"]);
        assert_eq!(Day::of(SUNDAY + BEGINS).object("x"), "d1/2026-11-22/x");
    }

    #[test]
    fn the_last_days_and_some_sundays_are_kept() {
        let today = Day::of(SUNDAY + BEGINS);
        let kept: Vec<_> = today.kept(3, 2).into_iter().map(Day::name).collect();
        assert_eq!(kept, ["2026-11-22", "2026-11-21", "2026-11-20", "2026-11-15"]);
        // The Sunday of three weeks ago is the first that is not.
        assert_eq!(today.kept(1, 3).len(), 3);
        assert_eq!(Day(today.0 + 1).kept(1, 3).len(), 4);
        assert_eq!(Day(today.0 + 7).kept(1, 3).len(), 3);
    }
}
