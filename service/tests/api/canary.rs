//! Secrets of every kind go in; then everything that the service writes is searched for them.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use reqwest::Method;
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

use crate::browser::{Browser, Providers};
use crate::client::{Api, GOOGLE_SECRET, NOTION_SECRET, SECRET, VAULT_KEY, read};

/// In headers, queries, bodies and cookies of requests.
const SENT: &str = "canary-that-a-client-sent";
/// In a request's body that is kept: the settings of a step are their owner's.
const KEPT: &str = "canary-in-a-step";
const PANIC_LOG: &str = "WORKWAY_CANARY_CHILD";

/// Files of a folder, and what they hold.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    found
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// What an attacker would look for, as it is and as it is often written.
fn spellings(secret: &str) -> Vec<String> {
    use base64::{
        Engine,
        engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
    };
    let hex = secret.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let percent: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    vec![secret.to_owned(), STANDARD.encode(secret), URL_SAFE_NO_PAD.encode(secret), hex, percent]
}

/// Signs in, connects, runs, fails, is refused: all with canaries. Everything that was answered.
async fn exercise(api: &Api, providers: &Providers) -> (Vec<String>, Vec<String>) {
    let (mut answers, mut issued) = (Vec::new(), Vec::new());
    let mut browser = Browser::new(api);
    let signed_in = browser.sign_in(providers).await;
    let token_text = signed_in["access_token"].as_str().unwrap().to_owned();
    issued.extend([token_text.clone(), browser.jar["workway-refresh"].clone()]);
    issued.push(browser.jar["workway-browser"].clone());
    answers.push(browser.connect(providers).await.to_string());
    let page = json!({"type": "notion.create_page", "config": {
        "parent": {"page_id": "home"}, "title": "t", "content": KEPT}});
    let steps = json!([{"type": "google.userinfo", "config": {}}, page]);
    let workflow = api.workflow(&token_text, steps).await;
    let run = api.run(&token_text, &workflow).await;
    let finished = api.finished(&token_text, &run).await;
    assert_eq!(finished["status"], "succeeded", "{finished}");
    answers.push(finished.to_string());
    for path in ["/me", "/connections", "/workflows", "/runs", "/usage", "/health", "/openapi.json"]
    {
        answers.push(api.send(Method::GET, path, &token_text, None).await.text().await.unwrap());
    }
    answers.push(read(browser.post("/auth/refresh").await).await.1["person"].to_string());
    issued.push(browser.jar["workway-refresh"].clone());
    for path in [
        format!("/oauth/google/callback?code={SENT}&state={SENT}"),
        format!("/oauth/notion/callback?error={SENT}&state={SENT}"),
        format!("/oauth/google/authorize?return_to=https://{SENT}.example"),
        format!("/workflows?cursor={SENT}"),
        format!("/runs/{SENT}"),
    ] {
        let request = api.client.get(format!("{}{path}", api.base)).bearer_auth(SENT);
        let request = request.header("cookie", format!("workway-refresh={SENT}"));
        let answer = request.header("x-secret", SENT).send().await.unwrap();
        answers.push(format!("{:?} {}", answer.headers().clone(), answer.text().await.unwrap()));
    }
    let bad =
        json!({"name": [SENT], "description": SENT, "steps": [{"type": "x", "config": SENT}]});
    let (status, body) = api.post("/workflows", &token_text, bad).await;
    assert_eq!(status, 400);
    answers.push(body.to_string());
    // A code that the provider refuses, and a provider that fails with a secret in its answer.
    let state = providers.ask(&browser.leave("google", "").await);
    let refused = browser.get(&format!("/oauth/google/callback?code={SENT}&state={state}")).await;
    answers.push(refused.text().await.unwrap());
    let fails = Mock::given(path("/google/token"))
        .respond_with(ResponseTemplate::new(500).set_body_string(SENT))
        .with_priority(1)
        .up_to_n_times(1);
    fails.mount(&api.upstream).await;
    let state = providers.ask(&browser.leave("google", "").await);
    let failed = browser.get(&format!("/oauth/google/callback?code={SENT}&state={state}")).await;
    assert_eq!(failed.status(), 502);
    answers.push(failed.text().await.unwrap());
    (answers, issued)
}

/// The server of the test writes its log to stderr: a process of its own has one that can be read.
#[tokio::test]
async fn in_a_process_of_its_own() {
    let Ok(out) = std::env::var(PANIC_LOG) else { return };
    let mut api = Api::start().await;
    let sentry = MockServer::start().await;
    Mock::given(path("/api/1/envelope/"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&sentry)
        .await;
    let providers = Providers::mount(&api).await;
    let made = ResponseTemplate::new(200).set_body_json(json!({"id": "p", "url": "u"}));
    Mock::given(path("/notion/v1/pages")).respond_with(made).mount(&api.upstream).await;
    api.stop().await;
    let dsn = format!("http://sentry-key-canary@{}/1", sentry.address());
    api.boot_with(&[("LOG_REQUESTS", "on"), ("SENTRY_DSN", &dsn)]).await;
    let (answers, issued) = exercise(&api, &providers).await;
    api.stop().await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let reports: Vec<String> = sentry
        .received_requests()
        .await
        .unwrap()
        .iter()
        .map(|request| String::from_utf8_lossy(&request.body).into_owned())
        .collect();
    assert!(!reports.is_empty(), "the 502 was reported");
    let state: Vec<_> = files(api.state.path());
    assert!(state.iter().any(|(name, _)| name.contains("objects.sqlite")), "{state:?}");
    let state: Vec<Value> = state
        .into_iter()
        .map(|(name, bytes)| json!([name, String::from_utf8_lossy(&bytes)]))
        .collect();
    let all = json!({"answers": answers, "issued": issued, "reports": reports, "state": state});
    fs::write(out, all.to_string()).unwrap();
}

#[tokio::test]
async fn secrets_are_found_only_where_they_are_meant_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("everything.json");
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["canary::in_a_process_of_its_own", "--exact", "--nocapture"])
        .env(PANIC_LOG, &out)
        .stdin(Stdio::null())
        .output();
    let child = child.unwrap();
    let log = [child.stdout, child.stderr].concat();
    let text = String::from_utf8_lossy(&log);
    assert!(child.status.success(), "{text}");
    assert!(text.contains("\"event\":\"request\""), "there is a log");
    let all: Value = serde_json::from_slice(&fs::read(out).unwrap()).unwrap();
    let answers = all["answers"].to_string();
    let reports = all["reports"].to_string();

    let mut secrets: Vec<String> = [SECRET, VAULT_KEY, GOOGLE_SECRET, NOTION_SECRET, SENT]
        .into_iter()
        .chain(["google-access-0", "google-refresh-0", "notion-access-0", "notion-refresh-0"])
        .map(str::to_owned)
        .collect();
    secrets.push("sentry-key-canary".to_owned());
    let issued = all["issued"].as_array().unwrap().iter().map(|token| token.as_str().unwrap());
    secrets.extend(issued.map(str::to_owned));
    let mut searched = 0;
    for spelling in secrets.iter().flat_map(|secret| spellings(secret)) {
        assert!(!holds(&log, &spelling), "in the log: {spelling}");
        assert!(!answers.contains(&spelling), "in an answer: {spelling}");
        assert!(!reports.contains(&spelling), "in a report: {spelling}");
        for file in all["state"].as_array().unwrap() {
            let (name, content) = (file[0].as_str().unwrap(), file[1].as_str().unwrap());
            assert!(!content.contains(&spelling), "in {name}: {spelling}");
        }
        searched += 1;
    }
    // The search finds what is there.
    let kept = all["state"].as_array().unwrap().iter();
    let kept: Vec<_> = kept.filter(|file| file[1].as_str().unwrap().contains(KEPT)).collect();
    assert!(!kept.is_empty(), "a step's settings are kept, for its owner");
    assert!(!holds(&log, KEPT) && !reports.contains(KEPT));
    assert!(!text.contains("ann@example.com") && !reports.contains("ann@example.com"));
    println!("{searched} spellings of {} secrets: 0 found", secrets.len());
}
