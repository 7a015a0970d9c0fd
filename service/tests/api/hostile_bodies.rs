//! Bodies, paths and queries that are not what they should be: the stated answer, and no row.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use workway_service::{domain::json::MAX_DEPTH, guard::MAX_BODY_BYTES};

use super::client::{Api, read, token};

async fn post(api: &Api, subject: &str, headers: &[(&str, &str)], body: Vec<u8>) -> StatusCode {
    let mut request =
        api.client.post(format!("{}/workflows", api.base)).bearer_auth(token(subject));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    read(request.body(body).send().await.unwrap()).await.0
}

const JSON: (&str, &str) = ("content-type", "application/json");

fn workflow(name: &str) -> Value {
    let steps = json!([{"type": "transform", "config": {"value": 1}}]);
    json!({"name": name, "description": "d", "steps": steps})
}

fn delay(seconds: &str) -> String {
    format!(
        r#"{{"name":"n","description":"d","steps":[{{"type":"delay","config":{{"seconds":{seconds}}}}}]}}"#
    )
}

/// Texts, and what each is answered with.
fn texts() -> Vec<(Vec<u8>, u16)> {
    let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n)).into_bytes();
    let members: Vec<_> = (0..20_000).map(|n| format!("\"{n:x}\":1")).collect();
    let many = format!("{{{}}}", members.join(","));
    assert!(many.len() < MAX_BODY_BYTES);
    let good = workflow("n").to_string();
    let mut list: Vec<(Vec<u8>, u16)> = vec![
        (Vec::new(), 400),
        (good[..good.len() - 1].into(), 400),
        (format!("{good}x").into(), 400),
        (format!("{good}{good}").into(), 400),
        (nested(MAX_DEPTH), 400),
        (nested(MAX_DEPTH + 1), 400),
        (nested(129), 400),
        (nested(100_000), 400),
        ("[".repeat(100_000).into(), 400),
        (many.into(), 400),
        (format!("{{\"name\":\"{}\"}}", "x".repeat(10_000_000)).into(), 413),
        (vec![b' '; MAX_BODY_BYTES + 1], 413),
        (vec![b' '; MAX_BODY_BYTES], 400),
        (good.replacen('{', r#"{"name":"other","#, 1).into(), 400),
        (good.replacen('{', r#"{"user_id":"a","user_id":"b","#, 1).into(), 400),
        (good.replacen('{', r#"{"n\u0061me":"other","#, 1).into(), 400),
        (good.replace("\"n\"", "\"\\ud800\"").into(), 400),
        (good.replace("\"n\"", "\"\\udc00\\ud800\"").into(), 400),
        (good.replace("\"n\"", "\"\u{1}\"").into(), 400),
        (vec![0xef, 0xbb, 0xbf], 400),
        (good.encode_utf16().flat_map(u16::to_le_bytes).collect(), 400),
        (vec![0xff; 100], 400),
        (vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0], 400),
    ];
    for seconds in [
        "1e999",
        "-1e999",
        "-0",
        "0",
        "-1",
        "01",
        "1.5",
        "9007199254740993",
        "1e2",
        "NaN",
        "Infinity",
        "\"1\"",
        "null",
        "true",
        "[1]",
        "0x1",
        "1_0",
        "18446744073709551616",
    ] {
        list.push((delay(seconds).into(), 400));
    }
    list
}

#[tokio::test]
async fn texts_that_are_no_workflow() {
    let api = Api::start().await;
    api.freeze().await;
    let texts = texts();
    for (number, (text, expected)) in texts.iter().enumerate() {
        let shown = String::from_utf8_lossy(&text[..text.len().min(100)]).into_owned();
        let answer = post(&api, &format!("writer-{}", number / 50), &[JSON], text.clone()).await;
        assert_eq!(answer, *expected, "{shown}");
    }
    assert_eq!(api.rows_written().await, 0);
    assert_eq!(post(&api, "writer-0", &[JSON], delay("1").into()).await, 201, "the next is served");
}

#[tokio::test]
async fn types_and_encodings_that_are_not_ours() {
    let api = Api::start().await;
    api.freeze().await;
    let good = workflow("n").to_string();
    for headers in [
        &[][..],
        &[("content-type", "")],
        &[("content-type", "text/json;charset=utf-7")],
        &[("content-type", "application/json;charset=utf-16")],
        &[("content-type", "application/json, application/json")],
        &[("content-type", "multipart/form-data; boundary=x")],
        &[("content-type", "application/x-www-form-urlencoded")],
        &[JSON, JSON],
        &[JSON, ("content-encoding", "gzip")],
        &[JSON, ("content-encoding", "br")],
        &[JSON, ("content-encoding", "gzip, gzip")],
        &[JSON, ("content-encoding", "identity")],
    ] {
        assert_eq!(post(&api, "typist", headers, good.clone().into()).await, 415, "{headers:?}");
    }
    assert_eq!(api.rows_written().await, 0);
}

/// What the server decides cannot be sent along.
#[tokio::test]
async fn members_that_are_not_the_clients_to_set_are_dropped() {
    let api = Api::start().await;
    let (ann, bob) = (token("ann"), token("bob"));
    let id = "00000000-0000-7000-8000-000000000000";
    let mut body = workflow("n");
    for (name, value) in [
        ("id", json!(id)),
        ("user_id", json!("bob")),
        ("owner_id", json!("bob")),
        ("role", json!("admin")),
        ("status", json!("published")),
        ("published_at", json!(1)),
        ("created_at", json!(1)),
        ("updated_at", json!(1)),
        ("__proto__", json!({"admin": true})),
    ] {
        body[name] = value;
    }
    let (status, created) = api.post("/workflows", &ann, body.clone()).await;
    assert_eq!((status.as_u16(), &created["published_at"]), (201, &Value::Null));
    assert!(created["created_at"].as_i64().unwrap() > 1 && created["id"] != id, "{created}");
    let members: Vec<_> = created.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        members,
        ["created_at", "description", "id", "name", "published_at", "steps", "updated_at"]
    );
    assert_eq!(api.get("/workflows", &bob).await.1["workflows"], json!([]));
    let path = format!("/workflows/{}", created["id"].as_str().unwrap());
    let changed = api.send(Method::PUT, &path, &ann, Some(body)).await;
    assert_eq!(read(changed).await.1["published_at"], Value::Null);
    assert_eq!(api.get(&path, &bob).await.0, 404);
}

/// Names are kept as they were sent: not normalised, not cut, and no twins.
#[tokio::test]
async fn strange_names_come_back_as_they_were() {
    let api = Api::start().await;
    let ann = token("ann");
    for name in [
        "\u{0}",
        "a\u{0}b",
        "\u{202e}txt.exe",
        "😀",
        "é",
        "e\u{301}",
        "\u{feff}x",
        "\u{10ffff}",
        "' OR 1=1; DROP TABLE workflows --",
        "{\"event\":\"request\"}\n\u{1b}[31m",
        "{{ env.JWT_SECRET }}",
        " ",
    ] {
        let (status, created) = api.post("/workflows", &ann, workflow(name)).await;
        assert_eq!((status.as_u16(), &created["name"]), (201, &json!(name)));
        let path = format!("/workflows/{}", created["id"].as_str().unwrap());
        assert_eq!(api.get(&path, &ann).await.1, created, "{name:?}");
    }
}

#[tokio::test]
async fn paths_and_queries_that_name_nothing() {
    let api = Api::start().await;
    let (ann, bob) = (token("ann"), token("bob"));
    let id = api.workflow(&ann, api.http_step()).await;
    api.freeze().await;
    let written = api.rows_written().await;
    let long = "0".repeat(10_000);
    let absent = api.get("/workflows/00000000-0000-7000-8000-000000000000", &ann).await;
    for other in [
        id.to_uppercase(),
        format!("{{{id}}}"),
        format!("urn:uuid:{id}"),
        id.replace('-', ""),
        format!("{id}%00"),
        format!("{id}%0a"),
        format!("{id};x=1"),
        format!("{id}'"),
        format!("%2e%2e%2f{id}"),
        "%ff".to_owned(),
        "%zz".to_owned(),
        "%".to_owned(),
        "' OR 1=1".to_owned(),
        "-1".to_owned(),
        long,
    ] {
        let path = format!("/workflows/{other}");
        assert_eq!(api.get(&path, &ann).await, absent, "{path}");
        let runs = api.post(&format!("{path}/runs"), &ann, json!({})).await;
        assert_eq!(runs, absent, "{path}");
    }
    for query in [
        "limit=-1",
        "limit=1000000000",
        "limit=1e9",
        "limit=2&limit=3",
        "limit=",
        "limit=1&limit=",
        "cursor=x",
        "cursor=",
        "cursor=a&cursor=b",
        "limit=\u{661}",
    ] {
        assert_eq!(api.get(&format!("/workflows?{query}"), &bob).await.0, 400, "{query}");
        assert_eq!(api.get(&format!("/runs?{query}"), &bob).await.0, 400, "{query}");
    }
    assert_eq!(api.rows_written().await, written);
}

/// A cursor says where, not whose.
#[tokio::test]
async fn a_cursor_of_somebody_else_shows_nothing_of_theirs() {
    let api = Api::start().await;
    let (ann, bob) = (token("ann"), token("bob"));
    let oldest = api.workflow(&bob, api.http_step()).await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(2)).await;
        api.workflow(&ann, api.http_step()).await;
    }
    let (_, page) = api.get("/workflows?limit=2", &ann).await;
    let next = page["next"].as_str().unwrap();
    let (_, other) = api.get(&format!("/workflows?limit=2&cursor={next}"), &bob).await;
    let ids: Vec<_> = other["workflows"].as_array().unwrap().iter().map(|w| &w["id"]).collect();
    assert_eq!(ids, [&json!(oldest)]);
    for forged in [&next[..next.len() - 1], &next[1..], &format!("{next}="), &next.to_uppercase()] {
        let (status, _) = api.get(&format!("/workflows?cursor={forged}"), &ann).await;
        assert_eq!(status, 400, "{forged}");
    }
}

/// Every method on every path: the route, 404 or 405, and nothing written.
#[tokio::test]
async fn methods_that_a_route_does_not_have() {
    let api = Api::start().await;
    api.freeze().await;
    let paths =
        ["/health/live", "/api/workflows", "/workflows", "/runs", "/usage", "/openapi.json"];
    for (number, path) in paths.iter().enumerate() {
        let token = token(&format!("tinkerer-{number}"));
        for name in ["PATCH", "TRACE", "PROPFIND", "DELETE", "PUT", "LINK", "get", "X"] {
            let method = Method::from_bytes(name.as_bytes()).unwrap();
            let answer = api.send(method, path, &token, None).await;
            assert!(answer.headers()["allow"].to_str().unwrap().contains("GET"), "{name} {path}");
            assert_eq!(read(answer).await.0, 405, "{name} {path}");
        }
        let head = api.send(Method::HEAD, path, &token, None).await;
        let get = api.send(Method::GET, path, &token, None).await;
        assert_eq!(head.status(), get.status(), "{path}");
        assert_eq!(head.headers()["content-type"], get.headers()["content-type"], "{path}");
        assert!(head.bytes().await.unwrap().is_empty());
        let options = api.send(Method::OPTIONS, path, &token, None).await;
        assert_eq!(options.status(), 405, "no preflight: {path}");
    }
    let overridden = api.client.get(format!("{}/workflows", api.base)).bearer_auth(token("ann"));
    let overridden = overridden.header("x-http-method-override", "DELETE").send().await.unwrap();
    assert_eq!(overridden.status(), 200);
    assert_eq!(api.rows_written().await, 0);
}
