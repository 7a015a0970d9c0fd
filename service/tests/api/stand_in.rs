//! Cloudflare's and Stripe's APIs, as far as tests need them.

use std::time::Duration;

use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, Request, Respond, ResponseTemplate,
    matchers::{method, path_regex},
};

pub(crate) const WEBHOOK_SECRET: &str = "whsec_for_tests";
pub(crate) const OLD_WEBHOOK_SECRET: &str = "whsec_that_is_being_rotated_out";

/// The variables that lead there.
pub(crate) const VARS: &[(&str, &str)] = &[
    ("CLOUDFLARE_API", "{upstream}"),
    ("CLOUDFLARE_ACCOUNT_ID", "acc"),
    ("CLOUDFLARE_API_TOKEN", "canary-cf-token"),
    ("STRIPE_API", "{upstream}"),
    ("STRIPE_SECRET_KEY", "canary-sk"),
    ("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET),
    ("STRIPE_WEBHOOK_SECRET_PREVIOUS", OLD_WEBHOOK_SECRET),
    ("STRIPE_PRICES", "startup=price_s,growth=price_g"),
];

/// [`VARS`] and more.
pub(crate) fn vars(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    VARS.iter().chain(more).copied().collect()
}

pub(crate) const CHAT: &str = "^/client/v4/accounts/acc/ai/run/@cf/meta/";
pub(crate) const EMBED: &str = "^/client/v4/accounts/acc/ai/run/@cf/baai/bge-base-en-v1.5$";
pub(crate) const CHECKOUT: &str = "^/v1/checkout/sessions$";

/// The answer of a chat model.
pub(crate) fn summary(text: &str) -> ResponseTemplate {
    let usage = json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120});
    let result = json!({"response": text, "usage": usage});
    ResponseTemplate::new(200).set_body_json(envelope(&result))
}

fn envelope(result: &Value) -> Value {
    json!({"result": result, "success": true, "errors": [], "messages": []})
}

/// A vector by the words of the text: texts that share words are near each other.
struct Embedder;

impl Respond for Embedder {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let text = body["text"][0].as_str().unwrap().to_lowercase();
        let mut vector = vec![0.0; 768];
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            let hash = word
                .bytes()
                .fold(7_usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(usize::from(byte)));
            vector[hash % 768] += 1.0;
        }
        let result = json!({"shape": [1, 768], "data": [vector]});
        ResponseTemplate::new(200).set_body_json(envelope(&result))
    }
}

/// Mounts an answer to POSTs.
pub(crate) async fn mount(server: &MockServer, path: &str, answer: impl Respond + 'static) {
    Mock::given(method("POST")).and(path_regex(path)).respond_with(answer).mount(server).await;
}

/// All of it, in good health.
pub(crate) async fn fine(server: &MockServer) {
    mount(server, CHAT, summary("In short: a text.")).await;
    mount(server, EMBED, Embedder).await;
    let session = json!({"id": "cs_1", "url": "https://checkout.stripe.test/cs_1"});
    mount(server, CHECKOUT, ResponseTemplate::new(200).set_body_json(session)).await;
}

/// How often something was asked.
pub(crate) async fn count(server: &MockServer, path: &str) -> usize {
    let path = regex::Regex::new(path).unwrap();
    let requests = server.received_requests().await.unwrap();
    requests.iter().filter(|request| path.is_match(request.url.path())).count()
}

/// A chat that takes its time.
pub(crate) fn slow(text: &str, millis: u64) -> ResponseTemplate {
    summary(text).set_delay(Duration::from_millis(millis))
}
