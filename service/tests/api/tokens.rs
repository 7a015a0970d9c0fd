//! Tokens of ours that are for something else, or not good any more; `hostile_tokens.rs` has those
//! that somebody bent or made up.

use reqwest::Method;
use workway_service::config::SigningKey;
use workway_service::guard::SessionToken;

use super::browser::{Browser, Providers};
use super::client::{Api, SECRET, read, token, token_of};

#[tokio::test]
async fn tokens_for_something_else_and_of_the_past_get_the_one_answer() {
    let api = Api::start().await;
    let providers = Providers::mount(&api).await;
    let mut browser = Browser::new(&api);
    let ended = browser.sign_in(&providers).await;
    let refresh = browser.jar["workway-refresh"].clone();
    let live = Browser::new(&api).sign_in(&providers).await;
    browser.post("/auth/logout").await;

    let now = i64::try_from(
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis(),
    )
    .unwrap();
    let key = SigningKey::new(SECRET.as_bytes()).unwrap();
    let retired = SigningKey::new(b"a key of before, which is not accepted any more").unwrap();
    let session = |person: &str, session: &str| SessionToken {
        person: person.to_owned(),
        session: session.to_owned(),
        generation: 0,
    };
    let (_, me) = api.get("/me", live["access_token"].as_str().unwrap()).await;
    let of_live = me["session"].as_str().unwrap();
    let asked = api.upstream.received_requests().await.unwrap().len();
    let expected = api.get("/me", "").await.1;
    for (name, token) in [
        ("20 a refresh token", refresh),
        ("20 a refresh token that is good", session("ann", of_live).refresh(&key, now)),
        ("23 of a session that ended", ended["access_token"].as_str().unwrap().to_owned()),
        ("23 of a key of before", session("ann", "s").access("read", &retired, now)),
        ("23 of a session that never was", session("ann", "s").access("read", &key, now)),
        ("24 of somebody else's session", session("ann", of_live).access("read", &key, now)),
        ("15 of a day ago", session("ann", "s").access("read", &key, now - 86_400_000)),
        ("16 of tomorrow", session("ann", "s").access("read", &key, now + 86_400_000)),
    ] {
        let refused = api.send(Method::GET, "/me", &token, None).await;
        assert!(refused.headers().contains_key("www-authenticate"), "{name}");
        let (status, body) = read(refused).await;
        assert_eq!((status.as_u16(), &body), (401, &expected), "{name}");
    }
    assert_eq!(api.upstream.received_requests().await.unwrap().len(), asked, "nobody was asked");
    assert_eq!(api.get("/me", live["access_token"].as_str().unwrap()).await.0, 200);
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
