//! Numbers for a reader.

use std::time::Duration;

use crate::{plan::Quantity, record::float};

/// In milliseconds, to the microsecond.
pub(super) fn milliseconds(time: Duration) -> f64 {
    const PER_MS: f64 = 1e3;
    (time.as_secs_f64() * 1e3 * PER_MS).round() / PER_MS
}

/// `part` of `whole`, 0 to 1; `None` of nothing.
pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| rounded(float(part) / float(whole)))
}

/// Returns a rate as people read it; `None` where no time was measured.
#[expect(clippy::cast_precision_loss, reason = "below 2^53")]
pub(super) fn per_second(count: u64, seconds: f64) -> Option<String> {
    (seconds > 0.0).then(|| format!("{:.1} a second", count as f64 / seconds))
}

/// To nine decimals: short enough that every reader of JSON gets the same number back.
pub(super) fn rounded(number: f64) -> f64 {
    const SCALE: f64 = 1e9;
    (number * SCALE).round() / SCALE
}

/// With groups of three digits: `1 234`.
pub(super) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// Three significant digits and the unit that suits them: `840 µs`, `1.23 ms`, `12.0 s`.
pub(super) fn time(milliseconds: f64) -> String {
    const TO_SECONDS: f64 = 999.5;
    if milliseconds < 0.9995 {
        format!("{} µs", digits(milliseconds * 1e3))
    } else if milliseconds < TO_SECONDS {
        format!("{} ms", digits(milliseconds))
    } else {
        format!("{} s", digits(milliseconds / 1e3))
    }
}

fn digits(number: f64) -> String {
    if number < 9.995 {
        format!("{number:.2}")
    } else if number < 99.95 {
        format!("{number:.1}")
    } else {
        format!("{number:.0}")
    }
}

/// A share as a percentage: `0.42 %`.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent == 0.0 || percent >= 99.95 {
        format!("{percent:.0} %")
    } else {
        format!("{} %", digits(percent))
    }
}

/// A bound or a measured figure.
pub(super) fn quantity(quantity: Quantity) -> String {
    match quantity {
        Quantity::Time(duration) => time(milliseconds(duration)),
        Quantity::Share(part) => percent(part),
        Quantity::Rate(rate) => format!("{}/s", digits(rate)),
        Quantity::Count(number) => count(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_a_table() {
        for (number, expected) in
            [(0, "0"), (999, "999"), (1234, "1 234"), (12_345_678, "12 345 678")]
        {
            assert_eq!(count(number), expected);
        }
        for (milliseconds, expected) in [
            (0.0, "0.00 µs"),
            (0.084, "84.0 µs"),
            (0.9996, "1.00 ms"),
            (1.234, "1.23 ms"),
            (12.34, "12.3 ms"),
            (999.4, "999 ms"),
            (999.6, "1.00 s"),
            (61_000.0, "61.0 s"),
        ] {
            assert_eq!(time(milliseconds), expected);
        }
        for (share, expected) in [(0.0, "0 %"), (0.0042, "0.42 %"), (0.5, "50.0 %"), (1.0, "100 %")]
        {
            assert_eq!(percent(share), expected);
        }
        assert_eq!(quantity(Quantity::Rate(99.0)), "99.0/s");
        assert_eq!(share(1, 0), None);
        assert_eq!(milliseconds(Duration::from_nanos(1_234_567)).to_string(), "1.235");
    }
}
