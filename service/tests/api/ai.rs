//! Summaries.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wiremock::{Mock, ResponseTemplate, matchers::path_regex};
use workway_service::{
    ai::{FAILURES, OPEN_FOR, REMEMBERED},
    domain::ai::MAX_CONTENT,
    platform::native::control_socket,
};

use super::{
    client::{Api, read, token, token_after},
    stand_in::{CHAT, VARS, count, fine, mount, slow, summary, vars},
};

async fn ask(api: &Api, token: &str, content: &str) -> (StatusCode, Value) {
    api.post("/ai/summarize", token, json!({"content": content})).await
}

/// Changes the clock of the server.
async fn control(api: &Api, change: &Value) {
    let socket = control_socket(api.state.path());
    let client = reqwest::Client::builder().no_proxy().unix_socket(socket).build().unwrap();
    let request = client.post("http://control/clock").header("content-type", "application/json");
    assert!(request.body(change.to_string()).send().await.unwrap().status().is_success());
}

async fn advance(api: &Api, millis: i64) {
    control(api, &json!({ "advance_ms": millis })).await;
}

#[tokio::test]
async fn a_summary_is_written_once_and_cached_for_its_owner() {
    let api = Api::start_with(VARS).await;
    mount(&api.upstream, CHAT, summary("Short.")).await;
    let ann = token("ann");
    let body = json!({"content": "Long.", "quality": "simple"});
    let first = api.send(Method::POST, "/ai/summarize", &ann, Some(body.clone())).await;
    let usage = first.headers()["workway-usage"].to_str().unwrap().to_owned();
    assert!(usage.contains("ai_input_tokens=100, ai_output_tokens=20"), "{usage}");
    assert!(usage.contains("kv_writes=1") && usage.contains("actor_requests=1"), "{usage}");
    let model = "@cf/meta/llama-3.2-1b-instruct";
    let expected = |cached: bool| json!({"summary": "Short.", "model": model, "quality": "simple", "cached": cached});
    assert_eq!(read(first).await, (StatusCode::OK, expected(false)));
    let again = api.send(Method::POST, "/ai/summarize", &ann, Some(body.clone())).await;
    assert_eq!(again.headers()["workway-usage"], "kv_reads=1, analytics_points=1");
    assert_eq!(read(again).await.1, expected(true));
    assert_eq!(api.post("/ai/summarize", &token("bob"), body.clone()).await.1, expected(false));
    let mut other = body.clone();
    other["quality"] = json!("complex");
    let (_, other) = api.post("/ai/summarize", &ann, other).await;
    assert_eq!(other["model"], "@cf/meta/llama-3.3-70b-instruct-fp8-fast");
    assert_eq!(count(&api.upstream, CHAT).await, 3);
    let (_, plan) = api.get("/billing/plan", &ann).await;
    assert_eq!(plan["used"]["ai_operations"], 2, "what is cached takes none: {plan}");
    advance(&api, 2 * 60 * 60 * 1000).await;
    let later = token_after("ann", "read write", 2 * 60 * 60);
    let (_, anew) = api.post("/ai/summarize", &later, body).await;
    assert_eq!(anew, expected(false));
    assert_eq!(count(&api.upstream, CHAT).await, 4, "two hours later it is written anew");
}

/// A cache shows what was written within a minute; this one has lost it.
#[tokio::test]
async fn an_answer_is_remembered_until_the_cache_shows_it_and_no_longer() {
    let api = Api::start_with(VARS).await;
    mount(&api.upstream, CHAT, summary("Short.")).await;
    let (ann, cache) = (token("ann"), api.state.path().join("cache.sqlite"));
    let ask_anew = async || {
        let cache = rusqlite::Connection::open(&cache).unwrap();
        cache.busy_timeout(Duration::from_secs(5)).unwrap();
        cache.execute("DELETE FROM entries", []).unwrap();
        assert_eq!(ask(&api, &ann, "Long.").await.0, 200);
        count(&api.upstream, CHAT).await
    };
    control(&api, &json!({"frozen": true})).await;
    assert_eq!(ask_anew().await, 1);
    advance(&api, REMEMBERED - 1).await;
    assert_eq!(ask_anew().await, 1, "the object has it");
    advance(&api, 1).await;
    assert_eq!(ask_anew().await, 2, "it is over");
}

#[tokio::test]
async fn fifty_who_want_the_same_are_one_call_and_others_do_not_wait() {
    let api = Api::start_with(VARS).await;
    mount(&api.upstream, CHAT, slow("Short.", 700)).await;
    let ann = token("ann");
    let same = futures_util::future::join_all((0..50).map(|_| ask(&api, &ann, "The same.")));
    let others = futures_util::future::join_all((0..10).map(|n| {
        let (api, ann) = (&api, &ann);
        async move { ask(api, ann, &format!("Other {n}.")).await }
    }));
    let begun = std::time::Instant::now();
    let (same, others) = futures_util::future::join(same, others).await;
    let took = begun.elapsed();
    for (status, body) in same.iter().chain(&others) {
        assert_eq!((status.as_u16(), &body["summary"]), (200, &json!("Short.")), "{body}");
    }
    assert_eq!(count(&api.upstream, CHAT).await, 11);
    // One after the other they would take 7.7 s and more.
    println!("11 calls of 0.7 s took {took:?}");
    let (_, plan) = api.get("/billing/plan", &ann).await;
    assert_eq!(plan["used"]["ai_operations"], 11);
    let (_, usage) = api.get("/usage", &ann).await;
    assert_eq!(usage["total"]["ai_input_tokens"], 1100, "paid for once");
}

#[tokio::test]
async fn a_leader_that_leaves_takes_nobody_along() {
    let api = Api::start_with(VARS).await;
    mount(&api.upstream, CHAT, slow("Short.", 800)).await;
    let ann = token("ann");
    let leader = api.client.post(format!("{}/ai/summarize", api.base)).bearer_auth(&ann);
    let leader = leader.header("content-type", "application/json").body(r#"{"content":"x"}"#);
    let gone = leader.timeout(Duration::from_millis(300)).send().await;
    assert!(gone.unwrap_err().is_timeout());
    let (status, body) = ask(&api, &ann, "x").await;
    assert_eq!((status.as_u16(), &body["cached"]), (200, &json!(false)), "{body}");
    assert_eq!(count(&api.upstream, CHAT).await, 1, "the call went on without who began it");
}

#[tokio::test]
async fn failures_are_told_to_all_kept_by_nobody_and_take_no_quota() {
    let bad = [
        ResponseTemplate::new(500),
        ResponseTemplate::new(429),
        ResponseTemplate::new(200).set_body_string("{\"result\":{\"resp"),
        ResponseTemplate::new(200).set_body_string("<html>canary</html>"),
    ];
    for answer in bad {
        let api = Api::start_with(VARS).await;
        let slow = answer.set_delay(Duration::from_millis(300));
        let broken =
            Mock::given(path_regex(CHAT)).respond_with(slow).mount_as_scoped(&api.upstream);
        let broken = broken.await;
        let ann = token("ann");
        let all = futures_util::future::join_all((0..3).map(|_| ask(&api, &ann, "x"))).await;
        for (status, body) in all {
            assert_eq!(status, 503, "{body}");
            let text = body.to_string();
            assert!(!text.contains("canary") && !text.contains("127.0.0.1"), "{text}");
        }
        drop(broken);
        mount(&api.upstream, CHAT, summary("Short.")).await;
        assert_eq!(ask(&api, &ann, "x").await.1["cached"], false, "the next is served");
        let (_, plan) = api.get("/billing/plan", &ann).await;
        assert_eq!(plan["used"]["ai_operations"], 1, "{plan}");
    }
}

#[tokio::test]
async fn what_the_model_refuses_is_said_so_and_opens_no_breaker() {
    let api = Api::start_with(VARS).await;
    mount(&api.upstream, CHAT, ResponseTemplate::new(400)).await;
    for n in 0..=FAILURES {
        let (status, body) = ask(&api, &token("ann"), &format!("x{n}")).await;
        assert_eq!((status.as_u16(), &body["type"]), (422, &json!("urn:workway:problem:refused")));
    }
    assert_eq!(api.get("/health", "").await.1["checks"]["ai"], true);
}

#[tokio::test]
async fn models_that_fail_are_left_alone_and_health_says_so() {
    let api = Api::start_with(VARS).await;
    let ann = token("ann");
    assert_eq!(api.get("/health", "").await.1["checks"]["ai"], true);
    let failing = ResponseTemplate::new(500).set_delay(Duration::from_millis(300));
    let broken = Mock::given(path_regex(CHAT)).respond_with(failing);
    let broken = broken.mount_as_scoped(&api.upstream).await;
    let many = futures_util::future::join_all((0..20).map(|_| ask(&api, &ann, "one question")));
    assert!(many.await.iter().all(|(status, _)| *status == 503));
    for n in 1..FAILURES + 3 {
        assert_eq!(ask(&api, &ann, &format!("x{n}")).await.0, 503);
    }
    assert_eq!(count(&api.upstream, CHAT).await, FAILURES as usize, "then nobody asks");
    drop(broken);
    fine(&api.upstream).await;
    advance(&api, 5_000).await;
    let health = api.send(Method::GET, "/health", "", None).await;
    assert_eq!(health.status(), 503);
    let health: Value = serde_json::from_str(&health.text().await.unwrap()).unwrap();
    assert_eq!((&health["status"], &health["checks"]["ai"]), (&json!("degraded"), &json!(false)));
    advance(&api, OPEN_FOR).await;
    assert_eq!(ask(&api, &ann, "y").await.0, 200, "one may try, and closes it");
    assert_eq!(ask(&api, &ann, "z").await.0, 200);
    assert_eq!(api.get("/health", "").await.1["checks"]["ai"], true);
}

#[tokio::test]
async fn who_is_past_their_quota_does_not_keep_the_models_closed_to_others() {
    let api = Api::start_with(&vars(&[("PLAN_QUOTAS", "free.ai_operations=1")])).await;
    let (ann, bob) = (token("ann"), token("bob"));
    let fine_once = Mock::given(path_regex(CHAT)).respond_with(summary("Short."));
    let fine_once = fine_once.mount_as_scoped(&api.upstream).await;
    assert_eq!(ask(&api, &ann, "hers").await.0, 200);
    drop(fine_once);
    let broken = Mock::given(path_regex(CHAT)).respond_with(ResponseTemplate::new(500));
    let broken = broken.mount_as_scoped(&api.upstream).await;
    for n in 0..FAILURES {
        assert_eq!(ask(&api, &bob, &format!("x{n}")).await.0, 503);
    }
    assert_eq!(ask(&api, &ann, "y").await.0, 503, "left alone, whoever asks");
    drop(broken);
    fine(&api.upstream).await;
    advance(&api, OPEN_FOR).await;
    for n in 0..3 {
        assert_eq!(ask(&api, &ann, &format!("y{n}")).await.0, 402);
        assert_eq!(api.post("/search", &ann, json!({"query": "y"})).await.0, 402);
    }
    assert_eq!(ask(&api, &bob, "z").await.0, 200, "nobody has tried in his place");
}

#[tokio::test]
async fn contents_at_the_limit_and_one_past_it() {
    let api = Api::start_with(VARS).await;
    fine(&api.upstream).await;
    let ann = token("ann");
    assert_eq!(ask(&api, &ann, &"é".repeat(MAX_CONTENT)).await.0, 200);
    let (status, body) = ask(&api, &ann, &"é".repeat(MAX_CONTENT + 1)).await;
    assert_eq!((status.as_u16(), &body["issues"][0]["path"]), (400, &json!("content")));
    assert_eq!(count(&api.upstream, CHAT).await, 1);
}

#[tokio::test]
async fn a_deployment_without_models_says_so() {
    let api = Api::start().await;
    assert_eq!(ask(&api, &token("ann"), "x").await.0, 503);
    let search = api.post("/search", &token("ann"), json!({"query": "x"})).await;
    assert_eq!(search.0, 503);
    let (_, health) = api.get("/health", "").await;
    assert_eq!(health["checks"]["ai"], Value::Null);
}

#[tokio::test]
async fn a_step_summarizes_what_an_earlier_one_gave() {
    let api = Api::start_with(VARS).await;
    fine(&api.upstream).await;
    let steps = json!([
        {"type": "transform", "config": {"value": {"text": "Long."}}},
        {"type": "ai.summarize", "config": {"content": "{{ steps[0].output.text }}!", "quality": "simple"}},
    ]);
    let ann = token("ann");
    let done = api.finished(&ann, &api.run(&ann, &api.workflow(&ann, steps).await).await).await;
    assert_eq!(done["status"], "succeeded", "{done}");
    assert_eq!(done["steps"][1]["output"]["summary"], "In short: a text.");
    assert_eq!(done["usage"]["ai_input_tokens"], 100, "the run pays");
    let (_, asked) =
        api.post("/ai/summarize", &ann, json!({"content": "Long.!", "quality": "simple"})).await;
    assert_eq!(asked["cached"], true, "the same question, the same answer");
    let bad = json!({"name": "n", "description": "d", "steps": [
        {"type": "ai.summarize", "config": {"content": 1}},
        {"type": "ai.summarize", "config": {"content": "{{ steps[1].output }}"}},
        {"type": "ai.summarize", "config": {"content": "x", "quality": "best"}},
    ]});
    let (status, body) = api.post("/workflows", &ann, bad).await;
    assert_eq!((status.as_u16(), body["issues"].as_array().unwrap().len()), (400, 3), "{body}");
}

#[tokio::test]
async fn a_step_past_the_quota_fails_for_good() {
    let api = Api::start_with(&vars(&[("PLAN_QUOTAS", "free.ai_operations=0")])).await;
    fine(&api.upstream).await;
    let steps = json!([{"type": "ai.summarize", "config": {"content": "x"}}]);
    let ann = token("ann");
    let done = api.finished(&ann, &api.run(&ann, &api.workflow(&ann, steps).await).await).await;
    assert_eq!((&done["status"], &done["steps"][0]["attempts"]), (&json!("failed"), &json!(1)));
    assert_eq!(done["steps"][0]["error"], "the AI operations of this month are used up");
    assert_eq!(count(&api.upstream, CHAT).await, 0);
}
