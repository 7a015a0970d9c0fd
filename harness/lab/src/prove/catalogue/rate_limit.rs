//! Rate limits.

use axum::http::{Method, header};
use serde_json::Value;

use super::{Area::RateLimit as A, Defect, edit::set, made, none};
use crate::prove::change::{ANY, Change, Counts, Further, Limiter, RIGHT, on};

const fn limiter(how: Limiter) -> Change {
    Change::Limiter(how)
}

pub(super) const DEFECTS: &[Defect] = &[
    made(
        A,
        ("RL-1", "`>` for `>=`: one request more than the limit"),
        &["RL1", "RL12"],
        &[limiter(Limiter { limit: RIGHT.limit + 1, ..RIGHT })],
    ),
    made(
        A,
        ("RL-2", "one request less than the limit"),
        &["RL1", "RL3"],
        &[limiter(Limiter { limit: RIGHT.limit - 1, ..RIGHT })],
    ),
    made(
        A,
        ("RL-4", "the count is read, and written back after a pause"),
        &["RL1"],
        &[limiter(Limiter { counts: Counts::Racy, ..RIGHT })],
    ),
    made(
        A,
        ("RL-5", "each isolate counts for itself"),
        &["RL1"],
        &[limiter(Limiter { counts: Counts::PerIsolate, ..RIGHT })],
    ),
    made(
        A,
        ("RL-7", "a sliding window with fixed ends: twice the limit around each"),
        &["RL2"],
        &[limiter(Limiter { counts: Counts::Fixed, ..RIGHT })],
    ),
    made(
        A,
        ("RL-8", "what is refused puts the end of the refusal off"),
        &["RL2", "RL8"],
        &[limiter(Limiter { counts: Counts::Extending, ..RIGHT })],
    ),
    made(
        A,
        ("RL-10", "a 429 without Retry-After"),
        &["RL8", "RL7"],
        &[Change::Answer(ANY, |_, answer| drop(answer.headers_mut().remove(header::RETRY_AFTER)))],
    ),
    made(
        A,
        ("RL-11", "Retry-After: 0 while the refusal goes on"),
        &["RL8", "RL7"],
        &[Change::Answer(ANY, |_, answer| {
            if answer.status() == 429 {
                set(answer, "retry-after", "0");
            }
        })],
    ),
    none(A, ("RL-13", "`remaining` from before the request"), "no answer tells what remains"),
    none(
        A,
        ("RL-14", "the reset as an instant where a duration belongs"),
        "no answer tells a reset",
    ),
    made(
        A,
        ("RL-16", "a 429 that caches may store"),
        &["RL7"],
        &[Change::Answer(ANY, |_, answer| {
            if answer.status() == 429 {
                set(answer, "cache-control", "public, max-age=60");
            }
        })],
    ),
    made(
        A,
        ("RL-17", "the query is part of the key"),
        &["RL6"],
        &[limiter(Limiter {
            key: |key, head| Some(format!("{key}?{}", head.uri.query().unwrap_or_default())),
            ..RIGHT
        })],
    ),
    made(
        A,
        ("RL-19", "the key is the header as it was written, not who it stands for"),
        &["RL6"],
        &[limiter(Limiter {
            key: |key, head| Some(format!("{key} {}", head.header("authorization"))),
            ..RIGHT
        })],
    ),
    made(
        A,
        ("RL-20", "HEAD is not limited"),
        &["RL6"],
        &[limiter(Limiter {
            key: |key, head| (head.method != Method::HEAD).then(|| key.to_owned()),
            ..RIGHT
        })],
    ),
    made(
        A,
        ("RL-20b", "preflights use the budget up"),
        &["RL11"],
        &[Change::Also(on("OPTIONS", "*"), |_, _| {
            let (method, path, json) = (Method::GET, "/workflows", Value::Null);
            Some(Further { method, path, json, signed: false })
        })],
    ),
    made(
        A,
        ("RL-22", "another period than the declared one"),
        &["RL12", "RL8"],
        &[limiter(Limiter { period: 10 * RIGHT.period, ..RIGHT })],
    ),
    none(A, ("RL-23", "the limits of two plans swapped"), "the limit is one for all plans"),
    made(
        A,
        ("RL-25", "a budget for each route in place of one for all"),
        &["RL6"],
        &[limiter(Limiter {
            key: |key, head| Some(format!("{key} {}", head.uri.path())),
            ..RIGHT
        })],
    ),
    made(
        A,
        ("RL-G1", "the guide's: the key is the address, whoever is signed in"),
        &["RL5"],
        &[limiter(Limiter {
            // Every scenario comes from this machine.
            key: |_, _| Some("ip:127.0.0.1".to_owned()),
            ..RIGHT
        })],
    ),
    made(
        A,
        ("RL-G2", "the address is believed that a header of the client's names"),
        &["RL6"],
        &[limiter(Limiter {
            key: |key, head| {
                let said = head.header("x-forwarded-for");
                Some(if said.is_empty() { key.to_owned() } else { format!("ip:{said}") })
            },
            ..RIGHT
        })],
    ),
];
