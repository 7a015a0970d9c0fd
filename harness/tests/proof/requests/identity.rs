//! Sign-in, sessions and connections, as far as answers are the same twice: a consent page gets
//! another state each time, and `identity.rs` goes through it on both platforms.

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
    list
}
