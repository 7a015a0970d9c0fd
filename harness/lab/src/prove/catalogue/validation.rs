//! Input.

use std::sync::{
    LazyLock,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use axum::http::{HeaderValue, Method, header};
use regex::{Captures, Regex};
use serde_json::Value;
use workway_service::{domain::outbound::AllowList, guard::MAX_BODY_BYTES};

use super::{
    Area::Validation as A,
    Defect,
    edit::{draft, text_is, too_long},
    elsewhere, made, none,
};
use crate::prove::change::{ANY, Change, Further, On, on};

const CREATE: On = on("POST", "/workflows");
const UPDATE: On = on("PUT", "/workflows/*");
const SUMMARIZE: On = on("POST", "/ai/summarize");

/// True once a request of this process had a prototype with members: that is the defect.
static POLLUTED: AtomicBool = AtomicBool::new(false);

fn length(text: &str) -> usize {
    text.chars().count()
}

/// Numbers as a language without integers has them.
fn rounded(text: &str) -> String {
    static WHOLE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\b\d{16,}\b").ok());
    let round = |number: &Captures<'_>| {
        let number = number.get(0).map_or("0", |found| found.as_str());
        format!("{:.0}", number.parse::<f64>().unwrap_or(0.0))
    };
    WHOLE
        .as_ref()
        .map_or_else(|| text.to_owned(), |whole| whole.replace_all(text, round).into_owned())
}

fn strings(body: &mut Value) {
    for name in ["name", "description"] {
        if body[name].is_number() || body[name].is_boolean() {
            body[name] = body[name].to_string().into();
        }
    }
}

fn lowered(body: &mut Value) {
    for step in body.get_mut("steps").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(kind) = step["type"].as_str().map(str::to_lowercase) {
            step["type"] = kind.into();
        }
    }
}

/// Replaces every step by the first, so that errors after it are not found.
fn first_step_for_all(body: &mut Value) {
    if let Some(steps) = body.get_mut("steps").and_then(Value::as_array_mut)
        && let Some(first) = steps.first().cloned()
    {
        steps.fill(first);
    }
}

fn cut_steps(body: &mut Value) {
    if let Some(steps) = body.get_mut("steps").and_then(Value::as_array_mut) {
        steps.truncate(50);
    }
}

fn depth(text: &[u8]) -> usize {
    let step = |(depth, most): (usize, usize), byte: &u8| match byte {
        b'[' | b'{' => (depth + 1, most.max(depth + 1)),
        b']' | b'}' => (depth.saturating_sub(1), most),
        _ => (depth, most),
    };
    text.iter().fold((0, 0), step).1
}

pub(super) const DEFECTS: &[Defect] = &[
    made(
        A,
        ("IV-1", "a name of 101 characters is taken"),
        &["IV1"],
        &[Change::Body(CREATE, |body| {
            if text_is(body, "name", |name| length(name) == 101) {
                body["name"] = "x".into();
            }
        })],
    ),
    made(
        A,
        ("IV-1b", "a name of 100 characters is refused"),
        &["IV2"],
        &[Change::Body(CREATE, |body| {
            if text_is(body, "name", |name| length(name) == 100) {
                body["name"] = too_long();
            }
        })],
    ),
    made(
        A,
        ("IV-2", "an empty name is taken"),
        &["IV1"],
        &[Change::Body(CREATE, |body| {
            if text_is(body, "name", str::is_empty) {
                body["name"] = "x".into();
            }
        })],
    ),
    made(
        A,
        ("IV-4", "lengths in UTF-16 units"),
        &["IV2", "IV3"],
        &[Change::Body(CREATE, |body| {
            if text_is(body, "name", |name| name.encode_utf16().count() > 100) {
                body["name"] = too_long();
            }
        })],
    ),
    made(
        A,
        ("IV-5", "lengths in bytes"),
        &["IV2", "IV3"],
        &[Change::Body(CREATE, |body| {
            if text_is(body, "description", |text| text.len() > 500) {
                body["description"] = too_long();
            }
        })],
    ),
    made(
        A,
        ("IV-7", "numbers and truth values are made texts"),
        &["IV1"],
        &[Change::Body(CREATE, strings)],
    ),
    none(A, ("IV-8", "`\"false\"` is true"), "no member is a truth value"),
    made(
        A,
        ("IV-10", "integers past 2^53 are rounded in silence"),
        &["IV4"],
        &[Change::Request(CREATE, |_, request| {
            let text = rounded(&String::from_utf8_lossy(request.body()));
            *request.body_mut() = text.into();
        })],
    ),
    made(
        A,
        ("IV-11", "1e400 becomes null"),
        &["IV4", "IV5"],
        &[Change::Request(CREATE, |_, request| {
            let text = String::from_utf8_lossy(request.body()).replace("1e400", "null");
            *request.body_mut() = text.into();
        })],
    ),
    made(
        A,
        ("IV-13", "null is taken for absent"),
        &["IV1"],
        &[Change::Body(SUMMARIZE, |body| {
            if let Some(object) = body.as_object_mut() {
                object.retain(|_, value| !value.is_null());
            }
        })],
    ),
    made(
        A,
        ("IV-14", "a list has no longest length"),
        &["IV1"],
        &[Change::Body(CREATE, cut_steps)],
    ),
    made(
        A,
        ("IV-14b", "only the first item of a list is looked at"),
        &["IV1", "IV12"],
        &[Change::Body(CREATE, first_step_for_all)],
    ),
    made(
        A,
        ("IV-16", "what is in `__proto__` shows in later answers"),
        &["IV7"],
        &[
            Change::Also(CREATE, |head, _| {
                POLLUTED.fetch_or(head.json()["__proto__"].is_object(), Relaxed);
                None
            }),
            Change::AnswerBody(CREATE, |body| {
                if POLLUTED.load(Relaxed) {
                    body["admin"] = true.into();
                }
            }),
        ],
    ),
    made(
        A,
        ("IV-17", "of two keys that are the same the last one counts"),
        &["IV6"],
        &[Change::Body(CREATE, |_| {})],
    ),
    made(
        A,
        ("IV-19", "an empty body is a 500"),
        &["IV5"],
        &[Change::Instead(CREATE, |head| head.body.is_empty().then_some((500, "{}")))],
    ),
    made(
        A,
        ("IV-20", "another Content-Type is read all the same"),
        &["IV10"],
        &[Change::Request(CREATE, |_, request| {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(header::CONTENT_TYPE, json);
        })],
    ),
    made(
        A,
        ("IV-22", "deep nesting is a 500"),
        &["IV8"],
        &[Change::Instead(CREATE, |head| (depth(&head.body) > 1_000).then_some((500, "{}")))],
    ),
    elsewhere(
        A,
        ("IV-23", "the limit of a body is that of its Content-Length"),
        "service/tests/api/hostile_framing.rs: a scenario sends no chunks",
    ),
    made(
        A,
        ("IV-25", "the row is made before the input is looked at"),
        &["IV1"],
        &[Change::Also(CREATE, |_, answer| {
            let (method, path, json) = (Method::POST, "/workflows", draft());
            (answer.status() == 400).then_some(Further { method, path, json, signed: true })
        })],
    ),
    made(
        A,
        ("IV-26", "`status` is not the status"),
        &["IV12"],
        &[Change::AnswerBody(CREATE, |body| {
            if body["status"] == 400 {
                body["status"] = 422.into();
            }
        })],
    ),
    made(
        A,
        ("IV-28", "only the first violation is reported"),
        &["IV12"],
        &[Change::AnswerBody(CREATE, |body| {
            if let Some(issues) = body.get_mut("issues").and_then(Value::as_array_mut) {
                issues.truncate(1);
            }
        })],
    ),
    made(
        A,
        ("IV-29", "a stack trace in an error"),
        &["IV12"],
        &[Change::AnswerBody(CREATE, |body| {
            if body["status"].is_number() {
                body["stack"] = "at create (src/routes/workflows.rs:48:13)".into();
            }
        })],
    ),
    none(A, ("IV-31", "a pattern that takes exponential time"), "no input meets a pattern"),
    made(
        A,
        ("IV-32", "upper and lower case of an enumeration are the same"),
        &["IV1"],
        &[Change::Body(CREATE, lowered)],
    ),
    made(
        A,
        ("IV-34", "a step may call any address"),
        &["IV16"],
        &[Change::Config(|config| {
            let origins = "http://127.0.0.1:9,http://localhost:9";
            let all: Vec<_> = origins.split(',').filter_map(|origin| origin.parse().ok()).collect();
            config.http_allow_list = AllowList::with(&config.http_allow_list, all.iter());
        })],
    ),
    made(
        A,
        ("IV-35", "POST is validated, PUT is not"),
        &["IV1"],
        &[Change::Request(UPDATE, |_, request| {
            *request.body_mut() = draft().to_string().into();
        })],
    ),
    made(
        A,
        ("IV-36", "a parameter of the query that is none is ignored"),
        &["IV14"],
        &[Change::Request(on("GET", "/workflows"), |_, request| {
            *request.uri_mut() = axum::http::Uri::from_static("/workflows");
        })],
    ),
    made(
        A,
        ("IV-37", "a method that a route has not is answered by 404"),
        &["IV11"],
        &[Change::Answer(ANY, |_, answer| {
            if answer.status() == 405 {
                *answer.status_mut() = axum::http::StatusCode::NOT_FOUND;
            }
        })],
    ),
    made(
        A,
        ("IV-24", "a body may be as long as it likes"),
        &["IV9"],
        &[Change::Request(CREATE, |_, request| {
            if request.body().len() > MAX_BODY_BYTES {
                *request.body_mut() = draft().to_string().into();
            }
        })],
    ),
    made(
        A,
        ("IV-38", "a letter that is written as an escape is another one"),
        &["IV13"],
        &[Change::Request(CREATE, |_, request| {
            let text = String::from_utf8_lossy(request.body()).replace("\\u0061", "\\u0041");
            *request.body_mut() = text.into();
        })],
    ),
];
