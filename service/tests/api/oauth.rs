//! Signing in with Google, and connecting Notion.

use std::{collections::BTreeMap, time::Duration};

use reqwest::{Method, Url};
use serde_json::json;
use wiremock::{
    Mock, ResponseTemplate,
    matchers::{method, path},
};
use workway_service::identity::{FLOW_LIFETIME, MAX_CODE, person_id};

use super::browser::{Browser, Providers, SUB, objects};
use super::client::{Api, read, token, token_of};

#[tokio::test]
async fn google_signs_a_person_in_who_stays_the_same() {
    let api = Api::start().await;
    let providers = Providers::mount(&api).await;
    let mut browser = Browser::new(&api);
    let consent = browser.leave("google", "").await;
    let query: BTreeMap<_, _> = consent.query_pairs().into_owned().collect();
    assert_eq!(consent.path(), "/google/o/oauth2/v2/auth");
    assert_eq!(query["redirect_uri"], format!("{}/oauth/google/callback", api.base));
    assert_eq!(query["code_challenge_method"], "S256");

    let signed_in = browser.sign_in(&providers).await;
    assert_eq!(signed_in["person"], person_id(SUB));
    assert_eq!(
        (&signed_in["token_type"], &signed_in["expires_in"]),
        (&json!("Bearer"), &json!(600))
    );
    assert!(signed_in["refresh_token"].is_null(), "it is in the cookie only");
    let token = signed_in["access_token"].as_str().unwrap();
    let (status, me) = api.get("/me", token).await;
    assert_eq!(
        (status.as_u16(), &me["name"], &me["email"]),
        (200, &json!("Ann"), &json!("ann@example.com"))
    );
    assert_eq!(me["id"], signed_in["person"]);
    let workflow = api.workflow(token, api.http_step()).await;

    let again = Browser::new(&api).sign_in(&providers).await;
    let (status, _) =
        api.get(&format!("/workflows/{workflow}"), again["access_token"].as_str().unwrap()).await;
    assert_eq!(status, 200, "the same person");
    let (_, connections) = api.get("/connections", token).await;
    let google = &connections["connections"][0];
    assert_eq!((&google["provider"], &google["active"]), (&json!("google"), &json!(true)));
    assert_eq!(objects(&api, "OAuth/sign-in/"), 1, "only what nobody came back for");
    api.advance(FLOW_LIFETIME).await;
    for _ in 0..100 {
        if objects(&api, "OAuth/sign-in/") == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("what nobody came back for stays");
}

#[tokio::test]
async fn whoever_comes_back_wrongly_gets_nothing() {
    let api = Api::start().await;
    let providers = Providers::mount(&api).await;
    let mut browser = Browser::new(&api);
    let consent = browser.leave("google", "").await;
    let state = providers.ask(&consent);
    let (id, mac) = state.split_once('.').unwrap();
    let other = browser.leave("google", "").await;
    let other = providers.ask(&other);
    let (_, other_mac) = other.split_once('.').unwrap();
    let long = "x".repeat(MAX_CODE + 1);
    let begin_again = "urn:workway:problem:sign-in";
    for query in [
        String::new(),
        "code=good".to_owned(),
        "code=good&state=".to_owned(),
        "code=good&state=x".to_owned(),
        format!("code=good&state={id}"),
        format!("code=good&state={id}."),
        format!("code=good&state={id}.{other_mac}"),
        format!("code=good&state={mac}.{id}"),
        format!("state={state}"),
        format!("code=&state={state}"),
        format!("code={long}&state={state}"),
    ] {
        let (status, body) =
            read(browser.get(&format!("/oauth/google/callback?{query}")).await).await;
        assert_eq!((status.as_u16(), &body["type"]), (400, &json!(begin_again)), "{query}");
    }
    for query in [
        format!("code=good&code=good&state={state}"),
        format!("code=good&state={state}&state={state}"),
    ] {
        let (status, body) =
            read(browser.get(&format!("/oauth/google/callback?{query}")).await).await;
        assert_eq!((status.as_u16(), &body["error"]), (400, &json!("Invalid input")), "{query}");
    }
    // Another provider, no browser, another browser: and the state is not used up by them.
    let path = format!("/oauth/notion/callback?code=good&state={state}");
    assert_eq!(read(browser.get(&path).await).await.1["type"], begin_again, "mixed up");
    let path = format!("/oauth/google/callback?code=good&state={state}");
    assert_eq!(read(Browser::new(&api).get(&path).await).await.1["type"], begin_again, "no cookie");
    let mut stranger = Browser::new(&api);
    stranger.leave("google", "").await;
    assert_eq!(read(stranger.get(&path).await).await.1["type"], begin_again, "another cookie");
    assert_eq!(objects(&api, "OAuth/person/"), 0, "nothing happened");
    assert_eq!(api.upstream.received_requests().await.unwrap().len(), 0, "nobody was asked");

    providers.ask(&consent);
    assert_eq!(browser.get(&path).await.status(), 200, "it was good");
    assert_eq!(read(browser.get(&path).await).await.1["type"], begin_again, "used");
    assert_eq!(objects(&api, "OAuth/person/"), 1);
}

#[tokio::test]
async fn a_state_is_good_once_among_a_hundred_who_come_with_it_at_the_same_time() {
    // They share the budget of one address.
    let api = Api::start_with(&[("RATE_LIMIT", "1000")]).await;
    let providers = Providers::mount(&api).await;
    let mut browser = Browser::new(&api);
    let state = providers.ask(&browser.leave("google", "").await);
    let cookie = format!("workway-browser={}", browser.jar["workway-browser"]);
    let url = format!("{}/oauth/google/callback?code=good&state={state}", api.base);
    let racers = (0..100).map(|_| {
        let request = api.client.get(&url).header("cookie", &cookie);
        tokio::spawn(async move { request.send().await.unwrap().status().as_u16() })
    });
    let mut statuses = BTreeMap::<u16, usize>::new();
    for racer in racers.collect::<Vec<_>>() {
        *statuses.entry(racer.await.unwrap()).or_default() += 1;
    }
    assert_eq!(statuses, BTreeMap::from([(200, 1), (400, 99)]));
}

#[tokio::test]
async fn a_state_is_over_after_ten_minutes() {
    let api = Api::start().await;
    let providers = Providers::mount(&api).await;
    let mut browser = Browser::new(&api);
    let late = providers.ask(&browser.leave("google", "").await);
    api.advance(FLOW_LIFETIME).await;
    let path = format!("/oauth/google/callback?code=good&state={late}");
    assert_eq!(browser.get(&path).await.status(), 400);
    assert_eq!(objects(&api, "OAuth/person/"), 0);
    let in_time = providers.ask(&browser.leave("google", "").await);
    api.advance(FLOW_LIFETIME - 30_000).await;
    let path = format!("/oauth/google/callback?code=good&state={in_time}");
    assert_eq!(browser.get(&path).await.status(), 200);
}

#[tokio::test]
async fn what_the_provider_refuses_or_fails_to_do_has_no_effect() {
    let api = Api::start().await;
    let providers = Providers::mount(&api).await;
    let mut browser = Browser::new(&api);
    let come_back = async |browser: &mut Browser<'_>, query: &str, challenge: Option<&str>| {
        let state = providers.ask(&browser.leave("google", "").await);
        if let Some(challenge) = challenge {
            challenge.clone_into(&mut providers.book().challenge);
        }
        let path = format!("/oauth/google/callback?state={state}&{query}");
        let (status, body) = read(browser.get(&path).await).await;
        assert_eq!(browser.get(&path).await.status(), 400, "the state is used up");
        (status.as_u16(), body["detail"].as_str().unwrap().to_owned())
    };
    let refused = "the provider did not accept the code; begin again".to_owned();
    let said_no = "access was not granted".to_owned();
    let of = |answer: (u16, String)| answer;
    assert_eq!(of(come_back(&mut browser, "code=bad", None).await), (400, refused.clone()));
    assert_eq!(
        of(come_back(&mut browser, "code=good", Some("x")).await),
        (400, refused),
        "verifier"
    );
    assert_eq!(come_back(&mut browser, "error=access_denied", None).await, (400, said_no.clone()));
    let both = come_back(&mut browser, "error=%3Cscript%3E&code=good", None).await;
    assert_eq!(both, (400, said_no), "what it says is not repeated");

    let useless = (502, "the provider gave no answer of use; begin again".to_owned());
    let faults = [
        ResponseTemplate::new(500),
        ResponseTemplate::new(200).set_body_string("<html>"),
        ResponseTemplate::new(200).set_body_string("{\"access_token\": \"a"),
        ResponseTemplate::new(200).set_body_string("x".repeat(100_000)),
        ResponseTemplate::new(302).insert_header("location", "http://127.0.0.1:1/"),
        ResponseTemplate::new(200).set_delay(Duration::from_secs(30)),
    ];
    for (name, at) in [("POST", "/google/token"), ("GET", "/google/v1/userinfo")] {
        for (number, fault) in faults.iter().enumerate() {
            let fault = Mock::given(method(name)).and(path(at)).respond_with(fault.clone());
            fault.with_priority(1).up_to_n_times(1).mount(&api.upstream).await;
            let answer = come_back(&mut browser, "code=good", None).await;
            assert_eq!(answer, useless, "{at} {number}");
        }
    }
    assert_eq!(objects(&api, "OAuth/person/"), 0);
    assert!(!browser.jar.contains_key("workway-refresh"));
    browser.sign_in(&providers).await;
}

#[tokio::test]
async fn notion_is_connected_by_who_is_signed_in_and_forgotten_when_they_say_so() {
    let api = Api::start().await;
    let providers = Providers::mount(&api).await;
    let mut browser = Browser::new(&api);
    assert_eq!(browser.get("/oauth/notion/authorize").await.status(), 401);
    let signed_in = browser.sign_in(&providers).await;
    let token = signed_in["access_token"].as_str().unwrap();
    let connected = browser.connect(&providers).await;
    assert_eq!(connected, json!({"provider": "notion", "account": "Ann's workspace"}));
    let (_, list) = api.get("/connections", token).await;
    let names: Vec<_> =
        list["connections"].as_array().unwrap().iter().map(|c| &c["provider"]).collect();
    assert_eq!(names, ["google", "notion"]);
    assert!(!list.to_string().contains("access-"));

    let delete = async |provider: &str, token: &str| {
        let path = format!("/connections/{provider}");
        read(api.send(Method::DELETE, &path, token, None).await).await
    };
    assert_eq!(delete("notion", &token_of("bob", "write")).await.0, 404, "Bob has none");
    let (status, gone) = delete("notion", token).await;
    assert_eq!((status.as_u16(), gone), (200, json!({"provider": "notion", "revoked": true})));
    assert!(providers.book().revoked[0].contains("notion-refresh-0"));
    assert_eq!(delete("notion", token).await.0, 404);
    assert_eq!(delete("nobody", token).await.0, 404);
    let fails = Mock::given(path("/google/revoke")).respond_with(ResponseTemplate::new(500));
    fails.with_priority(1).up_to_n_times(1).mount(&api.upstream).await;
    let (status, gone) = delete("google", token).await;
    assert_eq!((status.as_u16(), &gone["revoked"]), (200, &json!(false)), "we forget it anyway");
    assert_eq!(api.get("/connections", token).await.1, json!({"connections": []}));
}

#[tokio::test]
async fn a_bearer_token_says_whose_account_it_is_too() {
    let api = Api::start().await;
    let providers = Providers::mount(&api).await;
    let bearer =
        async |token: &str| api.send(Method::GET, "/oauth/notion/authorize", token, None).await;
    assert_eq!(bearer("x.y.z").await.status(), 401);
    let left = bearer(&token("service")).await;
    assert_eq!(left.status(), 302);
    let consent: Url = left.headers()["location"].to_str().unwrap().parse().unwrap();
    let cookie = left.headers()["set-cookie"].to_str().unwrap();
    let mut browser = Browser::new(&api);
    let (pair, _) = cookie.split_once(';').unwrap();
    let (key, value) = pair.split_once('=').unwrap();
    browser.jar.insert(key.to_owned(), value.to_owned());
    let state = providers.ask(&consent);
    let back = browser.get(&format!("/oauth/notion/callback?code=good&state={state}")).await;
    assert_eq!(back.status(), 200);
    let (_, list) = api.get("/connections", &token("service")).await;
    assert_eq!(list["connections"][0]["provider"], "notion");
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_gets_its_visitor_back() {
    let api = Api::start().await;
    let providers = Providers::mount(&api).await;
    let mut browser = Browser::new(&api);
    let page = "?return_to=https%3A%2F%2Fgood.example%2Fdone";
    let state = providers.ask(&browser.leave("google", page).await);
    let back = browser.get(&format!("/oauth/google/callback?code=good&state={state}")).await;
    assert_eq!(back.status(), 303);
    assert_eq!(back.headers()["location"], "https://good.example/done");
    assert_eq!(back.text().await.unwrap(), "");
    let page = "https://good.example";
    let refreshed = browser.send(Method::POST, "/auth/refresh", page).await;
    assert_eq!(refreshed.headers()["access-control-allow-credentials"], "true");
    assert_eq!(refreshed.status(), 200);
    let elsewhere = "/oauth/google/authorize?return_to=https%3A%2F%2Fevil.example";
    let (status, body) = read(browser.get(elsewhere).await).await;
    assert_eq!((status.as_u16(), &body["issues"][0]["path"]), (400, &json!("return_to")));
}

#[tokio::test]
async fn a_deployment_without_providers_has_none() {
    let mut api = Api::start().await;
    api.stop().await;
    api.boot_with(&[("GOOGLE_CLIENT_ID", ""), ("NOTION_CLIENT_ID", "")]).await;
    for path in ["/oauth/google/authorize", "/oauth/google/callback?code=x&state=y"] {
        assert_eq!(api.get(path, "").await.0, 404, "{path}");
    }
    assert_eq!(api.get("/oauth/nobody/authorize", "").await.0, 404);
    assert_eq!(api.send(Method::POST, "/auth/logout", "", None).await.status(), 204);
    assert_eq!(api.post("/auth/refresh", "", json!({})).await.0, 401);
}
