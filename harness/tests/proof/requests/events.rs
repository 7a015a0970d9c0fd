//! What happened to a run, as a stream: from the start, from the middle, and as it happens.

use serde_json::json;

use super::{Request, get, post, step, workflow};

/// All of them, in order.
pub(super) fn all() -> Vec<Request> {
    let pause = json!({"type": "delay", "config": {"seconds": 1}});
    let steps = [pause, json!({"type": "transform", "config": {"value": 1}})];
    let mut list = Vec::new();
    for run in ["r-one", "r-five", "r-flaky", "r-refuse", "r-nowhere"] {
        list.push(get(&format!("/runs/{{{run}}}/events"), "runner"));
    }
    let path = "/runs/{r-flaky}/events";
    for last in ["0", "1", "2", "7", "1000", "4294967295", "4294967296", "-1", "x", "", "1.0", " 1"]
    {
        list.push(get(path, "follower").header("last-event-id", last));
        list.push(get(path, "runner").header("last-event-id", last));
    }
    list.extend([
        get(path, "runner").nobody(),
        get(path, "runner").header("accept", "application/json"),
        get("/runs/x/events", "runner"),
        get("/runs/{w-one}/events", "runner"),
        post(path, "runner", &json!({})),
        // To its end, while it runs.
        post("/workflows", "follower", &workflow("live", &steps)).keep("w-live"),
        post("/workflows/{w-live}/runs", "follower", &json!({})).keep("r-live"),
        get("/runs/{r-live}/events", "follower"),
        get("/runs/{r-live}/events", "follower").header("last-event-id", "2"),
        get("/runs/{r-live}", "follower"),
        // One with a step that is tried again, from the moment it is accepted.
        post("/workflows", "follower", &workflow("b", &[step("/flaky/live")])).keep("w-busy"),
        post("/workflows/{w-busy}/runs", "follower", &json!({})).keep("r-busy"),
        get("/runs/{r-busy}/events", "follower"),
    ]);
    list
}
