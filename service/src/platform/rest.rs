//! Workers AI and Vectorize through Cloudflare's public API: where there are no bindings.
//! <https://developers.cloudflare.com/api/resources/ai/>, <https://developers.cloudflare.com/api/resources/vectorize/>

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::shapes::{Chat, Embedded, Embeddings, Matches, Written, read_embedding};
use crate::config::CloudflareAccount;
use crate::domain::ai::{EMBEDDING, Model};
use crate::ports::{
    AI_TIMEOUT, Ai, Completion, Http, Match, Meter, Metered, OutboundRequest, PortError,
    PortFailure, PortResult, VECTOR_TIMEOUT, Vector, VectorIndex, embedding_usage, one_written,
    used,
};

/// Longest answer that is read, in bytes: an embedding has about 17 KB, a summary a few.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// Cloudflare's API, for one account.
#[derive(Clone, Debug)]
pub struct Rest<H> {
    http: H,
    account: CloudflareAccount,
}

/// The envelope of every answer.
#[derive(Deserialize)]
struct Envelope<T> {
    success: bool,
    result: Option<T>,
}

/// A call of the API.
struct Call {
    port: &'static str,
    path: String,
    content_type: &'static str,
    body: Vec<u8>,
    timeout: Duration,
}

impl<H: Http> Rest<H> {
    /// Returns the API of `account`, through `http`.
    pub fn new(http: H, account: CloudflareAccount) -> Self {
        Self { http, account }
    }

    async fn post<T: DeserializeOwned>(&self, meter: &Meter, call: Call) -> Result<T, PortError> {
        let port = call.port;
        let headers = BTreeMap::from([
            ("authorization", format!("Bearer {}", self.account.token.expose())),
            ("content-type", call.content_type.to_owned()),
        ]);
        let CloudflareAccount { api, id, .. } = &self.account;
        let request = OutboundRequest {
            method: "POST".to_owned(),
            url: format!("{api}/client/v4/accounts/{id}/{}", call.path),
            headers,
            body: Some(call.body),
            timeout: call.timeout,
            max_body_bytes: MAX_ANSWER_BYTES,
        };
        let answer = meter.charge(self.http.send(request).await)?;
        match answer.status {
            200..300 => {}
            400 | 413 | 422 => return Err(PortFailure::Refused(port).into()),
            status => return Err(PortError::unavailable(port, format!("status {status}"))),
        }
        let nonsense = || PortError::unavailable(port, "the answer is not what is documented");
        let envelope: Envelope<T> = serde_json::from_slice(&answer.body).map_err(|_| nonsense())?;
        envelope.result.filter(|_| envelope.success).ok_or_else(nonsense)
    }

    async fn run<I: Serialize, T: DeserializeOwned>(
        &self,
        meter: &Meter,
        model: &Model,
        input: &I,
    ) -> Result<T, PortError> {
        let body = serde_json::to_vec(input).map_err(|e| PortError::unavailable("ai", e))?;
        let path = format!("ai/run/{}", model.name);
        let content_type = "application/json";
        self.post(meter, Call { port: "ai", path, content_type, body, timeout: AI_TIMEOUT }).await
    }

    async fn vectorize<T: DeserializeOwned>(
        &self,
        meter: &Meter,
        what: &str,
        content_type: &'static str,
        body: &Value,
    ) -> Result<T, PortError> {
        let path = format!("vectorize/v2/indexes/{}/{what}", self.account.vector_index);
        let body = body.to_string().into_bytes();
        let timeout = VECTOR_TIMEOUT;
        self.post(meter, Call { port: "vectors", path, content_type, body, timeout }).await
    }
}

/// Adds what the requests used on the way to the outcome. An error has that already, or a part of it.
fn metered<T>(meter: &Meter, outcome: PortResult<T>) -> PortResult<T> {
    used(outcome.map_err(|error| PortError::from(error.cause)), meter.usage())
}

impl<H: Http> Ai for Rest<H> {
    async fn complete(
        &self,
        model: &'static Model,
        instruction: &str,
        content: &str,
        max_tokens: u32,
    ) -> PortResult<Completion> {
        let meter = Meter::default();
        let chat = Chat::new(instruction, content, max_tokens);
        let written = self.run::<_, Written>(&meter, model, &chat).await;
        metered(&meter, written.map(|written| written.by(model)))
    }

    async fn embed(&self, text: &str) -> PortResult<Vec<f32>> {
        let meter = Meter::default();
        let embedded =
            self.run::<_, Embedded>(&meter, &EMBEDDING, &Embeddings { text: [text] }).await;
        let outcome = embedded.and_then(read_embedding);
        metered(&meter, outcome.map(|value| Metered { value, usage: embedding_usage(text) }))
    }
}

#[derive(Deserialize)]
struct Mutation {}

impl<H: Http> VectorIndex for Rest<H> {
    async fn upsert(&self, vector: Vector) -> PortResult<()> {
        let meter = Meter::default();
        // A line of JSON for each vector.
        let metadata = json!({"readers": vector.readers});
        let line = json!({"id": vector.id, "values": vector.values, "metadata": metadata});
        let done = self.vectorize::<Mutation>(&meter, "upsert", "application/x-ndjson", &line);
        let done = done.await.map(|_| Metered { value: (), usage: one_written() });
        metered(&meter, done)
    }

    async fn delete(&self, id: &str) -> PortResult<()> {
        let meter = Meter::default();
        let ids = json!({"ids": [id]});
        let done = self.vectorize::<Mutation>(&meter, "delete_by_ids", "application/json", &ids);
        metered(&meter, done.await.map(|_| Metered::free(())))
    }

    async fn query(
        &self,
        values: Vec<f32>,
        readers: Vec<String>,
        limit: usize,
    ) -> PortResult<Vec<Match>> {
        let meter = Meter::default();
        let query = json!({
            "vector": values,
            "topK": limit,
            "filter": {"readers": {"$in": readers}},
            "returnValues": false,
            "returnMetadata": "none",
        });
        let found = self.vectorize::<Matches>(&meter, "query", "application/json", &query).await;
        metered(&meter, found.map(Matches::found))
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests;
