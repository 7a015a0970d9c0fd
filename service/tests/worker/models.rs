//! Models, vectors and Stripe: through bindings, and through the public APIs.

use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use wasm_bindgen_test::wasm_bindgen_test;
use worker::js_sys::Promise;
use workway_service::{
    domain::ai::{DIMENSIONS, INSTRUCTION, MAX_SUMMARY_TOKENS, MODELS},
    ports::{AI_TIMEOUT, Ai, Platform, PortFailure, VECTOR_TIMEOUT, Vector, VectorIndex},
};

use crate::world::{
    Answer, World, advance, answer, bind_models, now, outbound_requests, set_mode, set_var, token,
};

const SMALL: &str = "@cf/meta/llama-3.2-1b-instruct";

fn with_models() -> World {
    let world = World::new();
    bind_models(&world.env);
    world
}

fn with_rest() -> World {
    let world = World::new();
    for (name, value) in [
        ("CLOUDFLARE_API", "https://cloudflare.test"),
        ("CLOUDFLARE_ACCOUNT_ID", "acc"),
        ("CLOUDFLARE_API_TOKEN", "t0ken"),
    ] {
        set_var(&world.env, name, Some(value));
    }
    world
}

fn envelope(result: &Value) -> Value {
    let body = json!({"result": result, "success": true, "errors": [], "messages": []});
    json!({"body": body.to_string()})
}

fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}

#[wasm_bindgen_test]
async fn the_binding_gets_what_workers_ai_documents() {
    let world = with_models();
    let platform = world.platform();
    let ai = platform.ai().unwrap();
    let done = ai.complete(&MODELS[0], INSTRUCTION, "é", MAX_SUMMARY_TOKENS).await.unwrap();
    assert_eq!(done.value.text, "Short.");
    assert_eq!((done.usage.ai_input_tokens, done.usage.ai_output_tokens), (100, 20));
    assert_eq!(done.usage.outbound_requests, 0, "a binding is no request");
    let vector = ai.embed("text").await.unwrap();
    assert_eq!((vector.value.len(), vector.usage.ai_input_tokens), (DIMENSIONS, 1));
    let messages = json!([
        {"role": "system", "content": INSTRUCTION}, {"role": "user", "content": "é"},
    ]);
    let chat = json!({"messages": messages, "max_tokens": MAX_SUMMARY_TOKENS});
    assert_eq!(
        world.calls_of("AI"),
        [
            json!({"model": SMALL, "input": chat}),
            json!({"model": "@cf/baai/bge-base-en-v1.5", "input": {"text": ["text"]}}),
        ]
    );
    for mode in ["broken", "nonsense"] {
        set_mode(&world.env, "AI", mode);
        let error = ai.complete(&MODELS[0], "", "x", 1).await.unwrap_err();
        assert!(matches!(error.cause, PortFailure::Unavailable { port: "ai", .. }), "{error}");
    }
}

#[wasm_bindgen_test]
async fn a_binding_that_never_answers_is_given_up() {
    let world = with_models();
    // The breaker of the isolate has seen the failures of other tests.
    assert_eq!(Answer::of(summarize(&world, "first")).await.status, 200);
    set_mode(&world.env, "AI", "silent");
    let asked = summarize(&world, "x");
    advance(millis(AI_TIMEOUT)).await;
    assert_eq!(Answer::of(asked).await.status, 503);
    set_mode(&world.env, "AI", "well");
    assert_eq!(Answer::of(summarize(&world, "x")).await.status, 200, "the next is served");

    set_mode(&world.env, "VECTORDB", "silent");
    let asked = search(&world);
    advance(millis(VECTOR_TIMEOUT)).await;
    assert_eq!(Answer::of(asked).await.status, 503);
}

#[wasm_bindgen_test]
async fn vectorize_gets_plain_objects() {
    let world = with_models();
    let platform = world.platform();
    let vectors = platform.vectors().unwrap();
    let values = vec![0.5; DIMENSIONS];
    let vector = Vector { id: "w".into(), values: values.clone(), readers: "everyone".into() };
    assert_eq!(vectors.upsert(vector).await.unwrap().usage.vector_dimensions_written, 768);
    vectors.delete("gone").await.unwrap();
    let found = vectors.query(values, vec!["everyone".into(), "user:x".into()], 3).await.unwrap();
    assert_eq!((found.value[0].id.as_str(), found.usage.vector_dimensions_queried), ("w", 768));
    let options = json!({
        "topK": 3, "filter": {"readers": {"$in": ["everyone", "user:x"]}},
        "returnValues": false, "returnMetadata": "none",
    });
    let written = json!([{"id": "w", "dimensions": 768, "metadata": {"readers": "everyone"}}]);
    assert_eq!(
        world.calls_of("VECTORDB"),
        [
            json!({"name": "upsert", "args": [written]}),
            json!({"name": "deleteByIds", "args": [["gone"]]}),
            json!({"name": "query", "args": [768, options]}),
        ]
    );
    set_mode(&world.env, "VECTORDB", "broken");
    let error = vectors.delete("w").await.unwrap_err();
    assert_eq!(error.to_string(), "vectors failed: VECTOR_QUERY_ERROR (code = 40026)");
}

#[wasm_bindgen_test]
async fn without_bindings_the_public_api_is_asked() {
    let world = with_rest();
    let usage = json!({"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12});
    answer(&envelope(&json!({"response": "Short.", "usage": usage})));
    let done = Answer::of(summarize(&world, "x")).await;
    assert_eq!((done.status, &done.body["summary"]), (200, &json!("Short.")), "{done:?}");
    let requests = outbound_requests();
    let url = format!("https://cloudflare.test/client/v4/accounts/acc/ai/run/{SMALL}");
    assert_eq!((requests.len(), &requests[0]["url"]), (1, &json!(url)));
    assert_eq!(requests[0]["headers"]["authorization"], "Bearer t0ken");
    // The configuration is read once for an environment.
    let half = with_rest();
    set_var(&half.env, "CLOUDFLARE_API_TOKEN", None);
    assert_eq!(half.get("/health/live", "").await.status, 500, "half a configuration");
}

#[wasm_bindgen_test]
async fn a_deployment_without_models_says_so() {
    let world = World::new();
    assert_eq!(Answer::of(summarize(&world, "x")).await.status, 503);
    assert_eq!(Answer::of(search(&world)).await.status, 503);
    let health = world.get("/health", "").await;
    assert_eq!(health.body["checks"]["ai"], Value::Null);
    set_mode(&world.env, "DB", "well");
}

fn post(world: &World, path: &str, body: &Value) -> Promise {
    let authorization = format!("Bearer {}", token("ann"));
    let headers = json!({"authorization": authorization, "content-type": "application/json"});
    world.start("POST", path, &headers, Some(&body.to_string()))
}

fn summarize(world: &World, content: &str) -> Promise {
    post(world, "/ai/summarize", &json!({"content": content, "quality": "simple"}))
}

fn search(world: &World) -> Promise {
    post(world, "/search", &json!({"query": "x"}))
}

#[wasm_bindgen_test]
async fn fifty_who_want_the_same_are_one_call() {
    let world = with_models();
    let asked: Vec<_> = (0..50).map(|_| summarize(&world, "the same")).collect();
    let other = summarize(&world, "another");
    for asked in asked.into_iter().chain([other]) {
        let answer = Answer::of(asked).await;
        assert_eq!((answer.status, &answer.body["cached"]), (200, &json!(false)), "{answer:?}");
    }
    assert_eq!(world.calls_of("AI").len(), 2);
    let (status, cached) = {
        let answer = Answer::of(summarize(&world, "the same")).await;
        (answer.status, answer.body["cached"].clone())
    };
    assert_eq!((status, cached), (200, json!(true)));
    let taken = world.rows("SELECT ai_operations FROM quota_months");
    assert_eq!(taken, json!([{"ai_operations": 2}]));
}

#[wasm_bindgen_test]
async fn a_failure_is_told_to_all_and_kept_by_nobody() {
    let world = with_models();
    set_mode(&world.env, "AI", "broken");
    let asked: Vec<_> = (0..3).map(|_| summarize(&world, "x")).collect();
    for asked in asked {
        assert_eq!(Answer::of(asked).await.status, 503);
    }
    assert_eq!(world.calls_of("AI").len(), 1);
    let taken = world.rows("SELECT ai_operations FROM quota_months");
    assert_eq!(taken, json!([{"ai_operations": 0}]), "given back");
    set_mode(&world.env, "AI", "well");
    assert_eq!(Answer::of(summarize(&world, "x")).await.body["cached"], false);
}

#[wasm_bindgen_test]
async fn a_step_asks_through_the_object_of_its_question() {
    let world = with_models();
    let config = json!({"content": "x", "quality": "simple"});
    let id = world.run(&token("ann"), &json!([{"type": "ai.summarize", "config": config}])).await;
    let run = world.finish(&id).await;
    assert_eq!(
        (&run["status"], &run["steps"][0]["output"]["summary"]),
        (&json!("succeeded"), &json!("Short."))
    );
    assert_eq!(run["usage"]["ai_input_tokens"], 100);
    assert_eq!(Answer::of(summarize(&world, "x")).await.body["cached"], true);
}

#[wasm_bindgen_test]
async fn search_shows_what_the_caller_may_see() {
    let world = with_models();
    let steps = json!([{"type": "transform", "config": {"value": 1}}]);
    for (who, name) in [("ann", "mine"), ("bob", "theirs")] {
        let body = json!({"name": name, "description": "d", "steps": steps});
        assert_eq!(world.post("/workflows", &token(who), &body).await.status, 201);
    }
    world.cron().await;
    assert_eq!(world.rows("SELECT count(*) AS n FROM search_outbox"), json!([{"n": 0}]));
    let found = Answer::of(search(&world)).await;
    // The stand-in finds all: what is not hers is left out all the same.
    let names: Vec<_> =
        found.body["results"].as_array().unwrap().iter().map(|r| &r["name"]).collect();
    assert_eq!(names, ["mine"]);
}

#[wasm_bindgen_test]
async fn a_signed_event_changes_the_plan_once() {
    let world = World::new();
    set_var(&world.env, "STRIPE_WEBHOOK_SECRET", Some("whsec"));
    set_var(&world.env, "STRIPE_PRICES", Some("growth=price_g"));
    let event = json!({
        "id": "evt_1", "type": "customer.subscription.created", "created": 7,
        "data": {"object": {
            "id": "sub_1", "customer": "cus_1", "status": "active", "metadata": {"user_id": "ann"},
            "items": {"data": [{"price": {"id": "price_g"}}]},
        }},
    });
    let body = event.to_string();
    let at = now() / 1000;
    let mac = Hmac::<Sha256>::new_from_slice(b"whsec").unwrap();
    let mac = mac.chain_update(format!("{at}.{body}")).finalize().into_bytes();
    let mac = mac.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let deliver = |mac: &str, body: &str| {
        let headers = json!({"stripe-signature": format!("t={at},v1={mac}")});
        world.start("POST", "/webhooks/stripe", &headers, Some(body))
    };
    assert_eq!(Answer::of(deliver(&mac, &body.replace("sub_1", "sub_2"))).await.status, 400);
    let all: Vec<_> = (0..100).map(|_| deliver(&mac, &body)).collect();
    for delivered in all {
        assert_eq!(Answer::of(delivered).await.status, 200);
    }
    let rows = world.rows("SELECT id, plan, version FROM subscriptions");
    assert_eq!(rows, json!([{"id": "sub_1", "plan": "growth", "version": 1}]));
    assert_eq!(world.get("/billing/plan", &token("ann")).await.body["plan"], "growth");
    advance(301_000).await;
    assert_eq!(Answer::of(deliver(&mac, &body)).await.status, 400, "too old");
}

#[wasm_bindgen_test]
async fn a_quota_admits_exactly_that_many() {
    let world = with_models();
    set_var(&world.env, "PLAN_QUOTAS", Some("free.ai_operations=50"));
    let asked: Vec<_> = (0..99).map(|n| summarize(&world, &format!("text {n}"))).collect();
    let mut statuses = Vec::new();
    for asked in asked {
        statuses.push(Answer::of(asked).await.status);
    }
    let of = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!((of(200), of(402)), (50, 49));
    assert_eq!(world.calls_of("AI").len(), 50);
}
