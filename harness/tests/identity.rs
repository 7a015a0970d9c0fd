//! Signing in through the stub's consent page, on the embedded service and on workerd.
#![cfg(feature = "service")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

use std::{collections::BTreeMap, time::Duration};

use crate::proof::{Host, failures};
use reqwest::{Client, Method, Response, StatusCode, Url, redirect::Policy};
use serde_json::{Value, json};
use workway::{target::TargetSpec, upstream::Ledger};

/// A browser, as far as cookies go; it goes on from page to page when it is told to.
struct Browser<'a> {
    host: &'a Host,
    client: Client,
    jar: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    fn new(host: &'a Host) -> Self {
        let client = Client::builder().no_proxy().redirect(Policy::none());
        let client = client.timeout(Duration::from_secs(20)).build().unwrap();
        Self { host, client, jar: BTreeMap::new() }
    }

    fn api(&self, path: &str) -> Url {
        self.host.target().url.join(path).unwrap()
    }

    async fn send(&mut self, method: Method, url: Url) -> Response {
        let mut request = self.client.request(method, url);
        let pairs: Vec<_> = self.jar.iter().map(|(key, value)| format!("{key}={value}")).collect();
        if !pairs.is_empty() {
            request = request.header("cookie", pairs.join("; "));
        }
        let response = request.send().await.unwrap();
        for cookie in response.headers().get_all("set-cookie") {
            let (pair, attributes) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (key, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.jar.remove(key);
            } else {
                self.jar.insert(key.to_owned(), value.to_owned());
            }
        }
        response
    }

    /// To the consent page of a provider, where somebody decides, and back.
    async fn visit(&mut self, provider: &str, decision: &str) -> (StatusCode, Value) {
        let left = self.send(Method::GET, self.api(&format!("/oauth/{provider}/authorize"))).await;
        assert_eq!(left.status(), 302, "{left:?}");
        let page = format!("{}&{decision}", left.headers()["location"].to_str().unwrap());
        let decided = self.send(Method::GET, page.parse().unwrap()).await;
        assert_eq!(decided.status(), 302, "{decided:?}");
        let back = decided.headers()["location"].to_str().unwrap().parse().unwrap();
        let arrived = self.send(Method::GET, back).await;
        (arrived.status(), serde_json::from_str(&arrived.text().await.unwrap()).unwrap())
    }

    async fn asks(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> Value {
        let mut request = self.client.request(method, self.api(path)).bearer_auth(token);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let text = request.send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }
}

fn calls(ledger: &Ledger, path: &str) -> usize {
    ledger.effects().iter().filter(|call| call.path == path).count()
}

async fn everything(spec: TargetSpec) {
    let mut host = Host::new(spec, None);
    host.start().await;
    let mut browser = Browser::new(&host);
    let (status, signed_in) = browser.visit("google", "decide=allow&user=ann").await;
    assert_eq!(status, 200, "{signed_in}");
    let token = signed_in["access_token"].as_str().unwrap().to_owned();
    let me = browser.asks(Method::GET, "/me", &token, None).await;
    assert_eq!((&me["name"], &me["email"]), (&json!("ann"), &json!("ann@example.com")));
    let (status, connected) = browser.visit("notion", "decide=allow&user=ann").await;
    assert_eq!((status.as_u16(), &connected["account"]), (200, &json!("ann's workspace")));
    let (status, refused) = browser.visit("notion", "decide=deny").await;
    assert_eq!((status.as_u16(), &refused["detail"]), (400, &json!("access was not granted")));

    page_about_ann(&host, &browser, &token).await;
    providers_that_fail(&mut browser).await;
    revocations_that_fail(&mut browser, &token).await;
    let (status, again) = browser.visit("google", "decide=allow&user=ann").await;
    assert_eq!((status.as_u16(), &again["person"]), (200, &signed_in["person"]));
    races(&host, &browser).await;

    assert_eq!(browser.send(Method::POST, browser.api("/auth/logout")).await.status(), 204);
    host.stop().await;
}

async fn providers_that_fail(browser: &mut Browser<'_>) {
    for (provider, path) in [
        ("google", "/google/token"),
        ("google", "/google/v1/userinfo"),
        ("notion", "/notion/v1/oauth/token"),
    ] {
        for fault in failures() {
            browser.host.fault(path, &fault).await;
            let (status, failed) = browser.visit(provider, "decide=allow&user=eve").await;
            let expected = "the provider gave no answer of use; begin again";
            let seen = (status.as_u16(), &failed["detail"]);
            assert_eq!(seen, (502, &json!(expected)), "{fault} {path}");
        }
    }
}

/// A connection ends here, whatever its provider makes of that; who ends it is told.
async fn revocations_that_fail(browser: &mut Browser<'_>, token: &str) {
    for fault in failures() {
        browser.host.fault("/notion/v1/oauth/revoke", &fault).await;
        let ended = browser.asks(Method::DELETE, "/connections/notion", token, None).await;
        // RFC 7009 §2.2: the status says that it is revoked, and the body nothing.
        assert_eq!(ended["revoked"], fault["connection"] == "nonsense", "{fault}: {ended}");
        let left = browser.asks(Method::GET, "/connections", token, None).await;
        assert!(!left.to_string().contains("notion"), "{fault}: {left}");
        let (status, connected) = browser.visit("notion", "decide=allow&user=ann").await;
        assert_eq!(status, 200, "after {fault}: {connected}");
    }
    let ended = browser.asks(Method::DELETE, "/connections/notion", token, None).await;
    assert_eq!(ended["revoked"], true);
}

async fn page_about_ann(host: &Host, browser: &Browser<'_>, token: &str) {
    let page = json!({"type": "notion.create_page", "config": {
        "parent": {"page_id": "home"}, "title": "About {{ steps[0].output.name }}"}});
    let steps = json!([{"type": "google.userinfo", "config": {}}, page]);
    let workflow = json!({"name": "n", "description": "d", "steps": steps});
    let workflow = browser.asks(Method::POST, "/workflows", token, Some(workflow)).await;
    let path = format!("/workflows/{}/runs", workflow["id"].as_str().unwrap());
    let run = browser.asks(Method::POST, &path, token, None).await;
    let path = format!("/runs/{}", run["id"].as_str().unwrap());
    for _ in 0..60 {
        let run = browser.asks(Method::GET, &path, token, None).await;
        if !run["finished_at"].is_null() {
            assert_eq!(run["status"], "succeeded", "{run}");
            assert!(run["steps"][1]["output"]["url"].as_str().unwrap().contains("notion.so"));
            assert_eq!(calls(&host.ledger().await, "/notion/v1/pages"), 1);
            return;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    panic!("the run does not end");
}

/// Of many who bring the same single-use thing at the same time, one gets something for it.
async fn races(host: &Host, browser: &Browser<'_>) {
    let cookie = browser.jar.iter().map(|(key, value)| format!("{key}={value}"));
    let cookie = cookie.collect::<Vec<_>>().join("; ");
    let racers = (0..30).map(|_| {
        let request = browser.client.post(browser.api("/auth/refresh")).header("cookie", &cookie);
        tokio::spawn(async move { request.send().await.unwrap().status().as_u16() })
    });
    let mut good = 0;
    for racer in racers.collect::<Vec<_>>() {
        let status = racer.await.unwrap();
        assert!([200, 401].contains(&status), "{status}");
        good += usize::from(status == 200);
    }
    assert_eq!(good, 1, "of 30 refreshes with one token");
    assert!(calls(&host.ledger().await, "/google/token") >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn natively_a_person_signs_in_connects_and_acts() {
    everything(TargetSpec::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Worker's tools: scripts/test runs it"]
async fn on_workerd_a_person_signs_in_connects_and_acts() {
    everything(TargetSpec::Wrangler).await;
}
