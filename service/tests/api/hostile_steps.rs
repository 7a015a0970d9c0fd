//! Workflows that aim at what they must not reach, and other sides that answer badly.

use std::{net::TcpListener as StdListener, time::Duration};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use wiremock::{Mock, ResponseTemplate, matchers::any};
use workway_service::domain::{json::MAX_DEPTH, output::MAX_OUTPUT_BYTES, workflow::MAX_STEPS};

use super::client::{Api, token};

/// Where steps must not go. `PORT` is that of a listener on this machine that hears every attempt.
const TARGETS: &[&str] = &[
    "http://127.0.0.1:PORT/",
    "http://localhost:PORT/",
    "http://127.1:PORT/",
    "http://2130706433:PORT/",
    "http://0x7f000001:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://0.0.0.0:PORT/",
    "http://[::1]:PORT/",
    "http://[::]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[::ffff:169.254.169.254]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[2002:a9fe:a9fe::]/",
    "http://[fe80::1]/",
    "http://[fd00::1]/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.0.1/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://metadata.google.internal/",
    "http://127.0.0.1.nip.io:PORT/",
    "http://localhost.:PORT/",
    "http://ALLOWED@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT/#@ALLOWED/",
    "http://127.0.0.1:PORT\\@ALLOWED/",
    "http://u:p@ALLOWED/",
    "http://127.0.0.1\t:PORT/",
    "http://127.0.0.1:PORT\r\nHost: x/",
    "http://ⓛocalhost:PORT/",
    "https://ALLOWED/",
    "//ALLOWED/",
    "file:///etc/passwd",
    "gopher://ALLOWED/_x",
    "data:text/plain,x",
    "javascript:alert(1)",
    "",
    " ",
];

#[tokio::test]
async fn steps_reach_only_what_the_list_names() {
    let canary = StdListener::bind("127.0.0.1:0").unwrap();
    canary.set_nonblocking(true).unwrap();
    let port = canary.local_addr().unwrap().port().to_string();
    let api = Api::start().await;
    let allowed = api.upstream.uri().replace("http://", "");
    for (number, target) in TARGETS.iter().enumerate() {
        let url = target.replace("PORT", &port).replace("ALLOWED", &allowed);
        let ann = token(&format!("prober-{number}"));
        let steps = json!([{"type": "http", "config": {"url": url}}]);
        let run = api.run(&ann, &api.workflow(&ann, steps).await).await;
        let done = api.finished(&ann, &run).await;
        assert_eq!((&done["status"], &done["steps"][0]["attempts"]), (&json!("failed"), &json!(1)));
        let error = done["steps"][0]["error"].as_str().unwrap();
        assert!(error.starts_with("config.url "), "{url:?}: {error}");
        assert_eq!(done["usage"]["outbound_requests"], 0, "{url:?}");
        assert!(canary.accept().is_err(), "{url:?}");
    }
    assert!(api.upstream.received_requests().await.unwrap().is_empty());
    println!("{} targets, 0 connections", TARGETS.len());
}

/// The list is about where we go, so where we are sent does not matter: nobody is followed.
#[tokio::test]
async fn redirects_are_answers() {
    let canary = StdListener::bind("127.0.0.1:0").unwrap();
    canary.set_nonblocking(true).unwrap();
    let api = Api::start().await;
    let elsewhere = format!("http://{}/", canary.local_addr().unwrap());
    for (number, status) in [301, 302, 303, 307, 308].into_iter().enumerate() {
        let location = [elsewhere.clone(), format!("{}/again", api.upstream.uri())];
        api.upstream.reset().await;
        let redirect = ResponseTemplate::new(status);
        let redirect = redirect.insert_header("location", location[number % 2].as_str());
        Mock::given(any()).respond_with(redirect).mount(&api.upstream).await;
        let ann = token("ann");
        let run = api.run(&ann, &api.workflow(&ann, api.http_step()).await).await;
        let done = api.finished(&ann, &run).await;
        let expected = json!(format!("answered with status {status}"));
        assert_eq!((&done["status"], &done["steps"][0]["error"]), (&json!("failed"), &expected));
        assert_eq!(api.upstream.received_requests().await.unwrap().len(), 1);
    }
    assert!(canary.accept().is_err());
}

/// Of a step's settings only its method, URL and body are sent; everything else is ours.
#[tokio::test]
async fn a_step_sends_no_header_of_its_own_and_none_of_the_callers() {
    let api = Api::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&api.upstream).await;
    let ann = token("ann");
    let url = format!("{}/x", api.upstream.uri());
    let hostile = json!({
        "Host": "evil.example", "Authorization": "Bearer x", "Content-Length": "3",
        "X\r\nY": "a\r\nZ: b", "Idempotency-Key": "mine",
    });
    let config = json!({"url": url, "method": "PUT", "body": "{{ env.JWT_SECRET }}",
        "headers": hostile, "Headers": hostile, "timeout": "1e9", "attempts": 1_000_000_000});
    let run =
        api.run(&ann, &api.workflow(&ann, json!([{"type": "http", "config": config}])).await).await;
    assert_eq!(api.finished(&ann, &run).await["status"], "succeeded");
    let sent = &api.upstream.received_requests().await.unwrap()[0];
    let mut names: Vec<_> = sent.headers.keys().map(|name| name.as_str().to_owned()).collect();
    names.sort();
    assert_eq!(
        names,
        ["accept", "content-length", "content-type", "host", "idempotency-key", "user-agent"]
    );
    assert_eq!(sent.headers["idempotency-key"], format!("\"{run}:0\""));
    assert_eq!(sent.body, b"\"{{ env.JWT_SECRET }}\"", "a body is no template");
    for method in ["TRACE", "CONNECT", "GET /x HTTP/1.1\r\nX: y", "get", ""] {
        let steps = json!([{"type": "http", "config": {"url": url, "method": method}}]);
        let run = api.run(&ann, &api.workflow(&ann, steps).await).await;
        assert_eq!(api.finished(&ann, &run).await["status"], "failed", "{method:?}");
    }
    assert_eq!(api.upstream.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn workflows_that_are_too_much_are_refused() {
    let api = Api::start().await;
    api.freeze().await;
    let ann = token("ann");
    let one = json!({"type": "transform", "config": {"value": 1}});
    let transform = |value: &str| json!([{"type": "transform", "config": {"value": value}}]);
    let delay = |seconds: Value| json!([{"type": "delay", "config": {"seconds": seconds}}]);
    for steps in [
        json!([]),
        vec![one.clone(); MAX_STEPS + 1].into(),
        vec![json!(1); 10_001].into(),
        json!({"0": one}),
        transform("{{ steps[0].output }}"),
        transform("{{ steps[1].output }}"),
        transform("{{ steps[-1].output }}"),
        transform("{{ steps[99999999999999999999].output }}"),
        transform("{{ env.JWT_SECRET }}"),
        transform("{{ config }}"),
        transform("{{"),
        delay(json!(0)),
        delay(json!(-1)),
        delay(json!(u64::MAX)),
        delay(json!("2026-11-01T00:00:00Z")),
        delay(json!(31_536_000)),
        json!([{"type": "workflow", "config": {"id": "self"}}]),
        json!([{"type": "Http", "config": {}}]),
        json!([{"type": "http\u{0}", "config": {}}]),
    ] {
        let body = json!({"name": "n", "description": "d", "steps": steps});
        assert_eq!(api.post("/workflows", &ann, body).await.0, 400, "{steps}");
    }
    assert_eq!(api.rows_written().await, 0);
}

/// How a server answers that means harm: the first bytes, and what it repeats for ever after.
struct Evil(&'static str, &'static str, &'static str);

const EVIL: &[Evil] = &[
    Evil("endless body", "HTTP/1.1 200 OK\r\n\r\n", "xxxxxxxxxxxxxxxx"),
    Evil("endless chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
    Evil(
        "a gigabyte promised",
        "HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n",
        "xxxxxxxx",
    ),
    Evil("endless headers", "HTTP/1.1 200 OK\r\n", "x: y\r\n"),
    Evil("one endless header", "HTTP/1.1 200 OK\r\nx: ", "yyyyyyyyyyyyyyyy"),
    Evil("interim answers for ever", "", "HTTP/1.1 100 Continue\r\n\r\n"),
    Evil("garbage", "\u{16}\u{3}\u{1} nonsense", ""),
    Evil("another version", "HTTP/9.9 200 OK\r\n\r\n", ""),
    Evil("cut off", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx", ""),
    Evil("a bad chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", ""),
    Evil("nothing", "", ""),
];

/// Sends what it has to say; after the repetitions it closes, which ends those of them that only
/// bytes could end.
async fn evil_server() -> String {
    const MOST: usize = 16 * 1024 * 1024;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let length = stream.read(&mut request).await.unwrap_or(0);
                let text = String::from_utf8_lossy(&request[..length]).into_owned();
                let number = text.split(['/', ' ']).find_map(|word| word.parse::<usize>().ok());
                let Evil(_, first, repeated) = EVIL[number.unwrap()];
                let piece = repeated.repeat(4096);
                let _ = stream.write_all(first.as_bytes()).await;
                let mut sent = 0;
                while !piece.is_empty() && sent < MOST {
                    sent += piece.len();
                    if stream.write_all(piece.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    origin
}

/// An attempt that fails is tried again, so what is looked at is the first.
async fn first_error(api: &Api, token: &str, run: &str) -> String {
    let failed = |body: &Value| {
        assert!(body["steps"][0]["output"].is_null(), "{body}");
        body["steps"][0]["error"].is_string()
    };
    let body = api.run_until(token, run, failed).await;
    body["steps"][0]["error"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn servers_that_mean_harm_fail_the_attempt_and_nothing_else() {
    let origin = evil_server().await;
    let api = Api::start_allowing(&origin).await;
    let cases = EVIL.iter().enumerate().map(|(number, Evil(name, ..))| {
        let (api, origin) = (&api, &origin);
        async move {
            let ann = token(&format!("victim-{number}"));
            let steps = json!([{"type": "http", "config": {"url": format!("{origin}/{number}")}}]);
            let run = api.run(&ann, &api.workflow(&ann, steps).await).await;
            let error = first_error(api, &ann, &run).await;
            assert!(!error.contains("127.0.0.1"), "{name}: {error}");
            let cancel = format!("/runs/{run}/cancel");
            assert!(api.send(Method::POST, &cancel, &ann, None).await.status().as_u16() < 500);
        }
    });
    join_all(cases).await;
    assert_eq!(api.get("/health/live", "").await.0, 200);
}

/// Whatever a server answers, the run can be read and cancelled afterwards, and what it stores is
/// bounded by its size after escaping.
#[tokio::test]
async fn an_answer_that_could_not_be_stored_or_read_again_fails_the_step() {
    let api = Api::start().await;
    let ann = token("ann");
    // The output is an object with the body in it, which is one level more.
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let too_deep = format!("the output is nested deeper than {MAX_DEPTH} levels");
    let too_large = format!("the output has more than {MAX_OUTPUT_BYTES} bytes as JSON");
    let frame = r#"{"body":"","status":200}"#.len();
    // A control character of one byte has six after escaping.
    let controls = |rest: usize| {
        let room = MAX_OUTPUT_BYTES - frame;
        "\u{1}".repeat(room / 6) + &"x".repeat(room % 6 + rest)
    };
    for (body, error) in [
        (nested(MAX_DEPTH - 1).into_bytes(), None),
        (nested(MAX_DEPTH).into_bytes(), Some(&too_deep)),
        (nested(125).into_bytes(), Some(&too_deep)),
        (controls(0).into_bytes(), None),
        (controls(1).into_bytes(), Some(&too_large)),
        // Each byte that is not UTF-8 becomes a replacement character of three.
        (vec![0xff; 32_000], Some(&too_large)),
        (vec![b'x'; 32_000], None),
    ] {
        api.upstream.reset().await;
        let answer = ResponseTemplate::new(200).set_body_bytes(body);
        Mock::given(any()).respond_with(answer).mount(&api.upstream).await;
        let run = api.run(&ann, &api.workflow(&ann, api.http_step()).await).await;
        let done = api.finished(&ann, &run).await;
        let expected = if error.is_some() { "failed" } else { "succeeded" };
        assert_eq!(done["status"], expected, "{:?}", done["steps"][0]["error"]);
        assert_eq!(done["steps"][0]["error"].as_str(), error.map(String::as_str));
        let cancel = api.send(Method::POST, &format!("/runs/{run}/cancel"), &ann, None).await;
        assert_eq!(cancel.status(), 409, "it has ended");
    }
}

/// It sends a byte now and then for as long as somebody listens: what is waited for is the end.
#[tokio::test]
async fn a_server_that_drips_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let dripping = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let (api, ann) = (Api::start_allowing(&origin).await, token("ann"));
    let steps = json!([{"type": "http", "config": {"url": format!("{origin}/")}}]);
    let run = api.run(&ann, &api.workflow(&ann, steps).await).await;
    assert_eq!(first_error(&api, &ann, &run).await, "no answer in time");
    dripping.await.expect("the connection is closed");
    api.send(Method::POST, &format!("/runs/{run}/cancel"), &ann, None).await;
}

/// Steps have no jar: what one server says of somebody is told to no other, nor to it again.
#[tokio::test]
async fn a_cookie_of_another_side_goes_nowhere() {
    let api = Api::start().await;
    let sets = ResponseTemplate::new(200).insert_header("set-cookie", "sid=canary; Path=/");
    Mock::given(any()).respond_with(sets).mount(&api.upstream).await;
    let (ann, step) = (token("ann"), api.http_step()[0].clone());
    let run = api.run(&ann, &api.workflow(&ann, json!([step, step])).await).await;
    let done = api.finished(&ann, &run).await;
    assert_eq!(done["status"], "succeeded", "{done}");
    assert!(!done.to_string().contains("canary"), "{done}");
    let shown = api.send(Method::GET, &format!("/runs/{run}"), &ann, None).await;
    assert!(!shown.headers().contains_key("set-cookie"), "{shown:?}");
    let sent = api.upstream.received_requests().await.unwrap();
    assert_eq!(sent.len(), 2);
    assert!(sent.iter().all(|request| !request.headers.contains_key("cookie")), "{sent:?}");
}
