//! Renders templates: JSON whose strings may refer to the outputs of earlier steps, as
//! `{{ steps[0].output.body.items[2].id }}`. A string that is one reference and nothing else
//! becomes the value itself; in a longer string the value is written as text. Templates have no
//! logic.

use serde_json::Value;

/// The outputs that a template may refer to, one for each step.
#[derive(Clone, Copy, Debug)]
pub struct Outputs<'a>(pub &'a [Option<&'a Value>]);

/// A template that is wrong, or that cannot be rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A reference has no end.
    #[error("`{{{{` without `}}}}`")]
    Unclosed,
    /// The text between the braces is not a reference.
    #[error("`{0}` is not like `steps[0].output.body`")]
    Malformed(String),
    /// The reference is to this step or a later one.
    #[error("`{0}` is not an earlier step")]
    NotEarlier(String),
    /// The output does not have what the reference is to.
    #[error("`{0}` does not exist")]
    Absent(String),
    /// The value that the reference stands for exceeds what is left of the budget.
    #[error("`{0}` makes the value too long")]
    TooLong(String),
}

/// A reference to an output: a step and a path into its output.
#[derive(Debug, PartialEq)]
struct Reference<'a> {
    step: usize,
    path: Vec<Segment<'a>>,
}

#[derive(Debug, PartialEq)]
enum Segment<'a> {
    Key(&'a str),
    Index(usize),
}

/// Part of a string.
enum Part<'a> {
    Text(&'a str),
    /// The text between the braces.
    Reference(&'a str),
}

/// Checks that a template refers only to steps before `step`.
///
/// # Errors
/// [`TemplateError`] for the first reference that is wrong.
pub fn check(template: &Value, step: usize) -> Result<(), TemplateError> {
    match template {
        Value::String(text) => parts(text)?.into_iter().try_for_each(|part| match part {
            Part::Text(_) => Ok(()),
            Part::Reference(text) if parse(text)?.step < step => Ok(()),
            Part::Reference(text) => Err(TemplateError::NotEarlier(text.to_owned())),
        }),
        Value::Array(items) => items.iter().try_for_each(|item| check(item, step)),
        Value::Object(members) => members.values().try_for_each(|member| check(member, step)),
        _ => Ok(()),
    }
}

/// Renders a template: replaces its references by the values that they stand for. All these values
/// together may have `budget` bytes as JSON, because a short template can refer to a long output
/// many times.
///
/// # Errors
/// [`TemplateError`] for the first reference to something that does not exist, or does not fit.
pub fn render(
    template: &Value,
    outputs: Outputs<'_>,
    budget: &mut usize,
) -> Result<Value, TemplateError> {
    match template {
        Value::String(text) => render_text(text, outputs, budget),
        Value::Array(items) => {
            let items = items.iter().map(|item| render(item, outputs, budget));
            items.collect::<Result<_, _>>().map(Value::Array)
        }
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(key, member)| Ok((key.clone(), render(member, outputs, budget)?)));
            members.collect::<Result<_, _>>().map(Value::Object)
        }
        other => Ok(other.clone()),
    }
}

fn render_text(
    text: &str,
    outputs: Outputs<'_>,
    budget: &mut usize,
) -> Result<Value, TemplateError> {
    let parts = parts(text)?;
    if let [Part::Reference(reference)] = parts.as_slice() {
        return resolve(reference, outputs, budget).cloned();
    }
    let mut rendered = String::new();
    for part in parts {
        match part {
            Part::Text(text) => rendered.push_str(text),
            Part::Reference(reference) => match resolve(reference, outputs, budget)? {
                Value::String(text) => rendered.push_str(text),
                other => rendered.push_str(&other.to_string()),
            },
        }
    }
    Ok(Value::String(rendered))
}

fn resolve<'a>(
    text: &str,
    outputs: Outputs<'a>,
    budget: &mut usize,
) -> Result<&'a Value, TemplateError> {
    let Reference { step, path } = parse(text)?;
    let output = outputs.0.get(step).copied().flatten();
    let found = path.iter().fold(output, |value, segment| match segment {
        Segment::Key(key) => value?.get(key),
        Segment::Index(index) => value?.get(index),
    });
    let value = found.ok_or_else(|| TemplateError::Absent(text.to_owned()))?;
    // The budget is charged before the value is copied into the result.
    let size = value.to_string().len();
    *budget = budget.checked_sub(size).ok_or_else(|| TemplateError::TooLong(text.to_owned()))?;
    Ok(value)
}

fn parts(text: &str) -> Result<Vec<Part<'_>>, TemplateError> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (reference, after) = after.split_once("}}").ok_or(TemplateError::Unclosed)?;
        if !before.is_empty() {
            parts.push(Part::Text(before));
        }
        parts.push(Part::Reference(reference.trim()));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

fn parse(text: &str) -> Result<Reference<'_>, TemplateError> {
    let wrong = || TemplateError::Malformed(text.to_owned());
    let rest = text.strip_prefix("steps[").ok_or_else(wrong)?;
    let (step, rest) = rest.split_once("].output").ok_or_else(wrong)?;
    let step = index(step).ok_or_else(wrong)?;
    let mut path = Vec::new();
    let mut rest = rest;
    while !rest.is_empty() {
        let (segment, after) = segment(rest).ok_or_else(wrong)?;
        path.push(segment);
        rest = after;
    }
    Ok(Reference { step, path })
}

/// Splits off the first segment: `.key`, `["any key"]` or `[index]`.
fn segment(text: &str) -> Option<(Segment<'_>, &str)> {
    if let Some(rest) = text.strip_prefix("[\"") {
        let (key, rest) = rest.split_once("\"]")?;
        return Some((Segment::Key(key), rest));
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (number, rest) = rest.split_once(']')?;
        return Some((Segment::Index(index(number)?), rest));
    }
    let rest = text.strip_prefix('.')?;
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    let (key, rest) = rest.split_at(end);
    let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    (!key.is_empty() && key.chars().all(plain)).then_some((Segment::Key(key), rest))
}

/// Parses an index. It accepts digits only, where `parse` alone would accept a sign.
fn index(text: &str) -> Option<usize> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rendered(template: &Value, budget: usize) -> Result<Value, TemplateError> {
        let first = json!({"status": 200, "body": {"id": 7, "a b": ["x", {"y": null}]}});
        render(template, Outputs(&[Some(&first), None]), &mut { budget })
    }

    #[test]
    fn references_become_values_or_text() {
        let template = json!({
            "whole": "{{ steps[0].output.body.id }}",
            "text": "id {{steps[0].output.body.id}}, {{ steps[0].output.body[\"a b\"][0] }}!",
            "nested": ["{{ steps[0].output.body[\"a b\"][1] }}", 1, null, "plain", "}}"],
        });
        let expected = json!({
            "whole": 7, "text": "id 7, x!", "nested": [{"y": null}, 1, null, "plain", "}}"],
        });
        assert_eq!(rendered(&template, 100), Ok(expected));
    }

    #[test]
    fn values_fit_the_budget_or_are_refused() {
        let twice = json!(["{{ steps[0].output.status }}", "{{ steps[0].output.status }}"]);
        assert!(rendered(&twice, 6).is_ok());
        let refused = rendered(&twice, 5).unwrap_err();
        assert_eq!(refused.to_string(), "`steps[0].output.status` makes the value too long");
    }

    #[test]
    fn an_absent_value_is_named() {
        for absent in
            ["steps[0].output.nope", "steps[1].output", "steps[9].output", "steps[0].output[0]"]
        {
            let error = rendered(&json!(format!("x {{{{ {absent} }}}}")), 100).unwrap_err();
            assert_eq!(error.to_string(), format!("`{absent}` does not exist"));
        }
    }

    #[test]
    fn references_are_to_earlier_steps_in_one_notation() {
        assert!(check(&json!({"a": ["{{ steps[1].output }}"]}), 2).is_ok());
        for bad in [
            "{{ steps[2].output }}",
            "{{ steps[18446744073709551616].output }}",
            "{{ steps[+1].output }}",
            "{{ steps[].output }}",
            "{{ steps[0] }}",
            "{{ steps[0].outputs }}",
            "{{ steps[0].output. }}",
            "{{ steps[0].output.a b }}",
            "{{ steps[0].output[x] }}",
            "{{ env.JWT_SECRET }}",
            "{{}}",
            "{{ steps[0].output",
        ] {
            assert!(check(&json!([bad]), 2).is_err(), "{bad}");
        }
    }
}
