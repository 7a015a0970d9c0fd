//! Workflows changed, published and deleted; runs listed and cancelled.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Request, get, post, request, step, workflow};

/// All of them, in order.
pub(super) fn all() -> Vec<Request> {
    let put = |path: &str, subject: &str, body: &Value| {
        let mut request = post(path, subject, body);
        request.method = Method::PUT;
        request
    };
    let publish = |subject: &str| post("/workflows/{w-mine}/publish", subject, &json!({}));
    let delete = |subject: &str| request(Method::DELETE, "/workflows/{w-mine}", subject);
    let better = workflow("better", &[step("/y")]);
    let pause = json!({"type": "delay", "config": {"seconds": 3600}});
    vec![
        post("/workflows", "editor", &workflow("mine", &[step("/x")])).keep("w-mine"),
        put("/workflows/{w-mine}", "editor", &better),
        put("/workflows/{w-mine}", "editor", &json!({"name": ""})),
        put("/workflows/{w-mine}", "somebody-else", &better),
        get("/workflows/{w-mine}", "editor"),
        publish("somebody-else"),
        publish("editor"),
        publish("editor"),
        get("/workflows/{w-mine}", "editor"),
        get("/workflows/{w-one}/runs", "runner"),
        get("/workflows/{w-one}/runs?limit=0", "runner"),
        get("/workflows/{w-one}/runs", "somebody-else"),
        get("/runs?limit=3", "runner"),
        get("/runs", "newcomer"),
        post("/runs/{r-one}/cancel", "runner", &json!({})),
        post("/runs/{r-one}/cancel", "somebody-else", &json!({})),
        post("/workflows", "editor", &workflow("long", &[pause])).keep("w-long"),
        post("/workflows/{w-long}/runs", "editor", &json!({})).keep("r-long"),
        post("/runs/{r-long}/cancel", "somebody-else", &json!({})),
        post("/runs/{r-long}/cancel", "editor", &json!({})),
        post("/runs/{r-long}/cancel", "editor", &json!({})),
        delete("somebody-else"),
        delete("editor"),
        delete("editor"),
        get("/workflows/{w-mine}", "editor"),
        put("/workflows/{w-mine}", "editor", &better),
    ]
}
