//! Sign-in, sessions and connections. Nobody goes to a consent page here: `identity.rs` does.

use reqwest::Method;

use super::{Request, get, request};

pub(super) fn all() -> Vec<Request> {
    let begin_again = "/oauth/google/callback?code=x&state=x.y";
    let mut list = vec![
        get("/me", "somebody"),
        get("/me?x=y", "somebody"),
        get("/connections", "somebody"),
        request(Method::DELETE, "/connections/notion", "somebody"),
        request(Method::DELETE, "/connections/google", "somebody"),
        request(Method::DELETE, "/connections/nobody", "somebody"),
        request(Method::POST, "/me", "somebody"),
        request(Method::POST, "/connections", "somebody"),
        get("/oauth/nobody/authorize", "somebody"),
        get("/oauth/nobody/callback", "somebody"),
        get("/oauth/google/authorize?return_to=https://evil.example", "somebody"),
        get("/oauth/google/authorize?return_to=x&return_to=y", "somebody"),
        get("/oauth/notion/authorize", "somebody").nobody(),
        get("/oauth/notion/callback?error=access_denied&state=x", "somebody"),
        get("/oauth/google/callback?code=x&code=y", "somebody"),
        get(begin_again, "somebody"),
        get("/auth/refresh", "somebody"),
        get("/me", "somebody").nobody(),
        get("/connections", "somebody").nobody(),
    ];
    for path in ["/auth/refresh", "/auth/logout"] {
        let plain = request(Method::POST, path, "somebody").nobody();
        let mut foreign = plain.clone();
        foreign.headers.push(("origin", "https://evil.example".to_owned()));
        let mut forged = plain.clone();
        forged.headers.push(("cookie", "workway-refresh=a.b.c".to_owned()));
        list.extend([plain, foreign, forged]);
    }
    list.extend(session());
    list
}

/// Somebody signs in, connects, goes on, disconnects and leaves.
fn session() -> Vec<Request> {
    let visit = |path: &str| get(path, "nobody").by_browser();
    let leave = |path: &str, name: &'static str| Request { state: Some(name), ..visit(path) };
    let press = |path: &str| request(Method::POST, path, "nobody").by_browser();
    let signed_in = |mut request: Request| {
        request.capture = Some(("ann", "access_token"));
        request
    };
    let hers = |mut request: Request| {
        request.authorization = vec!["Bearer {ann}".to_owned()];
        request
    };
    let back = "http%3A%2F%2Flocalhost%3A3000%2Fdone";
    let asks = |path: &str| hers(get(path, "nobody"));
    // All who are nobody share one budget.
    let first = Request { when_forgotten: true, ..leave("/oauth/google/authorize", "first") };
    vec![
        first,
        signed_in(visit("/oauth/google/callback?code=good&state={first}")),
        visit("/oauth/google/callback?code=good&state={first}"),
        asks("/me"),
        asks("/connections"),
        leave(&format!("/oauth/notion/authorize?return_to={back}"), "second"),
        visit("/oauth/google/callback?code=good&state={second}"),
        visit("/oauth/notion/callback?code=good&state={second}"),
        asks("/connections"),
        leave("/oauth/notion/authorize", "third"),
        visit("/oauth/notion/callback?error=access_denied&state={third}"),
        signed_in(press("/auth/refresh")),
        asks("/me"),
        hers(request(Method::DELETE, "/connections/notion", "nobody")),
        asks("/connections"),
        press("/auth/logout"),
        press("/auth/refresh"),
        press("/auth/logout"),
    ]
}
