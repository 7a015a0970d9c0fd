//! Metering.

use std::{collections::BTreeMap, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use wiremock::{Mock, ResponseTemplate, matchers::method};
use workway_service::ports::Usage;

use super::client::{Api, read, token};

/// What the headers of the responses said, added up.
#[derive(Default)]
struct Headers {
    requests: u64,
    used: BTreeMap<String, u64>,
}

impl Headers {
    async fn send(&mut self, api: &Api, method: Method, path: &str, body: Option<Value>) -> Value {
        let response = api.send(method, path, &token("ann"), body).await;
        self.requests += 1;
        if let Some(usage) = response.headers().get("workway-usage") {
            for member in usage.to_str().unwrap().split(", ") {
                let (name, amount) = member.split_once('=').unwrap();
                *self.used.entry(name.to_owned()).or_default() += amount.parse::<u64>().unwrap();
            }
        }
        read(response).await.1
    }
}

#[tokio::test]
async fn headers_and_runs_are_the_usage_also_after_a_restart() {
    let mut api = Api::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&api.upstream).await;
    let mut headers = Headers::default();
    let body = json!({"name": "n", "description": "d", "steps": api.http_step()});
    let created = headers.send(&api, Method::POST, "/workflows", Some(body)).await;
    let path = format!("/workflows/{}/runs", created["id"].as_str().unwrap());
    let mut runs = Vec::new();
    for _ in 0..3 {
        let run = headers.send(&api, Method::POST, &path, Some(json!({}))).await;
        let path = format!("/runs/{}", run["id"].as_str().unwrap());
        runs.push(loop {
            let run = headers.send(&api, Method::GET, &path, None).await;
            if !run["finished_at"].is_null() {
                break run;
            }
            // Asking all the time would use up the caller's rate limit on a slow machine.
            tokio::time::sleep(Duration::from_millis(100)).await;
        });
    }
    headers.send(&api, Method::POST, "/workflows", Some(json!({}))).await;
    for restart in [false, true] {
        if restart {
            api.stop().await;
            api.boot().await;
        }
        let (requests, used) = (headers.requests, headers.used.clone());
        let usage = headers.send(&api, Method::GET, "/usage", None).await;
        assert_eq!(usage["requests"]["count"], requests, "{usage}");
        assert_eq!(usage["runs"]["count"], 3);
        for (name, _) in Usage::default().amounts() {
            let of_runs: u64 = runs.iter().map(|run| run["usage"][name].as_u64().unwrap()).sum();
            let of_requests = used.get(name).copied().unwrap_or(0);
            assert_eq!(usage["requests"][name], of_requests, "{name}");
            assert_eq!(usage["runs"][name], of_runs, "{name}");
            let background: u64 = ["events", "metering", "search"]
                .map(|part| usage["background"][part][name].as_u64().unwrap())
                .into_iter()
                .sum();
            assert_eq!(usage["total"][name], of_requests + of_runs + background, "{name}");
        }
        assert_eq!(usage["runs"]["outbound_requests"], 3);
    }
    let (_, other) = api.get("/usage", &token("bob")).await;
    assert_eq!((&other["requests"]["count"], &other["runs"]["count"]), (&json!(0), &json!(0)));
}
