//! Interprets a scalar without quotes by the YAML 1.2 core schema.

use crate::model::Number;

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

/// A scalar as its author wrote it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum AsWritten<'t> {
    Null,
    Bool(bool),
    /// A number as JSON writes it.
    Number(&'t str),
    Text(&'t str),
}

/// The value of a scalar that is sent, or compared with what came back.
///
/// # Errors
/// For a scalar without quotes that YAML 1.1, YAML 1.2 and JSON do not all take for the same:
/// `01234` is the number 668, 1234, or none; `yes` is true or a text. Somebody who writes it may
/// have meant either, and would be sent the other without a word.
pub(super) fn as_written(scalar: &Scalar) -> Result<AsWritten<'_>, DecodeError> {
    let text = scalar.text.as_str();
    if !scalar.plain {
        return Ok(AsWritten::Text(text));
    }
    match text {
        // A value that is left out.
        "" | "null" => return Ok(AsWritten::Null),
        "true" => return Ok(AsWritten::Bool(true)),
        "false" => return Ok(AsWritten::Bool(false)),
        _ if Number::parse(text).is_some() => return Ok(AsWritten::Number(text)),
        _ => {}
    }
    let (what, value) = match resolve(scalar)? {
        Plain::Null => ("nothing", Some("null".to_owned())),
        Plain::Bool(value) => ("true or false", Some(value.to_string())),
        Plain::Unsigned(value) => ("a number", Some(value.to_string())),
        Plain::Signed(value) => ("a number", Some(value.to_string())),
        Plain::Float(value) => ("a number", Some(serde_json::Value::from(value).to_string())),
        Plain::Text(_) => match in_yaml_1_1(text) {
            Some(other) => other,
            None => return Ok(AsWritten::Text(text)),
        },
    };
    let text = clip(text);
    let help = match value {
        Some(value) => format!("write `\"{text}\"` for the text, `{value}` for the value"),
        None => format!("write `\"{text}\"` for the text"),
    };
    Err(DecodeError::new(Kind::Value {
        code: "reinterpreted".to_owned(),
        message: format!("is `{text}`, which some readers of YAML take for {what}"),
        help: Some(help),
    }))
}

/// What YAML 1.1 takes a scalar for that is a text in YAML 1.2, and the value in JSON, if there is
/// one that is most likely meant: <https://yaml.org/type/>.
fn in_yaml_1_1(text: &str) -> Option<(&'static str, Option<String>)> {
    let lower = text.to_ascii_lowercase();
    // YAML 1.1 has these in lower and upper case and capitalized, and no other ways.
    let is_word = [lower.as_str(), &text.to_ascii_uppercase()].contains(&text)
        || (text.get(1..) == lower.get(1..));
    match lower.as_str() {
        "yes" | "on" if is_word => return Some(("true or false", Some("true".to_owned()))),
        "no" | "off" if is_word => return Some(("true or false", Some("false".to_owned()))),
        _ => {}
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if is_date(text) {
        return Some(("a date", None));
    }
    let is_base_60 = unsigned.split(':').count() > 1
        && unsigned.split(':').all(|part| !part.is_empty() && is_digits(&part.replace('.', "0")));
    if is_base_60 {
        return Some(("a number to the base of 60", None));
    }
    let without = unsigned.replace('_', "");
    let bits =
        without.strip_prefix("0b").is_some_and(|bits| bits.chars().all(|c| "01".contains(c)));
    if bits && without.len() > 2 {
        let value = u64::from_str_radix(&without[2..], 2).ok();
        return Some(("a number", value.map(|value| value.to_string())));
    }
    let is_grouped = without != unsigned && (is_integer(&without) || is_float(&without));
    is_grouped.then(|| ("a number", Number::parse(&without).map(|number| number.to_string())))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit())
}

/// `2026-01-01`, maybe with a time after it.
fn is_date(text: &str) -> bool {
    let (date, time) = text.split_once(['T', 't', ' ']).unwrap_or((text, "00:00"));
    let parts: Vec<_> = date.split('-').collect();
    let lengths: Vec<_> = parts.iter().map(|part| part.len()).collect();
    matches!(lengths.as_slice(), [4, 1..=2, 1..=2])
        && parts.into_iter().all(is_digits)
        && time.split_once(':').is_some_and(|(hour, _)| is_digits(hour.trim()))
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

    fn scalar(text: &str) -> Scalar {
        Scalar { text: text.to_owned(), plain: true }
    }

    #[test]
    fn what_readers_agree_on_is_as_written() {
        for text in ["0", "-0", "1.10", "1e3", "1E+3", "1e400", "123456789012345678901234567890"] {
            assert_eq!(as_written(&scalar(text)).unwrap(), AsWritten::Number(text));
        }
        for text in
            ["a", "1.2.3", "2026-01", "20 a", "Yes!", "nothing", "::1", "1:x", "b_1", "v1_0"]
        {
            assert_eq!(as_written(&scalar(text)).unwrap(), AsWritten::Text(text));
        }
        assert_eq!(as_written(&scalar("")).unwrap(), AsWritten::Null);
        assert_eq!(as_written(&scalar("null")).unwrap(), AsWritten::Null);
        assert_eq!(as_written(&scalar("true")).unwrap(), AsWritten::Bool(true));
    }

    #[test]
    fn what_readers_disagree_on_is_refused_with_what_may_be_meant() {
        for (text, meant) in [
            ("01234", "1234"),
            ("+1", "1"),
            ("1.", "1.0"),
            (".5", "0.5"),
            ("0x1F", "31"),
            ("0o17", "15"),
            ("0b101", "5"),
            ("1_000", "1000"),
            ("1_000.5", "1000.5"),
            ("True", "true"),
            ("FALSE", "false"),
            ("yes", "true"),
            ("Off", "false"),
            ("NO", "false"),
            ("~", "null"),
            ("Null", "null"),
        ] {
            let error = format!("{:?}", as_written(&scalar(text)).unwrap_err());
            assert!(error.contains(&format!("`{meant}` for the value")), "{text}: {error}");
        }
        for text in [
            "1:30",
            "12:30:45",
            "-1:30.5",
            "2026-01-01",
            "2026-1-1",
            "2026-01-01T10:00:00Z",
            "2026-01-01 10:00:00",
        ] {
            let error = format!("{:?}", as_written(&scalar(text)).unwrap_err());
            assert!(error.contains("for the text"), "{text}: {error}");
        }
        for text in [".nan", "-.inf"] {
            assert!(as_written(&scalar(text)).is_err(), "{text}");
        }
        let quoted = Scalar { text: "01234".to_owned(), plain: false };
        assert_eq!(as_written(&quoted).unwrap(), AsWritten::Text("01234"));
    }

    #[test]
    fn refuses_what_json_does_not_have() {
        for text in [".nan", ".NaN", "-.inf", ".Inf", "1e309", "-1e400"] {
            assert_eq!(plain(text), None, "{text}");
        }
    }
}
