//! Tokens that somebody made up, and tokens of ours that were bent: 401, one answer for all.

use reqwest::StatusCode;
use serde_json::{Value, json};
use workway_service::{
    config::RATE_LIMIT,
    guard::{LEEWAY_SECONDS, MAX_TOKEN_BYTES},
};

use super::client::{Api, SECRET, read, sign, token, token_claims, token_header};

fn with(mut value: Value, name: &str, member: Value) -> Value {
    value[name] = member;
    value
}

fn without(mut value: Value, name: &str) -> Value {
    value.as_object_mut().unwrap().remove(name);
    value
}

/// What ours say, with one thing changed, and signed with our key.
fn bent() -> Vec<(String, String)> {
    let (header, claims) = (token_header(), token_claims("ann", "read write"));
    let now = claims["nbf"].as_i64().unwrap();
    let headers = [
        ("alg", json!("none")),
        ("alg", json!("None")),
        ("alg", json!("nOnE")),
        ("alg", json!("")),
        ("alg", json!("hs256")),
        ("alg", json!("HS384")),
        ("alg", json!("RS256")),
        ("alg", json!("ES256")),
        ("alg", json!(["HS256"])),
        ("typ", json!("JWT")),
        ("typ", json!("rt+jwt")),
        ("kid", json!("../../dev/null")),
        ("kid", json!("' OR 1=1 --")),
        ("kid", json!("")),
        ("kid", json!(null)),
        ("crit", json!(["b64"])),
    ];
    let claimed = [
        ("exp", json!(now - LEEWAY_SECONDS - 61)),
        ("exp", json!(now.to_string())),
        ("exp", json!(0.5)),
        ("exp", json!(-1)),
        ("exp", json!(null)),
        ("nbf", json!(now + LEEWAY_SECONDS + 600)),
        ("aud", json!("other-api")),
        ("aud", json!(["other-api"])),
        ("iss", json!("other")),
        ("sub", json!("")),
        ("sub", json!(["ann"])),
        ("scope", json!({"read": true})),
    ];
    let mut list = Vec::new();
    for (name, value) in headers {
        list.push((with(header.clone(), name, value).to_string(), claims.to_string()));
    }
    for (name, value) in claimed {
        list.push((header.to_string(), with(claims.clone(), name, value).to_string()));
    }
    for name in ["alg", "typ", "kid"] {
        list.push((without(header.clone(), name).to_string(), claims.to_string()));
    }
    for name in ["exp", "nbf", "aud", "iss", "sub", "scope"] {
        list.push((header.to_string(), without(claims.clone(), name).to_string()));
    }
    let twice = claims.to_string().replacen('{', r#"{"sub":"bob","#, 1);
    let huge = claims.to_string().replacen('{', r#"{"exp":1e400,"#, 1);
    list.extend([(header.to_string(), twice), (header.to_string(), huge)]);
    list
}

/// Not even signed by us, or not even tokens.
fn made_up() -> Vec<String> {
    let (header, claims) = (token_header().to_string(), token_claims("ann", "read write"));
    let claims = claims.to_string();
    let good = token("ann");
    let (content, mac) = good.rsplit_once('.').unwrap();
    let zeros = "A".repeat(86);
    let long = with(token_claims("ann", "read"), "x", json!("x".repeat(MAX_TOKEN_BYTES)));
    vec![
        "x".to_owned(),
        "..".to_owned(),
        "........".to_owned(),
        content.to_owned(),
        format!("{content}."),
        format!("{content}.{zeros}"),
        format!("{content}.{}", &mac[1..]),
        format!("{content}.{mac}="),
        format!("{content}.{mac}.{mac}"),
        format!("{good}%00"),
        format!("!{good}"),
        good.replacen('.', "..", 1),
        sign(&header, &claims, "another secret, of at least 32 bytes!!"),
        sign(&header, &long.to_string(), SECRET),
        "x".repeat(MAX_TOKEN_BYTES + 1),
    ]
}

#[tokio::test]
async fn forged_tokens_get_one_answer_and_nothing_else() {
    let api = Api::start().await;
    api.freeze().await;
    let workflow = json!({"name": "n", "description": "d", "steps": api.http_step()});
    let none = api.post("/workflows", "", workflow.clone()).await;
    assert_eq!(none.0, StatusCode::UNAUTHORIZED);
    let bent = bent().into_iter().map(|(header, claims)| sign(&header, &claims, SECRET));
    let tokens: Vec<_> = bent.chain(made_up()).collect();
    // They share the budget of one address.
    assert!(tokens.len() < RATE_LIMIT as usize);
    for token in &tokens {
        let answer = api.post("/workflows", token, workflow.clone()).await;
        assert_eq!(answer, none, "{token}");
    }
    assert_eq!(api.rows_written().await, 0);
    assert_eq!(api.get("/workflows", &token("ann")).await.1["workflows"], json!([]));
    println!("{} tokens, 0 accepted", tokens.len());
}

/// Where a key could be fetched is the forger's to say: nobody goes there.
#[tokio::test]
async fn no_key_is_ever_fetched() {
    let api = Api::start().await;
    let upstream = api.upstream.uri();
    for (name, value) in [
        ("jku", json!(format!("{upstream}/jwks.json"))),
        ("x5u", json!(format!("{upstream}/cert"))),
        ("jwk", json!({"kty": "oct", "k": "YW5vdGhlciBzZWNyZXQ"})),
        ("x5c", json!(["MIIB"])),
    ] {
        let header = with(token_header(), name, value).to_string();
        let claims = token_claims("ann", "read").to_string();
        let forged = sign(&header, &claims, "another secret, of at least 32 bytes!!");
        assert_eq!(api.get("/workflows", &forged).await.0, 401, "{name}");
    }
    for number in 0..50 {
        let header = with(token_header(), "kid", json!(format!("key-{number}"))).to_string();
        let unknown = sign(&header, &token_claims("ann", "read").to_string(), SECRET);
        assert_eq!(api.get("/workflows", &unknown).await.0, 401);
    }
    assert_eq!(api.counted("/usage/outbound_requests").await, 0);
    assert!(api.upstream.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn only_one_bearer_header_counts() {
    let api = Api::start().await;
    let good = format!("Bearer {}", token("ann"));
    let bare = token("ann");
    for values in [
        &[][..],
        &[""],
        &["Bearer"],
        &["Bearer "],
        &[&bare],
        &[&format!("Basic {bare}")],
        &[&format!("Token {bare}")],
        &[&format!("{good}, {good}")],
        &[&good, &good],
        &[&good, "Bearer x"],
        &["Basic x", &good],
    ] {
        let mut request = api.client.get(format!("{}/workflows", api.base));
        for value in values {
            request = request.header("authorization", *value);
        }
        assert_eq!(read(request.send().await.unwrap()).await.0, 401, "{values:?}");
    }
    assert_eq!(api.get(&format!("/workflows?access_token={bare}"), "").await.0, 401);
}
