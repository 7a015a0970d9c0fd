//! Lists the places in which a value differs from the expected one, part by part.

use crate::{
    model::{Value, clipped},
    plan::{Bindings, Matcher},
};

/// Differences shown: enough to see what is wrong, few enough to read.
const MAX_DIFFERENCES: usize = 8;

/// Characters of a value in a difference.
const SHOWN: usize = 60;

/// A line for each part that is not as expected, if the expected value has parts, or a schema
/// names them.
pub(super) fn differences(
    matcher: &Matcher,
    found: Option<&Value>,
    bindings: &dyn Bindings,
) -> Vec<String> {
    let Some(found) = found else { return Vec::new() };
    let expected = matcher.0.eq.as_ref().and_then(|json| json.template.render(bindings).ok());
    let parts = expected.filter(|expected| has_parts(expected) && has_parts(found));
    let mut all = parts.map(|expected| between(&expected, found)).unwrap_or_default();
    if let Some(schema) = &matcher.0.schema {
        let violations = schema.value.0.violations(found, MAX_DIFFERENCES);
        all.extend(
            violations.iter().map(|(place, violation)| format!("at `{place}`: {violation}")),
        );
    }
    all.truncate(MAX_DIFFERENCES + 1);
    all
}

fn has_parts(value: &Value) -> bool {
    value.is_array() || value.is_object()
}

/// A line for each part that differs.
pub fn between(expected: &Value, found: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    walk("$", expected, found, &mut lines);
    if lines.len() > MAX_DIFFERENCES {
        let more = lines.len() - MAX_DIFFERENCES;
        lines.truncate(MAX_DIFFERENCES);
        lines.push(format!("and {more} more"));
    }
    lines
}

fn walk(path: &str, expected: &Value, found: &Value, lines: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            for (key, value) in expected {
                let path = format!("{path}.{key}");
                match found.get(key) {
                    Some(found) => walk(&path, value, found, lines),
                    None => lines.push(format!("- {path}: {}", clipped(value, SHOWN))),
                }
            }
            for (key, value) in found.iter().filter(|(key, _)| !expected.contains_key(*key)) {
                lines.push(format!("+ {path}.{key}: {}", clipped(value, SHOWN)));
            }
        }
        (Value::Array(expected), Value::Array(found)) => {
            for (index, value) in expected.iter().enumerate() {
                let path = format!("{path}[{index}]");
                match found.get(index) {
                    Some(found) => walk(&path, value, found, lines),
                    None => lines.push(format!("- {path}: {}", clipped(value, SHOWN))),
                }
            }
            for (index, value) in found.iter().enumerate().skip(expected.len()) {
                lines.push(format!("+ {path}[{index}]: {}", clipped(value, SHOWN)));
            }
        }
        _ if expected == found => {}
        _ => {
            let (expected, found) = (clipped(expected, SHOWN), clipped(found, SHOWN));
            lines.push(format!("~ {path}: {expected} -> {found}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::model::json;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_that_are_missing_new_and_other() {
        let lines = between(
            &json!({"a": 1, "b": [1, {"c": "x"}], "d": null}),
            &json!({"a": 1.0, "b": [1, {"c": "y"}, 3], "e": true}),
        );
        assert_eq!(
            lines,
            ["~ $.b[1].c: \"x\" -> \"y\"", "+ $.b[2]: 3", "- $.d: null", "+ $.e: true"]
        );
    }

    #[test]
    fn there_are_no_more_than_a_reader_takes_in() {
        let many: Vec<_> = (0..=MAX_DIFFERENCES).collect();
        let other: Vec<_> = many.iter().map(|n| n + 100).collect();
        let lines = between(&json!(many), &json!(other));
        assert_eq!(lines.len(), MAX_DIFFERENCES + 1);
        assert_eq!(lines[MAX_DIFFERENCES], "and 1 more");
    }

    fn tree() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), any::<i8>().prop_map(|n| i64::from(n).into())];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-c]", inner, 0..3)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn there_are_some_exactly_when_the_values_differ(a in tree(), b in tree()) {
            prop_assert_eq!(between(&a, &b).is_empty(), a == b);
        }
    }
}
