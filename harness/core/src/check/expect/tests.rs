use crate::model::json;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use regex::Regex;

use super::*;
use crate::model::Number;
use crate::{
    language::{Bound, Operators, file::Json, text::Pattern},
    plan::Values,
};

fn response() -> Response {
    let mut headers = HeaderMap::new();
    headers.append("vary", HeaderValue::from_static("origin"));
    headers.append("vary", HeaderValue::from_static("accept"));
    headers.append("retry-after", HeaderValue::from_static("60"));
    let body = json!({
        "id": "w-1", "n": 1.0, "none": null, "name": "grün",
        "steps": [{"type": "http"}, {"type": "delay"}],
    });
    Response { status: StatusCode::CREATED, headers, body: Bytes::from(body.to_string()) }
}

fn values() -> Values {
    Values::from([("id".to_owned(), json!("w-1")), ("list".to_owned(), json!(["http", "delay"]))])
}

fn operand(value: &Value) -> Json {
    Json::new(value.clone()).unwrap()
}

fn with(operators: Operators) -> Matcher {
    Matcher(operators)
}

fn json(path: &str) -> Subject {
    Subject::Json(path.to_owned())
}

fn header(name: &'static str) -> Subject {
    Subject::Header(HeaderName::from_static(name))
}

fn expectation(subject: Subject, matcher: Matcher) -> Expectation {
    Expectation { subject, matcher, span: Span { line: 3, ..Span::default() } }
}

fn length(matcher: Matcher) -> Matcher {
    with(Operators { length: Some(Box::new(matcher).into()), ..Operators::default() })
}

fn regex(pattern: &str) -> Matcher {
    let pattern = Pattern(Regex::new(pattern).unwrap());
    with(Operators { matches: Some(pattern.into()), ..Operators::default() })
}

fn eq(value: &Value) -> Matcher {
    Matcher::eq(operand(value))
}

fn ne(value: &Value) -> Matcher {
    with(Operators { ne: Some(operand(value)), ..Operators::default() })
}

fn contains(value: &Value) -> Matcher {
    with(Operators { contains: Some(operand(value)), ..Operators::default() })
}

fn of(values: &[Value]) -> Matcher {
    let values: Vec<_> = values.iter().map(operand).collect();
    with(Operators { one_of: Some(values.into()), ..Operators::default() })
}

fn bound_of(bound: f64) -> Bound {
    Number::parse(&bound.to_string()).unwrap().into()
}

fn lt(bound: f64) -> Matcher {
    Matcher::lt(bound_of(bound).number)
}

fn le(bound: f64) -> Matcher {
    with(Operators { le: Some(bound_of(bound)), ..Operators::default() })
}

fn gt(bound: f64) -> Matcher {
    with(Operators { gt: Some(bound_of(bound)), ..Operators::default() })
}

fn ge(bound: f64) -> Matcher {
    with(Operators { ge: Some(bound_of(bound)), ..Operators::default() })
}

fn between(above: f64, below: f64) -> Matcher {
    with(Operators { gt: Some(bound_of(above)), lt: Some(bound_of(below)), ..Operators::default() })
}

/// Subject, a matcher that holds, one that does not, and what the failure says: expected and, unless it is
/// long, actual.
type Row = (Subject, Matcher, Matcher, &'static str, &'static str);

fn each_passes_and_fails(table: Vec<Row>) {
    for (subject, good, bad, expected, actual) in table {
        let response = response();
        assert_eq!(
            all(&[expectation(subject.clone(), good)], &response, &values()),
            Ok(()),
            "the opposite of {expected}"
        );
        let mismatch = all(&[expectation(subject, bad)], &response, &values()).unwrap_err();
        assert_eq!(mismatch.expected, expected);
        assert_eq!(mismatch.span.map(|span| span.line), Some(3));
        if !actual.is_empty() {
            assert_eq!(mismatch.actual, actual, "{expected}");
        }
    }
}

#[test]
fn values_are_equal_or_not_and_compared() {
    each_passes_and_fails(vec![
        (Subject::Status, eq(&json!(201)), eq(&json!(200)), "status = 200", "201"),
        (json("$.n"), eq(&json!(1)), eq(&json!("1")), "body $.n = \"1\"", "1.0"),
        (
            json("$.id"),
            eq(&json!("${{ id }}")),
            eq(&json!("${{ list }}")),
            "body $.id = [\"http\",\"delay\"]",
            "\"w-1\"",
        ),
        (json("$.id"), ne(&json!("w-2")), ne(&json!("w-1")), "body $.id != \"w-1\"", "\"w-1\""),
        (
            json("$.id"),
            ne(&json!(1)),
            eq(&json!("${{ gone }}")),
            "body $.id = `gone` has no value yet",
            "`gone` has no value yet",
        ),
        (json("$.n"), lt(1.1), lt(1.0), "body $.n < 1", "1.0"),
        (json("$.n"), le(1.0), le(0.9), "body $.n <= 0.9", "1.0"),
        (json("$.n"), gt(0.9), gt(1.0), "body $.n > 1", "1.0"),
        (json("$.n"), ge(1.0), ge(1.1), "body $.n >= 1.1", "1.0"),
        (json("$.n"), ge(1.0), eq(&json!(null)), "body $.n = null", "1.0"),
        (json("$.id"), ne(&json!(null)), lt(9.0), "body $.id < 9", "\"w-1\""),
        (
            Subject::Status,
            of(&[json!(200), json!(201)]),
            of(&[json!(200)]),
            "status in [200]",
            "201",
        ),
        (json("$.n"), between(0.0, 2.0), between(0.0, 1.0), "body $.n < 1 and > 0", "1.0"),
    ]);
}

#[test]
fn text_and_lists_contain_match_and_have_a_length() {
    each_passes_and_fails(vec![
        (json("$.id"), regex("^w-"), regex("^x"), "body $.id matches /^x/", "\"w-1\""),
        (json("$.n"), ne(&json!(2)), regex("1"), "body $.n matches /1/", "1.0"),
        (
            json("$.name"),
            contains(&json!("rü")),
            contains(&json!("ru")),
            "body $.name contains \"ru\"",
            "\"grün\"",
        ),
        (
            json("$.steps[*].type"),
            contains(&json!("http")),
            contains(&json!("x")),
            "body $.steps[*].type contains \"x\"",
            "[\"http\",\"delay\"]",
        ),
        (
            json("$.name"),
            length(eq(&json!(4))),
            length(eq(&json!(5))),
            "body $.name length = 5",
            "\"grün\"",
        ),
        (
            json("$.steps"),
            length(ge(2.0)),
            length(gt(2.0)),
            "body $.steps length > 2",
            "[{\"type\":\"http\"},{\"type\":\"delay\"}]",
        ),
        (json("$"), length(eq(&json!(5))), length(eq(&json!(4))), "body $ length = 4", ""),
        (json("$.n"), Matcher::default(), length(eq(&json!(1))), "body $.n length = 1", "1.0"),
    ]);
}

#[test]
fn what_is_there_and_what_is_not() {
    each_passes_and_fails(vec![
        (
            json("$.none"),
            Matcher::exists(true),
            Matcher::exists(false),
            "body $.none does not exist",
            "null",
        ),
        (
            json("$.gone"),
            Matcher::exists(false),
            Matcher::exists(true),
            "body $.gone exists",
            "nothing",
        ),
        (json("$.gone"), Matcher::exists(false), ne(&json!(1)), "body $.gone != 1", "nothing"),
    ]);
}

#[test]
fn headers_are_text_or_numbers_and_a_body_is_text() {
    each_passes_and_fails(vec![
        (
            header("vary"),
            eq(&json!("origin, accept")),
            eq(&json!("origin")),
            "header vary = \"origin\"",
            "\"origin, accept\"",
        ),
        (
            header("retry-after"),
            eq(&json!(60)),
            eq(&json!(61)),
            "header retry-after = 61",
            "\"60\"",
        ),
        (header("retry-after"), eq(&json!("60")), gt(60.0), "header retry-after > 60", "\"60\""),
        (
            header("retry-after"),
            le(60.0),
            ne(&json!("60")),
            "header retry-after != \"60\"",
            "\"60\"",
        ),
        (
            header("x-gone"),
            Matcher::exists(false),
            regex(""),
            "header x-gone matches //",
            "nothing",
        ),
        (
            Subject::Text,
            contains(&json!("w-1")),
            contains(&json!("w-2")),
            "body contains \"w-2\"",
            "",
        ),
    ]);
}

#[test]
fn without_an_expectation_on_the_status_errors_are_failures() {
    let mut response = response();
    let exists = [expectation(json("$.id"), Matcher::exists(true))];
    assert_eq!(check(&exists, &response, &values()), Ok(()));
    response.status = StatusCode::BAD_REQUEST;
    let mismatch = check(&exists, &response, &values()).unwrap_err();
    assert_eq!((mismatch.expected.as_str(), mismatch.actual.as_str()), ("status < 400", "400"));
    let is_400 = [expectation(Subject::Status, Matcher::eq(operand(&json!(400))))];
    assert_eq!(check(&is_400, &response, &values()), Ok(()));
}

#[test]
fn counts_on_the_status_are_expectations_on_it() {
    let mut response = response();
    response.status = StatusCode::TOO_MANY_REQUESTS;
    let count = CountExpectation {
        claim: crate::plan::Claim::default(),
        matching: vec![expectation(Subject::Status, Matcher::eq(operand(&json!(429))))],
        is: ge(2.0),
        span: Span::default(),
    };
    assert!(check_in_burst(&[], &[], &response, &values()).is_err());
    assert_eq!(check_in_burst(&[], std::slice::from_ref(&count), &response, &values()), Ok(()));
    assert_eq!(check_count(&count, 2, &values()), Ok(()));
    let mismatch = check_count(&count, 1, &values()).unwrap_err();
    assert_eq!(mismatch.expected, "number of responses with status = 429 >= 2");
    assert_eq!(mismatch.actual, "1");
}

#[test]
fn a_body_that_is_not_json_has_no_values() {
    let mut response = response();
    response.body = Bytes::from_static(b"<html>");
    let exists = expectation(json("$.id"), Matcher::exists(true));
    let mismatch = all(&[exists], &response, &values()).unwrap_err();
    assert!(mismatch.actual.starts_with("a body that is not JSON"), "{mismatch:?}");
    let absent = expectation(json("$.id"), Matcher::exists(false));
    assert_eq!(all(&[absent], &response, &values()), Ok(()));
}

#[test]
fn captures_take_values_with_their_type() {
    let response = response();
    let subjects = Subjects::new(&response);
    let take =
        |subject| capture(&Capture { name: "x".into(), subject, span: Span::default() }, &subjects);
    assert_eq!(take(json("$.steps[*].type")), Ok(json!(["http", "delay"])));
    assert_eq!(take(json("$.n")), Ok(json!(1.0)));
    assert_eq!(take(Subject::Status), Ok(json!(201)));
    let missing = take(json("$.gone")).unwrap_err();
    assert_eq!(missing.expected, "body $.gone to capture as `x`");
    assert_eq!(missing.actual, "nothing");
}

/// What is no JSON because of its encoding says so, and not "column 1".
#[test]
fn a_compressed_body_and_a_byte_order_mark_are_named() {
    let exists =
        expectation(json("$.id"), with(Operators { exists: Some(true), ..Operators::default() }));
    for (encoding, body, named) in [
        (None, &b"\x1f\x8b\x08\x00"[..], "gzip"),
        (Some("br"), b"\x0b\x02", "encoded as br"),
        (None, b"\xef\xbb\xbf{\"id\":1}", "byte order mark"),
    ] {
        let mut response = response();
        response.body = Bytes::copy_from_slice(body);
        if let Some(encoding) = encoding {
            let value = HeaderValue::from_static(encoding);
            response.headers.insert(http::header::CONTENT_ENCODING, value);
        }
        let actual = all(std::slice::from_ref(&exists), &response, &values()).unwrap_err().actual;
        assert!(actual.contains(named), "{actual}");
    }
}
