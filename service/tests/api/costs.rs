//! What usage costs.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Api, read, token};

/// The line of a resource, without what explains it.
fn line(costs: &Value, resource: &str) -> Option<(Value, Value, Value)> {
    let lines = costs["lines"].as_array().unwrap();
    let line = lines.iter().find(|line| line["resource"] == resource)?;
    Some((line["amount"].clone(), line["cost"].clone(), line["origin"].clone()))
}

/// Reads the caller's workflows so often; what the answers said that it used.
async fn read_workflows(api: &Api, times: usize) -> BTreeMap<String, u64> {
    let mut used = BTreeMap::new();
    for _ in 0..times {
        let answer = api.send(Method::GET, "/workflows", &token("ann"), None).await;
        for member in answer.headers()["workway-usage"].to_str().unwrap().split(", ") {
            let (name, amount) = member.split_once('=').unwrap();
            *used.entry(name.to_owned()).or_default() += amount.parse::<u64>().unwrap();
        }
    }
    used
}

#[tokio::test]
async fn a_month_is_priced_as_a_book_says() {
    let api = Api::start().await;
    // No usage is written down meanwhile, which would be billed, too.
    api.freeze().await;
    let used = read_workflows(&api, 4).await;
    let (status, costs) = api.get("/usage/costs?book=cloudflare-2026-11", &token("ann")).await;
    assert_eq!(status, 200, "{costs}");
    assert_eq!(costs["book"]["name"], "cloudflare-2026-11");
    assert_eq!(costs["book"]["valid_until"], "2026-11-30");
    // The base fee is the account's.
    assert_eq!((&costs["book"]["base"], &costs["currency"]), (&json!("5"), &json!("USD")));
    // $0.30 and $0.25 a million, from the first: what is included is the account's, too.
    let measured = json!("measured");
    let requests = (json!("4"), json!("0.0000012"), measured.clone());
    assert_eq!(line(&costs, "requests"), Some(requests));
    let points = (json!("4"), json!("0.000001"), measured.clone());
    assert_eq!(line(&costs, "analytics_points"), Some(points));
    for (name, amount) in &used {
        assert_eq!(line(&costs, name).unwrap().0, amount.to_string(), "{name}: {costs}");
    }
    let nobody_knows = (Value::Null, Value::Null, json!("absent"));
    for resource in ["cpu_ms", "actor_gb_s"] {
        assert_eq!(line(&costs, resource), Some(nobody_knows.clone()), "{resource}");
    }
    assert_eq!(line(&costs, "log_events"), None, "requests are not logged here");
    assert_eq!(line(&costs, "object_reads"), None, "nothing used, nothing said");
    let rows = used.get("rows_read").copied().unwrap_or_default();
    // In billionths of a dollar: 300 for a request, 250 for a point, 1 for a row.
    let billionths = 4 * 300 + 4 * 250 + rows;
    assert_eq!(decimal(&costs["total"]), billionths, "{costs}");
}

/// Billionths of a dollar, by hand.
fn decimal(text: &Value) -> u64 {
    let (whole, fraction) = text.as_str().unwrap().split_once('.').unwrap();
    format!("{whole}{fraction:0<9}").parse().unwrap()
}

#[tokio::test]
async fn another_book_has_other_prices_and_gaps_that_it_explains() {
    let api = Api::start_with(&[("LOG_REQUESTS", "on")]).await;
    api.freeze().await;
    read_workflows(&api, 2).await;
    let (_, costs) = api.get("/usage/costs?book=workway-guide", &token("ann")).await;
    let requests = (json!("2"), json!("0.000001"), json!("measured"));
    assert_eq!(line(&costs, "requests"), Some(requests), "{costs}");
    let unpriced = (json!("2"), Value::Null, json!("measured"));
    assert_eq!(line(&costs, "analytics_points"), Some(unpriced));
    let assumed = (json!("2"), Value::Null, json!("assumed"));
    assert_eq!(line(&costs, "log_events"), Some(assumed));
    let unexplained = costs["lines"].as_array().unwrap().iter();
    let mut unexplained =
        unexplained.filter(|line| line["cost"].is_null() && line["why"].as_str().is_none());
    assert_eq!(unexplained.next(), None, "no cost without a reason");
    assert_eq!(costs["book"]["base"], "0");
}

#[tokio::test]
async fn who_used_nothing_owes_nothing() {
    let api = Api::start().await;
    read_workflows(&api, 1).await;
    let (_, costs) = api.get("/usage/costs", &token("bob")).await;
    assert_eq!(costs["total"], "0", "{costs}");
    let known = costs["lines"].as_array().unwrap().iter().filter(|line| !line["amount"].is_null());
    assert_eq!(known.count(), 0, "{costs}");
}

#[tokio::test]
async fn a_book_that_there_is_not_is_refused_with_those_that_there_are() {
    let api = Api::start().await;
    for query in ["book=", "book=seed", "book=Cloudflare-2026-11", "book=../prices"] {
        let (status, problem) = api.get(&format!("/usage/costs?{query}"), &token("ann")).await;
        assert_eq!((status.as_u16(), &problem["issues"][0]["path"]), (400, &json!("book")));
        let message = problem["issues"][0]["message"].as_str().unwrap();
        assert_eq!(
            message, "must be one of cloudflare-2026-11, cloudflare-2026-12, workway-guide",
            "{query}"
        );
    }
    let twice = "/usage/costs?book=workway-guide&book=workway-guide";
    let (status, problem) = api.get(twice, &token("ann")).await;
    assert_eq!(status, 400, "{problem}");
    let denied = api.client.get(format!("{}/usage/costs", api.base)).send().await.unwrap();
    assert_eq!(read(denied).await.0, 401);
}
