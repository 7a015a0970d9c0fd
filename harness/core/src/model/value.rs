//! Equality and numbers of JSON values, as a reader understands them.

use serde_json::{Number, Value};

/// Characters of a value that are shown; a whole body would hide the rest.
const SHOWN: usize = 200;

/// Equal as JSON: 1 and 1.0 are the same number, the order of members does not matter.
pub(crate) fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => equal_numbers(a, b),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}

fn equal_numbers(a: &Number, b: &Number) -> bool {
    a == b
        || ((a.is_f64() || b.is_f64())
            && a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| a.total_cmp(&b).is_eq()))
}

/// The number in a header or a text, if it is one.
pub(crate) fn read_number(text: &str) -> Option<Value> {
    serde_json::from_str::<Number>(text.trim()).ok().map(Value::Number)
}

/// A value as text, cut.
pub(crate) fn shown(value: &Value) -> String {
    clipped(value, SHOWN)
}

/// A value as text, at most so many characters of it.
pub fn clipped(value: &Value, most: usize) -> String {
    let text = value.to_string();
    match text.char_indices().nth(most) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equality_as_a_table() {
        for (a, b, expected) in [
            (json!(1), json!(1.0), true),
            (json!({"a": [1.0, "x"], "b": null}), json!({"b": null, "a": [1, "x"]}), true),
            (json!(u64::MAX), json!(u64::MAX - 1), false),
            (json!(1), json!("1"), false),
            (json!(null), json!(false), false),
            (json!([1, 2]), json!([1]), false),
            (json!({"a": 1}), json!({"a": 1, "b": 2}), false),
        ] {
            assert_eq!(equal(&a, &b), expected, "{a} {b}");
            assert_eq!(equal(&b, &a), expected, "{b} {a}");
        }
    }

    #[test]
    fn numbers_in_text() {
        assert_eq!(read_number(" 60 "), Some(json!(60)));
        assert_eq!(read_number("0.5"), Some(json!(0.5)));
        assert_eq!(read_number("60s"), None);
        assert_eq!(read_number("NaN"), None);
    }
}
