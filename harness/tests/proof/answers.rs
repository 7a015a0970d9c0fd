//! What the upstreams of a transcript answer: the same to the same, whenever it is asked.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::path_regex};

/// Dimensions of a vector.
const DIMENSIONS: usize = 768;
/// The word that texts are told apart by.
const WORD: &str = "lighthouse";

/// Models, vectors, Stripe and providers, as documented.
pub(crate) async fn mount(server: &MockServer) {
    models(server).await;
    Index::default().mount(server).await;
    let session = json!({"id": "cs_1", "url": "https://checkout.stripe.test/cs_1"});
    answer(server, "^/stripe/v1/", fine(&session)).await;
    people(server).await;
}

async fn answer(server: &MockServer, path: &str, answer: impl Respond + 'static) {
    Mock::given(path_regex(path)).respond_with(answer).mount(server).await;
}

fn fine(body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_string(body.to_string())
}

/// Cloudflare's envelope.
fn result(result: &Value) -> ResponseTemplate {
    fine(&json!({"result": result, "success": true, "errors": [], "messages": []}))
}

async fn models(server: &MockServer) {
    let usage = json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120});
    let written = result(&json!({"response": "Short.", "usage": usage}));
    answer(server, "^/cloudflare/.*/ai/run/@cf/meta/", written).await;
    let embed = |request: &Request| {
        let body = String::from_utf8_lossy(&request.body);
        let mut vector = vec![0.0; DIMENSIONS];
        vector[usize::from(body.contains(WORD))] = 1.0;
        result(&json!({"shape": [1, DIMENSIONS], "data": [vector]}))
    };
    answer(server, "^/cloudflare/.*/ai/run/@cf/baai/", embed).await;
}

/// Google and Notion, where everybody is Ann.
async fn people(server: &MockServer) {
    let google =
        json!({"access_token": "google-access", "refresh_token": "refresh", "expires_in": 3600});
    let notion = json!({"access_token": "notion-access", "workspace_name": "Ann's workspace"});
    let ann = json!({"sub": "1", "name": "Ann", "email": "ann@x.test", "email_verified": true});
    for (path, body) in [
        ("^/google/token$", google),
        ("^/google/v1/userinfo$", ann),
        ("^/google/revoke$", json!({})),
        ("^/notion/v1/oauth/token$", notion),
        ("^/notion/v1/oauth/revoke$", json!({})),
    ] {
        answer(server, path, fine(&body)).await;
    }
}

/// Vectorize, as far as it keeps what it is told: a vector and its readers, by identifier.
#[derive(Clone, Default)]
struct Index(Arc<Mutex<Vectors>>);

type Vectors = BTreeMap<String, (Vec<f64>, Value)>;

impl Index {
    async fn mount(self, server: &MockServer) {
        let (upsert, delete, query) = (self.clone(), self.clone(), self);
        let path = |what: &str| format!("^/cloudflare/.*/vectorize/.*/{what}$");
        answer(server, &path("upsert"), move |request: &Request| upsert.upsert(request)).await;
        let delete = move |request: &Request| delete.delete(request);
        answer(server, &path("delete_by_ids"), delete).await;
        answer(server, &path("query"), move |request: &Request| query.query(request)).await;
    }

    fn upsert(&self, request: &Request) -> ResponseTemplate {
        let line: Value = serde_json::from_slice(&request.body).unwrap();
        let id = line["id"].as_str().unwrap().to_owned();
        let readers = line["metadata"]["readers"].clone();
        self.0.lock().unwrap().insert(id, (numbers(&line["values"]), readers));
        result(&json!({"mutationId": "m"}))
    }

    fn delete(&self, request: &Request) -> ResponseTemplate {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        for id in body["ids"].as_array().unwrap() {
            self.0.lock().unwrap().remove(id.as_str().unwrap());
        }
        result(&json!({"mutationId": "m"}))
    }

    fn query(&self, request: &Request) -> ResponseTemplate {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let wanted = numbers(&body["vector"]);
        let readers = body["filter"]["readers"]["$in"].as_array().unwrap();
        let kept = self.0.lock().unwrap();
        let mut found: Vec<_> = kept
            .iter()
            .filter(|(_, (_, group))| readers.contains(group))
            .map(|(id, (values, _))| {
                // Both have the length 1.
                let score: f64 = values.iter().zip(&wanted).map(|(one, other)| one * other).sum();
                (score, id)
            })
            .collect();
        found.sort_by(|one, other| other.0.total_cmp(&one.0));
        found.truncate(usize::try_from(body["topK"].as_u64().unwrap()).unwrap());
        let matches: Vec<_> =
            found.iter().map(|(score, id)| json!({"id": id, "score": score})).collect();
        result(&json!({"count": matches.len(), "matches": matches}))
    }
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}
