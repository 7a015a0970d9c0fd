//! Workers AI and Vectorize, as Cloudflare's public API has them. Answers are derived from what is
//! sent: the same text has the same summary and the same vector.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// The account of a local service.
pub const ACCOUNT: &str = "local";
/// Its token. Published here, so worth nothing: only the stub takes it.
pub const API_TOKEN: &str = "workway-local-token-published-and-so-for-the-stub-only";

/// Dimensions of a vector, as the embedding model of the service has them.
const DIMENSIONS: usize = 768;
/// Most vectors of an index: some 30 MB.
const MAX_VECTORS: usize = 10_000;
/// Words of a text that a summary quotes.
const SUMMARY_WORDS: usize = 12;

type Indexes = Arc<Mutex<HashMap<String, HashMap<String, Vector>>>>;

#[derive(Clone, Debug, Deserialize)]
struct Vector {
    id: String,
    values: Vec<f32>,
    #[serde(default)]
    metadata: Value,
}

pub(super) fn router() -> Router {
    let account = "/client/v4/accounts/{account}";
    Router::new()
        .route(&format!("{account}/ai/run/{{*model}}"), post(run))
        .route(&format!("{account}/vectorize/v2/indexes/{{index}}/{{operation}}"), post(vectorize))
        .with_state(Indexes::default())
}

fn fine(result: &Value) -> Response {
    Json(json!({"result": result, "success": true, "errors": [], "messages": []})).into_response()
}

fn wrong(status: StatusCode, code: u32, message: &str) -> Response {
    let errors = json!([{"code": code, "message": message}]);
    let body = json!({"result": null, "success": false, "errors": errors, "messages": []});
    (status, Json(body)).into_response()
}

/// Returns whether a request is for the stub's account, with its token.
pub(super) fn is_ours(account: &str, headers: &HeaderMap) -> bool {
    let token = headers.get("authorization").and_then(|value| value.to_str().ok()?.split_once(' '));
    account == ACCOUNT && token == Some(("Bearer", API_TOKEN))
}

/// Refuses callers other than the local service.
fn refused(account: &str, headers: &HeaderMap) -> Option<Response> {
    let wrong = || wrong(StatusCode::UNAUTHORIZED, 10_000, "Authentication error");
    (!is_ours(account, headers)).then(wrong)
}

async fn run(
    Path((account, model)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some(refused) = refused(&account, &headers) {
        return refused;
    }
    let input: Value = serde_json::from_slice(&body).unwrap_or_default();
    let answer = if model.contains("/bge-") { embed(&input) } else { chat(&input) };
    answer.map_or_else(
        || wrong(StatusCode::BAD_REQUEST, 5006, "the input is not what the model takes"),
        |answer| fine(&answer),
    )
}

/// Estimates the number of tokens that a tokenizer makes of a text.
fn tokens(text: &str) -> usize {
    text.len().div_ceil(4)
}

fn chat(input: &Value) -> Option<Value> {
    let messages = input.get("messages")?.as_array()?;
    let contents: Vec<_> =
        messages.iter().map(|message| message.get("content")?.as_str()).collect();
    let contents: Vec<&str> = contents.into_iter().collect::<Option<_>>()?;
    let words: Vec<_> = contents.last()?.split_whitespace().take(SUMMARY_WORDS).collect();
    let response = format!("In short: {}", words.join(" "));
    let read: usize = contents.iter().map(|text| tokens(text)).sum();
    let written = tokens(&response);
    let usage = json!({
        "prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written,
    });
    Some(json!({"response": response, "usage": usage}))
}

fn embed(input: &Value) -> Option<Value> {
    let texts = match input.get("text")? {
        Value::String(text) => vec![text.as_str()],
        Value::Array(texts) => texts.iter().map(Value::as_str).collect::<Option<_>>()?,
        _ => return None,
    };
    let data: Vec<_> = texts.iter().map(|text| vector(text)).collect();
    Some(json!({"shape": [data.len(), DIMENSIONS], "data": data}))
}

/// Texts that share words are near each other.
fn vector(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0; DIMENSIONS];
    // One dimension is everybody's: no text is without a direction.
    vector[0] = 0.1;
    let text = text.to_lowercase();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        // FNV-1a: the same on every platform and version.
        let hash = word.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let dimension = usize::try_from(hash % (DIMENSIONS as u64)).unwrap_or(0);
        vector[dimension] += 1.0;
    }
    vector
}

async fn vectorize(
    State(indexes): State<Indexes>,
    Path((account, index, operation)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some(refused) = refused(&account, &headers) {
        return refused;
    }
    let mut indexes = indexes.lock().unwrap_or_else(PoisonError::into_inner);
    let index = indexes.entry(index).or_default();
    let answer = match operation.as_str() {
        "upsert" => upsert(index, &body),
        "delete_by_ids" => delete(index, &body),
        "query" => query(index, &body),
        _ => return wrong(StatusCode::NOT_FOUND, 7003, "no such operation"),
    };
    answer.map_or_else(
        || wrong(StatusCode::BAD_REQUEST, 40_000, "the body is not what is documented"),
        |answer| fine(&answer),
    )
}

fn mutation() -> Value {
    json!({"mutationId": uuid::Uuid::new_v4().to_string()})
}

fn upsert(index: &mut HashMap<String, Vector>, body: &[u8]) -> Option<Value> {
    let lines = std::str::from_utf8(body).ok()?.lines().filter(|line| !line.trim().is_empty());
    let vectors: Vec<Vector> =
        lines.map(|line| serde_json::from_str(line).ok()).collect::<Option<_>>()?;
    let fits = |vector: &Vector| vector.values.len() == DIMENSIONS;
    let room = index.len() + vectors.len() <= MAX_VECTORS;
    if !vectors.iter().all(fits) || !room {
        return None;
    }
    for vector in vectors {
        index.insert(vector.id.clone(), vector);
    }
    Some(mutation())
}

fn delete(index: &mut HashMap<String, Vector>, body: &[u8]) -> Option<Value> {
    #[derive(Deserialize)]
    struct Ids {
        ids: Vec<String>,
    }
    let ids: Ids = serde_json::from_slice(body).ok()?;
    for id in ids.ids {
        index.remove(&id);
    }
    Some(mutation())
}

fn query(index: &HashMap<String, Vector>, body: &[u8]) -> Option<Value> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Query {
        vector: Vec<f32>,
        #[serde(default = "five")]
        top_k: usize,
        #[serde(default)]
        filter: HashMap<String, HashMap<String, Vec<Value>>>,
    }
    const fn five() -> usize {
        5
    }
    let query: Query = serde_json::from_slice(body).ok()?;
    let fits = |vector: &&Vector| {
        query.filter.iter().all(|(property, condition)| {
            let value = vector.metadata.get(property).unwrap_or(&Value::Null);
            condition.get("$in").is_some_and(|values| values.contains(value))
        })
    };
    let found = index.values().filter(fits);
    let mut found: Vec<_> =
        found.map(|vector| (cosine(&query.vector, &vector.values), &vector.id)).collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    found.truncate(query.top_k);
    let matches: Vec<_> =
        found.iter().map(|(score, id)| json!({"id": id, "score": score})).collect();
    Some(json!({"count": matches.len(), "matches": matches}))
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let length = (dot(a, a) * dot(b, b)).sqrt();
    if length > 0.0 { dot(a, b) / length } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_made_of_what_is_asked() {
        let messages =
            json!([{"role": "system", "content": "Do."}, {"role": "user", "content": "a b"}]);
        let answer = chat(&json!({ "messages": messages })).unwrap();
        assert_eq!(answer["response"], "In short: a b");
        assert_eq!(answer["usage"]["prompt_tokens"], 2);
        assert!(chat(&json!({"messages": [{"role": "user"}]})).is_none());
        assert!(chat(&json!({"prompt": "x"})).is_none());
        let two = embed(&json!({"text": ["x", "y"]})).unwrap();
        assert_eq!(two["shape"], json!([2, DIMENSIONS]));
        assert_eq!(two["data"][0], embed(&json!({"text": "x"})).unwrap()["data"][0]);
        assert!(embed(&json!({"text": 1})).is_none());
    }

    #[test]
    fn near_texts_are_found_by_those_who_may() {
        let mut index = HashMap::new();
        for (id, text, readers) in [
            ("near", "send invoices", "ann"),
            ("far", "water plants", "ann"),
            ("no", "invoices", "bob"),
        ] {
            let metadata = json!({ "readers": readers });
            let line = json!({"id": id, "values": vector(text), "metadata": metadata});
            upsert(&mut index, line.to_string().as_bytes()).unwrap();
        }
        let ask = |index: &HashMap<_, _>| {
            let filter = json!({"readers": {"$in": ["everyone", "ann"]}});
            let query_ = json!({"vector": vector("invoices"), "topK": 2, "filter": filter});
            let found = query(index, query_.to_string().as_bytes()).unwrap();
            let ids = found["matches"].as_array().unwrap().iter();
            ids.map(|found| found["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(ask(&index), ["near", "far"]);
        delete(&mut index, br#"{"ids": ["near", "never"]}"#).unwrap();
        assert_eq!(ask(&index), ["far"]);
        let short = json!({"id": "x", "values": [1.0]}).to_string();
        assert!(upsert(&mut index, short.as_bytes()).is_none());
    }
}
