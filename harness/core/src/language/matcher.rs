//! Matchers: what a value must be.
//!
//! A matcher is written as a value alone, or as a map of operators. This file has everything about
//! them: how they are read and written, which of them can never hold, whether they hold, and how a
//! reader is told. A new operator is a field of [`Operators`] and a line in the functions below.

use std::{borrow::Cow, cmp::Ordering};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{Bound, CompiledSchema, Diagnostic, Spanned, clip, file::Json, text::Pattern};
use crate::model::{Bindings, JsonTemplate, Number, Order, Span, TemplateError, Value, shown};

/// The name by which a type asks the deserializer to choose its variant by the shape of a node.
pub(super) const BY_SHAPE: &str = "$workway::ByShape";

/// The conditions that a value must meet. In a file, a value or a list alone stands for equality
/// with it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(from = "Written")]
pub struct Matcher(pub Operators);

/// The two ways to write a [`Matcher`]. The deserializer chooses by the shape of the node.
#[derive(Deserialize)]
#[serde(rename = "$workway::ByShape", rename_all = "lowercase")]
enum Written {
    Map(Box<Operators>),
    Other(Box<Json>),
}

impl From<Written> for Matcher {
    fn from(written: Written) -> Self {
        match written {
            Written::Map(operators) => Self(*operators),
            Written::Other(json) => Self::eq(*json),
        }
    }
}

/// Operators; all of them hold. Operands may hold templates.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename = "operators", deny_unknown_fields)]
pub struct Operators {
    /// Equal, as JSON; 1 and 1.0 are equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eq: Option<Json>,
    /// Present, and not equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ne: Option<Json>,
    /// A number below this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lt: Option<Bound>,
    /// A number not above this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub le: Option<Bound>,
    /// A number above this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gt: Option<Bound>,
    /// A number not below this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ge: Option<Bound>,
    /// Equal to one of these.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub one_of: Option<Spanned<Vec<Json>>>,
    /// A text in which this regular expression is found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matches: Option<Spanned<Pattern>>,
    /// A text with this in it, or a list with this as an item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<Json>,
    /// Requires that the value is there, or, if false, that it is not; `null` is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
    /// The number of characters, items or members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<Spanned<Box<Matcher>>>,
    /// The number of different items of a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distinct: Option<Spanned<Box<Matcher>>>,
    /// Every item of a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub each: Option<Spanned<Box<Matcher>>>,
    /// A list in this order: numbers by value, texts by code point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sorted: Option<Order>,
    /// Valid by this JSON Schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Spanned<CompiledSchema>>,
}

impl Matcher {
    /// Equal to this.
    pub fn eq(json: Json) -> Self {
        Self(Operators { eq: Some(json), ..Operators::default() })
    }

    /// A number below this.
    pub fn lt(bound: Number) -> Self {
        Self(Operators { lt: Some(bound.into()), ..Operators::default() })
    }

    /// There, or not.
    pub fn exists(exists: bool) -> Self {
        Self(Operators { exists: Some(exists), ..Operators::default() })
    }

    /// Returns whether no operator is given, so that any value would do.
    pub fn is_empty(&self) -> bool {
        serde_json::to_string(&self.0).is_ok_and(|written| written == "{}")
    }

    /// The values in it that may hold names.
    pub fn operands(&self) -> Vec<&Json> {
        let Operators { eq, ne, one_of, contains, .. } = &self.0;
        let several = one_of.iter().flat_map(|values| values.iter());
        let inner = self.inner().into_iter().flat_map(|inner| inner.operands());
        eq.iter().chain(ne).chain(several).chain(contains).chain(inner).collect()
    }

    /// The matchers in it.
    pub(crate) fn inner(&self) -> Vec<&Spanned<Box<Self>>> {
        let Operators { length, distinct, each, .. } = &self.0;
        [length, distinct, each].into_iter().flatten().collect()
    }

    /// The matcher with its names filled in.
    ///
    /// # Errors
    /// A name without a value.
    pub fn filled(&self, names: &dyn Bindings) -> Result<Self, TemplateError> {
        let mut filled = self.clone();
        filled.fill(names)?;
        Ok(filled)
    }

    fn fill(&mut self, names: &dyn Bindings) -> Result<(), TemplateError> {
        let Operators { eq, ne, one_of, contains, length, distinct, each, .. } = &mut self.0;
        let several = one_of.iter_mut().flat_map(|values| values.value.iter_mut());
        for json in eq.iter_mut().chain(ne).chain(several).chain(contains) {
            json.value = json.template.render(names)?;
        }
        [length, distinct, each].into_iter().flatten().try_for_each(|inner| inner.value.fill(names))
    }

    /// Returns whether a header or a text is to be read as a number: every operand is one.
    pub fn compares_numbers(&self, names: &dyn Bindings) -> bool {
        let Operators {
            eq,
            ne,
            one_of,
            matches,
            contains,
            exists,
            length,
            distinct,
            each,
            sorted,
            schema,
            // These compare numbers.
            lt: _,
            le: _,
            gt: _,
            ge: _,
        } = &self.0;
        let number = |json: &Json| json.template.render(names).is_ok_and(|value| value.is_number());
        let others = [
            ne.is_some(),
            matches.is_some(),
            contains.is_some(),
            exists.is_some(),
            length.is_some(),
            distinct.is_some(),
            each.is_some(),
            sorted.is_some(),
            schema.is_some(),
        ];
        !others.contains(&true)
            && eq.as_ref().is_none_or(number)
            && one_of.as_ref().is_none_or(|values| values.iter().any(number))
    }

    /// Returns whether the matcher holds of `value`.
    ///
    /// # Errors
    /// A name in an operand without a value.
    pub fn holds(
        &self,
        value: Option<&Value>,
        names: &dyn Bindings,
    ) -> Result<bool, TemplateError> {
        self.holds_of(value, value.is_some(), names)
    }

    /// Like [`Self::holds`], of a value that a query selected. One that gives a list gives an empty
    /// one where it selects nothing, which then does not exist. `ne`, `each` and `sorted` would
    /// hold of it though nothing was looked at, so they do not.
    ///
    /// # Errors
    /// A name in an operand without a value.
    pub fn holds_of(
        &self,
        value: Option<&Value>,
        selects: bool,
        names: &dyn Bindings,
    ) -> Result<bool, TemplateError> {
        let Operators { exists, ne, each, sorted, .. } = &self.0;
        let needs_some = ne.is_some() || each.is_some() || sorted.is_some();
        let exists = exists.is_none_or(|expected| selects == expected);
        match value {
            None => Ok(exists && !self.looks_at_value()),
            Some(_) if needs_some && !selects => Ok(false),
            Some(value) => Ok(exists && self.compares(value) && self.is_like(value, names)?),
        }
    }

    /// Returns whether there is an operator besides `exists`.
    fn looks_at_value(&self) -> bool {
        !Self(Operators { exists: None, ..self.0.clone() }).is_empty()
    }

    /// The operators without a name to fill in.
    fn compares(&self, value: &Value) -> bool {
        let Operators { lt, le, gt, ge, matches, sorted, schema, .. } = &self.0;
        let number = |bound: &Option<Bound>, compare: fn(&Number, &Number) -> bool| {
            let holds =
                |bound: &Bound| value.as_number().is_some_and(|it| compare(it, &bound.number));
            bound.as_ref().is_none_or(holds)
        };
        let found = |pattern: &Spanned<Pattern>| {
            value.as_str().is_some_and(|text| pattern.value.0.is_match(text))
        };
        number(lt, Number::lt)
            && number(le, Number::le)
            && number(gt, Number::gt)
            && number(ge, Number::ge)
            && matches.as_ref().is_none_or(found)
            && sorted.is_none_or(|order| is_sorted(value, order))
            && schema.as_ref().is_none_or(|schema| schema.value.0.is_valid(value))
    }

    /// The operators whose operands have names to fill in.
    fn is_like(&self, value: &Value, names: &dyn Bindings) -> Result<bool, TemplateError> {
        let Operators { eq, ne, one_of, contains, length, distinct, each, .. } = &self.0;
        let test = |json: &Option<Json>, test: fn(&Value, &Value) -> bool| match json {
            Some(json) => Ok(test(value, &json.template.render(names)?)),
            None => Ok(true),
        };
        if !test(eq, Value::eq)? || !test(ne, Value::ne)? || !test(contains, holds_part)? {
            return Ok(false);
        }
        if let Some(values) = one_of {
            let mut any = false;
            for json in values.iter() {
                any = any || *value == json.template.render(names)?;
            }
            if !any {
                return Ok(false);
            }
        }
        let count =
            |matcher: &Option<Spanned<Box<Self>>>, count: fn(&Value) -> Option<usize>| match (
                matcher,
                count(value),
            ) {
                (None, _) => Ok(true),
                (Some(_), None) => Ok(false),
                (Some(inner), Some(count)) => inner.holds(Some(&count.into()), names),
            };
        let every = |inner: &Spanned<Box<Self>>| {
            let Some(items) = value.as_array() else { return Ok(false) };
            items.iter().try_fold(true, |all, item| Ok(all && inner.holds(Some(item), names)?))
        };
        Ok(count(length, length_of)?
            && count(distinct, |value| value.as_array().map(|items| different(items)))?
            && each.as_ref().map_or(Ok(true), every)?)
    }

    /// Describes the matcher to a reader.
    pub fn describe(&self, names: &dyn Bindings) -> String {
        let Operators {
            eq,
            ne,
            lt,
            le,
            gt,
            ge,
            one_of,
            matches,
            contains,
            exists,
            length,
            distinct,
            each,
            sorted,
            schema,
        } = &self.0;
        let json = |json: &Json| match json.template.render(names) {
            Ok(value) => shown(&value),
            Err(problem) => problem.to_string(),
        };
        let list = |values: &Spanned<Vec<Json>>| values.iter().map(json).collect::<Vec<_>>();
        let inner = |what: &'static str, inner: &Option<Spanned<Box<Self>>>| {
            inner.as_ref().map(|inner| format!("{what} {}", inner.describe(names)))
        };
        let order = |order: &Order| match order {
            Order::Ascending => "sorted, ascending".to_owned(),
            Order::Descending => "sorted, descending".to_owned(),
        };
        let parts = [
            eq.as_ref().map(|value| format!("= {}", json(value))),
            ne.as_ref().map(|value| format!("!= {}", json(value))),
            lt.as_ref().map(|bound| format!("< {}", bound.number)),
            le.as_ref().map(|bound| format!("<= {}", bound.number)),
            gt.as_ref().map(|bound| format!("> {}", bound.number)),
            ge.as_ref().map(|bound| format!(">= {}", bound.number)),
            one_of.as_ref().map(|values| format!("in [{}]", list(values).join(", "))),
            matches.as_ref().map(|pattern| format!("matches /{}/", pattern.value.0)),
            contains.as_ref().map(|value| format!("contains {}", json(value))),
            exists.map(|exists| if exists { "exists" } else { "does not exist" }.to_owned()),
            inner("length", length),
            inner("different items", distinct),
            inner("each", each),
            sorted.as_ref().map(order),
            schema.as_ref().map(|_| "valid by its JSON Schema".to_owned()),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" and ")
    }

    /// Finds what can never hold of a value of that kind: a status that is compared with text, a
    /// header with a number. `subject` is how the value is called.
    pub(crate) fn never_holds(&self, kind: Operand, subject: &str) -> Vec<Diagnostic> {
        let Operators {
            eq,
            ne,
            lt,
            le,
            gt,
            ge,
            one_of,
            matches,
            contains,
            length,
            distinct,
            schema,
            ..
        } = &self.0;
        let mut found = Vec::new();
        let several = one_of.iter().flat_map(|values| values.iter());
        let part = contains.iter().filter(|_| kind == Operand::Text);
        let compared = eq.iter().chain(ne).chain(several).chain(part);
        found.extend(compared.filter_map(|json| kind.refuse(json, subject)));
        if let Some(values) = one_of.as_ref().filter(|values| values.is_empty()) {
            let error =
                Diagnostic::error("never-holds", "no value is in an empty list", values.span);
            found.push(error.with_help("list the values that are right"));
        }
        if matches!(kind, Operand::Status | Operand::Count) {
            let all = [
                ("matches", matches.as_ref().map(|it| it.span)),
                ("contains", contains.as_ref().map(|it| it.span)),
                ("length", length.as_ref().map(|it| it.span)),
                ("distinct", distinct.as_ref().map(|it| it.span)),
                ("schema", schema.as_ref().map(|it| it.span)),
            ];
            for (operator, span) in all {
                let Some(span) = span else { continue };
                let message = format!("{subject} is a number: `{operator}` never holds");
                found.push(kind.error(message, span));
            }
        }
        if kind == Operand::List {
            let bounds = [("lt", lt), ("le", le), ("gt", gt), ("ge", ge)];
            let bounds =
                bounds.map(|(operator, bound)| (operator, bound.as_ref().map(|it| it.span)));
            let matches = ("matches", matches.as_ref().map(|it| it.span));
            for (operator, span) in bounds.into_iter().chain([matches]) {
                let Some(span) = span else { continue };
                found.push(
                    kind.error(format!("{subject} is a list: `{operator}` never holds"), span),
                );
            }
        }
        let counts = [(length, "a length"), (distinct, "a number of items")];
        for (inner, subject) in counts {
            let inner = inner.iter().flat_map(|it| it.never_holds(Operand::Count, subject));
            found.extend(inner);
        }
        found
    }
}

/// The kind of value that a matcher is held against.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operand {
    /// A whole number from 100 to 599.
    Status,
    /// A whole number from 0.
    Count,
    /// Text.
    Text,
    /// A list, whatever is in it.
    List,
    /// Any JSON value.
    Any,
}

impl Operand {
    fn accepts(self, value: &Value) -> bool {
        match self {
            Self::Status => value.as_u64().is_some_and(|code| (100..=599).contains(&code)),
            Self::Count => value.as_u64().is_some(),
            Self::Text => value.is_string(),
            Self::List => value.is_array(),
            Self::Any => true,
        }
    }

    fn help(self) -> &'static str {
        match self {
            Self::Status => "write a status from 100 to 599 without quotes, such as `201`",
            Self::Count => "write a whole number without quotes, such as `100`",
            Self::Text => "write text in quotes, such as `\"60\"`",
            Self::List => {
                "a query with `*`, `?`, `:`, `..` or several names gives a list, also of one value: \
                 write a list, `each`, `contains`, or an index such as `[0]` in the query"
            }
            Self::Any => "",
        }
    }

    fn refuse(self, json: &Json, subject: &str) -> Option<Diagnostic> {
        let JsonTemplate::Constant(value) = &json.template else { return None };
        let what = match value {
            _ if self.accepts(value) => return None,
            Value::String(text) => format!("the text `{}`", clip(text)),
            Value::Array(_) => "a list".to_owned(),
            Value::Object(_) => "an object".to_owned(),
            other => format!("`{other}`"),
        };
        Some(self.error(format!("{subject} is never equal to {what}"), json.span))
    }

    fn error(self, message: String, span: Span) -> Diagnostic {
        Diagnostic::error("never-holds", message, span).with_help(self.help())
    }
}

fn different(items: &[Value]) -> usize {
    let mut different: Vec<&Value> = Vec::new();
    for item in items {
        if !different.contains(&item) {
            different.push(item);
        }
    }
    different.len()
}

/// Numbers by value, texts by code point; anything else has no order.
fn is_sorted(value: &Value, order: Order) -> bool {
    let wrong = match order {
        Order::Ascending => Ordering::Greater,
        Order::Descending => Ordering::Less,
    };
    let Some(items) = value.as_array() else { return false };
    items.windows(2).all(|pair| {
        let compared = match (&pair[0], &pair[1]) {
            (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
            (a, b) => a.as_number().zip(b.as_number()).map(|(a, b)| a.cmp(b)),
        };
        compared.is_some_and(|compared| compared != wrong)
    })
}

fn holds_part(value: &Value, part: &Value) -> bool {
    match (value, part) {
        (Value::String(text), Value::String(part)) => text.contains(part),
        (Value::Array(items), _) => items.contains(part),
        _ => false,
    }
}

fn length_of(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => Some(text.chars().count()),
        Value::Array(items) => Some(items.len()),
        Value::Object(members) => Some(members.len()),
        _ => None,
    }
}

impl JsonSchema for Matcher {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("matcher")
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let operators = generator.subschema_for::<Operators>();
        json_schema!({
            "description": "A value alone means equal; a map of operators means all of them.",
            "anyOf": [
                { "type": ["null", "boolean", "number", "string", "array"] },
                operators,
            ],
        })
    }
}
