//! `workway load`: a load in one line, against a server that counts.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::Request, http::StatusCode, routing::any};
use serde_json::Value;

use crate::common::Target;

/// A request as it came.
#[derive(Clone, Debug)]
struct Seen {
    line: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// A server that writes down what it is sent. Below `/missing` it has nothing.
fn server() -> (Target, Arc<Mutex<Vec<Seen>>>) {
    let seen = Arc::<Mutex<Vec<Seen>>>::default();
    let written = Arc::clone(&seen);
    let answer = move |request: Request| async move {
        let line = format!("{} {}", request.method(), request.uri());
        let missing = request.uri().path().starts_with("/missing");
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        let headers = request.headers().iter().map(header).collect();
        let body: Bytes = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        written.lock().unwrap().push(Seen { line, headers, body });
        if missing { (StatusCode::NOT_FOUND, "nothing") } else { (StatusCode::OK, "here") }
    };
    (Target::start(Router::new().fallback(any(answer))), seen)
}

fn load(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_workway"));
    command.arg("load").args(arguments).current_dir(folder).env("A_TOKEN", TOKEN);
    command.env("WORKWAY_X_API_KEY", KEY).output().unwrap()
}

const TOKEN: &str = "eyJhbGciOiJub25lIn0.a-token-of-somebody.0123456789abcdef";
const KEY: &str = "a key that nobody may read in any report";

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn header<'s>(seen: &'s Seen, name: &str) -> &'s str {
    seen.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

#[test]
fn requests_are_as_they_were_asked_for() {
    let (target, seen) = server();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{}/things/${{{{ iteration }}}}?a=b", target.address);
    let output = load(
        folder.path(),
        &[
            &url,
            "-r",
            "20",
            "-n",
            "10",
            "-X",
            "put",
            "-H",
            "X-Api-Key: of-the-line",
            "--json",
            r#"{"n": "${{ uuid }}"}"#,
            "--token-env",
            "A_TOKEN",
            "-t",
            "count >= 1",
            "-t",
            "error_rate < 1%",
        ],
    );
    let said = text(&output.stdout);
    // A busy machine may not be able to tell; it sends them all the same.
    assert!(matches!(output.status.code(), Some(0 | 8)), "{output:?}");
    let seen = seen.lock().unwrap();
    let puts: Vec<_> = seen.iter().filter(|seen| seen.line.starts_with("PUT ")).collect();
    assert_eq!(puts.len(), 10, "{seen:?}");
    let bodies: std::collections::BTreeSet<_> = puts.iter().map(|seen| &seen.body).collect();
    assert_eq!(bodies.len(), 10, "each is another one");
    for put in &puts {
        assert!(put.line.starts_with("PUT /things/") && put.line.ends_with("?a=b"), "{put:?}");
        assert_eq!(header(put, "x-api-key"), "of-the-line");
        assert_eq!(header(put, "content-type"), "application/json");
        assert_eq!(header(put, "authorization"), format!("Bearer {TOKEN}"));
        assert!(serde_json::from_str::<Value>(&put.body).is_ok());
    }
    assert!(said.contains("answers 200: 10"), "{said}");
    assert!(!said.contains(TOKEN) && !text(&output.stderr).contains(TOKEN));
}

#[test]
fn what_is_saved_is_what_was_run_and_holds_no_secret() {
    let (target, seen) = server();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{}/a", target.address);
    let line = [
        &url,
        "-r",
        "50",
        "-d",
        "200ms",
        "-H",
        "x-api-key: a-secret-of-mine",
        "--save",
        "mine.yaml",
    ];
    let output = load(folder.path(), &line);
    assert!(matches!(output.status.code(), Some(0 | 8)), "{output:?}");
    let saved = fs::read_to_string(folder.path().join("mine.yaml")).unwrap();
    assert!(!saved.contains("a-secret-of-mine") && saved.contains("WORKWAY_X_API_KEY"), "{saved}");
    let first = seen.lock().unwrap().iter().filter(|seen| seen.line == "GET /a").count();
    let again = Command::new(env!("CARGO_BIN_EXE_workway"))
        .args(["run", "mine.yaml", "--target", &format!("http://{}", target.address)])
        .env("WORKWAY_X_API_KEY", KEY)
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(matches!(again.status.code(), Some(0 | 8)), "{again:?}");
    let seen = seen.lock().unwrap();
    let all: Vec<_> = seen.iter().filter(|seen| seen.line == "GET /a").collect();
    assert_eq!((first, all.len()), (10, 20));
    assert_eq!(header(all[19], "x-api-key"), KEY);
    // What is there stays.
    drop(seen);
    let refused = load(folder.path(), &line);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert_eq!(fs::read_to_string(folder.path().join("mine.yaml")).unwrap(), saved);
}

#[test]
fn errors_are_counted_and_shown_once() {
    let (target, _) = server();
    let folder = tempfile::tempdir().unwrap();
    let output = load(
        folder.path(),
        &[&format!("http://{}/missing", target.address), "-c", "2", "-d", "500ms"],
    );
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    let said = text(&output.stdout);
    assert_eq!(said.matches("actual    404").count(), 1, "{said}");
    assert!(said.contains("answers 404: ") && said.contains("10 times, of which"), "{said}");
}

#[test]
fn a_line_that_is_wrong_sends_nothing() {
    let (target, seen) = server();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{}/a", target.address);
    let without_scheme = format!("{}/a", target.address);
    let unknown = format!("{url}/${{{{ nobody }}}}");
    let cases: [(&[&str], i32, &str); 14] = [
        (&[&without_scheme], 2, "write the whole URL"),
        (&["ftp://127.0.0.1/"], 2, "ftp"),
        (&["http://198.51.100.7/"], 2, "--allow-remote"),
        (&[&url, "-r", "0"], 2, "a number above 0"),
        (&[&url, "-r", "nan"], 2, "a number above 0"),
        (&[&url, "-n", "10"], 2, "--rate"),
        (&[&url, "-c", "0"], 2, "0 is not in"),
        (&[&url, "-d", "soon"], 2, "soon"),
        (&[&url, "-X", "BREW"], 2, "BREW"),
        (&[&url, "-H", "no colon"], 2, "NAME: VALUE"),
        (&[&url, "-H", "Authorization: Bearer abc"], 2, "--token-env"),
        (&[&url, "--json", "{"], 2, "no JSON"),
        (&[&url, "--body-file", "absent"], 2, "absent"),
        (&[&url, "-t", "p95 <"], 3, "thresholds"),
    ];
    for (line, code, says) in cases {
        let output = load(folder.path(), line);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{line:?}: {said}");
        assert!(said.contains(says), "{line:?}: {said}");
    }
    let output = load(folder.path(), &[&unknown]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(seen.lock().unwrap().is_empty());
}
