//! Quantities with their units: durations, rates, whole numbers in a range.

use std::{borrow::Cow, fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected, Visitor},
};

use super::{
    error::Problem,
    node::clip,
    text::{FromText, written_as_text},
};

/// The longest duration. A scenario is a test, not a service: what takes longer than a day is a
/// slip in the unit.
pub const MAX_DURATION: Duration = Duration::from_hours(24);

/// The highest rate, per second: ten times what one machine can generate.
pub const MAX_RATE_PER_SECOND: f64 = 1_000_000.0;

/// A duration above zero, such as `250ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Duration);

/// A duration that may be `0s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOrZero(pub Duration);

/// A time from now, such as `-301s`, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset(pub i64);

/// The furthest offset. Years, so that a token can be long expired; far from where dates overflow.
pub const MAX_OFFSET: Duration = Duration::from_hours(24 * 366 * 10);

/// A rate, such as `50/s`, per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate(pub f64);

/// A factor above one, such as `1.5`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factor(pub f64);

/// The largest factor: more is no search.
pub const MAX_FACTOR: f64 = 10.0;

written_as_text!(Time, TimeOrZero, Offset, Rate);

const DURATION_UNITS: [(&str, f64); 4] = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
const RATE_UNITS: [(&str, f64); 3] = [("/s", 1.0), ("/m", 60.0), ("/h", 3600.0)];

impl FromText for Time {
    const WHAT: &'static str = "a duration such as `250ms`, `10s`, `5m` or `1h`";
    const PATTERN: &'static str = r"^[0-9]+(\.[0-9]+)? ?(ms|s|m|h)$";

    fn from_text(text: &str) -> Result<Self, Problem> {
        let time = duration(text)?;
        if time.is_zero() {
            let message = format!("must be longer than zero, found `{}`", clip(text));
            return Err(Problem::new("bad-duration", message));
        }
        Ok(Self(time))
    }
}

impl FromText for TimeOrZero {
    const WHAT: &'static str = Time::WHAT;
    const PATTERN: &'static str = Time::PATTERN;

    fn from_text(text: &str) -> Result<Self, Problem> {
        duration(text).map(Self)
    }
}

impl FromText for Offset {
    const WHAT: &'static str = "a time from now such as `-301s`, `+5m` or `48h`";
    const PATTERN: &'static str = r"^[+-]?[0-9]+(\.[0-9]+)? ?(ms|s|m|h)$";

    fn from_text(text: &str) -> Result<Self, Problem> {
        let (sign, rest) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        let message = format!("must be {}, found `{}`", Self::WHAT, clip(text));
        let problem = || Problem::new("bad-offset", message.clone());
        let (number, unit) = split_unit(rest);
        let seconds = scale(&DURATION_UNITS, unit).ok_or_else(problem)?;
        let number =
            number.parse::<f64>().ok().filter(|_| is_number(number)).ok_or_else(problem)?;
        let time = Duration::try_from_secs_f64(number * seconds).map_err(|_| problem())?;
        if time > MAX_OFFSET {
            let message = format!("must be at most ten years from now, found `{}`", clip(text));
            return Err(Problem::new("bad-offset", message));
        }
        let millis = i64::try_from(time.as_millis()).map_err(|_| problem())?;
        Ok(Self(sign * millis))
    }
}

/// `250ms`, `10s`, `5m`, `1h`, `1.5s`; a space before the unit is fine.
pub(super) fn duration(text: &str) -> Result<Duration, Problem> {
    let problem = |message: String| Problem::new("bad-duration", message);
    let found = clip(text);
    let wrong = || problem(format!("must be {}, found `{found}`", Time::WHAT));
    let (number, unit) = split_unit(text);
    if is_number(text) {
        return Err(problem(format!("must be a duration with a unit, found `{found}`"))
            .with_help(format!("did you mean `{found}s` or `{found}ms`?")));
    }
    let seconds = scale(&DURATION_UNITS, unit).ok_or_else(wrong)?;
    if is_number(number.strip_prefix('-').unwrap_or_default()) {
        return Err(problem(format!("must not be negative, found `{found}`")));
    }
    if !is_number(number) {
        return Err(wrong());
    }
    let value =
        number.parse::<f64>().ok().and_then(|n| Duration::try_from_secs_f64(n * seconds).ok());
    value
        .filter(|time| *time <= MAX_DURATION)
        .ok_or_else(|| problem(format!("must be at most 24h, found `{found}`")))
}

impl FromText for Rate {
    const WHAT: &'static str = "a rate such as `50/s` or `3000/m`";
    const PATTERN: &'static str = r"^[0-9]+(\.[0-9]+)? ?/ ?[smh]$";

    fn from_text(text: &str) -> Result<Self, Problem> {
        rate(text).map(Self)
    }
}

/// `50/s`, `3000/m`, `1.5/h`; above zero.
pub(super) fn rate(text: &str) -> Result<f64, Problem> {
    let problem = |message: String| Problem::new("bad-rate", message);
    let found = clip(text);
    let compact = text.replace(' ', "");
    if let Ok(number) = compact.parse::<f64>() {
        let problem = problem(format!("must be {}, found `{found}`", Rate::WHAT));
        let is_usable = number.is_finite() && number > 0.0 && number <= MAX_RATE_PER_SECOND;
        return Err(if is_usable {
            problem.with_help(format!("did you mean `{found}/s`?"))
        } else {
            problem.with_help(
                "a rate is a number above 0 with its unit; a scenario without load has `steps`",
            )
        });
    }
    let (number, unit) = compact.split_at(compact.find('/').unwrap_or(compact.len()));
    let wrong = || problem(format!("must be {}, found `{found}`", Rate::WHAT));
    let seconds = scale(&RATE_UNITS, unit).ok_or_else(wrong)?;
    let per_second = number.parse::<f64>().map_err(|_| wrong())? / seconds;
    if per_second.is_nan() || per_second <= 0.0 {
        return Err(problem(format!("must be above 0, found `{found}`"))
            .with_help("for work that runs once, write `steps` instead of `load`"));
    }
    if per_second > MAX_RATE_PER_SECOND {
        return Err(problem(format!("must be at most {MAX_RATE_PER_SECOND}/s, found `{found}`"))
            .with_help(
                "one machine generates a tenth of that; run several and merge their reports",
            ));
    }
    if is_number(number) { Ok(per_second) } else { Err(wrong()) }
}

/// The number and its unit: they part where the last letters begin.
fn split_unit(text: &str) -> (&str, &str) {
    let at = text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len();
    (text[..at].trim_end(), &text[at..])
}

fn scale(units: &[(&str, f64)], unit: &str) -> Option<f64> {
    units.iter().find(|(name, _)| *name == unit).map(|(_, scale)| *scale)
}

/// Digits, with a fraction or without: no sign, no exponent, no `inf`.
pub(super) fn is_number(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    match text.split_once('.') {
        None => digits(text),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
    }
}

impl<'de> Deserialize<'de> for Factor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FactorVisitor)
    }
}

struct FactorVisitor;

impl Visitor<'_> for FactorVisitor {
    type Value = Factor;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number above 1 and up to {MAX_FACTOR}")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        self.visit_f64(crate::model::float(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        if value > 1.0 && value <= MAX_FACTOR {
            Ok(Factor(value))
        } else {
            Err(E::invalid_value(Unexpected::Float(value), &self))
        }
    }
}

impl JsonSchema for Factor {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Factor")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "exclusiveMinimum": 1, "maximum": MAX_FACTOR })
    }
}

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole<const MIN: u64, const MAX: u64>(pub u64);

impl<const MIN: u64, const MAX: u64> Whole<MIN, MAX> {
    /// Returns the number as a count of things in memory.
    pub fn count(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Whole<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeVisitor)
    }
}

struct WholeVisitor<const MIN: u64, const MAX: u64>;

impl<const MIN: u64, const MAX: u64> Visitor<'_> for WholeVisitor<MIN, MAX> {
    type Value = Whole<MIN, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {MIN} to {MAX}")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        if (MIN..=MAX).contains(&value) {
            Ok(Whole(value))
        } else {
            Err(E::invalid_value(Unexpected::Unsigned(value), &self))
        }
    }
}

impl<const MIN: u64, const MAX: u64> JsonSchema for Whole<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Owned(format!("Whole_{MIN}_to_{MAX}"))
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(problem: Problem) -> String {
        problem.message
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("250ms").unwrap(), Duration::from_millis(250));
        assert_eq!(duration("1.5s").unwrap(), Duration::from_millis(1500));
        assert_eq!(duration("2 m").unwrap(), Duration::from_mins(2));
        assert_eq!(duration("24h").unwrap(), MAX_DURATION);
        assert_eq!(refused(duration("24.01h").unwrap_err()), "must be at most 24h, found `24.01h`");
        assert!(refused(duration("10").unwrap_err()).contains("with a unit"));
        assert!(refused(duration("-1s").unwrap_err()).contains("negative"));
        for text in ["", "s", "10 parsecs", "1m30s", "NaNs", "infs", "1e3s", "1.s", ".5s", "１s"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(duration(&format!("{}s", "9".repeat(400))).is_err());
    }

    #[test]
    fn offsets_have_a_sign_and_a_unit() {
        let offset = |text: &str| Offset::from_text(text).map(|offset| offset.0);
        assert_eq!(offset("-301s").unwrap(), -301_000);
        assert_eq!(offset("+1.5s").unwrap(), 1500);
        assert_eq!(offset("48h").unwrap(), 172_800_000);
        assert_eq!(offset("87840h").unwrap(), i64::try_from(MAX_OFFSET.as_millis()).unwrap());
        for text in ["", "-", "--1s", "1", "87840.1h", "1d", "NaNs"] {
            assert!(offset(text).is_err(), "{text}");
        }
    }

    #[test]
    fn zero_is_a_duration_only_where_it_makes_sense() {
        assert_eq!(TimeOrZero::from_text("0s").unwrap().0, Duration::ZERO);
        assert!(refused(Time::from_text("0ms").unwrap_err()).contains("longer than zero"));
    }

    #[test]
    fn rates_are_finite_and_above_zero() {
        assert!((rate("3000/m").unwrap() - 50.0).abs() < 1e-9);
        assert!(rate("1000000/s").is_ok());
        for text in [
            "",
            "fast",
            "50",
            "0",
            "0/s",
            "-1",
            "-1/s",
            "nan",
            "NaN/s",
            ".nan",
            "inf",
            "inf/s",
            ".inf",
            "1e308",
            "1e308/s",
            "1e2/s",
            "1000001/s",
            "50/d",
            "/s",
        ] {
            assert!(rate(text).is_err(), "{text}");
        }
        assert_eq!(
            refused(rate("fast").unwrap_err()),
            "must be a rate such as `50/s` or `3000/m`, found `fast`"
        );
    }
}
