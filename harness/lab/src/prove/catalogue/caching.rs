//! Caches: the catalogue's, and that of summaries.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use super::{Area::Caching as A, Defect, edit::set, elsewhere, made, none};
use crate::prove::{
    change::{Cache, Change, Front, Further, Head, Model, On, on},
    memory::Memory,
};

const SUMMARIZE: On = on("POST", "/ai/summarize");
const CATALOGUE: On = on("", "/api/workflows");
const MINE: On = on("GET", "/workflows");
/// Over before anything is too old.
const SECONDS: Duration = Duration::from_secs(5);
const DAY: Duration = Duration::from_hours(24);
const YEAR: Duration = Duration::from_hours(365 * 24);

/// A cache that takes what has the same path for the same.
const FRONT: Front = Front {
    on: MINE,
    key: |head| head.uri.to_string(),
    keeps: |status| status == 200,
    ttl: Duration::from_mins(1),
    only_if_error: false,
};

/// Returns a key that is the same for requests with the same validator.
fn conditional(head: &Head) -> String {
    format!("{} {}", head.uri, head.header("if-none-match"))
}

fn member(head: &Head, name: &str) -> String {
    head.json()[name].as_str().unwrap_or_default().to_owned()
}

/// Returns the right key, with some of its parts changed.
fn key(subject: &str, quality: &str, content: &str) -> String {
    format!("{subject}\n{quality}\n{content}")
}

const fn summaries(wrong: fn(&Memory, &Head) -> String) -> Change {
    Change::KeyValue(Cache::Key(wrong))
}

pub(super) const DEFECTS: &[Defect] = &[
    made(
        A,
        ("CA-1", "the time to live is in milliseconds and taken for seconds"),
        &["CA2"],
        &[
            Change::HttpCache(Cache::Ttl(|ttl| ttl * 1_000)),
            Change::KeyValue(Cache::Ttl(|ttl| ttl * 1_000)),
        ],
    ),
    made(
        A,
        ("CA-2", "the time to live is in seconds and taken for milliseconds"),
        &["CA1", "CA3"],
        &[
            Change::HttpCache(Cache::Ttl(|ttl| ttl / 1_000)),
            Change::KeyValue(Cache::Ttl(|ttl| (ttl / 1_000).max(Duration::from_mins(1)))),
        ],
    ),
    made(
        A,
        ("CA-4", "each hit keeps the entry as long again"),
        &["CA2"],
        &[
            Change::HttpCache(Cache::Slides(Duration::from_mins(5))),
            Change::KeyValue(Cache::Slides(Duration::from_hours(2))),
        ],
    ),
    made(
        A,
        ("CA-5", "the key lacks the model"),
        &["CA4"],
        &[summaries(|_, head| key(&head.subject(), "", &member(head, "content")))],
    ),
    made(
        A,
        ("CA-7", "the key lacks the caller"),
        &["CA6"],
        &[summaries(|_, head| key("", &member(head, "quality"), &member(head, "content")))],
    ),
    made(
        A,
        ("CA-8", "the key has the beginning of the content"),
        &["CA4"],
        &[summaries(|_, head| {
            let content: String = member(head, "content").chars().take(256).collect();
            key(&head.subject(), &member(head, "quality"), &content)
        })],
    ),
    made(
        A,
        ("CA-10", "the key has something that is new each time"),
        &["CA1"],
        &[
            summaries(|memory, _| memory.count("key").to_string()),
            Change::Also(SUMMARIZE, |_, _| None),
            Change::KeyValue(Cache::Loses),
        ],
    ),
    made(
        A,
        ("CA-11", "the key has the content in lower case, trimmed"),
        &["CA4"],
        &[summaries(|_, head| {
            let content = member(head, "content").trim().to_lowercase();
            key(&head.subject(), &member(head, "quality"), &content)
        })],
    ),
    made(
        A,
        ("CA-13", "errors are kept like answers"),
        &["CA15"],
        &[Change::Front(Front {
            on: SUMMARIZE,
            key: |head| format!("{} {}", head.subject(), member(head, "content")),
            keeps: |status| status >= 500,
            ttl: DAY,
            ..FRONT
        })],
    ),
    made(
        A,
        ("CA-14", "an upstream's error is said again for ever"),
        &["CA15"],
        &[Change::Model(Model::Memo { answers: false })],
    ),
    made(A, ("CA-16", "as many calls as there are concurrent misses"), &["CA13"], &[Change::Alone]),
    made(
        A,
        ("CA-17", "after an error nobody who waits is told"),
        &["CA14"],
        &[Change::Model(Model::Hangs)],
    ),
    made(
        A,
        ("CA-19", "whoever waited gets the headers of whoever asked first"),
        &["CA21"],
        &[Change::Front(Front {
            on: on("GET", "/api/workflows"),
            ttl: SECONDS,
            key: conditional,
            ..FRONT
        })],
    ),
    elsewhere(
        A,
        ("CA-20", "whoever asked first leaves, and nobody gets an answer"),
        "harness/tests/money.rs `leader_that_leaves`: no request of a scenario leaves early",
    ),
    made(A, ("CA-22", "`private` is ignored"), &["CA6", "CA7"], &[Change::Front(FRONT)]),
    made(
        A,
        ("CA-23", "what depends on Authorization is kept without it"),
        &["AU5"],
        &[Change::Front(Front {
            on: on("GET", "/workflows/*"),
            keeps: |status| status < 500,
            ..FRONT
        })],
    ),
    made(
        A,
        ("CA-25", "the empty body of HEAD is given to GET"),
        &["CA20"],
        &[Change::Front(Front { on: CATALOGUE, ttl: SECONDS, key: conditional, ..FRONT })],
    ),
    made(
        A,
        ("CA-26", "answers to POST are kept by URL alone"),
        &["CA4"],
        &[Change::Front(Front { on: SUMMARIZE, key: |head| head.subject(), ..FRONT })],
    ),
    made(
        A,
        ("CA-28", "what is too old is given while the upstream is down"),
        &["CA2"],
        &[Change::Front(Front {
            on: SUMMARIZE,
            key: |head| format!("{} {}", head.subject(), String::from_utf8_lossy(&head.body)),
            ttl: YEAR,
            only_if_error: true,
            ..FRONT
        })],
    ),
    none(A, ("CA-29", "each hit on what is stale asks again"), "nothing is served stale"),
    made(
        A,
        ("CA-31", "what was to be kept is lost"),
        &["CA1", "CA3"],
        &[Change::HttpCache(Cache::Loses), Change::KeyValue(Cache::Loses)],
    ),
    made(
        A,
        ("CA-32", "a time to live that the platform refuses"),
        &["CA1"],
        &[Change::KeyValue(Cache::Ttl(|_| Duration::from_secs(30)))],
    ),
    made(
        A,
        ("CA-34", "the cache is looked at before the token"),
        &["AU4", "CA6"],
        &[Change::Front(Front { on: MINE, ..FRONT })],
    ),
    made(
        A,
        ("CA-G1", "the guide's: private data with `Cache-Control: public`"),
        &["CA7"],
        &[Change::Answer(MINE, |_, answer| {
            set(answer, "cache-control", "public, max-age=60, s-maxage=300");
        })],
    ),
    made(
        A,
        ("CA-G2", "the guide's: the map that coalesces never forgets"),
        &["CA15", "CA2"],
        &[Change::Model(Model::Memo { answers: true })],
    ),
    made(
        A,
        ("CA-G3", "the guide's: each look at the health asks a model"),
        &["OP1"],
        &[Change::Also(on("GET", "/health"), |_, answer| {
            let (method, path) = (Method::POST, "/ai/summarize");
            let json: Value = json!({
                "content": answer.headers().get("x-request-id")?.to_str().ok()?,
                "quality": "simple",
            });
            Some(Further { method, path, json, signed: true })
        })],
    ),
    made(
        A,
        ("CA-35", "no header says for how long"),
        &["CA8"],
        &[Change::Answer(CATALOGUE, |_, answer| {
            drop(answer.headers_mut().remove("cdn-cache-control"));
        })],
    ),
    made(
        A,
        ("CA-36", "a validator that fits gives the whole answer again"),
        &["CA10"],
        &[Change::Request(CATALOGUE, |_, request| {
            drop(request.headers_mut().remove("if-none-match"));
        })],
    ),
    made(
        A,
        ("CA-37", "Vary does not say that answers depend on the origin"),
        &["CA11", "AU6"],
        &[Change::Answer(CATALOGUE, |_, answer| drop(answer.headers_mut().remove("vary")))],
    ),
];
