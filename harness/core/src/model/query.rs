//! Queries by RFC 9535. `jsonpath-rust` parses them; they are evaluated here because its own
//! evaluation compares numbers as floats and shows nothing of the order of members.

use std::{borrow::Cow, cmp::Ordering};

use jsonpath_rust::parser::{
    model::{
        Comparable, Comparison, Filter, FilterAtom, FnArg, JpQuery, Literal, Segment, Selector,
        SingularQuery, SingularQuerySegment, Test, TestFunction,
    },
    parse_json_path,
};
use regex::RegexBuilder;

use super::{Number, Value};

/// The longest query, in bytes. The parser recurses; queries that people write are far shorter.
pub const MAX_QUERY_BYTES: usize = 1024;

/// A JSON path.
#[derive(Clone, Debug, PartialEq)]
pub struct Query(Vec<Segment>);

/// The reasons why a text is no query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// It is longer than it may be.
    #[error("it is longer than {MAX_QUERY_BYTES} bytes")]
    TooLong,
    /// It is not as RFC 9535 has it.
    #[error("it is not as RFC 9535 has it")]
    Syntax,
}

impl Query {
    /// Parses a query.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.len() > MAX_QUERY_BYTES {
            return Err(QueryError::TooLong);
        }
        let JpQuery { segments } = parse_json_path(text).map_err(|_| QueryError::Syntax)?;
        if segments.iter().any(has_extension) {
            Err(QueryError::Syntax)
        } else {
            Ok(Self(segments))
        }
    }

    /// Returns whether the query can select one value at most, whatever it is asked of: it has names
    /// and indexes only (RFC 9535, section 2.3.5.1).
    pub fn is_singular(&self) -> bool {
        let one = |selector: &Selector| matches!(selector, Selector::Name(_) | Selector::Index(_));
        self.0.iter().all(|segment| match segment {
            Segment::Selector(selector) => one(selector),
            Segment::Selectors(selectors) => matches!(selectors.as_slice(), [only] if one(only)),
            Segment::Descendant(_) => false,
        })
    }

    /// Returns what the query selects: the value, or nothing, if the query is singular; and
    /// otherwise a list, also of one value and of none.
    pub fn select(&self, root: &Value) -> Option<Value> {
        let nodes = nodes(&self.0, root, root);
        if self.is_singular() {
            nodes.first().map(|&value| value.clone())
        } else {
            Some(Value::Array(nodes.into_iter().cloned().collect()))
        }
    }
}

/// The nodes that `segments` lead to from `start`, in document order.
fn nodes<'v>(segments: &[Segment], root: &'v Value, start: &'v Value) -> Vec<&'v Value> {
    segments.iter().fold(vec![start], |nodes, segment| {
        let mut selected = Vec::new();
        for node in nodes {
            follow(segment, root, node, &mut selected);
        }
        selected
    })
}

fn follow<'v>(segment: &Segment, root: &'v Value, node: &'v Value, out: &mut Vec<&'v Value>) {
    match segment {
        Segment::Selector(selector) => choose(selector, root, node, out),
        Segment::Selectors(selectors) => {
            for selector in selectors {
                choose(selector, root, node, out);
            }
        }
        Segment::Descendant(inner) => {
            follow(inner, root, node, out);
            for child in children(node) {
                follow(segment, root, child, out);
            }
        }
    }
}

fn children(node: &Value) -> impl Iterator<Item = &Value> {
    let items = node.as_array().into_iter().flatten();
    items.chain(node.as_object().into_iter().flat_map(|members| members.values()))
}

fn choose<'v>(selector: &Selector, root: &'v Value, node: &'v Value, out: &mut Vec<&'v Value>) {
    match selector {
        Selector::Name(name) => out.extend(node.get(name)),
        Selector::Index(index) => out.extend(item(node, *index)),
        Selector::Wildcard => out.extend(children(node)),
        Selector::Slice(start, end, step) => {
            let items = node.as_array().map_or(&[][..], Vec::as_slice);
            out.extend(slice(items, *start, *end, step.unwrap_or(1)));
        }
        Selector::Filter(filter) => {
            out.extend(children(node).filter(|child| holds(filter, root, child)));
        }
    }
}

/// An item; a negative index counts from the end.
fn item(node: &Value, index: i64) -> Option<&Value> {
    let items = node.as_array()?;
    let from_start = if index < 0 { length(items) + index } else { index };
    items.get(usize::try_from(from_start).ok()?)
}

/// The length of a list; no list in memory has more items than an `i64` counts.
fn length(items: &[Value]) -> i64 {
    i64::try_from(items.len()).unwrap_or(i64::MAX)
}

/// RFC 9535, section 2.3.4.2.2.
fn slice(
    items: &[Value],
    start: Option<i64>,
    end: Option<i64>,
    step: i64,
) -> impl Iterator<Item = &Value> {
    let length = length(items);
    let place = |bound: i64| if bound < 0 { length + bound } else { bound };
    let (first, last) = match step {
        0 => (0, 0),
        1.. => {
            let first = place(start.unwrap_or(0)).clamp(0, length);
            (first, place(end.unwrap_or(length)).clamp(0, length))
        }
        _ => {
            let first = place(start.unwrap_or(length - 1)).clamp(-1, length - 1);
            (first, end.map_or(-1, |end| place(end).clamp(-1, length - 1)))
        }
    };
    let next = move |at: &i64| at.checked_add(step);
    let inside = move |at: &i64| if step < 0 { *at > last } else { *at < last };
    std::iter::successors(Some(first), next)
        .take_while(inside)
        .filter_map(|at| items.get(usize::try_from(at).ok()?))
}

fn holds(filter: &Filter, root: &Value, node: &Value) -> bool {
    match filter {
        Filter::Or(any) => any.iter().any(|filter| holds(filter, root, node)),
        Filter::And(all) => all.iter().all(|filter| holds(filter, root, node)),
        Filter::Atom(FilterAtom::Filter { expr, not }) => holds(expr, root, node) != *not,
        Filter::Atom(FilterAtom::Test { expr, not }) => exists(expr, root, node) != *not,
        Filter::Atom(FilterAtom::Comparison(comparison)) => compares(comparison, root, node),
    }
}

fn exists(expression: &Test, root: &Value, node: &Value) -> bool {
    match expression {
        Test::Function(function) => match &**function {
            TestFunction::Match(text, pattern) => matches(text, pattern, true, root, node),
            TestFunction::Search(text, pattern) => matches(text, pattern, false, root, node),
            other => computed(other, root, node).is_some(),
        },
        query => !selected(query, root, node).is_empty(),
    }
}

/// The nodes of a query; none for a function.
fn selected<'v>(test: &Test, root: &'v Value, node: &'v Value) -> Vec<&'v Value> {
    match test {
        Test::RelQuery(segments) => nodes(segments, root, node),
        Test::AbsQuery(query) => nodes(&query.segments, root, root),
        Test::Function(_) => Vec::new(),
    }
}

/// Section 2.3.5.2.2: what has no order is neither less nor greater; nothing equals nothing.
fn compares(comparison: &Comparison, root: &Value, node: &Value) -> bool {
    let (left, right) = comparison.vals();
    let (left, right) = (operand(left, root, node), operand(right, root, node));
    let order = match (left.as_deref(), right.as_deref()) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => Some(a.cmp(b)),
        (Some(Value::String(a)), Some(Value::String(b))) => Some(a.cmp(b)),
        (a, b) => (a == b).then_some(Ordering::Equal),
    };
    match comparison {
        Comparison::Eq(..) => order == Some(Ordering::Equal),
        Comparison::Ne(..) => order != Some(Ordering::Equal),
        Comparison::Gt(..) => order == Some(Ordering::Greater),
        Comparison::Gte(..) => order.is_some_and(Ordering::is_ge),
        Comparison::Lt(..) => order == Some(Ordering::Less),
        Comparison::Lte(..) => order.is_some_and(Ordering::is_le),
    }
}

fn operand<'v>(
    comparable: &Comparable,
    root: &'v Value,
    node: &'v Value,
) -> Option<Cow<'v, Value>> {
    match comparable {
        Comparable::Literal(literal) => Some(Cow::Owned(value_of(literal))),
        Comparable::Function(function) => computed(function, root, node).map(Cow::Owned),
        Comparable::SingularQuery(query) => {
            let (start, segments) = match query {
                SingularQuery::Current(segments) => (node, segments),
                SingularQuery::Root(segments) => (root, segments),
            };
            let found = segments.iter().try_fold(start, |value, segment| match segment {
                SingularQuerySegment::Name(name) => value.get(name),
                SingularQuerySegment::Index(index) => item(value, *index),
            });
            found.map(Cow::Borrowed)
        }
    }
}

fn value_of(literal: &Literal) -> Value {
    match literal {
        Literal::Int(whole) => (*whole).into(),
        // The shortest digits that are read as this float: those that are written, up to 15.
        Literal::Float(float) => {
            serde_json::Number::from_f64(*float).map_or(Value::Null, |n| Number::from(n).into())
        }
        Literal::String(text) => text.as_str().into(),
        Literal::Bool(value) => (*value).into(),
        Literal::Null => Value::Null,
    }
}

/// The value of a function that has one.
fn computed(function: &TestFunction, root: &Value, node: &Value) -> Option<Value> {
    match function {
        TestFunction::Length(value) => match &*argument(value, root, node)? {
            Value::String(text) => Some(text.chars().count().into()),
            Value::Array(items) => Some(items.len().into()),
            Value::Object(members) => Some(members.len().into()),
            _ => None,
        },
        TestFunction::Value(value) => argument(value, root, node).map(Cow::into_owned),
        TestFunction::Count(FnArg::Test(query)) => Some(selected(query, root, node).len().into()),
        _ => None,
    }
}

/// An argument that is one value.
fn argument<'v>(argument: &FnArg, root: &'v Value, node: &'v Value) -> Option<Cow<'v, Value>> {
    match argument {
        FnArg::Literal(literal) => Some(Cow::Owned(value_of(literal))),
        FnArg::Test(test) => match &**test {
            Test::Function(function) => computed(function, root, node).map(Cow::Owned),
            query => match selected(query, root, node).as_slice() {
                [value] => Some(Cow::Borrowed(*value)),
                _ => None,
            },
        },
        FnArg::Filter(_) => None,
    }
}

/// Sections 2.4.6 and 2.4.7: what is no text, and a pattern that is none, match nothing.
fn matches(text: &FnArg, pattern: &FnArg, whole: bool, root: &Value, node: &Value) -> bool {
    let (text, pattern) = (argument(text, root, node), argument(pattern, root, node));
    let (Some(text), Some(pattern)) = (&text, &pattern) else { return false };
    let (Some(text), Some(pattern)) = (text.as_str(), pattern.as_str()) else { return false };
    let pattern = if whole { format!("^(?:{pattern})$") } else { pattern.to_owned() };
    // RFC 9485: `.` is neither a carriage return nor a line feed.
    RegexBuilder::new(&pattern).crlf(true).build().is_ok_and(|regex| regex.is_match(text))
}

/// Returns whether the segment calls a function that RFC 9535 does not have and the parser has.
fn has_extension(segment: &Segment) -> bool {
    let in_selector = |selector: &Selector| match selector {
        Selector::Filter(filter) => in_filter(filter),
        _ => false,
    };
    match segment {
        Segment::Selector(selector) => in_selector(selector),
        Segment::Selectors(selectors) => selectors.iter().any(in_selector),
        Segment::Descendant(inner) => has_extension(inner),
    }
}

fn in_filter(filter: &Filter) -> bool {
    match filter {
        Filter::Or(all) | Filter::And(all) => all.iter().any(in_filter),
        Filter::Atom(FilterAtom::Filter { expr, .. }) => in_filter(expr),
        Filter::Atom(FilterAtom::Test { expr, .. }) => in_test(expr),
        Filter::Atom(FilterAtom::Comparison(comparison)) => {
            let (left, right) = comparison.vals();
            let in_operand = |operand: &Comparable| match operand {
                Comparable::Function(function) => in_function(function),
                Comparable::Literal(_) | Comparable::SingularQuery(_) => false,
            };
            in_operand(left) || in_operand(right)
        }
    }
}

fn in_test(test: &Test) -> bool {
    match test {
        Test::RelQuery(segments) => segments.iter().any(has_extension),
        Test::AbsQuery(query) => query.segments.iter().any(has_extension),
        Test::Function(function) => in_function(function),
    }
}

fn in_function(function: &TestFunction) -> bool {
    let in_argument = |argument: &FnArg| match argument {
        FnArg::Literal(_) => false,
        FnArg::Test(test) => in_test(test),
        FnArg::Filter(filter) => in_filter(filter),
    };
    match function {
        TestFunction::Custom(..) => true,
        TestFunction::Length(argument) => in_argument(argument),
        TestFunction::Value(argument) | TestFunction::Count(argument) => in_argument(argument),
        TestFunction::Search(a, b) | TestFunction::Match(a, b) => in_argument(a) || in_argument(b),
    }
}

#[cfg(test)]
mod tests;
