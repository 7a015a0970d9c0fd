//! The steps that act for their owner.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use serde_json::{Value, json};
use wiremock::{
    Mock, Request, ResponseTemplate,
    matchers::{body_partial_json, header, method, path},
};

use super::browser::{Browser, Providers, SUB};
use super::client::{Api, token};

fn userinfo() -> Value {
    json!({"type": "google.userinfo", "config": {}})
}

fn page(title: &str) -> Value {
    let config = json!({"parent": {"page_id": "home"}, "title": title, "content": "one\ntwo"});
    json!({"type": "notion.create_page", "config": config})
}

async fn run(api: &Api, token: &str, steps: Value) -> Value {
    let workflow = api.workflow(token, steps).await;
    let run = api.run(token, &workflow).await;
    api.finished(token, &run).await
}

#[tokio::test]
async fn a_page_about_its_owner_is_made_in_their_notion() {
    let api = Api::start().await;
    let providers = Providers::mount(&api).await;
    let made = json!({"id": "page-1", "url": "https://notion.example/page-1", "object": "page"});
    Mock::given(method("POST"))
        .and(path("/notion/v1/pages"))
        .and(header("authorization", "Bearer notion-access-0"))
        .and(header("notion-version", "2026-03-11"))
        .and(body_partial_json(json!({
            "parent": {"page_id": "home"},
            "properties": {"title": {"title": [{"text": {"content": "About Ann"}}]}},
        })))
        .respond_with(ResponseTemplate::new(200).set_body_json(made))
        .expect(1)
        .mount(&api.upstream)
        .await;
    let mut browser = Browser::new(&api);
    let token = browser.sign_in(&providers).await["access_token"].as_str().unwrap().to_owned();
    browser.connect(&providers).await;
    let steps = json!([userinfo(), page("About {{ steps[0].output.name }}")]);
    let run = run(&api, &token, steps).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    assert_eq!(run["steps"][0]["output"]["sub"], SUB);
    let expected = json!({"id": "page-1", "url": "https://notion.example/page-1"});
    assert_eq!(run["steps"][1]["output"], expected);
    assert_eq!(run["usage"]["outbound_requests"], 2);
    assert!(!run.to_string().contains("-access-"), "no token in it");
}

#[tokio::test]
async fn who_is_not_connected_is_told_how() {
    let api = Api::start().await;
    for step in [userinfo(), page("x")] {
        let provider = step["type"].as_str().unwrap().split_once('.').unwrap().0.to_owned();
        let run = run(&api, &token("ann"), json!([step])).await;
        assert_eq!((&run["status"], &run["steps"][0]["attempts"]), (&json!("failed"), &json!(1)));
        let how = format!("{provider} is not connected: visit /oauth/{provider}/authorize");
        assert_eq!(run["steps"][0]["error"], how);
    }
}

#[tokio::test]
async fn settings_are_judged_when_the_workflow_is_made() {
    let api = Api::start().await;
    let refused = async |config: Value| {
        let steps = json!([{"type": "notion.create_page", "config": config}]);
        let body = json!({"name": "n", "description": "d", "steps": steps});
        let (status, body) = api.post("/workflows", &token("ann"), body).await;
        assert_eq!(status, 400);
        body["issues"][0]["message"].as_str().unwrap().to_owned()
    };
    assert!(refused(json!({})).await.starts_with("config.parent must be"));
    let quotes_itself = json!({"parent": {"page_id": "p"}, "title": "{{ steps[0].output }}"});
    assert!(refused(quotes_itself).await.contains("not an earlier step"));
}

#[tokio::test]
async fn however_many_steps_need_the_next_token_it_is_asked_for_once() {
    let api = Api::start().await;
    let providers = Providers::mount(&api).await;
    providers.book().first_lifetime = Some(1);
    let mut browser = Browser::new(&api);
    let token = browser.sign_in(&providers).await["access_token"].as_str().unwrap().to_owned();
    let workflow = api.workflow(&token, json!([userinfo()])).await;
    let mut runs = Vec::new();
    for _ in 0..20 {
        runs.push(api.run(&token, &workflow).await);
    }
    for run in &runs {
        let run = api.finished(&token, run).await;
        assert_eq!(run["status"], "succeeded", "{run}");
    }
    assert_eq!(providers.book().refreshes, 1);
}

#[tokio::test]
async fn a_connection_that_the_provider_ended_is_over_and_a_new_one_is_good() {
    let api = Api::start().await;
    let providers = Providers::mount(&api).await;
    providers.book().first_lifetime = Some(1);
    let mut browser = Browser::new(&api);
    let token = browser.sign_in(&providers).await["access_token"].as_str().unwrap().to_owned();
    providers.book().refuse_refresh = Some(500);
    let failed = run(&api, &token, json!([userinfo()])).await;
    assert_eq!(failed["steps"][0]["error"], "google gave no token this time");
    assert_eq!(failed["steps"][0]["attempts"], 5, "worth another attempt");
    // Asking for the run so often has used its owner's budget up.
    api.advance(60_000).await;
    providers.book().refuse_refresh = Some(400);
    let failed = run(&api, &token, json!([userinfo()])).await;
    let how = "google is not connected: visit /oauth/google/authorize";
    assert_eq!(failed["steps"][0]["error"], how);
    let (_, list) = api.get("/connections", &token).await;
    assert_eq!(list["connections"][0]["active"], false);
    providers.book().first_lifetime = None;
    browser.sign_in(&providers).await;
    assert_eq!(run(&api, &token, json!([userinfo()])).await["status"], "succeeded");
}

/// Notion drops no repetitions: of an answer that did not come it is not known whether a page was
/// made, so it is not asked for again; of one that says so it is.
#[tokio::test]
async fn a_page_is_never_made_twice() {
    let api = Api::start().await;
    let providers = Providers::mount(&api).await;
    let mut browser = Browser::new(&api);
    let token = browser.sign_in(&providers).await["access_token"].as_str().unwrap().to_owned();
    browser.connect(&providers).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let answers = |fault: ResponseTemplate| {
        let asked = Arc::clone(&asked);
        asked.store(0, Relaxed);
        let fine = ResponseTemplate::new(200).set_body_json(json!({"id": "p", "url": "u"}));
        Mock::given(path("/notion/v1/pages")).respond_with(move |_: &Request| {
            if asked.fetch_add(1, Relaxed) == 0 { fault.clone() } else { fine.clone() }
        })
    };
    for (fault, status, times) in [
        (ResponseTemplate::new(429), "succeeded", 2),
        (ResponseTemplate::new(503), "succeeded", 2),
        (ResponseTemplate::new(401), "succeeded", 2),
        (ResponseTemplate::new(400), "failed", 1),
        (ResponseTemplate::new(500), "failed", 1),
        (ResponseTemplate::new(504), "failed", 1),
        (ResponseTemplate::new(200).set_body_string("{\"id\": \"p"), "failed", 1),
        (ResponseTemplate::new(200).set_delay(Duration::from_secs(20)), "failed", 1),
    ] {
        let mock = answers(fault).mount_as_scoped(&api.upstream).await;
        let run = run(&api, &token, json!([page("x")])).await;
        assert_eq!((&run["status"], asked.load(Relaxed)), (&json!(status), times), "{run}");
        drop(mock);
    }
    assert_eq!(providers.book().refreshes, 1, "the token that was not accepted is replaced");
}
