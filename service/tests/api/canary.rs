//! Secrets of every kind go in; then everything that the service writes is searched for them.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use regex::Regex;
use reqwest::{Method, Response, header::HeaderMap};
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{path, path_regex},
};

use super::billing::{deliver, event, now, signed};
use super::browser::{Browser, Providers};
use super::client::{Api, GOOGLE_SECRET, NOTION_SECRET, SECRET, VAULT_KEY, read};
use super::stand_in::{CHAT, CHECKOUT, EMBED, VARS, fine};

/// In headers, queries, bodies and cookies of requests.
const SENT: &str = "canary-that-a-client-sent";
/// In a request's body that is kept: the settings of a step are their owner's.
const KEPT: &str = "canary-in-a-step";
const PANIC_LOG: &str = "WORKWAY_CANARY_CHILD";
/// Every secret of a deployment; see `every_secret_of_the_configuration_is_searched_for`.
const SECRETS: &[(&str, &str)] = &[
    ("JWT_SECRET", SECRET),
    ("JWT_SECRET_PREVIOUS", "canary of the signing key before this one"),
    ("TOKEN_ENCRYPTION_KEY", VAULT_KEY),
    ("TOKEN_ENCRYPTION_KEY_PREVIOUS", "Y2FuYXJ5LW9mLXRoZS12YXVsdC1rZXktYmVmb3JlISE="),
    ("GOOGLE_CLIENT_SECRET", GOOGLE_SECRET),
    ("NOTION_CLIENT_SECRET", NOTION_SECRET),
    ("CLOUDFLARE_API_TOKEN", "canary-of-cloudflares-api-token"),
    ("STRIPE_SECRET_KEY", "canary-of-stripes-secret-key"),
    ("STRIPE_WEBHOOK_SECRET", "canary-of-stripes-webhook-secret"),
    ("STRIPE_WEBHOOK_SECRET_PREVIOUS", "canary-of-the-webhook-secret-before"),
    // Its key; the rest is where it is.
    ("SENTRY_DSN", "sentry-key-canary"),
];

fn secret(name: &str) -> &'static str {
    SECRETS.iter().find(|(known, _)| *known == name).unwrap().1
}

/// What was answered, and what was handed out on purpose.
#[derive(Default)]
struct Seen {
    /// Bodies and headers.
    answers: Vec<String>,
    /// Where a cookie may be.
    cookies: Vec<String>,
    /// Tokens, which are their owner's and nobody else's to see.
    issued: Vec<String>,
}

impl Seen {
    fn headers(&mut self, headers: &HeaderMap) {
        for (name, value) in headers {
            let (kept, text) = (name.as_str(), String::from_utf8_lossy(value.as_bytes()));
            let list = if kept == "set-cookie" { &mut self.cookies } else { &mut self.answers };
            list.push(format!("{kept}: {text}"));
        }
    }

    async fn answer(&mut self, answer: Response) -> u16 {
        let status = answer.status().as_u16();
        self.headers(answer.headers());
        self.answers.push(answer.text().await.unwrap());
        status
    }
}

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

/// Signs in, connects, runs, asks models, pays, fails, is refused: all with canaries.
async fn exercise(api: &Api, providers: &Providers) -> Seen {
    let mut seen = Seen::default();
    let mut browser = Browser::new(api);
    let mut signed_in = browser.sign_in(providers).await;
    let token = signed_in["access_token"].take().as_str().unwrap().to_owned();
    seen.issued.extend([token.clone(), browser.jar["workway-refresh"].clone()]);
    seen.issued.push(browser.jar["workway-browser"].clone());
    seen.answers.extend([signed_in.to_string(), browser.connect(providers).await.to_string()]);
    let run = with_the_providers(api, &token).await;
    seen.answers.push(run.to_string());
    for path in [
        "/me",
        "/connections",
        "/workflows",
        "/runs",
        "/usage",
        "/usage/costs",
        "/billing/plan",
        "/api/workflows",
        "/health",
        "/openapi.json",
    ] {
        let answer = api.send(Method::GET, path, &token, None).await;
        assert_eq!(seen.answer(answer).await, 200, "{path}");
    }
    models_and_money(api, &token, &mut seen).await;
    let mut refreshed = read(browser.post("/auth/refresh").await).await.1;
    seen.issued.push(refreshed["access_token"].take().as_str().unwrap().to_owned());
    seen.issued.push(browser.jar["workway-refresh"].clone());
    seen.answers.push(refreshed.to_string());
    refusals(api, &token, &mut seen).await;
    // A code that the provider refuses, and a provider that fails with a secret in its answer.
    let state = providers.ask(&browser.leave("google", "").await);
    let refused = browser.get(&format!("/oauth/google/callback?code={SENT}&state={state}")).await;
    assert_eq!(seen.answer(refused).await, 400);
    fails_once(api, "^/google/token$").await;
    let state = providers.ask(&browser.leave("google", "").await);
    let failed = browser.get(&format!("/oauth/google/callback?code={SENT}&state={state}")).await;
    assert_eq!(seen.answer(failed).await, 502);
    for headers in &browser.seen {
        seen.headers(headers);
    }
    seen
}

/// A run that acts for its owner.
async fn with_the_providers(api: &Api, token: &str) -> Value {
    let page = json!({"type": "notion.create_page", "config": {
        "parent": {"page_id": "home"}, "title": "t", "content": KEPT}});
    let summary = json!({"type": "ai.summarize", "config": {"content": "Long."}});
    let steps = json!([{"type": "google.userinfo", "config": {}}, page, summary]);
    let run = api.run(token, &api.workflow(token, steps).await).await;
    let finished = api.finished(token, &run).await;
    assert_eq!(finished["status"], "succeeded", "{finished}");
    finished
}

/// The next call fails, and says what nobody should hear.
async fn fails_once(api: &Api, at: &str) {
    let all = SECRETS.iter().map(|(_, secret)| *secret).chain([SENT]).collect::<Vec<_>>();
    Mock::given(path_regex(at))
        .respond_with(ResponseTemplate::new(500).set_body_string(all.join(" ")))
        .with_priority(1)
        .up_to_n_times(1)
        .mount(&api.upstream)
        .await;
}

async fn models_and_money(api: &Api, token: &str, seen: &mut Seen) {
    for (path, upstream, body, status) in [
        ("/ai/summarize", CHAT, json!({"content": "x"}), 200),
        ("/search", EMBED, json!({"query": "x"}), 200),
        ("/billing/checkout", CHECKOUT, json!({"plan": "growth"}), 201),
    ] {
        let answer = api.send(Method::POST, path, token, Some(body.clone())).await;
        assert_eq!(seen.answer(answer).await, status, "{path}");
        fails_once(api, upstream).await;
        // Another question: an answer is remembered.
        let body = if path == "/ai/summarize" { json!({"content": "y"}) } else { body };
        let answer = api.send(Method::POST, path, token, Some(body)).await;
        assert_eq!(seen.answer(answer).await, 503, "{path}");
    }
    let paid = event("evt_1", 100, "active", "price_g").to_string();
    for (secret, status) in [
        (secret("STRIPE_WEBHOOK_SECRET"), 200),
        (secret("STRIPE_WEBHOOK_SECRET_PREVIOUS"), 200),
        (SENT, 400),
    ] {
        let answer = deliver(api, &[signed(secret, now(), &paid)], &paid).await;
        assert_eq!(seen.answer(answer).await, status);
    }
    let unsigned = deliver(api, &[format!("t={},v1={SENT}", now())], SENT).await;
    assert_eq!(seen.answer(unsigned).await, 400);
}

/// What a client sends does not come back.
async fn refusals(api: &Api, token: &str, seen: &mut Seen) {
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
        let status = seen.answer(answer).await;
        assert!((400..500).contains(&status), "{path}: {status}");
    }
    let bad =
        json!({"name": [SENT], "description": SENT, "steps": [{"type": "x", "config": SENT}]});
    for (path, body) in [
        ("/workflows", bad),
        ("/ai/summarize", json!({"content": "x", "quality": SENT})),
        ("/search", json!({"query": [SENT]})),
        ("/billing/checkout", json!({"plan": SENT})),
    ] {
        let answer = api.send(Method::POST, path, token, Some(body)).await;
        assert_eq!(seen.answer(answer).await, 400, "{path}");
    }
}

/// The server of the test writes its log to stderr: a process of its own has one that can be read.
#[tokio::test]
async fn in_a_process_of_its_own() {
    let Ok(out) = std::env::var(PANIC_LOG) else { return };
    let mut api = Api::start_with(VARS).await;
    let sentry = MockServer::start().await;
    Mock::given(path("/api/1/envelope/"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&sentry)
        .await;
    let providers = Providers::mount(&api).await;
    let made = ResponseTemplate::new(200).set_body_json(json!({"id": "p", "url": "u"}));
    Mock::given(path("/notion/v1/pages")).respond_with(made).mount(&api.upstream).await;
    fine(&api.upstream).await;
    api.stop().await;
    let dsn = format!("http://{}@{}/1", secret("SENTRY_DSN"), sentry.address());
    let mut vars: Vec<_> = SECRETS.to_vec();
    vars.retain(|(name, _)| *name != "SENTRY_DSN");
    vars.extend([("LOG_REQUESTS", "on"), ("SENTRY_DSN", dsn.as_str())]);
    vars.push(("SENTRY_TRACES_SAMPLE_RATE", "1"));
    api.boot_with(&vars).await;
    let Seen { answers, cookies, issued } = exercise(&api, &providers).await;
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
    let all = json!({"answers": answers, "cookies": cookies, "issued": issued, "reports": reports,
        "state": state});
    fs::write(out, all.to_string()).unwrap();
}

#[tokio::test]
async fn secrets_are_found_only_where_they_are_meant_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("everything.json");
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["api::canary::in_a_process_of_its_own", "--exact", "--nocapture"])
        .env(PANIC_LOG, &out)
        .stdin(Stdio::null())
        .output();
    let child = child.unwrap();
    let log = [child.stdout, child.stderr].concat();
    let text = String::from_utf8_lossy(&log);
    assert!(child.status.success(), "{text}");
    assert!(text.contains("\"event\":\"request\""), "there is a log");
    let all: Value = serde_json::from_slice(&fs::read(out).unwrap()).unwrap();
    let [answers, cookies, reports] = ["answers", "cookies", "reports"].map(|name| {
        let texts = all[name].as_array().unwrap().iter().map(|text| text.as_str().unwrap());
        texts.collect::<Vec<_>>().join("\n")
    });

    let mut secrets: Vec<&str> = SECRETS.iter().map(|(_, secret)| *secret).chain([SENT]).collect();
    secrets.extend(["google-access-0", "google-refresh-0", "notion-access-0", "notion-refresh-0"]);
    for spelling in secrets.iter().flat_map(|secret| spellings(secret)) {
        assert!(!cookies.contains(&spelling), "in a cookie: {spelling}");
    }
    let issued = all["issued"].as_array().unwrap().iter().map(|token| token.as_str().unwrap());
    assert!(issued.clone().any(|token| cookies.contains(token)), "cookies are searched");
    secrets.extend(issued);
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

/// A new secret is not forgotten here: whatever the configuration reads whose name says so.
#[test]
fn every_secret_of_the_configuration_is_searched_for() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let name = Regex::new("\"([A-Z_]*(SECRET|KEY|TOKEN|DSN|PASSWORD)[A-Z_]*)\"").unwrap();
    let mut code = fs::read_to_string(folder.join("config.rs")).unwrap();
    for (_, bytes) in files(&folder.join("config")) {
        code += &String::from_utf8(bytes).unwrap();
    }
    let mut read: Vec<_> = name.captures_iter(&code).map(|found| found[1].to_owned()).collect();
    read.sort();
    read.dedup();
    let mut known: Vec<_> = SECRETS.iter().map(|(name, _)| *name).collect();
    known.sort_unstable();
    assert_eq!(read, known);
}
