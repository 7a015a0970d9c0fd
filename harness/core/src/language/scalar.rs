//! Interprets a scalar without quotes by the YAML 1.2 core schema.

use super::{
    error::{DecodeError, Kind},
    node::{Scalar, clip},
};

/// A scalar with its type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Plain<'t> {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'t str),
}

/// The value of a scalar.
///
/// # Errors
/// When it is a number that JSON cannot hold: `.inf`, `.nan`, past 64 bits, past `f64`.
pub(super) fn resolve(scalar: &Scalar) -> Result<Plain<'_>, DecodeError> {
    let text = scalar.text.as_str();
    if !scalar.plain {
        return Ok(Plain::Text(text));
    }
    match text {
        _ if scalar.is_null() => Ok(Plain::Null),
        "true" | "True" | "TRUE" => Ok(Plain::Bool(true)),
        "false" | "False" | "FALSE" => Ok(Plain::Bool(false)),
        _ if is_not_finite(text) => Err(no_number(text, "is not a number that JSON has")),
        _ if is_integer(text) => integer(text),
        _ if is_float(text) => float(text),
        _ => Ok(Plain::Text(text)),
    }
}

/// Refuses a scalar without quotes that is not what it looks like: `01234` is the number 1234, and
/// `1.10` the number 1.1. In a value that is sent, somebody meant the text.
///
/// # Errors
/// When JSON would write the value otherwise.
pub(super) fn check_as_written(scalar: &Scalar) -> Result<(), DecodeError> {
    let text = scalar.text.as_str();
    let value = match resolve(scalar)? {
        Plain::Null | Plain::Text(_) => return Ok(()),
        Plain::Bool(value) => value.to_string(),
        Plain::Unsigned(value) => value.to_string(),
        Plain::Signed(value) => value.to_string(),
        Plain::Float(value) => serde_json::Value::from(value).to_string(),
    };
    // Both ways to write an exponent are the same number and look like it.
    if value == text || value.replace("e+", "e") == text {
        return Ok(());
    }
    Err(DecodeError::new(Kind::Value {
        code: "reinterpreted".to_owned(),
        message: format!("is `{}`, which without quotes is {value}", clip(text)),
        help: Some(format!("write `\"{}\"` for the text, `{value}` for the value", clip(text))),
    }))
}

fn integer(text: &str) -> Result<Plain<'_>, DecodeError> {
    let unsigned = match text.split_at_checked(2) {
        Some(("0x", digits)) => u64::from_str_radix(digits, 16),
        Some(("0o", digits)) => u64::from_str_radix(digits, 8),
        _ => text.strip_prefix('+').unwrap_or(text).parse(),
    };
    match (unsigned, text.parse()) {
        (Ok(value), _) => Ok(Plain::Unsigned(value)),
        (Err(_), Ok(value)) => Ok(Plain::Signed(value)),
        (Err(_), Err(_)) => Err(no_number(text, "does not fit into 64 bits")),
    }
}

fn float(text: &str) -> Result<Plain<'_>, DecodeError> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(Plain::Float(value)),
        _ => Err(no_number(text, "is too large for a number")),
    }
}

fn no_number(text: &str, why: &str) -> DecodeError {
    DecodeError::new(Kind::Value {
        code: "wrong-value".to_owned(),
        message: format!("is `{}`, which {why}", clip(text)),
        help: Some("quote it if it is text".to_owned()),
    })
}

fn is_not_finite(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN")
}

fn is_integer(text: &str) -> bool {
    let all = |digits: &str, radix| !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    match text.split_at_checked(2) {
        Some(("0x", digits)) => all(digits, 16),
        Some(("0o", digits)) => all(digits, 8),
        _ => all(text.strip_prefix(['+', '-']).unwrap_or(text), 10),
    }
}

fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let starts_well = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let goes_on_well = unsigned.chars().all(|c| c.is_ascii_digit() || ".eE+-".contains(c));
    starts_well && goes_on_well && text.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Option<Plain<'static>> {
        let scalar = Box::leak(Box::new(Scalar { text: text.to_owned(), plain: true }));
        resolve(scalar).ok()
    }

    #[test]
    fn the_core_schema() {
        assert_eq!(plain(""), Some(Plain::Null));
        assert_eq!(plain("True"), Some(Plain::Bool(true)));
        assert_eq!(plain("010"), Some(Plain::Unsigned(10)));
        assert_eq!(plain("0x1F"), Some(Plain::Unsigned(31)));
        assert_eq!(plain("0o17"), Some(Plain::Unsigned(15)));
        assert_eq!(plain("-7"), Some(Plain::Signed(-7)));
        assert_eq!(plain("1e3"), Some(Plain::Float(1000.0)));
        assert_eq!(plain(".5"), Some(Plain::Float(0.5)));
        for text in ["2026-01-01", "1.2.3", "0x", "-", ".", "e3", "nan", "inf", "infinity", "1_000"]
        {
            assert!(matches!(plain(text), Some(Plain::Text(_))), "{text}");
        }
    }

    #[test]
    fn the_largest_integers_and_one_past_them() {
        assert_eq!(plain("18446744073709551615"), Some(Plain::Unsigned(u64::MAX)));
        assert_eq!(plain("18446744073709551616"), None);
        assert_eq!(plain("-9223372036854775808"), Some(Plain::Signed(i64::MIN)));
        assert_eq!(plain("-9223372036854775809"), None);
    }

    #[test]
    fn what_json_writes_otherwise_is_not_as_written() {
        let check =
            |text: &str| check_as_written(&Scalar { text: text.to_owned(), plain: true }).is_ok();
        for text in ["0", "-1", "1.5", "1.0", "true", "~", "", "a", "1.2.3", "2026-01-01", "1e300"]
        {
            assert!(check(text), "{text}");
        }
        for text in ["01234", "1.10", "+1", "-0", "0x1F", "0o17", "1e3", ".5", "True", "FALSE"] {
            assert!(!check(text), "{text}");
        }
        assert!(check_as_written(&Scalar { text: "01234".to_owned(), plain: false }).is_ok());
    }

    #[test]
    fn refuses_what_json_does_not_have() {
        for text in [".nan", ".NaN", "-.inf", ".Inf", "1e309", "-1e400"] {
            assert_eq!(plain(text), None, "{text}");
        }
    }
}
