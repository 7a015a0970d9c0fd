//! Signing in, sessions and connections, in the Worker.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wasm_bindgen_test::wasm_bindgen_test;
use workway_service::identity::{FLOW_LIFETIME, REVOCATION_STALENESS, person_id};

use crate::world::{
    Answer, World, advance, answer, break_oauth, log, outbound_requests, put_session_records,
    session_records, set_mode, set_var, token,
};

/// A browser, as far as cookies go.
struct Browser<'a> {
    world: &'a World,
    jar: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    fn new(world: &'a World) -> Self {
        Self { world, jar: BTreeMap::new() }
    }

    async fn send(&mut self, method: &str, path: &str) -> Answer {
        let pairs: Vec<_> = self.jar.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let headers =
            if pairs.is_empty() { json!({}) } else { json!({"cookie": pairs.join("; ")}) };
        let answer = self.world.send(method, path, &headers, None).await;
        for cookie in &answer.cookies {
            let (pair, attributes) = cookie.split_once(';').unwrap();
            let (key, value) = pair.split_once('=').unwrap();
            assert!(key.starts_with("__Host-") && attributes.ends_with("; Secure"), "{cookie}");
            if attributes.contains("Max-Age=0") {
                self.jar.remove(key);
            } else {
                self.jar.insert(key.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Goes to the consent page; the state that it is given.
    async fn leave(&mut self, provider: &str) -> String {
        let left = self.send("GET", &format!("/oauth/{provider}/authorize")).await;
        assert_eq!(left.status, 302, "{left:?}");
        let url = left.headers["location"].as_str().unwrap();
        url.split('&').find_map(|pair| pair.strip_prefix("state=")).unwrap().to_owned()
    }

    async fn come_back(&mut self, provider: &str, state: &str) -> Answer {
        self.send("GET", &format!("/oauth/{provider}/callback?code=c&state={state}")).await
    }

    async fn sign_in(&mut self, lifetime: i64) -> String {
        let state = self.leave("google").await;
        tokens("google", lifetime);
        answer(&json!({"body": r#"{"sub":"1","name":"Ann"}"#}));
        let signed_in = self.come_back("google", &state).await;
        assert_eq!((signed_in.status, &signed_in.body["person"]), (200, &json!(person_id("1"))));
        signed_in.body["access_token"].as_str().unwrap().to_owned()
    }
}

/// The next answer is tokens.
fn tokens(name: &str, lifetime: i64) {
    let body = json!({
        "access_token": format!("{name}-access"), "refresh_token": format!("{name}-refresh"),
        "expires_in": lifetime, "workspace_name": "Home",
    });
    answer(&json!({"body": body.to_string()}));
}

#[wasm_bindgen_test]
async fn a_person_signs_in_connects_and_disconnects() {
    let world = World::new();
    let mut browser = Browser::new(&world);
    let token = browser.sign_in(3600).await;
    let me = world.get("/me", &token).await;
    assert_eq!((me.status, &me.body["name"]), (200, &json!("Ann")));
    let state = browser.leave("notion").await;
    tokens("notion", 3600);
    let connected = browser.come_back("notion", &state).await;
    assert_eq!(connected.body, json!({"provider": "notion", "account": "Home"}));
    let sent = outbound_requests();
    assert_eq!(sent.len(), 3);
    assert!(sent[0]["body"].as_str().unwrap().contains("code_verifier="));
    assert_eq!(sent[2]["url"], "https://upstream.test/notion/v1/oauth/token");

    let objects = world.oauth_objects();
    let person = format!("person/{}", person_id("1"));
    for (name, holds, alarm) in &objects {
        assert_eq!((*holds, *alarm), (*name == person, None), "{name}: a flow leaves nothing");
    }
    assert_eq!(objects.len(), 3);
    let gone = world.send("DELETE", "/connections/notion", &bearer(&token), None).await;
    assert_eq!(gone.body, json!({"provider": "notion", "revoked": true}));
    assert!(outbound_requests()[3]["body"].as_str().unwrap().contains("notion-refresh"));
    let left = world.get("/connections", &token).await.body;
    assert_eq!(left["connections"].as_array().unwrap().len(), 1);
    for secret in ["google-access", "notion-access", "google-secret", &token] {
        assert!(!log().contains(secret));
    }
}

fn bearer(token: &str) -> Value {
    json!({"authorization": format!("Bearer {token}")})
}

#[wasm_bindgen_test]
async fn a_state_is_good_once_in_its_browser_and_in_time() {
    let world = World::new();
    let mut browser = Browser::new(&world);
    let state = browser.leave("google").await;
    let mut stranger = Browser::new(&world);
    stranger.leave("google").await;
    assert_eq!(stranger.come_back("google", &state).await.status, 400);
    assert_eq!(browser.come_back("notion", &state).await.status, 400);
    assert_eq!(browser.come_back("google", "x.y").await.status, 400);
    assert!(outbound_requests().is_empty());
    answer(&json!({"status": 400, "body": r#"{"error":"invalid_grant"}"#}));
    let refused = browser.come_back("google", &state).await;
    assert_eq!(refused.body["detail"], "the provider did not accept the code; begin again");
    for _ in 0..2 {
        assert_eq!(browser.come_back("google", &state).await.status, 400, "used, and still gone");
    }
    assert_eq!(outbound_requests().len(), 1);

    let late = browser.leave("google").await;
    let waiting: Vec<_> =
        world.oauth_objects().into_iter().filter(|(_, holds, _)| *holds).collect();
    assert!(waiting.iter().all(|(_, _, alarm)| alarm.is_some()), "each flow ends by itself");
    advance(FLOW_LIFETIME).await;
    assert_eq!(browser.come_back("google", &late).await.status, 400);
    for (name, _, _) in waiting {
        world.ring_oauth(&name).await;
    }
    assert!(world.oauth_objects().iter().all(|(_, holds, _)| !holds), "nothing is left");
}

#[wasm_bindgen_test]
async fn a_provider_that_fails_has_a_stated_answer() {
    let world = World::new();
    let mut browser = Browser::new(&world);
    for fault in [
        json!({"fails": "refused"}),
        json!({"fails": "broken"}),
        json!({"status": 500}),
        json!({"body": "nonsense"}),
    ] {
        let state = browser.leave("google").await;
        answer(&fault);
        let failed = browser.come_back("google", &state).await;
        assert_eq!((failed.status, failed.cookies.len()), (502, 0), "{fault}");
    }
    let state = browser.leave("google").await;
    answer(&json!({"fails": "never"}));
    let path = format!("/oauth/google/callback?code=c&state={state}");
    let cookie = json!({"cookie": format!("__Host-workway-browser={}", browser.jar["__Host-workway-browser"])});
    let asked = world.start("GET", &path, &cookie, None);
    advance(4_000).await;
    assert_eq!(Answer::of(asked).await.status, 502);
    browser.sign_in(3600).await;
}

#[wasm_bindgen_test]
async fn a_refresh_token_is_good_once_and_reuse_ends_the_session() {
    let world = World::new();
    let mut browser = Browser::new(&world);
    let token = browser.sign_in(3600).await;
    let first = browser.jar.clone();
    let refreshed = browser.send("POST", "/auth/refresh").await;
    assert_eq!((refreshed.status, refreshed.cookies.len()), (200, 1));
    let newest = browser.jar.clone();
    browser.jar = first;
    assert_eq!(browser.send("POST", "/auth/refresh").await.status, 401);
    browser.jar = newest;
    assert_eq!(browser.send("POST", "/auth/refresh").await.status, 401);
    for token in [&token, refreshed.body["access_token"].as_str().unwrap()] {
        assert_eq!(world.get("/me", token).await.status, 401);
    }
}

#[wasm_bindgen_test]
async fn the_end_of_a_session_is_noticed_within_its_bound() {
    let world = World::new();
    let mut browser = Browser::new(&world);
    let token = browser.sign_in(3600).await;
    assert_eq!(world.get("/me", &token).await.status, 200);
    let stale = session_records(&world.env);
    assert_eq!(browser.send("POST", "/auth/logout").await.status, 204);
    assert_eq!(world.get("/me", &token).await.status, 401);
    put_session_records(&world.env, &stale);
    assert_eq!(world.get("/me", &token).await.status, 200, "KV is behind");
    advance(REVOCATION_STALENESS - 1).await;
    assert_eq!(world.get("/me", &token).await.status, 200);
    advance(1).await;
    put_session_records(&world.env, &stale);
    assert_eq!(world.get("/me", &token).await.status, 401);
}

#[wasm_bindgen_test]
async fn who_cannot_be_asked_is_not_believed() {
    let world = World::new();
    let mut browser = Browser::new(&world);
    let signed_in = browser.sign_in(3600).await;
    break_oauth(&world.env, true);
    assert_eq!(world.get("/me", &signed_in).await.status, 503);
    assert_eq!(browser.send("POST", "/auth/refresh").await.status, 503);
    assert_eq!(browser.send("GET", "/oauth/google/authorize").await.status, 503);
    assert_eq!(world.get("/workflows", &token("service")).await.status, 200, "has no session");
    break_oauth(&world.env, false);
    assert_eq!(world.get("/me", &signed_in).await.status, 200);
    assert_eq!(browser.send("POST", "/auth/refresh").await.status, 200, "nothing was used up");
}

#[wasm_bindgen_test]
async fn steps_act_for_their_owner_with_the_next_token() {
    let world = World::new();
    let mut browser = Browser::new(&world);
    let token = browser.sign_in(1).await;
    let state = browser.leave("notion").await;
    tokens("notion", 3600);
    browser.come_back("notion", &state).await;
    let page = json!({"type": "notion.create_page", "config": {
        "parent": {"page_id": "home"}, "title": "About {{ steps[0].output.name }}"}});
    let run = world.run(&token, &json!([{"type": "google.userinfo", "config": {}}, page])).await;
    let before = outbound_requests().len();
    tokens("google-next", 3600);
    answer(&json!({"body": r#"{"sub":"1","name":"Ann"}"#}));
    answer(&json!({"body": r#"{"id":"p","url":"u"}"#}));
    let finished = world.finish(&run).await;
    assert_eq!(finished["status"], "succeeded", "{finished}");
    assert_eq!(finished["steps"][1]["output"], json!({"id": "p", "url": "u"}));
    let sent = outbound_requests().split_off(before);
    let seen: Vec<_> = sent.iter().map(|request| request["url"].as_str().unwrap()).collect();
    assert_eq!(
        seen,
        [
            "https://upstream.test/google/token",
            "https://upstream.test/google/v1/userinfo",
            "https://upstream.test/notion/v1/pages",
        ]
    );
    assert_eq!(sent[1]["headers"]["authorization"], "Bearer google-next-access");
    assert!(sent[2]["body"].as_str().unwrap().contains("About Ann"));
    assert!(!world.state(&run).to_string().contains("-access"), "no token in the run");
}

#[wasm_bindgen_test]
async fn server_errors_are_reported() {
    let world = World::new();
    set_var(&world.env, "SENTRY_DSN", Some("https://public@sentry.test/7"));
    set_var(&world.env, "SENTRY_TRACES_SAMPLE_RATE", Some("0"));
    set_var(&world.env, "DB", None);
    let failed = world.get("/workflows?limit=7", &token("ann")).await;
    assert_eq!(failed.status, 503);
    advance(0).await;
    let sent = outbound_requests();
    assert_eq!(sent[0]["url"], "https://sentry.test/api/7/envelope/");
    let body = sent[0]["body"].as_str().unwrap();
    assert!(body.contains("server error: 503 at GET /workflows"), "{body}");
    assert!(!body.contains("limit") && !body.contains("\"ann\""), "{body}");
}

#[wasm_bindgen_test]
async fn requests_are_traced() {
    let world = World::new();
    set_var(&world.env, "SENTRY_DSN", Some("https://public@sentry.test/7"));
    set_var(&world.env, "SENTRY_TRACES_SAMPLE_RATE", Some("1"));
    assert_eq!(world.get("/workflows?limit=7", &token("ann")).await.status, 200);
    advance(0).await;
    let sent = outbound_requests();
    let [trace] = &sent[..] else { panic!("one: {sent:?}") };
    let body = trace["body"].as_str().unwrap();
    assert!(body.contains(r#""transaction":"GET /workflows""#), "{body}");
    assert!(!body.contains("limit") && !body.contains("\"ann\""), "{body}");
}

#[wasm_bindgen_test]
async fn a_worker_without_its_configuration_is_reported_once_and_a_cron_that_fails_each_time() {
    let world = World::new();
    set_var(&world.env, "SENTRY_DSN", Some("https://public@sentry.test/7"));
    set_var(&world.env, "JWT_SECRET", Some("short"));
    for _ in 0..3 {
        assert_eq!(world.get("/health/live", "").await.status, 500);
        world.cron().await;
    }
    advance(0).await;
    let sent = outbound_requests();
    let [report] = &sent[..] else { panic!("one for an isolate: {sent:?}") };
    let body = report["body"].as_str().unwrap();
    assert!(body.contains("not configured at JWT_SECRET") && !body.contains("short"), "{body}");

    let world = World::new();
    set_var(&world.env, "SENTRY_DSN", Some("https://public@sentry.test/7"));
    set_mode(&world.env, "DB", "broken");
    world.cron().await;
    let sent = outbound_requests();
    let bodies: Vec<_> = sent.iter().map(|request| request["body"].as_str().unwrap()).collect();
    for part in ["sweep", "backup"] {
        let expected = format!("scheduled task failed: {part} at cron");
        assert!(bodies.iter().any(|body| body.contains(&expected)), "{part}: {bodies:?}");
    }
    assert!(bodies.iter().all(|body| !body.contains("Network")), "{bodies:?}");
}
