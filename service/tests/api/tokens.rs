//! Tokens that must not pass, over HTTP: one answer for all of them, whatever is wrong.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use workway_service::{
    config::{Config, SigningKey},
    guard::{AUDIENCE, ISSUER, MAX_TOKEN_BYTES, verify},
};

use crate::browser::{Browser, Providers};
use crate::client::{Api, SECRET, token, token_of};

const PUBLIC_KEY: &str =
    "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n";

fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

fn header() -> Value {
    json!({"alg": "HS256", "typ": "at+jwt", "kid": SigningKey::new(SECRET.as_bytes()).unwrap().id})
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "scope": "read", "exp": now() + 60, "nbf": now()})
}

fn with(mut value: Value, name: &str, member: Value) -> Value {
    value[name] = member;
    value
}

fn without(mut value: Value, name: &str) -> Value {
    value.as_object_mut().unwrap().remove(name);
    value
}

fn signed(header: &Value, claims: &str, secret: &[u8]) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let signed = format!("{}.{}", part(&header.to_string()), part(claims));
    let mac = Hmac::<Sha256>::new_from_slice(secret).unwrap().chain_update(&signed);
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn of_header(header: &Value) -> String {
    signed(header, &claims().to_string(), SECRET.as_bytes())
}

fn of_claims(claims: &Value) -> String {
    signed(&header(), &claims.to_string(), SECRET.as_bytes())
}

fn unsigned(alg: &str, signature: &str) -> String {
    let token = of_header(&with(header(), "alg", json!(alg)));
    format!("{}.{signature}", &token[..token.rfind('.').unwrap()])
}

/// By the number and the words of the threat list.
fn forgeries(upstream: &str) -> Vec<(&'static str, String)> {
    let good = of_claims(&claims());
    let (body, signature) = good.rsplit_once('.').unwrap();
    let foreign = |name: &str| {
        let header = with(header(), name, json!(format!("{upstream}/keys")));
        signed(&header, &claims().to_string(), b"a key of the attacker, 32 bytes long")
    };
    let raw = |claims: String| signed(&header(), &claims, SECRET.as_bytes());
    let text = claims().to_string();
    let exp = |value: &str| {
        raw(text.replace(&format!("\"exp\":{}", now() + 60), &format!("\"exp\":{value}")))
    };
    let mut list = vec![
        ("2 empty", String::new()),
        ("4 alg none", unsigned("none", "")),
        ("5 None", unsigned("None", "")),
        ("5 nOnE", unsigned("nOnE", "")),
        ("4 alg none with a MAC", unsigned("none", signature)),
        ("6 the public key as the secret", signed(&header(), &text, PUBLIC_KEY.as_bytes())),
        ("7 RS256", of_header(&with(header(), "alg", json!("RS256")))),
        ("7 HS512", of_header(&with(header(), "alg", json!("HS512")))),
        ("7 hs256", of_header(&with(header(), "alg", json!("hs256")))),
        ("8 no signature", format!("{body}.")),
        ("8 no signature, no dot", body.to_owned()),
        ("9 r = s = 0", unsigned("ES256", &URL_SAFE_NO_PAD.encode([0; 64]))),
        ("10 no kid", of_header(&without(header(), "kid"))),
        ("11 kid is a path", of_header(&with(header(), "kid", json!("../../dev/null")))),
        ("12 kid is SQL", of_header(&with(header(), "kid", json!("' OR 1=1 --")))),
        ("12 kid is no text", of_header(&with(header(), "kid", json!(1)))),
        ("14 jku", foreign("jku")),
        ("14 x5u", foreign("x5u")),
        ("14 jwk", foreign("jwk")),
        ("15 expired by 61 s", of_claims(&with(claims(), "exp", json!(now() - 61)))),
        ("16 nbf in an hour", of_claims(&with(claims(), "nbf", json!(now() + 3600)))),
        ("17 exp is text", exp("\"9999999999\"")),
        ("17 exp is a fraction", exp("9999999999.5")),
        ("17 exp is 1e400", exp("1e400")),
        ("17 exp is 1e18", exp("1e18")),
        ("17 exp is negative", exp("-1")),
        ("17 exp is null", exp("null")),
        ("17 no exp", of_claims(&without(claims(), "exp"))),
        ("17 no nbf", of_claims(&without(claims(), "nbf"))),
        ("18 aud", of_claims(&with(claims(), "aud", json!("another-api")))),
        ("18 aud is a list", of_claims(&with(claims(), "aud", json!([AUDIENCE])))),
        ("18 no aud", of_claims(&without(claims(), "aud"))),
        ("19 iss", of_claims(&with(claims(), "iss", json!("https://evil.example")))),
        ("20 a webhook's type", of_header(&with(header(), "typ", json!("webhook+jwt")))),
        ("20 the general type", of_header(&with(header(), "typ", json!("JWT")))),
        ("21 crit", of_header(&with(header(), "crit", json!(["b64"])))),
        ("22 eight dots", format!("{good}.a.b.c.d.e.f")),
        ("22 no base64url", format!("{body}.+/+/")),
        ("22 padding", format!("{good}=")),
        ("22 a duplicate claim", raw(format!("{{\"sub\":\"bob\",{}", &text[1..]))),
        ("22 too long", format!("{good}{}", "A".repeat(MAX_TOKEN_BYTES))),
        ("23 a key of before", signed(&with(header(), "kid", json!("retired")), &text, b"retired")),
    ];
    assert!(list.iter().all(|(_, token)| *token != good), "each is wrong somewhere");
    list.push(("no JWT at all", "password".to_owned()));
    list
}

#[tokio::test]
async fn forged_confused_and_expired_tokens_get_one_answer_and_nothing_else() {
    let api = Api::start().await;
    let providers = Providers::mount(&api).await;
    let mut browser = Browser::new(&api);
    let signed_in = browser.sign_in(&providers).await;
    let refresh_token = browser.jar["workway-refresh"].clone();
    browser.post("/auth/logout").await;
    let asked_before = api.upstream.received_requests().await.unwrap().len();

    let mut list = forgeries(&api.upstream.uri());
    list.push(("20 a refresh token", refresh_token));
    list.push((
        "23 of a session that ended",
        signed_in["access_token"].as_str().unwrap().to_owned(),
    ));
    let body = api.get("/workflows", "x").await.1;
    let get = |values: &[String]| {
        let request = api.client.get(format!("{}/workflows", api.base));
        values.iter().fold(request, |request, value| request.header("authorization", value)).send()
    };
    let mut headers: Vec<(&str, Vec<String>)> =
        list.iter().map(|(name, token)| (*name, vec![format!("Bearer {token}")])).collect();
    let good = format!("Bearer {}", token("ann"));
    headers.push(("1 none", vec![]));
    headers.push(("3 two headers", vec![good.clone(), good.clone()]));
    headers.push(("3 a good one and a bad one", vec![good.clone(), "Bearer x".to_owned()]));
    for (name, values) in &headers {
        let refused = get(values).await.unwrap();
        assert_eq!(refused.status(), 401, "{name}");
        assert!(refused.headers().contains_key("www-authenticate"), "{name}");
        let text = refused.text().await.unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), body, "{name}");
    }
    assert_eq!(get(&[good]).await.unwrap().status(), 200, "the next request is served");
    let asked = api.upstream.received_requests().await.unwrap().len();
    assert_eq!(asked, asked_before, "13, 14: no key was fetched");
    println!("{} forged requests, 0 passed: below {:.1} % at 95 %", headers.len(), 300.0 / 47.0);
    assert_eq!(headers.len(), 48);
}

#[tokio::test]
async fn a_good_token_opens_nothing_of_somebody_else_nor_beyond_its_scope() {
    let api = Api::start().await;
    let workflow = api.workflow(&token("ann"), api.http_step()).await;
    let path = format!("/workflows/{workflow}");
    assert_eq!(api.get(&path, &token("bob")).await.0, 404, "24");
    assert_eq!(api.get(&path, &token_of("ann", "write")).await.0, 403, "24");
    assert_eq!(api.get(&path, &token("ann")).await.0, 200);
}

/// 13: what an unknown key costs is a comparison.
#[test]
fn ten_thousand_unknown_keys_are_refused() {
    let config = Config::from_lookup(|name| (name == "JWT_SECRET").then(|| SECRET.to_owned()));
    let key = config.unwrap().signing_key;
    for n in 0..10_000 {
        let unknown = of_header(&with(header(), "kid", json!(format!("key-{n}"))));
        assert!(verify(&unknown, &key, now() * 1000).is_err());
    }
    let megabyte = format!("{}.{}", of_claims(&claims()), "A".repeat(1 << 20));
    assert!(verify(&megabyte, &key, now() * 1000).is_err(), "22");
}
