//! A long list of requests over all routes: fine, denied and malformed. `{name}` in a path, a body
//! or a header stands for what an earlier answer gave.

mod changes;
mod events;
mod identity;
mod keys;
mod money;
mod origins;
mod tables;

use std::iter::once;

use reqwest::Method;
use serde_json::{Value, json};
use tables::{CONTENT_TYPES, QUERIES, TEXTS};
use workway::token::{Signer, local_secret, now};

use super::token;

/// One request. Built by the functions below.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a word about one request")]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) subject: String,
    pub(crate) authorization: Vec<String>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<Vec<u8>>,
    /// Remember a member of the answer under a name.
    pub(crate) capture: Option<(&'static str, &'static str)>,
    /// Wait until the run in the path has ended.
    pub(crate) when_finished: bool,
    /// Wait until nothing is on its way to the database any more.
    pub(crate) when_settled: bool,
    /// Wait until what was asked before counts against nobody's budget.
    pub(crate) when_forgotten: bool,
    /// Sent with the cookies of the one browser, which keeps what it gets.
    pub(crate) by_browser: bool,
    /// Remember the `state` of the answer's `Location` under a name.
    pub(crate) state: Option<&'static str>,
}

/// All of them, in order. People change often enough that nobody's budget is reached; those who
/// are nobody share one, and are few.
pub(crate) fn all() -> Vec<Request> {
    let mut list = Vec::new();
    list.extend(runs());
    list.extend(money::all());
    list.extend(pages());
    list.extend(bodies());
    list.extend(workflows());
    list.extend(identifiers());
    list.extend(methods());
    list.extend(credentials());
    list.extend(strangers());
    list.extend(changes::all());
    list.extend(keys::all());
    list.extend(origins::all());
    list.extend(events::all());
    list.extend(identity::all());
    list.extend(documents());
    list.extend(money::found());
    list
}

fn request(method: Method, path: &str, subject: &str) -> Request {
    Request {
        method,
        path: path.to_owned(),
        subject: subject.to_owned(),
        authorization: vec![format!("Bearer {}", token(subject))],
        headers: Vec::new(),
        body: None,
        capture: None,
        when_finished: false,
        when_settled: false,
        when_forgotten: false,
        by_browser: false,
        state: None,
    }
}

fn get(path: &str, subject: &str) -> Request {
    request(Method::GET, path, subject)
}

fn post(path: &str, subject: &str, body: &Value) -> Request {
    raw(path, subject, "application/json", body.to_string().into_bytes())
}

fn raw(path: &str, subject: &str, content_type: &str, body: Vec<u8>) -> Request {
    let mut request = request(Method::POST, path, subject);
    request.headers.push(("content-type", content_type.to_owned()));
    request.body = Some(body);
    request
}

impl Request {
    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn keep(mut self, name: &'static str) -> Self {
        self.capture = Some((name, "id"));
        self
    }

    fn by_browser(mut self) -> Self {
        self.by_browser = true;
        self.nobody()
    }

    fn nobody(mut self) -> Self {
        self.authorization.clear();
        self
    }
}

fn step(path: &str) -> Value {
    json!({"type": "http", "config": {"url": format!("{{upstream}}{path}"), "method": "POST"}})
}

fn workflow(name: &str, steps: &[Value]) -> Value {
    json!({"name": name, "description": "d", "steps": steps})
}

/// Runs that succeed, that need several attempts, that fail; what each used.
fn runs() -> Vec<Request> {
    let mut list = Vec::new();
    let kinds: [(&'static str, &'static str, Vec<Value>); 5] = [
        ("w-one", "r-one", vec![step("/one")]),
        ("w-five", "r-five", (0..5).map(|n| step(&format!("/five/{n}"))).collect()),
        ("w-flaky", "r-flaky", vec![step("/a"), step("/flaky"), step("/b")]),
        ("w-refuse", "r-refuse", vec![step("/a"), step("/refuse"), step("/b")]),
        ("w-nowhere", "r-nowhere", vec![json!({"type": "http", "config": {"url": "http://x/"}})]),
    ];
    for (name, run, steps) in kinds {
        list.push(post("/workflows", "runner", &workflow(name, &steps)).keep(name));
        list.push(get(&format!("/workflows/{{{name}}}"), "runner"));
        let start = format!("/workflows/{{{name}}}/runs");
        list.push(post(&start, "runner", &json!({})).keep(run));
        let mut show = get(&format!("/runs/{{{run}}}"), "runner");
        show.when_finished = true;
        list.push(show);
        list.push(get(&format!("/runs/{{{run}}}"), "somebody-else"));
        list.push(post(&start, "somebody-else", &json!({})));
    }
    list
}

/// Twenty-five workflows of one person, in pages of every size; and of somebody with none.
fn pages() -> Vec<Request> {
    let mut list = Vec::new();
    for number in 0..25 {
        let body = workflow(&format!("page {number}"), &[step("/x")]);
        list.push(post("/workflows", "reader", &body));
    }
    for limit in [1, 2, 3, 10, 24, 25, 26, 100] {
        list.push(get(&format!("/workflows?limit={limit}"), "reader"));
        list.push(get(&format!("/workflows?limit={limit}"), "newcomer"));
    }
    let mut first = get("/workflows?limit=10", "reader");
    first.capture = Some(("cursor", "next"));
    list.push(first);
    for limit in [1, 10, 15, 20] {
        list.push(get(&format!("/workflows?limit={limit}&cursor={{cursor}}"), "reader"));
        list.push(get(&format!("/workflows?limit={limit}&cursor={{cursor}}"), "newcomer"));
    }
    for query in QUERIES {
        list.push(get(&format!("/workflows?{query}"), "browser"));
    }
    list
}

/// Bodies that are not what they should be, in form.
fn bodies() -> Vec<Request> {
    let good = || workflow("b", &[step("/x")]).to_string();
    let texts: Vec<Vec<u8>> = TEXTS
        .iter()
        .map(|text| text.as_bytes().to_vec())
        .chain([vec![0xff, 0xfe], b"{\"name\":\"\xff\"}".to_vec(), vec![0], vec![0x80; 10]])
        .chain([63, 64, 65, 200].map(|n| ["[".repeat(n), "]".repeat(n)].concat().into_bytes()))
        .chain([256 * 1024, 256 * 1024 + 1, 400_000].map(|n| {
            let mut body = good().into_bytes();
            body.resize(n, b' ');
            body
        }))
        .collect();
    let mut list: Vec<_> = texts
        .into_iter()
        .map(|body| raw("/workflows", "writer", "application/json", body))
        .collect();
    for content_type in CONTENT_TYPES {
        list.push(raw("/workflows", "typist", content_type, good().into_bytes()));
    }
    let mut untyped = request(Method::POST, "/workflows", "typist");
    untyped.body = Some(good().into_bytes());
    list.push(untyped);
    let mut packed = post("/workflows", "typist", &workflow("b", &[]));
    packed.headers.push(("content-encoding", "gzip".to_owned()));
    list.push(packed);
    list.push(request(Method::POST, "/workflows", "typist"));
    list
}

/// Workflows that are JSON, with members at and past their limits.
fn workflows() -> Vec<Request> {
    let x = |n: usize| "x".repeat(n);
    let http = |config: Value| json!({"type": "http", "config": config});
    let with = |name: Value, description: Value, steps: Value| json!({"name": name, "description": description, "steps": steps});
    let one = || json!([step("/x")]);
    let mut bodies = Vec::new();
    for name in [
        json!(""),
        json!(x(1)),
        json!(x(100)),
        json!(x(101)),
        json!("é".repeat(100)),
        json!("😀".repeat(100)),
        json!("😀".repeat(101)),
        json!(null),
        json!(1),
        json!([]),
        json!({}),
        json!(true),
        json!(" "),
        json!("\u{0}"),
        json!("<script>"),
        json!("a\u{301}"),
    ] {
        bodies.push(with(name.clone(), json!("d"), one()));
        bodies.push(with(json!("n"), name, one()));
    }
    for description in [x(500), x(501), "é".repeat(500), "😀".repeat(501)] {
        bodies.push(with(json!("n"), json!(description), one()));
    }
    for count in [0, 1, 2, 49, 50, 51, 200] {
        bodies.push(with(json!("n"), json!("d"), vec![step("/x"); count].into()));
    }
    for steps in [
        json!(null),
        json!({}),
        json!("http"),
        json!([null]),
        json!([1]),
        json!([[]]),
        json!([{}]),
        json!([{"type": "http"}]),
        json!([{"config": {}}]),
        json!([{"type": "ftp", "config": {}}]),
        json!([{"type": null, "config": {}}]),
        json!([{"type": "HTTP", "config": {}}]),
        json!([{"type": "http", "config": null}]),
        json!([{"type": "http", "config": []}]),
        json!([{"type": "http", "config": {}, "x": 1}]),
        json!([http(json!({}))]),
        json!([http(json!({"url": 1}))]),
        json!([http(json!({"url": ""}))]),
        json!([http(json!({"url": "x"})), 1, http(json!({}))]),
        json!([http(json!({"n": 1e300}))]),
        json!([http(json!({"n": 9_007_199_254_740_993_u64}))]),
    ] {
        bodies.push(with(json!("n"), json!("d"), steps));
    }
    for member in ["name", "description", "steps"] {
        let mut body = workflow("n", &[step("/x")]);
        body.as_object_mut().unwrap().remove(member);
        bodies.push(body);
    }
    let mut extra = workflow("n", &[step("/x")]);
    extra["id"] = json!("mine");
    extra["user_id"] = json!("root");
    bodies.push(extra);
    let list = bodies.iter().enumerate();
    list.map(|(n, body)| post("/workflows", &format!("author-{}", n / 50), body)).collect()
}

/// Paths with something else where an identifier should be.
fn identifiers() -> Vec<Request> {
    let absent = "00000000-0000-7000-8000-000000000000";
    let mut list = Vec::new();
    for id in [
        absent,
        "0",
        "x",
        "%00",
        "..",
        "..%2f..",
        "%2e%2e",
        "{w-one}x",
        "'",
        "%27%20OR%201",
        "%F0%9F%98%80",
        "%ff",
        "null",
        "undefined",
        "-1",
        "{w-one}%20",
        "a%2Fb",
        "*",
        "~",
        "%25",
    ] {
        list.push(get(&format!("/workflows/{id}"), "finder"));
        list.push(get(&format!("/runs/{id}"), "finder"));
        list.push(post(&format!("/workflows/{id}/runs"), "finder-too", &json!({})));
    }
    for path in [
        "/workflows/",
        "/runs/",
        "/runs",
        "/workflows/{w-one}/",
        "//workflows",
        "/Workflows",
        "/workflows/{w-one}/runs/",
        "/",
        "/api",
        "/api/",
        "/api/workflows/",
        "/favicon.ico",
        "/.env",
        "/workflows%2f",
        "/health/",
        "/health/live/",
        "/health/x",
        "/admin",
        "/_workway",
    ] {
        list.push(get(path, "wanderer"));
    }
    list
}

/// Methods that a route does not have. What is the same in both platforms is all that counts.
fn methods() -> Vec<Request> {
    let methods = [Method::PUT, Method::DELETE, Method::PATCH, Method::HEAD, Method::OPTIONS];
    let paths = ["/health/live", "/health", "/api/workflows", "/workflows", "/runs/{r-one}"];
    let each = paths.iter().flat_map(|path| methods.iter().map(move |method| (method, path)));
    each.map(|(method, path)| request(method.clone(), path, "tinkerer")).collect()
}

/// Tokens that do not open anything. Refused ones count against one address: they are few.
fn credentials() -> Vec<Request> {
    let signer = Signer::new(&local_secret());
    let sign = |subject: &str, scope: &str, at: u64| signer.sign(subject, scope, at).unwrap();
    let good = token("keyholder");
    let (content, mac) = good.rsplit_once('.').unwrap();
    let yesterday = now() - 3 * 24 * 60 * 60;
    let values = [
        String::new(),
        "Bearer".into(),
        "Bearer ".into(),
        "Bearer x".into(),
        "Bearer ..".into(),
        format!("bearer {good}"),
        format!("BEARER {good}"),
        format!("Basic {good}"),
        format!("Bearer  {good}"),
        format!("Bearer {good} "),
        format!("Bearer {good}x"),
        format!("Bearer {content}."),
        format!("Bearer {content}"),
        format!("Bearer {mac}"),
        format!("Bearer {content}.{}", mac.to_uppercase()),
        good.clone(),
        format!("Bearer {}", sign("keyholder", "read", yesterday)),
        format!("Bearer {}", sign("keyholder", "read", now() + 7_200)),
        format!("Bearer {}", sign("", "read", now())),
        format!("Bearer {}", sign("keyholder", "", now())),
        format!("Bearer {}", sign("keyholder", "write", now())),
        format!("Bearer {}", sign("keyholder", "reading", now())),
        format!("Bearer {}", sign("keyholder", "read", now())),
        format!("Bearer {}", sign(&"k".repeat(300), "read write", now())),
    ];
    let mut list: Vec<_> = values
        .into_iter()
        .map(|value| {
            let mut request = get("/workflows", "keyholder");
            request.authorization = vec![value];
            request
        })
        .collect();
    let mut twice = get("/workflows", "keyholder");
    twice.authorization = vec![format!("Bearer {good}"), format!("Bearer {good}")];
    list.push(twice);
    let mut reader = post("/workflows", "keyholder", &workflow("n", &[]));
    reader.authorization = vec![format!("Bearer {}", sign("keyholder", "read", now()))];
    list.push(reader);
    list
}

/// What anybody may ask, and what nobody may.
fn strangers() -> Vec<Request> {
    let public =
        ["/health/live", "/api/workflows", "/api/workflows?limit=5", "/api/workflows?limit=0"];
    let private = ["/workflows", "/workflows/{w-one}", "/runs/{r-one}", "/nothing"];
    let list = public.iter().chain(&private).map(|path| get(path, "nobody").nobody());
    let writes = ["/workflows", "/workflows/{w-one}/runs"];
    let writes = writes.iter().map(|path| post(path, "nobody", &json!({})).nobody());
    list.chain(writes).chain(once(get("/health/live", "nobody"))).collect()
}

/// What is the same for everybody, and what a person has used. Nobody asks twice for the state of a
/// run of that person: how often would be chance.
fn documents() -> Vec<Request> {
    let pause = json!({"type": "transform", "config": {"value": 1}});
    let mut list = vec![
        get("/openapi.json", "nobody").nobody(),
        request(Method::HEAD, "/openapi.json", "nobody").nobody(),
        request(Method::POST, "/openapi.json", "nobody").nobody(),
        get("/usage", "nobody").nobody(),
        get("/usage", "unheard-of"),
        request(Method::DELETE, "/usage", "unheard-of"),
        get("/usage/costs", "nobody").nobody(),
        get("/usage/costs?book=none", "unheard-of"),
        get("/usage/costs?book=workway-guide&book=workway-guide", "unheard-of"),
        post("/workflows", "accountant", &workflow("a", &[pause])).keep("w-count"),
        post("/workflows/{w-count}/runs", "accountant", &json!({})),
        post("/workflows", "accountant", &json!({})),
    ];
    let mut used = get("/usage", "accountant");
    used.when_settled = true;
    list.extend([used, get("/usage?month=2026-01", "accountant")]);
    list.push(get("/health", "nobody").nobody());
    let books = ["", "?book=cloudflare-2026-11", "?book=workway-guide"];
    list.extend(books.map(|book| get(&format!("/usage/costs{book}"), "accountant")));
    list
}
