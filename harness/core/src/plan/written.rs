//! Expectations as they are written in a file, with their names filled in.

use serde_json::{Map, Value, json};

use super::{Bindings, Expectation, JsonTemplate, Matcher, Order, Subject};

/// The members of an `expect`; `None` where a name has no value.
pub(crate) fn expect(all: &[Expectation], names: &dyn Bindings) -> Option<Map<String, Value>> {
    let (mut expect, mut headers, mut body) = (Map::new(), Map::new(), Map::new());
    for Expectation { subject, matcher, .. } in all {
        let operators = Value::from(operators(matcher, names)?);
        match subject {
            Subject::Status => drop(expect.insert("status".to_owned(), operators)),
            Subject::Text => drop(expect.insert("text".to_owned(), operators)),
            Subject::Header(name) => drop(headers.insert(name.to_string(), operators)),
            Subject::Json(path) => drop(body.insert(path.clone(), operators)),
        }
    }
    for (name, members) in [("headers", headers), ("body", body)] {
        if !members.is_empty() {
            expect.insert(name.to_owned(), members.into());
        }
    }
    Some(expect)
}

/// A matcher as a map of operators: of a value alone nobody knows whether it is one.
fn operators(matcher: &Matcher, names: &dyn Bindings) -> Option<Map<String, Value>> {
    let value = |template: &JsonTemplate| template.render(names).ok();
    let of = |inner: &Matcher| operators(inner, names).map(Value::from);
    let (name, operand) = match matcher {
        Matcher::Eq(template) => ("eq", value(template)?),
        Matcher::Ne(template) => ("ne", value(template)?),
        Matcher::Lt(number) => ("lt", json!(number)),
        Matcher::Le(number) => ("le", json!(number)),
        Matcher::Gt(number) => ("gt", json!(number)),
        Matcher::Ge(number) => ("ge", json!(number)),
        Matcher::In(values) => {
            ("in", Value::Array(values.iter().map(value).collect::<Option<_>>()?))
        }
        Matcher::Matches(pattern) => ("matches", pattern.as_str().into()),
        Matcher::Contains(template) => ("contains", value(template)?),
        Matcher::Exists(exists) => ("exists", json!(exists)),
        Matcher::Length(inner) => ("length", of(inner)?),
        Matcher::Distinct(inner) => ("distinct", of(inner)?),
        Matcher::Each(inner) => ("each", of(inner)?),
        Matcher::Sorted(Order::Ascending) => ("sorted", "ascending".into()),
        Matcher::Sorted(Order::Descending) => ("sorted", "descending".into()),
        Matcher::Schema(schema) => ("schema", Value::clone(&schema.1)),
        Matcher::All(all) => {
            let maps: Option<Vec<_>> =
                all.iter().map(|matcher| operators(matcher, names)).collect();
            return Some(maps?.into_iter().flatten().collect());
        }
    };
    Some(Map::from_iter([(name.to_owned(), operand)]))
}
