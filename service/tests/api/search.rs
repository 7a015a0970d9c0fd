//! Search.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use wiremock::{Mock, ResponseTemplate, matchers::path_regex};
use workway_service::ai::{FAILURES, search::CATCH_UP};

use super::{
    client::{Api, token},
    stand_in::{EMBED, VARS, count, fine, vars},
};

async fn make(api: &Api, token: &str, name: &str) -> String {
    let steps = json!([{"type": "transform", "config": {"value": 1}}]);
    let body = json!({"name": name, "description": "d", "steps": steps});
    let (status, body) = api.post("/workflows", token, body).await;
    assert_eq!(status, 201, "{body}");
    body["id"].as_str().unwrap().to_owned()
}

async fn find(api: &Api, token: &str, query: &str) -> Vec<Value> {
    let (status, body) = api.post("/search", token, json!({"query": query, "limit": 20})).await;
    assert_eq!(status, 200, "{body}");
    body["results"].as_array().unwrap().clone()
}

/// What is found, once it is `wanted`: search is a moment behind.
async fn until(api: &Api, token: &str, query: &str, wanted: &[&str]) -> Vec<Value> {
    let mut found = Vec::new();
    for _ in 0..40 {
        found = find(api, token, query).await;
        if found.iter().map(|result| result["name"].as_str().unwrap()).eq(wanted.iter().copied()) {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{wanted:?} was not found: {found:?}");
}

/// Fires the cron.
async fn cron(api: &Api) {
    let socket = workway_service::platform::native::control_socket(api.state.path());
    let client = reqwest::Client::builder().no_proxy().unix_socket(socket).build().unwrap();
    let fired = client.post("http://control/cron").header("content-type", "application/json");
    assert!(fired.body("null").send().await.unwrap().status().is_success());
}

#[tokio::test]
async fn the_nearest_come_first_and_others_workflows_only_when_published() {
    let api = Api::start_with(VARS).await;
    fine(&api.upstream).await;
    let (ann, bob) = (token("ann"), token("bob"));
    let invoices = make(&api, &ann, "collect invoices").await;
    make(&api, &ann, "water plants").await;
    make(&api, &bob, "send invoices").await;
    let found = until(&api, &ann, "invoices", &["collect invoices", "water plants"]).await;
    assert_eq!((&found[0]["id"], &found[0]["owned"]), (&json!(invoices), &json!(true)));
    assert!(found[0]["score"].as_f64() > found[1]["score"].as_f64());
    until(&api, &bob, "invoices", &["send invoices"]).await;

    api.post(&format!("/workflows/{invoices}/publish"), &ann, json!({})).await;
    let found = until(&api, &bob, "collect invoices", &["collect invoices", "send invoices"]).await;
    assert_eq!(found[0]["owned"], false);
    assert!(found[0]["published_at"].is_i64());

    let steps = json!([{"type": "transform", "config": {"value": 1}}]);
    let renamed = json!({"name": "feed cats", "description": "d", "steps": steps});
    api.send(Method::PUT, &format!("/workflows/{invoices}"), &ann, Some(renamed)).await;
    until(&api, &bob, "cats", &["feed cats", "send invoices"]).await;
    api.send(Method::DELETE, &format!("/workflows/{invoices}"), &ann, None).await;
    until(&api, &bob, "cats", &["send invoices"]).await;
    // Five changes of hers, one of his; what made them findable is on their own bills.
    for (owner, changes) in [(&ann, 5), (&bob, 1)] {
        let mut search = Value::Null;
        for _ in 0..40 {
            search = api.get("/usage", owner).await.1["background"]["search"].take();
            if search["count"] == changes {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(search["count"], changes, "{search}");
        assert!(search["ai_input_tokens"].as_u64() > Some(0), "{search}");
    }
}

#[tokio::test]
async fn what_could_not_be_indexed_is_indexed_by_the_cron() {
    let mut api = Api::start_with(VARS).await;
    let broken = Mock::given(path_regex(EMBED)).respond_with(ResponseTemplate::new(500));
    let broken = broken.mount_as_scoped(&api.upstream).await;
    let ann = token("ann");
    make(&api, &ann, "collect invoices").await;
    let (status, body) = api.post("/search", &ann, json!({"query": "invoices"})).await;
    assert_eq!((status.as_u16(), &body["type"]), (503, &json!("urn:workway:problem:unavailable")));
    drop(broken);
    fine(&api.upstream).await;
    // Whatever was under way is over.
    api.stop().await;
    api.boot().await;
    let socket = workway_service::platform::native::control_socket(api.state.path());
    let client = reqwest::Client::builder().no_proxy().unix_socket(socket).build().unwrap();
    let body = json!({"advance_ms": 60_000}).to_string();
    let moved = client.post("http://control/clock").header("content-type", "application/json");
    moved.body(body).send().await.unwrap();
    cron(&api).await;
    until(&api, &ann, "invoices", &["collect invoices"]).await;
}

#[tokio::test]
async fn a_cron_looks_after_so_many_workflows_and_the_next_one_after_the_rest() {
    let limit = usize::try_from(CATCH_UP).unwrap();
    let mut api = Api::start_with(VARS).await;
    let ann = token("ann");
    let broken = Mock::given(path_regex(EMBED)).respond_with(ResponseTemplate::new(500));
    let broken = broken.mount_as_scoped(&api.upstream).await;
    for n in 0..=limit {
        make(&api, &ann, &format!("workflow {n}")).await;
    }
    drop(broken);
    fine(&api.upstream).await;
    // Whatever was under way is over. The clock stands where it is: moved, it would fire the cron, too.
    api.stop().await;
    let database = rusqlite::Connection::open(api.state.path().join("database.sqlite")).unwrap();
    let due = database.execute("UPDATE search_outbox SET due_at = 0", []).unwrap();
    assert_eq!(due, limit + 1);
    drop(database);
    api.boot().await;
    let before = count(&api.upstream, EMBED).await;
    for expected in [limit, limit + 1, limit + 1] {
        cron(&api).await;
        assert_eq!(count(&api.upstream, EMBED).await - before, expected);
    }
}

/// Waits until nothing is left to be indexed.
async fn is_caught_up(api: &Api) -> bool {
    let database = rusqlite::Connection::open(api.state.path().join("database.sqlite")).unwrap();
    for _ in 0..100 {
        let count = "SELECT count(*) FROM search_outbox";
        let rows: i64 = database.query_row(count, [], |row| row.get(0)).unwrap();
        if rows == 0 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

/// Each change of a workflow asks the model, and each cron does: they are calls like others.
#[tokio::test]
async fn models_that_fail_are_not_asked_for_vectors_either() {
    let api = Api::start_with(VARS).await;
    let broken = Mock::given(path_regex(EMBED)).respond_with(ResponseTemplate::new(500));
    let broken = broken.mount_as_scoped(&api.upstream).await;
    let ann = token("ann");
    for n in 1..=FAILURES as usize {
        make(&api, &ann, &format!("collect invoices {n}")).await;
        while count(&api.upstream, EMBED).await < n {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    while api.send(Method::GET, "/health", "", None).await.status() == 200 {
        // A report is used again for five seconds.
        api.advance(5_000).await;
    }
    make(&api, &ann, "water plants").await;
    assert_eq!(api.post("/search", &ann, json!({"query": "plants"})).await.0, 503);
    cron(&api).await;
    assert_eq!(count(&api.upstream, EMBED).await, FAILURES as usize, "then nobody asks");
    drop(broken);
    fine(&api.upstream).await;
    // The server's own cron comes by, too; only one of them may try at first.
    for _ in 0..3 {
        api.advance(60_000).await;
        cron(&api).await;
        if is_caught_up(&api).await {
            break;
        }
    }
    let found = find(&api, &ann, "water plants").await;
    assert_eq!((found.len(), &found[0]["name"]), (FAILURES as usize + 1, &json!("water plants")));
}

#[tokio::test]
async fn what_the_model_refuses_to_read_is_said_so_and_takes_nothing() {
    let api = Api::start_with(&vars(&[("PLAN_QUOTAS", "free.ai_operations=1")])).await;
    let no_answer = Mock::given(path_regex(EMBED)).respond_with(ResponseTemplate::new(400));
    let no_answer = no_answer.mount_as_scoped(&api.upstream).await;
    let ann = token("ann");
    for _ in 0..=FAILURES {
        let (status, body) = api.post("/search", &ann, json!({"query": "x"})).await;
        let problem = json!("urn:workway:problem:refused");
        assert_eq!((status.as_u16(), &body["type"]), (422, &problem));
    }
    assert_eq!(api.get("/health", "").await.1["checks"]["ai"], true);
    drop(no_answer);
    fine(&api.upstream).await;
    assert_eq!(find(&api, &ann, "x").await, [Value::Null; 0]);
}

#[tokio::test]
async fn a_search_takes_an_ai_operation_unless_it_fails() {
    let api = Api::start_with(&vars(&[("PLAN_QUOTAS", "free.ai_operations=1")])).await;
    let broken = Mock::given(path_regex(EMBED)).respond_with(ResponseTemplate::new(500));
    let broken = broken.mount_as_scoped(&api.upstream).await;
    let ann = token("ann");
    assert_eq!(api.post("/search", &ann, json!({"query": "x"})).await.0, 503);
    drop(broken);
    fine(&api.upstream).await;
    assert_eq!(find(&api, &ann, "x").await, [Value::Null; 0]);
    assert_eq!(api.post("/search", &ann, json!({"query": "x"})).await.0, 402);
    for bad in [json!({}), json!({"query": ""}), json!({"query": "x", "limit": 21}), json!([])] {
        assert_eq!(api.post("/search", &ann, bad).await.0, 400);
    }
}
