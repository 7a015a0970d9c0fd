//! Clients that pretend to be somebody or somewhere else, or that come all at once.

use futures_util::future::{join, join_all};
use reqwest::Method;
use serde_json::{Value, json};
use wiremock::{Mock, ResponseTemplate, matchers::method};
use workway_service::{config::RATE_LIMIT, guard::MAX_KEY};

use super::client::{Api, read, token};

/// Where clients write an address that is not theirs.
const SPOOFED: [&str; 8] = [
    "x-forwarded-for",
    "x-real-ip",
    "forwarded",
    "cf-connecting-ip",
    "true-client-ip",
    "x-client-ip",
    "x-forwarded-host",
    "via",
];

/// The peer of the connection is all that counts, however many addresses it claims to have, and
/// however it spells the path.
#[tokio::test]
async fn no_header_makes_a_new_budget() {
    let api = Api::start().await;
    api.freeze().await;
    let mut admitted = 0;
    for number in 0..2 * RATE_LIMIT {
        let path = ["/api/workflows", "/api/workflows?x", "/api/workflows?limit=3"];
        let path = path[number as usize % path.len()];
        let name = SPOOFED[number as usize % SPOOFED.len()];
        let address = if name == "forwarded" {
            format!("for=198.51.100.{}", number % 256)
        } else {
            format!("198.51.100.{}, 2001:db8:{number:x}::1", number % 256)
        };
        let request = api.client.get(format!("{}{path}", api.base)).header(name, address);
        let status = request.send().await.unwrap().status().as_u16();
        assert!([200, 429].contains(&status), "{name}: {status}");
        admitted += u32::from(status == 200);
    }
    assert_eq!(admitted, RATE_LIMIT, "of {}", 2 * RATE_LIMIT);
}

/// Refused authentication spends the address's budget, whatever token is made up next.
#[tokio::test]
async fn no_forged_token_makes_a_new_budget() {
    let api = Api::start().await;
    api.freeze().await;
    let mut refused = 0;
    for number in 0..2 * RATE_LIMIT {
        let status = api.get("/workflows", &format!("forged.{number}.x")).await.0.as_u16();
        refused += u32::from(status == 401);
        assert!([401, 429].contains(&status));
    }
    assert_eq!(refused, RATE_LIMIT);
}

#[tokio::test]
async fn origins_that_are_long_or_ask_for_much_are_told_nothing_more() {
    let api = Api::start().await;
    let long = format!("https://{}.example", "a".repeat(4096));
    for origin in [long.as_str(), "https://good.example, https://good.example", "https://"] {
        let asked = api.client.request(Method::OPTIONS, format!("{}/workflows", api.base));
        let asked = asked.header("origin", origin).header("access-control-request-method", "PUT");
        let answer = asked.send().await.unwrap();
        assert_eq!(answer.status(), 204);
        assert!(!answer.headers().contains_key("access-control-allow-origin"));
    }
    let asked = api.client.request(Method::OPTIONS, format!("{}/workflows", api.base));
    let asked = asked.header("origin", "https://good.example");
    let asked = asked.header("access-control-request-method", "TRACE");
    let answer =
        asked.header("access-control-request-headers", "x-evil, host").send().await.unwrap();
    let allows = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert!(
        !allows("access-control-allow-methods").contains("TRACE"),
        "what we have, not what it asks"
    );
    assert!(!allows("access-control-allow-headers").contains("x-evil"));
}

async fn keyed(api: &Api, path: &str, token: &str, keys: &[&str]) -> (u16, Value) {
    let mut request = api.client.post(format!("{}{path}", api.base)).bearer_auth(token);
    for key in keys {
        request = request.header("idempotency-key", *key);
    }
    let steps = json!([{"type": "transform", "config": {"value": 1}}]);
    let body = json!({"name": "n", "description": "d", "steps": steps}).to_string();
    let request = request.header("content-type", "application/json").body(body);
    let (status, body) = read(request.send().await.unwrap()).await;
    (status.as_u16(), body)
}

#[tokio::test]
async fn keys_at_the_limit_and_one_past_it() {
    let api = Api::start().await;
    api.freeze().await;
    let ann = token("ann");
    let longest = format!("\"{}\"", "k".repeat(MAX_KEY));
    let first = keyed(&api, "/workflows", &ann, &[&longest]).await;
    assert_eq!(first.0, 201);
    assert_eq!(keyed(&api, "/workflows", &ann, &[&longest]).await, first);
    // Quoted characters count once.
    let escaped = format!("\"{}\"", "\\\"".repeat(MAX_KEY));
    assert_eq!(keyed(&api, "/workflows", &ann, &[&escaped]).await.0, 201);
    let written = api.rows_written().await;
    let longer = format!("\"{}\"", "k".repeat(MAX_KEY + 1));
    let huge = format!("\"{}\"", "k".repeat(60_000));
    for keys in [
        &[longer.as_str()][..],
        &[&huge],
        &["\"a\"", "\"b\""],
        &["\"a\", \"b\""],
        &["a"],
        &[""],
        &["\"\""],
        &["\"a\";x"],
        &["\"\t\""],
    ] {
        let (status, problem) = keyed(&api, "/workflows", &ann, keys).await;
        assert_eq!((status, &problem["issues"][0]["path"]), (400, &json!("Idempotency-Key")));
    }
    assert_eq!(api.rows_written().await, written);
}

/// Pairs of requests that meet at one run: whatever the order, it ends once, and nobody gets a 5xx.
#[tokio::test]
async fn what_happens_to_a_run_at_the_same_instant() {
    const RACES: usize = 8;
    let api = Api::start().await;
    let effect = Mock::given(method("POST")).respond_with(ResponseTemplate::new(200));
    effect.mount(&api.upstream).await;
    let acts = ["cancel", "delete", "start", "follow"];
    let mut pairs = 0;
    for (first, one) in acts.iter().enumerate() {
        for other in &acts[first..] {
            pairs += 1;
            let races = (0..RACES).map(|race| {
                let ann = token(&format!("{one}-{other}-{}", race % 4));
                let api = &api;
                async move {
                    let workflow = api.workflow(&ann, api.http_step()).await;
                    let run = api.run(&ann, &workflow).await;
                    let (a, b) = join(
                        act(api, one, &ann, &workflow, &run),
                        act(api, other, &ann, &workflow, &run),
                    )
                    .await;
                    assert!(a < 500 && b < 500, "{one} {a}, {other} {b}");
                    let ended = api.finished(&ann, &run).await["status"].clone();
                    assert!(ended == "succeeded" || ended == "cancelled", "{ended}");
                    let again = api.get(&format!("/runs/{run}"), &ann).await.1["status"].clone();
                    assert_eq!(again, ended, "{one} {other}");
                }
            });
            join_all(races).await;
        }
    }
    println!("{pairs} pairs, {RACES} races each, 0 wrong");
}

async fn act(api: &Api, what: &str, token: &str, workflow: &str, run: &str) -> u16 {
    let (method, path) = match what {
        "cancel" => (Method::POST, format!("/runs/{run}/cancel")),
        "delete" => (Method::DELETE, format!("/workflows/{workflow}")),
        "start" => (Method::POST, format!("/workflows/{workflow}/runs")),
        _ => (Method::GET, format!("/runs/{run}/events")),
    };
    let response = api.send(method, &path, token, None).await;
    let status = response.status().as_u16();
    response.bytes().await.unwrap();
    status
}
