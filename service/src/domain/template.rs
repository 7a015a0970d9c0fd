//! Templates of `transform` steps: JSON whose strings may quote the outputs of earlier steps, as
//! `{{ steps[0].output.body.items[2].id }}`. A string that is one quotation and nothing else
//! becomes the quoted value; in a longer one it is written as text. There is no logic in it.

use serde_json::Value;

/// What a template is rendered with.
#[derive(Clone, Copy, Debug)]
pub struct Outputs<'a>(pub &'a [Option<&'a Value>]);

/// A quotation: a step and a path into its output.
#[derive(Debug, PartialEq)]
struct Quotation<'a> {
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
    /// What is between the braces.
    Quoted(&'a str),
}

/// Checks that a template quotes only steps before `step`.
///
/// # Errors
/// The first quotation that is wrong, and why.
pub fn check(template: &Value, step: usize) -> Result<(), String> {
    match template {
        Value::String(text) => parts(text)?.into_iter().try_for_each(|part| match part {
            Part::Text(_) => Ok(()),
            Part::Quoted(text) if parse(text)?.step < step => Ok(()),
            Part::Quoted(text) => Err(format!("`{text}` is not an earlier step")),
        }),
        Value::Array(items) => items.iter().try_for_each(|item| check(item, step)),
        Value::Object(members) => members.values().try_for_each(|member| check(member, step)),
        _ => Ok(()),
    }
}

/// The template with its quotations replaced. What they insert may have `budget` bytes as JSON in
/// all: a short template can quote a long output many times.
///
/// # Errors
/// The first quotation of something that is not there, or that does not fit.
pub fn render(template: &Value, outputs: Outputs<'_>, budget: &mut usize) -> Result<Value, String> {
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

fn render_text(text: &str, outputs: Outputs<'_>, budget: &mut usize) -> Result<Value, String> {
    let parts = parts(text)?;
    if let [Part::Quoted(quoted)] = parts.as_slice() {
        return quote(quoted, outputs, budget).cloned();
    }
    let mut rendered = String::new();
    for part in parts {
        match part {
            Part::Text(text) => rendered.push_str(text),
            Part::Quoted(quoted) => match quote(quoted, outputs, budget)? {
                Value::String(text) => rendered.push_str(text),
                other => rendered.push_str(&other.to_string()),
            },
        }
    }
    Ok(Value::String(rendered))
}

fn quote<'a>(text: &str, outputs: Outputs<'a>, budget: &mut usize) -> Result<&'a Value, String> {
    let Quotation { step, path } = parse(text)?;
    let output = outputs.0.get(step).copied().flatten();
    let found = path.iter().fold(output, |value, segment| match segment {
        Segment::Key(key) => value?.get(key),
        Segment::Index(index) => value?.get(index),
    });
    let value = found.ok_or_else(|| format!("`{text}` does not exist"))?;
    let size = value.to_string().len();
    *budget =
        budget.checked_sub(size).ok_or_else(|| format!("`{text}` makes the value too long"))?;
    Ok(value)
}

fn parts(text: &str) -> Result<Vec<Part<'_>>, String> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((quoted, after)) = after.split_once("}}") else {
            return Err("`{{` without `}}`".to_owned());
        };
        if !before.is_empty() {
            parts.push(Part::Text(before));
        }
        parts.push(Part::Quoted(quoted.trim()));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

fn parse(text: &str) -> Result<Quotation<'_>, String> {
    let wrong = || format!("`{text}` is not like `steps[0].output.body`");
    let rest = text.strip_prefix("steps[").ok_or_else(wrong)?;
    let (step, rest) = rest.split_once("].output").ok_or_else(wrong)?;
    let step = index(step).ok_or_else(wrong)?;
    let (mut path, mut rest) = (Vec::new(), rest);
    while !rest.is_empty() {
        let (segment, after) = segment(rest).ok_or_else(wrong)?;
        path.push(segment);
        rest = after;
    }
    Ok(Quotation { step, path })
}

/// The first segment: `.key`, `["any key"]` or `[index]`.
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

/// Digits only: `parse` alone would take a sign.
fn index(text: &str) -> Option<usize> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rendered(template: &Value, budget: usize) -> Result<Value, String> {
        let first = json!({"status": 200, "body": {"id": 7, "a b": ["x", {"y": null}]}});
        render(template, Outputs(&[Some(&first), None]), &mut { budget })
    }

    #[test]
    fn quotes_values_and_writes_them_into_text() {
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
    fn what_is_quoted_fits_the_budget_or_is_refused() {
        let twice = json!(["{{ steps[0].output.status }}", "{{ steps[0].output.status }}"]);
        assert!(rendered(&twice, 6).is_ok());
        let refused = rendered(&twice, 5).unwrap_err();
        assert_eq!(refused, "`steps[0].output.status` makes the value too long");
    }

    #[test]
    fn what_is_not_there_is_named() {
        for absent in
            ["steps[0].output.nope", "steps[1].output", "steps[9].output", "steps[0].output[0]"]
        {
            let error = rendered(&json!(format!("x {{{{ {absent} }}}}")), 100).unwrap_err();
            assert_eq!(error, format!("`{absent}` does not exist"));
        }
    }

    #[test]
    fn only_earlier_steps_may_be_quoted_and_only_so() {
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
