//! Pages of other origins: those that are allowed, those that look like them, and their preflights.

use reqwest::Method;
use serde_json::json;

use super::{Request, get, post, request};

const ORIGINS: [&str; 15] = [
    "https://good.example",
    "http://localhost:3000",
    "null",
    "*",
    "",
    "https://evil.example",
    "https://good.example.evil.example",
    "https://goodXexample",
    "http://good.example",
    "https://good.example:443",
    "https://good.example:8443",
    "https://GOOD.example",
    "https://good.example/",
    "https://good.example https://evil.example",
    "https://user@good.example",
];

/// All of them, in order. Errors are answers too: a page must be able to read why.
pub(super) fn all() -> Vec<Request> {
    let mut list = Vec::new();
    for origin in ORIGINS {
        list.push(get("/health/live", "page").header("origin", origin));
        let preflight = request(Method::OPTIONS, "/workflows", "page").nobody();
        let preflight = preflight.header("origin", origin);
        list.push(preflight.header("access-control-request-method", "POST"));
    }
    let good = |request: Request| request.header("origin", ORIGINS[0]);
    let ask = |path: &str, method: &str, headers: &str| {
        let asked = good(request(Method::OPTIONS, path, "page").nobody());
        let asked = asked.header("access-control-request-method", method);
        asked.header("access-control-request-headers", headers)
    };
    list.extend([
        ask("/workflows/{w-one}", "PUT", "authorization, content-type"),
        ask("/workflows/{w-one}/runs", "POST", "idempotency-key"),
        ask("/runs/{r-one}/events", "GET", "last-event-id"),
        ask("/nothing", "GET", "x"),
        ask("/workflows", "", ""),
        ask("/workflows", "TRACE", "x-http-method-override"),
        good(request(Method::OPTIONS, "/workflows", "page")),
        good(get("/workflows", "page")),
        good(get("/workflows", "page").nobody()),
        good(get("/workflows?limit=0", "page")),
        good(get("/nothing", "page")),
        good(request(Method::DELETE, "/health/live", "page")),
        good(post("/workflows", "page", &json!({}))),
        good(post("/workflows/{w-one}/runs", "page", &json!({}))),
        good(get("/api/workflows?limit=7", "page")),
        good(get("/api/workflows?limit=7", "page")).header("if-none-match", "*"),
        good(get("/openapi.json", "page")),
        good(get("/health/live", "page")).header("origin", ORIGINS[0]),
        good(get("/health/live", "page")).header("origin", ORIGINS[5]),
    ]);
    list
}
