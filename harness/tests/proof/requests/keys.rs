//! `Idempotency-Key`: repetitions, other bodies, other people, and keys that are none. Two at once
//! are not among them: which one is told to come again would be chance.

use serde_json::json;

use super::{Request, get, post, step, workflow};

/// All of them, in order.
pub(super) fn all() -> Vec<Request> {
    let create = |key: &str, subject: &str, name: &str| {
        post("/workflows", subject, &workflow(name, &[step("/x")])).header("idempotency-key", key)
    };
    let start = |key: &str, subject: &str| {
        post("/workflows/{w-once}/runs", subject, &json!({})).header("idempotency-key", key)
    };
    let longest = format!("\"{}\"", "k".repeat(255));
    let mut list = vec![
        create("\"a\"", "repeater", "n").keep("w-once"),
        create("\"a\"", "repeater", "n"),
        create("  \"a\" ", "repeater", "n"),
        create("\"a\"", "repeater", "m"),
        create("\"a\"", "somebody-else", "n"),
        create("\"b\"", "repeater", "n"),
        create(r#""\"\\""#, "repeater", "n"),
        create(r#""\"\\""#, "repeater", "n"),
        create(&longest, "repeater", "n"),
        create(&longest, "repeater", "n"),
        create("\"bad\"", "repeater", ""),
        create("\"bad\"", "repeater", ""),
        create("\"bad\"", "repeater", "n"),
        create("\"c\"", "repeater", "n").header("idempotency-key", "\"c\""),
        create("\"a\"", "repeater", "n").nobody(),
        start("\"a\"", "repeater").keep("r-once"),
        start("\"a\"", "repeater"),
        start("\"a\"", "somebody-else"),
        get("/runs", "repeater").header("idempotency-key", "\"a\""),
    ];
    let past = format!("\"{}k\"", "k".repeat(255));
    for key in ["", "a", "\"", "\"\"", "\"a", "'a'", "\"a\";x=1", "\"a\"b\"", "a\"", &past] {
        list.push(create(key, "mistaken", "n"));
    }
    let mut shown = get("/runs/{r-once}", "repeater");
    shown.when_finished = true;
    list.extend([shown, get("/workflows?limit=100", "repeater"), get("/workflows", "mistaken")]);
    list
}
