use std::str::FromStr as _;

use bigdecimal::BigDecimal;
use proptest::prelude::*;

use super::*;

/// A [`Value`] as `serde_json::json` writes it: its numbers have 64 bits, and its members are
/// sorted.
macro_rules! json {
    ($($json:tt)+) => { $crate::model::Value::from(serde_json::json!($($json)+)) };
}
pub(crate) use json;

fn parse(text: &str) -> Value {
    Value::parse(text.as_bytes()).unwrap()
}

fn number(text: &str) -> Number {
    Number::parse(text).unwrap()
}

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
        (parse("9007199254740992"), parse("9007199254740993"), false),
        (parse("0.1"), parse("0.10000000000000000555"), false),
        (parse("-0"), parse("0e7"), true),
        (parse("1e400"), parse("10E+399"), true),
    ] {
        assert_eq!(a == b, expected, "{a} {b}");
        assert_eq!(b == a, expected, "{b} {a}");
    }
}

#[test]
fn numbers_in_text() {
    assert_eq!(read_number(" 60 "), Some(json!(60)));
    assert_eq!(read_number("0.5"), Some(json!(0.5)));
    assert_eq!(read_number("60s"), None);
    assert_eq!(read_number("NaN"), None);
}

#[test]
fn numbers_of_json_and_texts_that_are_none() {
    for text in ["0", "-0", "1.10", "1e400", "-1E+2", "0.0e-0", "123456789012345678901234567890"] {
        assert_eq!(number(text).to_string(), text);
    }
    for text in ["", "-", "01", "1.", ".5", "+1", "1e", "1e+", "0x1F", "1_000", "1 ", "NaN", "--1"]
    {
        assert!(Number::parse(text).is_none(), "{text}");
    }
}

#[test]
fn exponents_that_no_memory_can_write_out() {
    assert!(number("1e99999999999999999999999999999999999999999") > number("1e400"));
    assert!(number("-1e99999999999999999999999999999999999999999") < number("-1e400"));
    assert!(number("1e-99999999999999999999999999999999999999999") > number("0"));
}

#[test]
fn text_and_pretty_text() {
    let text = r#"{"z":[],"a":{"n":1.10,"e":{}},"m":[1e400,-0,"\u0001\""]}"#;
    assert_eq!(parse(text).to_string(), text);
    let pretty = format!("{:#}", parse(r#"{"b":[1,{}],"a":null}"#));
    assert_eq!(pretty, "{\n  \"b\": [\n    1,\n    {}\n  ],\n  \"a\": null\n}");
    assert_eq!(serde_json::to_string(&parse(text)).unwrap(), text);
    assert_eq!(serde_json::from_str::<Value>(text).unwrap().to_string(), text);
    assert_eq!(parse(r#"{"a":1,"b":2,"a":3}"#).to_string(), r#"{"a":3,"b":2}"#);
}

#[test]
fn text_that_is_no_json_has_the_place_of_its_error() {
    for text in [
        "",
        "{",
        "[1,]",
        "{\"a\" 1}",
        "nul",
        "\"a",
        "\"\n\"",
        "1 2",
        "\"\\ud800\"",
        "01",
        "\"\\x\"",
    ] {
        let error = Value::parse(text.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("line "), "{text}: {error}");
    }
    assert!(matches!(Value::parse(b"\"\xff\""), Err(JsonError::NotUtf8(_))));
}

#[test]
fn the_greatest_depth_and_one_past_it() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(Value::parse(nested(MAX_DEPTH).as_bytes()).is_ok());
    assert!(matches!(Value::parse(nested(MAX_DEPTH + 1).as_bytes()), Err(JsonError::TooDeep)));
}

/// Numbers as JSON has them, many of them close to each other.
fn number_text() -> impl Strategy<Value = String> {
    let near = (-2i128..3).prop_map(|by| ((1i128 << 53) + by).to_string());
    let any = "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,8})?([eE][+-]?[0-9]{1,2})?";
    prop_oneof![3 => any, 1 => near, 1 => "-?[01](\\.0{0,3}[0-2])?([eE]-?[0-2])?"]
        .prop_filter("a fraction has digits", |text| Number::parse(text).is_some())
}

pub(crate) fn value_text() -> impl Strategy<Value = String> {
    let text = prop_oneof!["[a-c]{0,2}", "\\PC{0,4}"].prop_map(|text| quoted(&text));
    let leaf = prop_oneof![Just("null".to_owned()), Just("true".to_owned()), number_text(), text];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let member = ("[a-f]", inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(member, 0..4).prop_map(|mut members| {
                let mut seen = std::collections::BTreeSet::new();
                members.retain(|(name, _)| seen.insert(name.clone()));
                let members = members.iter().map(|(name, value)| format!("\"{name}\":{value}"));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

proptest! {
    /// The reference counts in decimal digits without a bound.
    #[test]
    fn comparison_agrees_with_exact_arithmetic(a in number_text(), b in number_text()) {
        let exact = |text: &str| BigDecimal::from_str(text).unwrap();
        prop_assert_eq!(number(&a).cmp(&number(&b)), exact(&a).cmp(&exact(&b)), "{} {}", a, b);
    }

    #[test]
    fn equal_values_and_no_others_have_one_canonical_text(a in value_text(), b in value_text()) {
        let (a, b) = (parse(&a), parse(&b));
        prop_assert_eq!(a == b, a.canonical() == b.canonical(), "{} {}", a, b);
        prop_assert_eq!(parse(&a.canonical()), a);
    }

    #[test]
    fn what_is_read_and_written_is_the_same_text(text in value_text()) {
        prop_assert_eq!(parse(&text).to_string(), text);
    }

    /// The two readers take the same texts.
    #[test]
    fn a_changed_text_is_json_to_both_readers_or_to_none(
        text in value_text(), at in any::<prop::sample::Index>(), other in "[\\[\\]{}\",:0-9eE.+\\\\ -]"
    ) {
        let mut changed: Vec<char> = text.chars().collect();
        let at = at.index(changed.len());
        changed[at] = other.chars().next().unwrap();
        let changed: String = changed.into_iter().collect();
        let ours = Value::parse(changed.as_bytes());
        match serde_json::from_str::<serde_json::Value>(&changed) {
            Ok(theirs) => prop_assert_eq!(ours.unwrap().to_serde(), theirs),
            Err(error) if error.to_string().contains("out of range") => {}
            Err(_) => prop_assert!(ours.is_err(), "{}", changed),
        }
    }
}
