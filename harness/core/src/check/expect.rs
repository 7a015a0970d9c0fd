//! Judges whether a response meets the expectations of a scenario. It is pure.

use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
};

use http::StatusCode;

use super::difference::differences;
use crate::{
    http::Response,
    model::{JsonError, Query, QueryError, Value, read_number, shown},
    plan::{
        Bindings, Capture, CountExpectation, DistinctExpectation, Expectation, Matcher, Span,
        Subject,
    },
};

/// RFC 9110: 4xx and 5xx are errors.
const FIRST_ERROR: u16 = 400;

/// An expectation that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The expected value, for instance `status = 201`.
    pub expected: String,
    /// The actual value.
    pub actual: String,
    /// The expectation in the file; `None` for the one that nobody wrote.
    pub span: Option<Span>,
    /// The places in which the two differ, if they have parts.
    pub differences: Vec<String>,
}

impl Mismatch {
    /// Returns a difference about something in the file.
    pub fn new(expected: impl Into<String>, actual: impl Into<String>, span: Span) -> Self {
        let (expected, actual) = (expected.into(), actual.into());
        Self { expected, actual, span: Some(span), differences: Vec::new() }
    }
}

/// The reasons for which a part of a response cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SubjectError {
    /// The body is not JSON.
    #[error("a body that is not JSON ({0})")]
    NotJson(String),
    /// The path is no RFC 9535 query.
    #[error("an invalid path ({0})")]
    InvalidPath(#[from] QueryError),
}

/// A response whose body is read as JSON at most once.
#[derive(Debug)]
pub struct Subjects<'a> {
    response: &'a Response,
    json: OnceCell<Result<Value, SubjectError>>,
}

impl<'a> Subjects<'a> {
    /// Looks at `response`.
    pub fn new(response: &'a Response) -> Self {
        Self { response, json: OnceCell::new() }
    }

    /// The value of `subject`, if the response has it.
    ///
    /// # Errors
    /// Why the subject cannot be looked at, for instance a body that is not JSON.
    pub fn value(&self, subject: &Subject) -> Result<Option<Value>, SubjectError> {
        Ok(match subject {
            Subject::Status => Some(self.response.status.as_u16().into()),
            Subject::Header(name) => {
                let values: Vec<_> = self.response.headers.get_all(name).iter().collect();
                let text = |value: &&http::HeaderValue| {
                    String::from_utf8_lossy(value.as_bytes()).into_owned()
                };
                (!values.is_empty())
                    .then(|| values.iter().map(text).collect::<Vec<_>>().join(", ").into())
            }
            Subject::Json(path) => select(self.json()?, path)?,
            Subject::Text => Some(String::from_utf8_lossy(&self.response.body).into_owned().into()),
        })
    }

    fn json(&self) -> Result<&Value, SubjectError> {
        let read = || {
            Value::parse(&self.response.body)
                .map_err(|error| SubjectError::NotJson(self.why_not_json(&error)))
        };
        self.json.get_or_init(read).as_ref().map_err(Clone::clone)
    }
}

impl Subjects<'_> {
    /// Names the reason that a reader cannot see in the place of an error: bodies are not decoded,
    /// and RFC 8259, 8.1 forbids a byte order mark.
    fn why_not_json(&self, error: &JsonError) -> String {
        let Response { headers, body, .. } = self.response;
        let encoding = headers.get(http::header::CONTENT_ENCODING);
        let encoding = encoding.map(|value| String::from_utf8_lossy(value.as_bytes()));
        match (encoding, &body[..]) {
            (Some(encoding), _) if !encoding.eq_ignore_ascii_case("identity") => {
                format!("it is encoded as {encoding}, and bodies are not decoded")
            }
            (_, [0x1f, 0x8b, ..]) => "it is compressed by gzip, and bodies are not decoded".into(),
            (_, [0xef, 0xbb, 0xbf, ..]) => "it begins with a byte order mark".into(),
            _ => error.to_string(),
        }
    }
}

/// Checks that every expectation holds; without one on the status, one below 400 is expected.
///
/// # Errors
/// The first that does not hold.
pub fn check(
    expectations: &[Expectation],
    response: &Response,
    bindings: &dyn Bindings,
) -> Result<(), Mismatch> {
    if !names_status(expectations) {
        success(response)?;
    }
    let subjects = Subjects::new(response);
    expectations.iter().try_for_each(|expectation| one(expectation, &subjects, bindings))
}

/// Like [`check`] for one response of a burst: when its counts look at the status, they are the
/// expectation on it.
///
/// # Errors
/// The first that does not hold.
pub fn check_in_burst(
    expectations: &[Expectation],
    counts: &[CountExpectation],
    response: &Response,
    bindings: &dyn Bindings,
) -> Result<(), Mismatch> {
    if !counts.iter().any(|count| names_status(&count.matching)) {
        return check(expectations, response, bindings);
    }
    all(expectations, response, bindings)
}

/// Checks that the expectations on the status hold; see [`check`].
pub fn status_holds(
    expectations: &[Expectation],
    status: StatusCode,
    bindings: &dyn Bindings,
) -> bool {
    let status = status.as_u16();
    let mut about_status =
        expectations.iter().filter(|expectation| expectation.subject == Subject::Status);
    if !names_status(expectations) {
        return status < FIRST_ERROR;
    }
    about_status.all(|expected| expected.matcher.holds(Some(&status.into()), bindings) == Ok(true))
}

/// Checks that every expectation holds, and nothing else.
///
/// # Errors
/// The first that does not hold.
pub fn all(
    expectations: &[Expectation],
    response: &Response,
    bindings: &dyn Bindings,
) -> Result<(), Mismatch> {
    let subjects = Subjects::new(response);
    expectations.iter().try_for_each(|expectation| one(expectation, &subjects, bindings))
}

/// Checks that the number of matching responses is the expected one.
///
/// # Errors
/// If it is not.
pub fn check_count(
    count: &CountExpectation,
    matching: u64,
    bindings: &dyn Bindings,
) -> Result<(), Mismatch> {
    let described: Vec<_> = count
        .matching
        .iter()
        .map(|expectation| {
            let subject = describe_subject(&expectation.subject);
            format!("{subject} {}", expectation.matcher.describe(bindings))
        })
        .collect();
    let what = format!("number of responses with {}", described.join(" and "));
    number(&what, matching, &count.is, count.span, bindings)
}

/// Checks that the number of different values is the expected one.
///
/// # Errors
/// If it is not.
pub fn check_distinct(
    distinct: &DistinctExpectation,
    found: u64,
    bindings: &dyn Bindings,
) -> Result<(), Mismatch> {
    let what = format!("number of different values of {}", describe_subject(&distinct.subject));
    number(&what, found, &distinct.is, distinct.span, bindings)
}

fn number(
    what: &str,
    found: u64,
    is: &Matcher,
    span: Span,
    bindings: &dyn Bindings,
) -> Result<(), Mismatch> {
    let held = is.holds(Some(&found.into()), bindings);
    if held == Ok(true) {
        return Ok(());
    }
    let actual = held.err().map_or_else(|| found.to_string(), |problem| problem.to_string());
    Err(Mismatch::new(format!("{what} {}", is.describe(bindings)), actual, span))
}

/// Checks that the matcher holds for a value that is not part of a response.
///
/// # Errors
/// If it does not.
pub fn check_value(
    value: &Value,
    matcher: &Matcher,
    span: Span,
    bindings: &dyn Bindings,
) -> Result<(), Mismatch> {
    let held = matcher.holds(Some(value), bindings);
    if held == Ok(true) {
        return Ok(());
    }
    let actual = held.err().map_or_else(|| shown(value), |problem| problem.to_string());
    let differences = differences(matcher, Some(value), bindings);
    let expected = format!("value {}", matcher.describe(bindings));
    Err(Mismatch { differences, ..Mismatch::new(expected, actual, span) })
}

/// Returns the value that `capture` takes from the response.
///
/// # Errors
/// If the response does not have it.
pub fn capture(capture: &Capture, subjects: &Subjects<'_>) -> Result<Value, Mismatch> {
    let found = subjects.value(&capture.subject);
    let absent = |actual| Mismatch {
        expected: format!(
            "{} to capture as `{}`",
            describe_subject(&capture.subject),
            capture.name
        ),
        actual,
        span: Some(capture.span),
        differences: Vec::new(),
    };
    found.map_err(|error| absent(error.to_string()))?.ok_or_else(|| absent("nothing".to_owned()))
}

fn names_status(expectations: &[Expectation]) -> bool {
    expectations.iter().any(|expectation| expectation.subject == Subject::Status)
}

fn success(response: &Response) -> Result<(), Mismatch> {
    if response.status.as_u16() < FIRST_ERROR {
        return Ok(());
    }
    Err(Mismatch {
        expected: format!("status < {FIRST_ERROR}"),
        actual: response.status.as_u16().to_string(),
        span: None,
        differences: Vec::new(),
    })
}

fn one(
    expectation: &Expectation,
    subjects: &Subjects<'_>,
    bindings: &dyn Bindings,
) -> Result<(), Mismatch> {
    let Expectation { subject, matcher, span } = expectation;
    let found = subjects.value(subject);
    let selects = found.as_ref().is_ok_and(|value| selects(subject, value.as_ref()));
    let held = match &found {
        // What cannot be looked at is not there.
        Err(_) => matcher.holds(None, bindings),
        Ok(value) => {
            let number = match (subject, value) {
                (Subject::Header(_) | Subject::Text, Some(Value::String(text))) => {
                    read_number(text)
                }
                _ => None,
            };
            let as_text = matcher.holds_of(value.as_ref(), selects, bindings);
            match number {
                Some(number) if as_text == Ok(false) && matcher.compares_numbers(bindings) => {
                    matcher.holds(Some(&number), bindings)
                }
                _ => as_text,
            }
        }
    };
    if held == Ok(true) {
        return Ok(());
    }
    let (actual, differences) = match (held, found) {
        (Err(error), _) => (error.to_string(), Vec::new()),
        (_, Err(error)) => (error.to_string(), Vec::new()),
        (_, Ok(_)) if !selects => ("nothing".to_owned(), Vec::new()),
        (_, Ok(None)) => ("nothing".to_owned(), Vec::new()),
        (_, Ok(Some(value))) => (shown(&value), differences(matcher, Some(&value), bindings)),
    };
    let expected = format!("{} {}", describe_subject(subject), matcher.describe(bindings));
    Err(Mismatch { differences, ..Mismatch::new(expected, actual, *span) })
}

/// Returns whether there is something in what `subject` gave.
fn selects(subject: &Subject, value: Option<&Value>) -> bool {
    match (subject, value) {
        (Subject::Json(path), Some(Value::Array(items))) if items.is_empty() => {
            with_query(path, Query::is_singular) == Ok(true)
        }
        (_, value) => value.is_some(),
    }
}

/// Returns the result of an RFC 9535 query; see [`Query::select`].
///
/// # Errors
/// If it is no such query.
pub fn select(json: &Value, path: &str) -> Result<Option<Value>, QueryError> {
    with_query(path, |query| query.select(json))
}

/// Does something with a query, which is parsed once in each thread.
fn with_query<T>(path: &str, with: impl FnOnce(&Query) -> T) -> Result<T, QueryError> {
    thread_local! {
        // As many as there are paths in the plans of a run.
        static PARSED: RefCell<HashMap<String, Query>> = RefCell::default();
    }
    PARSED.with_borrow_mut(|parsed| {
        if !parsed.contains_key(path) {
            parsed.insert(path.to_owned(), Query::parse(path)?);
        }
        Ok(with(&parsed[path]))
    })
}

fn describe_subject(subject: &Subject) -> String {
    match subject {
        Subject::Status => "status".to_owned(),
        Subject::Header(name) => format!("header {name}"),
        Subject::Json(path) => format!("body {path}"),
        Subject::Text => "body".to_owned(),
    }
}

#[cfg(test)]
mod tests;
