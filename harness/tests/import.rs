//! `workway import`: what it writes is valid, holds no secret, and holds for the service it is of.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use proptest::prelude::*;
use serde_json::{Value, json};
use workway::{
    import::{MAX_REQUESTS, from_har, from_openapi},
    language, plan,
};

fn workway(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_workway"));
    command.current_dir(folder).args(arguments).output().unwrap()
}

fn entry(
    method: &str,
    url: &str,
    headers: &Value,
    body: Option<(&str, &str)>,
    status: u16,
) -> Value {
    let body = body.map(|(kind, text)| json!({"mimeType": kind, "text": text}));
    json!({"request": {"method": method, "url": url, "headers": headers, "postData": body},
        "response": {"status": status}, "startedDateTime": "2026-11-22T00:00:00Z", "time": 1})
}

fn archive(entries: &[Value]) -> Vec<u8> {
    json!({"log": {"version": "1.2", "entries": entries}}).to_string().into_bytes()
}

const CANARY: &str = "canary7Zq";

fn recording() -> Vec<u8> {
    let header = |name: &str, value: &str| json!({"name": name, "value": value});
    let secret = |name: &str| header(name, &format!("Bearer {CANARY}"));
    let login = format!(
        r#"{{"user":"ann","password":"{CANARY}","deep":[{{"api_key":"{CANARY}"}}],"note":"sk_live_{CANARY}123"}}"#
    );
    let form = format!("user=ann&client_secret={CANARY}&x=1");
    let headers = json!([
        secret("Authorization"),
        secret("Cookie"),
        secret("X-Api-Key"),
        header("Accept", "application/json"),
        header("User-Agent", "Browser"),
        header("Origin", &format!("https://x.test/eyJhbGciOiJ{CANARY}.{CANARY}.{CANARY}"))
    ]);
    archive(&[
        entry("GET", &format!("https://api.test/items?page=2&token={CANARY}"), &headers, None, 200),
        entry(
            "POST",
            "https://api.test/login",
            &json!([]),
            Some(("application/json", &login)),
            401,
        ),
        entry(
            "POST",
            "https://api.test/form",
            &json!([]),
            Some(("application/x-www-form-urlencoded", &form)),
            302,
        ),
        entry(
            "POST",
            "https://api.test/file",
            &json!([]),
            Some(("image/png", &format!("\u{1}{CANARY}"))),
            201,
        ),
        entry("GET", "https://ads.test/pixel", &json!([]), None, 200),
        entry("GET", "https://api.test/aborted", &json!([]), None, 0),
        entry("GET", "https://api.test/it's \"${{ odd }}\" #: [x]", &json!([]), None, 404),
    ])
}

#[test]
fn a_recording_becomes_a_scenario_without_its_secrets() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("session.har"), recording()).unwrap();
    let output = workway(folder.path(), &["import", "har", "session.har", "--out", "made"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let yaml = fs::read_to_string(folder.path().join("made/api-test.yaml")).unwrap();
    assert!(!yaml.contains(CANARY), "{yaml}");
    assert!(yaml.contains("token=REDACTED") && yaml.contains("page=2"), "{yaml}");
    assert!(yaml.contains("users:\n  me: { token: { env: WORKWAY_TOKEN } }"), "{yaml}");
    assert!(yaml.contains("# 1 requests to other origins were left out"), "{yaml}");
    assert!(yaml.contains("\"user\": \"ann\"") && !yaml.contains("Browser"), "{yaml}");
    let checked = workway(folder.path(), &["check", "made"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    let again = workway(folder.path(), &["import", "har", "session.har", "--out", "made"]);
    assert_eq!(again.status.code(), Some(9), "nothing is replaced");
    let other = ["import", "har", "session.har", "--origin", "https://ads.test", "--out", "made"];
    assert!(workway(folder.path(), &other).status.success());
}

#[test]
fn what_is_no_recording_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for (text, says) in [
        ("{", "not JSON"),
        ("{\"log\": 1}", "no HTTP archive"),
        ("{\"log\": {\"entries\": []}}", "no request in it"),
    ] {
        fs::write(folder.path().join("bad.har"), text).unwrap();
        let output = workway(folder.path(), &["import", "har", "bad.har"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(says), "{said}");
        assert!(said.contains("bad.har"), "{said}");
    }
    fs::write(folder.path().join("bad.json"), "{\"swagger\": \"2.0\"}").unwrap();
    let output = workway(folder.path(), &["import", "openapi", "bad.json"]);
    assert!(String::from_utf8(output.stderr).unwrap().contains("OpenAPI 3"));
    assert_eq!(workway(folder.path(), &["import", "har", "absent"]).status.code(), Some(2));
}

#[test]
fn the_limit_of_requests_and_one_past_it() {
    for (count, noted) in [(MAX_REQUESTS, false), (MAX_REQUESTS + 1, true)] {
        let one = entry("GET", "https://api.test/", &json!([]), None, 200);
        let scenario = from_har(&archive(&vec![one; count]), None).unwrap();
        assert_eq!(scenario.requests.len(), MAX_REQUESTS);
        assert_eq!(scenario.notes.iter().any(|note| note.contains("only the first")), noted);
    }
}

/// The document of the service, and the service: what is documented is what happens.
#[cfg(feature = "service")]
#[test]
fn scenarios_of_an_openapi_document_hold_for_the_service_that_it_describes() {
    let folder = tempfile::tempdir().unwrap();
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../service/openapi.json");
    let output = workway(folder.path(), &["import", "openapi", document, "--out", "made"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let token = workway(folder.path(), &["lab", "token", "--sub", "import"]).stdout;
    let mut run = Command::new(env!("CARGO_BIN_EXE_workway"));
    run.current_dir(folder.path()).args(["run", "made", "--target", "embedded"]);
    run.env("WORKWAY_TOKEN", String::from_utf8(token).unwrap().trim());
    let ran = run.output().unwrap();
    let text = String::from_utf8_lossy(&ran.stdout);
    println!("{text}");
    assert!(ran.status.success(), "{text}{}", String::from_utf8_lossy(&ran.stderr));
    assert!(text.matches("PASS imported/").count() >= 4, "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is recorded, what comes out is a valid scenario.
    #[test]
    fn recordings_become_valid_scenarios(
        path in "[ -~é😀]{0,30}",
        value in "[\\PC\u{0}\n]{0,30}",
        name in "[a-z_]{1,8}",
        status in 200u16..600,
    ) {
        let body = json!({name: value, "list": [1, null, {"x": value}]}).to_string();
        let url = format!("https://api.test/{path}");
        let headers = json!([{"name": "Accept", "value": value}]);
        let made = entry("POST", &url, &headers, Some(("application/json", &body)), status);
        let plain = entry("GET", &url, &json!([]), None, status);
        if let Ok(scenario) = from_har(&archive(&[plain, made]), None) {
            let yaml = scenario.to_yaml();
            if let Err(errors) = plan::load("x.yaml", yaml.as_bytes(), &workway::catalog()) {
                let shown = language::render(&errors, "x.yaml", &yaml, false);
                return Err(TestCaseError::fail(format!("{shown}\n{yaml}")));
            }
        }
    }

    #[test]
    fn documents_never_panic(text in "\\PC{0,60}", depth in 0..20usize) {
        let mut schema = json!({"$ref": "#/components/schemas/A"});
        for _ in 0..depth {
            schema = json!({"type": "object", "required": ["x"], "properties": {"x": schema}});
        }
        let document = json!({"openapi": "3.1.0", "paths": {"/a/{b}": {"post": {
            "requestBody": {"content": {"application/json": {"schema": schema}}},
            "responses": {"200": {}, "404": {}}}}},
            "components": {"schemas": {"A": {"type": "array", "minItems": 1,
                "items": {"$ref": "#/components/schemas/A"}}}}, "info": {"title": text}});
        for scenario in from_openapi(document.to_string().as_bytes()).unwrap() {
            prop_assert!(plan::load("x.yaml", scenario.to_yaml().as_bytes(), &workway::catalog()).is_ok());
        }
        let _ = from_openapi(text.as_bytes());
    }
}
