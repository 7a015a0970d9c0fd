//! Defines calendar months in UTC, by which usage is added up.

use super::Millis;

const DAY: Millis = 24 * 60 * 60 * 1000;

/// A calendar month in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i64,
    /// The number of the month, from 1.
    month: i64,
}

impl Month {
    /// Returns the month of an instant.
    pub fn of(instant: Millis) -> Self {
        // The civil-from-days algorithm for the proleptic Gregorian calendar. Its years begin in
        // March, so that the leap day is the last day of a year; 719,468 days lie between
        // 0000-03-01 and 1970-01-01, and an era of 400 years has 146,097 days.
        let days = instant.div_euclid(DAY) + 719_468;
        let era = days.div_euclid(146_097);
        let day = days.rem_euclid(146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        Self { year: era * 400 + year + carry, month }
    }

    /// Returns the name of the month, such as `2026-11`.
    pub fn name(self) -> String {
        format!("{:04}-{:02}", self.year, self.month)
    }

    /// Returns the first instant of the month.
    pub fn start(self) -> Millis {
        let (year, month) = if self.month > 2 {
            (self.year, self.month - 3)
        } else {
            (self.year - 1, self.month + 9)
        };
        let era = year.div_euclid(400);
        let year = year.rem_euclid(400);
        let day = (153 * month + 2) / 5 + 365 * year + year / 4 - year / 100;
        (era * 146_097 + day - 719_468) * DAY
    }

    /// Returns the month so many months before this one.
    pub fn before(self, months: u32) -> Self {
        let count = self.year * 12 + self.month - 1 - i64::from(months);
        Self { year: count.div_euclid(12), month: count.rem_euclid(12) + 1 }
    }

    /// Returns the month after this one.
    pub fn next(self) -> Self {
        if self.month == 12 {
            Self { year: self.year + 1, month: 1 }
        } else {
            Self { month: self.month + 1, ..self }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates() {
        for (instant, name, start) in [
            (0, "1970-01", 0),
            (951_782_400_000, "2000-02", 949_363_200_000),
            (1_709_251_199_999, "2024-02", 1_706_745_600_000),
            (1_709_251_200_000, "2024-03", 1_709_251_200_000),
            (1_798_761_599_999, "2026-12", 1_796_083_200_000),
            (-1, "1969-12", -2_678_400_000),
        ] {
            let month = Month::of(instant);
            assert_eq!((month.name().as_str(), month.start()), (name, start));
        }
    }

    #[test]
    fn months_follow_each_other_without_gaps() {
        let mut month = Month::of(0);
        for _ in 0..12 * 500 {
            let next = month.next();
            assert_eq!(Month::of(next.start() - 1), month, "{}", month.name());
            assert_eq!(Month::of(next.start()), next);
            month = next;
        }
    }
}
