//! HTTP that is not what it seems, on the wire: one answer for each request, or 400 and the end.
//! On Workers the platform parses HTTP before the code sees it.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use workway_service::guard::BODY_DEADLINE;

use super::{
    client::{Api, token},
    wire::{connect, hear, say},
};

/// What an attacker hides behind a request, for whoever measures it differently.
const SMUGGLED: &str = "POST /workflows HTTP/1.1\r\nHost: x\r\n\r\n";

/// Framings that two readers could understand differently, after the head of a POST, and whether a
/// smuggled request follows.
const AMBIGUOUS: &[(&str, bool)] = &[
    ("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true),
    ("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", true),
    ("Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", true),
    ("Content-Length: 2, 2\r\n\r\n{}", true),
    ("Content-Length: +2\r\n\r\n{}", true),
    ("Content-Length: -2\r\n\r\n{}", true),
    ("Content-Length: 0x2\r\n\r\n{}", true),
    ("Content-Length: 99999999999999999999\r\n\r\n{}", true),
    ("Content-Length : 2\r\n\r\n{}", true),
    ("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", true),
    ("Transfer-Encoding: identity\r\n\r\n0\r\n\r\n", true),
    ("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", true),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", true),
    ("Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", true),
    ("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", true),
    ("X: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true),
    ("Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", true),
    ("Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n", true),
    ("Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n", true),
    ("Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n", true),
    ("Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n", true),
    // Unusual, and clear.
    ("Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", false),
    ("Transfer-Encoding:\tchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", false),
    ("Transfer-Encoding: chunked\r\n\r\n2;x=y\r\n{}\r\n0\r\n\r\n", false),
    ("Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nAuthorization: x\r\n\r\n", false),
];

#[tokio::test]
async fn no_framing_smuggles_a_request() {
    let api = Api::start().await;
    api.freeze().await;
    for (number, (framing, smuggles)) in AMBIGUOUS.iter().enumerate() {
        let before = api.counted("/requests").await;
        let after = if *smuggles { SMUGGLED } else { "" };
        let signed = token(&format!("framer-{number}"));
        let head = "POST /workflows HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
        let text = format!("{head}Authorization: Bearer {signed}\r\n{framing}{after}");
        let answer = say(&api, text.as_bytes()).await;
        assert_eq!(answer.statuses, [400], "{framing:?}: {answer:?}");
        assert!(answer.closed || !smuggles, "{framing:?}: {answer:?}");
        let reached = api.counted("/requests").await - before;
        assert!(reached <= 1, "{framing:?}: {reached} requests reached the router");
    }
    assert_eq!(api.rows_written().await, 0);
    println!("{} framings, 0 smuggled requests", AMBIGUOUS.len());
}

#[tokio::test]
async fn heads_that_are_no_http_are_refused_and_the_rest_is_answered() {
    let api = Api::start().await;
    let get = "GET /health/live HTTP/1.1\r\nHost: x\r\n";
    let headers = |n: usize| (0..n).map(|n| format!("X-{n}: y\r\n")).collect::<Vec<_>>().concat();
    let long = |n: usize| "y".repeat(n);
    let cases: Vec<(String, u16)> = vec![
        (format!("{get}\r\n"), 200),
        (format!("{get}Content-Length: 2\r\n\r\n{{}}"), 200),
        (format!("{get}X-HTTP-Method-Override: DELETE\r\n\r\n"), 200),
        (format!("{get}Connection: upgrade\r\nUpgrade: h2c\r\n\r\n"), 200),
        ("GET http://evil.example/health/live HTTP/1.1\r\nHost: x\r\n\r\n".into(), 200),
        // hyper takes a hundred headers.
        (format!("{get}{}\r\n", headers(99)), 200),
        (format!("{get}{}\r\n", headers(100)), 431),
        (format!("{get}X: {}\r\n\r\n", long(64 * 1024)), 200),
        (format!("{get}X: {}\r\n\r\n", long(1 << 20)), 431),
        (format!("{get}Authorization: Bearer {}\r\n\r\n", long(1 << 20)), 431),
        (format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", long(8 * 1024)), 404),
        (format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", long(70_000)), 414),
        ("GET /health/live HTTP/1.1\r\n\r\n".into(), 400),
        ("GET /health/live HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".into(), 400),
        ("GET /health/live HTTP/2.0\r\nHost: x\r\n\r\n".into(), 400),
        ("GET /health/live HTTP/9.9\r\nHost: x\r\n\r\n".into(), 400),
        ("GET /health/live\r\n\r\n".into(), 400),
        ("GET /health/live x HTTP/1.1\r\nHost: x\r\n\r\n".into(), 400),
        ("GET /health/\0 HTTP/1.1\r\nHost: x\r\n\r\n".into(), 400),
        (format!("{get}X: a\0b\r\n\r\n"), 400),
        (format!("{get}X: a\rb\r\n\r\n"), 400),
        (format!("{get}X: a\r\n b\r\n\r\n"), 400),
        (format!("{get}X Y: a\r\n\r\n"), 400),
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0".into(), 400),
        ("get /health/live HTTP/1.1\r\nHost: x\r\n\r\n".into(), 405),
        ("TRACE /health/live HTTP/1.1\r\nHost: x\r\n\r\n".into(), 405),
        ("CONNECT evil.example:80 HTTP/1.1\r\nHost: x\r\n\r\n".into(), 404),
        ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n".into(), 404),
        ("GET /workflows/../health/live HTTP/1.1\r\nHost: x\r\n\r\n".into(), 404),
        ("GET /x/%2e%2e/health/live HTTP/1.1\r\nHost: x\r\n\r\n".into(), 404),
        ("GET //health/live HTTP/1.1\r\nHost: x\r\n\r\n".into(), 404),
    ];
    for (text, expected) in &cases {
        let shown: String = text.chars().take(80).collect();
        let heard = say(&api, text.as_bytes()).await;
        assert_eq!(heard.statuses, [*expected], "{shown:?}: {heard:?}");
        // What was only strange leaves the connection alone; what was refused unread ends it.
        assert_eq!(heard.closed, [400, 414, 431].contains(expected), "{shown:?}: {heard:?}");
    }
    let twice = say(&api, format!("{get}\r\n{get}\r\n").as_bytes()).await;
    assert_eq!(twice.statuses, [200, 200], "pipelined");
}

/// The head of a POST whose body has `length` bytes.
fn head(subject: &str, length: usize, more: &str) -> String {
    let token = token(subject);
    format!(
        "POST /workflows HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n{more}\r\n"
    )
}

fn whole() -> String {
    let steps = json!([{"type": "transform", "config": {"value": 1}}]);
    json!({"name": "n", "description": "d", "steps": steps}).to_string()
}

/// 408: the client stalls, not we.
#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let api = Api::start().await;
    api.freeze().await;
    let body = whole();
    let key = "Idempotency-Key: \"k\"\r\n";
    let deadline = u64::try_from(BODY_DEADLINE.as_millis()).unwrap();
    for (subject, more, interim) in
        [("slow", "", ""), ("once", key, ""), ("asks", "Expect: 100-continue\r\n", "HTTP/1.1 100")]
    {
        let mut stream = connect(&api).await;
        stream.write_all(head(subject, body.len(), more).as_bytes()).await.unwrap();
        if interim.is_empty() {
            stream.write_all(&body.as_bytes()[..10]).await.unwrap();
        }
        let moves = async {
            loop {
                tokio::time::sleep(Duration::from_millis(20)).await;
                api.clock(json!({"advance_ms": deadline})).await;
            }
        };
        let heard = tokio::select! { heard = hear(&mut stream) => heard, never = moves => never };
        let expected: &[u16] = if interim.is_empty() { &[408] } else { &[100, 408] };
        assert_eq!(heard.statuses, expected, "{subject}: {heard:?}");
        assert!(heard.text.starts_with(interim) && heard.closed, "{heard:?}");
    }
    for subject in ["slow", "once", "asks"] {
        // The token is good for ten minutes, and the clock went on by one.
        assert_eq!(api.get("/workflows", &token(subject)).await.1["workflows"], json!([]));
    }
}

/// One that comes just in time is as good as any.
#[tokio::test]
async fn a_body_just_within_its_deadline_is_taken() {
    let api = Api::start().await;
    api.freeze().await;
    let body = whole();
    let mut stream = connect(&api).await;
    stream.write_all(head("patient", body.len(), "").as_bytes()).await.unwrap();
    while api.counted("/requests").await == 0 {}
    let almost = u64::try_from(BODY_DEADLINE.as_millis()).unwrap() - 1;
    api.clock(json!({"advance_ms": almost})).await;
    stream.write_all(body.as_bytes()).await.unwrap();
    assert_eq!(hear(&mut stream).await.statuses, [201]);
}

/// Of a request that was cut off nothing is left.
#[tokio::test]
async fn a_client_that_leaves_half_way_leaves_nothing() {
    let api = Api::start().await;
    api.freeze().await;
    let body = whole();
    for cut in [0, 1, body.len() / 2, body.len() - 1] {
        let mut stream = connect(&api).await;
        stream.write_all(head("leaver", body.len(), "").as_bytes()).await.unwrap();
        stream.write_all(&body.as_bytes()[..cut]).await.unwrap();
        drop(stream);
    }
    // Longer than it says: the rest is no request.
    let text = format!("{}{body}", head("leaver", 2, ""));
    assert_eq!(say(&api, text.as_bytes()).await.statuses, [400, 400]);
    assert_eq!(api.rows_written().await, 0);
    assert_eq!(api.get("/workflows", &token("leaver")).await.1["workflows"], json!([]));
}

/// Half a head is not waited for for ever, and keeps nobody else waiting.
#[tokio::test]
async fn slow_heads_are_closed_and_others_are_served_meanwhile() {
    let api = Api::start().await;
    let mut slow = Vec::new();
    for _ in 0..200 {
        let mut stream = connect(&api).await;
        stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\nX: ").await.unwrap();
        slow.push(stream);
    }
    for _ in 0..20 {
        let live = api.send(Method::GET, "/health/live", "", None).await;
        assert_eq!(live.status(), 200);
    }
    let mut open = slow.len();
    for stream in &mut slow {
        let mut rest = Vec::new();
        let closed = stream.read_to_end(&mut rest);
        let patience = Duration::from_mins(1);
        let closed = tokio::time::timeout(patience, closed).await;
        open -= usize::from(closed.is_ok());
    }
    assert_eq!(open, 0);
}
