//! Requests and answers as Cloudflare documents them.

use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_json, body_string, header, method, path},
};

use super::*;
use crate::config::Secret;
use crate::domain::ai::{DIMENSIONS, MODELS};
use crate::domain::outbound::AllowList;
use crate::platform::native::ReqwestHttp;

async fn rest() -> (MockServer, Rest<ReqwestHttp>) {
    let server = MockServer::start().await;
    let account = CloudflareAccount {
        api: server.uri(),
        id: "acc".to_owned(),
        token: Secret::new("t0ken"),
        vector_index: "idx".to_owned(),
    };
    let http = ReqwestHttp::new(&AllowList::parse(&server.uri()).unwrap()).unwrap();
    (server, Rest::new(http, account))
}

fn at(what: &str) -> wiremock::MockBuilder {
    Mock::given(method("POST"))
        .and(path(format!("/client/v4/accounts/acc/{what}")))
        .and(header("authorization", "Bearer t0ken"))
}

fn fine(result: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200)
        .set_body_json(json!({"result": result, "success": true, "errors": [], "messages": []}))
}

#[tokio::test]
async fn a_chat_is_asked_and_its_tokens_are_counted() {
    let (server, rest) = rest().await;
    let asked = json!({
        "messages": [{"role": "system", "content": "Do."}, {"role": "user", "content": "é"}],
        "max_tokens": 7,
    });
    let usage = json!({"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010});
    at("ai/run/@cf/meta/llama-3.2-1b-instruct")
        .and(header("content-type", "application/json"))
        .and(body_json(asked))
        .respond_with(fine(&json!({"response": "Done.", "usage": usage})))
        .expect(1)
        .mount(&server)
        .await;
    let done = rest.complete(&MODELS[0], "Do.", "é", 7).await.unwrap();
    assert_eq!(done.value.text, "Done.");
    assert_eq!((done.usage.ai_input_tokens, done.usage.ai_output_tokens), (1000, 10));
    assert_eq!(done.usage.ai_millineurons, 2_457 + 183);
    assert_eq!(done.usage.outbound_requests, 1);
}

#[tokio::test]
async fn a_text_is_embedded() {
    let (server, rest) = rest().await;
    let data = json!([vec![0.5; DIMENSIONS]]);
    at("ai/run/@cf/baai/bge-base-en-v1.5")
        .and(body_json(json!({"text": ["four"]})))
        .respond_with(fine(&json!({"shape": [1, DIMENSIONS], "data": data})))
        .mount(&server)
        .await;
    let vector = rest.embed("four").await.unwrap();
    assert_eq!((vector.value.len(), vector.usage.ai_input_tokens), (DIMENSIONS, 1));
    at("ai/run/@cf/baai/bge-base-en-v1.5")
        .respond_with(fine(&json!({"shape": [1, 2], "data": [[0.5, 0.5]]})))
        .mount(&server)
        .await;
    assert!(rest.embed("another").await.is_err(), "of other dimensions");
}

#[tokio::test]
async fn vectors_are_written_forgotten_and_found() {
    let (server, rest) = rest().await;
    let mutation = fine(&json!({"mutationId": "0000aaaa-11bb-22cc-33dd-444444eeeeee"}));
    let line = r#"{"id":"w","metadata":{"readers":"everyone"},"values":[0.5,-1.0]}"#;
    at("vectorize/v2/indexes/idx/upsert")
        .and(header("content-type", "application/x-ndjson"))
        .and(body_string(line))
        .respond_with(mutation.clone())
        .expect(1)
        .mount(&server)
        .await;
    at("vectorize/v2/indexes/idx/delete_by_ids")
        .and(body_json(json!({"ids": ["w"]})))
        .respond_with(mutation)
        .expect(1)
        .mount(&server)
        .await;
    let asked = json!({
        "vector": [0.5], "topK": 3, "filter": {"readers": {"$in": ["everyone", "u"]}},
        "returnValues": false, "returnMetadata": "none",
    });
    let matches = json!({"count": 1, "matches": [{"id": "w", "score": 0.75}]});
    at("vectorize/v2/indexes/idx/query")
        .and(body_json(asked))
        .respond_with(fine(&matches))
        .expect(1)
        .mount(&server)
        .await;
    let vector = Vector { id: "w".into(), values: vec![0.5, -1.0], readers: "everyone".into() };
    assert_eq!(rest.upsert(vector).await.unwrap().usage.vector_dimensions_written, 768);
    assert_eq!(rest.delete("w").await.unwrap().usage.outbound_requests, 1);
    let found = rest.query(vec![0.5], vec!["everyone".into(), "u".into()], 3).await.unwrap();
    assert_eq!(found.value, [Match { id: "w".into(), score: 0.75 }]);
    assert_eq!(found.usage.vector_dimensions_queried, 768);
}

#[tokio::test]
async fn answers_that_are_none_are_failures_and_tell_nothing_on() {
    for (answer, refused) in [
        (ResponseTemplate::new(500), false),
        (ResponseTemplate::new(429), false),
        (ResponseTemplate::new(401), false),
        (ResponseTemplate::new(400), true),
        (ResponseTemplate::new(422), true),
        (ResponseTemplate::new(302), false),
        (ResponseTemplate::new(200).set_body_string("{\"result\":"), false),
        (ResponseTemplate::new(200).set_body_string("<html>t0ken"), false),
        (
            ResponseTemplate::new(200).set_body_json(json!({"success": false, "result": null})),
            false,
        ),
        (fine(&json!({"response": "no tokens"})), false),
        (fine(&json!({"response": 7, "usage": {}})), false),
        (ResponseTemplate::new(200).set_body_bytes(vec![b' '; MAX_ANSWER_BYTES + 1]), false),
    ] {
        let (server, rest) = rest().await;
        Mock::given(method("POST")).respond_with(answer.clone()).mount(&server).await;
        let error = rest.complete(&MODELS[0], "Do.", "x", 1).await.unwrap_err();
        let is_refusal = matches!(error.cause, PortFailure::Refused(_));
        assert_eq!(is_refusal, refused, "{answer:?}: {error}");
        assert_eq!(error.usage.outbound_requests, 1, "sent is billed");
        assert!(!error.to_string().contains("t0ken"), "{error}");
    }
}
