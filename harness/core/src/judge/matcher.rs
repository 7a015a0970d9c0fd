//! What a value must be.

use std::cmp::Ordering;

use serde_json::Value;

use super::equal::equal;
use crate::plan::{Bindings, JsonTemplate, Matcher, Order, TemplateError};

/// Characters of an expected or actual value shown; a whole body would hide the rest.
const SHOWN: usize = 200;

/// Whether a header or a text is to be read as a number: its operand is one.
pub(super) fn compares_numbers(matcher: &Matcher, bindings: &dyn Bindings) -> bool {
    let number = |operand: &JsonTemplate| operand.render(bindings).is_ok_and(|v| v.is_number());
    match matcher {
        Matcher::Eq(operand) => number(operand),
        Matcher::In(operands) => operands.iter().any(number),
        Matcher::Lt(_) | Matcher::Le(_) | Matcher::Gt(_) | Matcher::Ge(_) => true,
        Matcher::All(matchers) => {
            matchers.iter().all(|matcher| compares_numbers(matcher, bindings))
        }
        _ => false,
    }
}

/// Whether the matcher holds of `value`; `Err` when an operand has no value.
pub(super) fn holds(
    matcher: &Matcher,
    value: Option<&Value>,
    bindings: &dyn Bindings,
) -> Result<bool, TemplateError> {
    if let Matcher::Exists(expected) = matcher {
        return Ok(value.is_some() == *expected);
    }
    if let Matcher::All(matchers) = matcher {
        return matchers
            .iter()
            .try_fold(true, |all, matcher| Ok(all && holds(matcher, value, bindings)?));
    }
    let Some(value) = value else { return Ok(false) };
    let render = |operand: &JsonTemplate| operand.render(bindings);
    let number = |compare: fn(&f64, &f64) -> bool, bound: &f64| {
        value.as_f64().is_some_and(|value| compare(&value, bound))
    };
    Ok(match matcher {
        Matcher::Eq(operand) => equal(value, &render(operand)?),
        Matcher::Ne(operand) => !equal(value, &render(operand)?),
        Matcher::Lt(bound) => number(f64::lt, bound),
        Matcher::Le(bound) => number(f64::le, bound),
        Matcher::Gt(bound) => number(f64::gt, bound),
        Matcher::Ge(bound) => number(f64::ge, bound),
        Matcher::In(operands) => operands.iter().try_fold(false, |any, operand| {
            Ok::<_, TemplateError>(any || equal(value, &render(operand)?))
        })?,
        Matcher::Matches(pattern) => value.as_str().is_some_and(|text| pattern.is_match(text)),
        Matcher::Contains(operand) => contains(value, &render(operand)?),
        Matcher::Length(inner) => match length(value) {
            Some(length) => holds(inner, Some(&length.into()), bindings)?,
            None => false,
        },
        Matcher::Distinct(inner) => holds(inner, Some(&distinct(value).into()), bindings)?,
        Matcher::Each(inner) => items(value).iter().try_fold(true, |all, item| {
            Ok::<_, TemplateError>(all && holds(inner, Some(item), bindings)?)
        })?,
        Matcher::Sorted(order) => sorted(value, *order),
        Matcher::Schema(schema) => schema.0.is_valid(value),
        Matcher::Exists(_) | Matcher::All(_) => false,
    })
}

/// A query that selects one value gives that value: it is its own only item.
fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}

fn distinct(value: &Value) -> usize {
    let mut different: Vec<&Value> = Vec::new();
    for item in items(value) {
        if !different.iter().any(|earlier| equal(earlier, item)) {
            different.push(item);
        }
    }
    different.len()
}

/// Numbers by value, texts by code point; anything else has no order.
fn sorted(value: &Value, order: Order) -> bool {
    let wrong = match order {
        Order::Ascending => Ordering::Greater,
        Order::Descending => Ordering::Less,
    };
    items(value).windows(2).all(|pair| {
        let compared = match (&pair[0], &pair[1]) {
            (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
            (a, b) => a.as_f64().zip(b.as_f64()).and_then(|(a, b)| a.partial_cmp(&b)),
        };
        compared.is_some_and(|compared| compared != wrong)
    })
}

fn contains(value: &Value, operand: &Value) -> bool {
    match (value, operand) {
        (Value::String(text), Value::String(part)) => text.contains(part),
        (Value::Array(items), _) => items.iter().any(|item| equal(item, operand)),
        _ => false,
    }
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => Some(text.chars().count()),
        Value::Array(items) => Some(items.len()),
        Value::Object(members) => Some(members.len()),
        _ => None,
    }
}

/// For a reader.
pub(super) fn describe(matcher: &Matcher, bindings: &dyn Bindings) -> String {
    let operand = |operand: &JsonTemplate| {
        operand.render(bindings).map_or_else(|problem| problem.to_string(), |value| shown(&value))
    };
    let list = |parts: Vec<String>, with: &str| parts.join(with);
    match matcher {
        Matcher::Eq(value) => format!("= {}", operand(value)),
        Matcher::Ne(value) => format!("!= {}", operand(value)),
        Matcher::Lt(bound) => format!("< {bound}"),
        Matcher::Le(bound) => format!("<= {bound}"),
        Matcher::Gt(bound) => format!("> {bound}"),
        Matcher::Ge(bound) => format!(">= {bound}"),
        Matcher::In(values) => format!("in [{}]", list(values.iter().map(operand).collect(), ", ")),
        Matcher::Matches(pattern) => format!("matches /{pattern}/"),
        Matcher::Contains(value) => format!("contains {}", operand(value)),
        Matcher::Exists(true) => "exists".to_owned(),
        Matcher::Exists(false) => "does not exist".to_owned(),
        Matcher::Length(inner) => format!("length {}", describe(inner, bindings)),
        Matcher::Distinct(inner) => format!("different items {}", describe(inner, bindings)),
        Matcher::Each(inner) => format!("each {}", describe(inner, bindings)),
        Matcher::Sorted(Order::Ascending) => "sorted, ascending".to_owned(),
        Matcher::Sorted(Order::Descending) => "sorted, descending".to_owned(),
        Matcher::Schema(_) => "valid by its JSON Schema".to_owned(),
        Matcher::All(all) => list(all.iter().map(|m| describe(m, bindings)).collect(), " and "),
    }
}

/// A value as text, cut.
pub(super) fn shown(value: &Value) -> String {
    clipped(value, SHOWN)
}

/// A value as text, at most so many characters of it.
pub(crate) fn clipped(value: &Value, most: usize) -> String {
    let text = value.to_string();
    match text.char_indices().nth(most) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}
