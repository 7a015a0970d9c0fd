//! Sessions: the next token, the end, and how soon that is noticed.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use workway_service::{
    guard::ACCESS_LIFETIME_SECONDS,
    identity::{REVOCATION_STALENESS, SESSION_LIFETIME},
};

use super::browser::{Browser, Providers};
use super::client::{Api, SECRET, read, token};

const COOKIE: &str = "workway-refresh";

async fn refresh(browser: &mut Browser<'_>) -> (StatusCode, Value) {
    read(browser.post("/auth/refresh").await).await
}

fn access(body: &Value) -> String {
    body["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_its_thief_ends_the_session() {
    let api = Api::start().await;
    let providers = Providers::mount(&api).await;
    let mut browser = Browser::new(&api);
    let signed_in = browser.sign_in(&providers).await;
    let first = browser.jar[COOKIE].clone();
    let (status, body) = refresh(&mut browser).await;
    assert_eq!(status, 200);
    assert_ne!(browser.jar[COOKIE], first);
    assert_eq!(api.get("/me", &access(&body)).await.0, 200);
    let newest = browser.jar[COOKIE].clone();

    browser.jar.insert(COOKIE.to_owned(), first);
    assert_eq!(refresh(&mut browser).await.0, 401);
    assert!(!browser.jar.contains_key(COOKIE), "the cookie is taken away");
    browser.jar.insert(COOKIE.to_owned(), newest);
    assert_eq!(refresh(&mut browser).await.0, 401, "whoever has the newest is out, too");
    for token in [access(&signed_in), access(&body)] {
        assert_eq!(api.get("/me", &token).await.0, 401, "and their access tokens");
    }
    let again = browser.sign_in(&providers).await;
    assert_eq!(api.get("/me", &access(&again)).await.0, 200);
}

#[tokio::test]
async fn of_fifty_who_come_with_one_refresh_token_one_gets_the_next() {
    let api = Api::start().await;
    let providers = Providers::mount(&api).await;
    let mut browser = Browser::new(&api);
    browser.sign_in(&providers).await;
    let cookie = format!("{COOKIE}={}", browser.jar[COOKIE]);
    let racers = (0..50).map(|_| {
        let request =
            api.client.post(format!("{}/auth/refresh", api.base)).header("cookie", &cookie);
        tokio::spawn(async move { request.send().await.unwrap().status().as_u16() })
    });
    let mut statuses = BTreeMap::<u16, usize>::new();
    for racer in racers.collect::<Vec<_>>() {
        *statuses.entry(racer.await.unwrap()).or_default() += 1;
    }
    assert_eq!(statuses, BTreeMap::from([(200, 1), (401, 49)]));
}

#[tokio::test]
async fn logging_out_ends_this_session_and_no_other() {
    let api = Api::start().await;
    let providers = Providers::mount(&api).await;
    let (mut one, mut other) = (Browser::new(&api), Browser::new(&api));
    let (first, second) = (one.sign_in(&providers).await, other.sign_in(&providers).await);
    assert_eq!(api.get("/me", &access(&first)).await.0, 200, "remembered as going on");
    let kept = one.jar[COOKIE].clone();
    assert_eq!(one.post("/auth/logout").await.status(), 204);
    assert!(!one.jar.contains_key(COOKIE));
    assert_eq!(api.get("/me", &access(&first)).await.0, 401);
    one.jar.insert(COOKIE.to_owned(), kept);
    assert_eq!(refresh(&mut one).await.0, 401);
    assert_eq!(one.post("/auth/logout").await.status(), 204, "again");
    assert_eq!(api.get("/me", &access(&second)).await.0, 200);
    assert_eq!(refresh(&mut other).await.0, 200);
    assert_eq!(Browser::new(&api).post("/auth/logout").await.status(), 204);
}

#[tokio::test]
async fn requests_with_the_cookie_come_from_pages_that_we_know() {
    let api = Api::start().await;
    let providers = Providers::mount(&api).await;
    let mut browser = Browser::new(&api);
    browser.sign_in(&providers).await;
    for origin in ["https://evil.example", "null", "http://good.example", "https://good.example:1"]
    {
        for path in ["/auth/refresh", "/auth/logout"] {
            let refused = browser.send(Method::POST, path, origin).await;
            assert_eq!(refused.status(), 403, "{path} from {origin}");
        }
    }
    for origin in ["https://good.example", &api.base] {
        let refreshed = browser.send(Method::POST, "/auth/refresh", origin).await;
        assert_eq!(refreshed.status(), 200, "{origin}: nothing was used up before");
    }
    for cookie in ["x", "a.b.c", &token("ann")] {
        browser.jar.insert(COOKIE.to_owned(), cookie.to_owned());
        assert_eq!(refresh(&mut browser).await.0, 401, "{cookie}");
    }
}

/// What SESSIONS has of all sessions, or puts it back.
fn records(api: &Api, put_back: Option<&[(String, String, i64)]>) -> Vec<(String, String, i64)> {
    let file = api.state.path().join("sessions.sqlite");
    let connection = rusqlite::Connection::open(file).unwrap();
    for (key, value, expires_at) in put_back.unwrap_or_default() {
        let sql = "INSERT OR REPLACE INTO entries (key, value, expires_at) VALUES (?1, ?2, ?3)";
        connection.execute(sql, (key, value, expires_at)).unwrap();
    }
    let mut rows = connection.prepare("SELECT key, value, expires_at FROM entries").unwrap();
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[tokio::test]
async fn the_end_of_a_session_is_noticed_within_a_minute_however_stale_kv_is() {
    let api = Api::start().await;
    let providers = Providers::mount(&api).await;
    let mut browser = Browser::new(&api);
    let token = access(&browser.sign_in(&providers).await);
    assert_eq!(api.get("/me", &token).await.0, 200);
    // KV still gives what it had, with a life as long as it likes.
    let mut stale = records(&api, None);
    for record in &mut stale {
        record.2 += 3_600_000;
    }
    assert_eq!(stale.len(), 1);
    assert_eq!(browser.post("/auth/logout").await.status(), 204);
    assert_eq!(api.get("/me", &token).await.0, 401, "at once, when KV is up to date");
    records(&api, Some(&stale));
    assert_eq!(api.get("/me", &token).await.0, 200, "this is the staleness that is stated");
    api.advance(REVOCATION_STALENESS - 20_000).await;
    records(&api, Some(&stale));
    assert_eq!(api.get("/me", &token).await.0, 200);
    api.advance(20_000).await;
    records(&api, Some(&stale));
    assert_eq!(api.get("/me", &token).await.0, 401, "and this its bound");
}

#[tokio::test]
async fn tokens_and_sessions_end_by_themselves() {
    let api = Api::start().await;
    let providers = Providers::mount(&api).await;
    let mut browser = Browser::new(&api);
    let token = access(&browser.sign_in(&providers).await);
    api.advance((ACCESS_LIFETIME_SECONDS + 10) * 1000).await;
    assert_eq!(api.get("/me", &token).await.0, 401);
    let (status, body) = refresh(&mut browser).await;
    assert_eq!(status, 200);
    assert_eq!(api.get("/me", &access(&body)).await.0, 200);
    api.advance(SESSION_LIFETIME).await;
    assert_eq!(refresh(&mut browser).await.0, 401, "thirty days after signing in");
}

#[tokio::test]
async fn signing_keys_change_without_signing_anybody_out() {
    let mut api = Api::start().await;
    let new = "the next secret for tests, of at least 32 bytes";
    let providers = Providers::mount(&api).await;
    let mut browser = Browser::new(&api);
    let old_token = access(&browser.sign_in(&providers).await);
    let service = token("service");
    let jar = browser.jar.clone();

    api.stop().await;
    api.boot_with(&[("JWT_SECRET", new), ("JWT_SECRET_PREVIOUS", SECRET)]).await;
    let mut browser = Browser::new(&api);
    browser.jar = jar;
    for token in [&old_token, &service] {
        assert_eq!(api.get("/me", token).await.0, 200, "signed with the previous key");
    }
    let (status, body) = refresh(&mut browser).await;
    assert_eq!(status, 200);
    let (new_token, jar) = (access(&body), browser.jar.clone());

    api.stop().await;
    api.boot_with(&[("JWT_SECRET", new)]).await;
    for token in [&old_token, &service] {
        assert_eq!(api.get("/me", token).await.0, 401, "its key is gone");
    }
    assert_eq!(api.get("/me", &new_token).await.0, 200);
    let mut browser = Browser::new(&api);
    browser.jar = jar;
    assert_eq!(refresh(&mut browser).await.0, 200);
}

#[tokio::test]
async fn a_token_without_a_session_is_good_until_it_ends() {
    let api = Api::start().await;
    let (status, me) = api.get("/me", &token("service")).await;
    let expected = json!({"id": "service", "name": null, "email": null, "session": null});
    assert_eq!((status.as_u16(), me), (200, expected));
}
