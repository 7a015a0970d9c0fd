//! The part of Cloudflare's API that a deployment uses, as wrangler asks for it, with a database
//! behind it.

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    body::{Bytes, to_bytes},
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use workway_service::{
    platform::native::SqliteDatabase,
    ports::{Database, Sql},
};

pub(crate) const OLD: &str = "11111111-1111-4111-8111-111111111111";
pub(crate) const NEW: &str = "22222222-2222-4222-8222-222222222222";

/// How the version that is uploaded behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// As the old one.
    Good,
    /// It answers 500 to everything.
    Broken,
    /// It accepts whatever it is sent.
    Wrong,
    /// It answers 500 to what no check looks at, and a load does.
    Flaky,
    /// The API does not take it.
    Refused,
}

/// Shares of the traffic, by version.
type Split = Vec<(String, u64)>;

pub(crate) fn split(shares: Vec<(&str, u64)>) -> Split {
    shares.into_iter().map(|(version, share)| (version.to_owned(), share)).collect()
}

pub(crate) struct Inner {
    database: SqliteDatabase,
    pub(crate) version: Version,
    pub(crate) split: Split,
    splits: Vec<Split>,
    transcript: Vec<String>,
    pub(crate) requests: u64,
    pub(crate) met_new: u64,
    pub(crate) named_new: u64,
    resources: Resources,
}

/// What the account has, by name: databases and namespaces with their ids.
#[derive(Default)]
struct Resources {
    databases: Vec<(String, String)>,
    namespaces: Vec<(String, String)>,
    buckets: Vec<String>,
    indexes: Vec<String>,
    secrets: Vec<String>,
}

/// An account with a Worker that has one version.
pub(crate) struct Account {
    /// Base of the API.
    pub(crate) api: String,
    /// Where the Worker is reached.
    pub(crate) edge: String,
    inner: Arc<Mutex<Inner>>,
}

impl Account {
    pub(crate) async fn open(service: Url, version: Version) -> Self {
        let inner = Arc::new(Mutex::new(Inner {
            database: SqliteDatabase::of_export("").unwrap(),
            version,
            split: split(vec![(OLD, 100)]),
            splits: Vec::new(),
            transcript: Vec::new(),
            requests: 0,
            met_new: 0,
            named_new: 0,
            resources: Resources::default(),
        }));
        let api = serve(Router::new().fallback(api).with_state(Arc::clone(&inner))).await;
        let edge = serve(crate::edge::router(Arc::clone(&inner), service)).await;
        Self { api, edge, inner }
    }

    /// Each deployment that was made.
    pub(crate) fn splits(&self) -> Vec<Split> {
        self.inner.lock().unwrap().splits.clone()
    }

    /// What the API was asked, but for reading.
    pub(crate) fn transcript(&self) -> Vec<String> {
        self.inner.lock().unwrap().transcript.clone()
    }

    /// Gives the Worker a secret.
    pub(crate) fn set_secret(&self, name: &str) {
        self.inner.lock().unwrap().resources.secrets.push(name.to_owned());
    }

    /// Requests that came to the new version.
    pub(crate) fn met_new(&self) -> u64 {
        self.inner.lock().unwrap().met_new
    }

    /// Others, which had asked for it by name.
    pub(crate) fn named_new(&self) -> u64 {
        self.inner.lock().unwrap().named_new
    }
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    #[expect(clippy::disallowed_methods, reason = "a test")]
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    base
}

async fn api(State(account): State<Arc<Mutex<Inner>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let path = parts.uri.path().to_owned();
    let query_text = parts.uri.query().unwrap_or_default();
    // Everything fits on the first page; wrangler asks until a page is empty.
    let beyond = query_text.split('&').any(|pair| pair.starts_with("page=") && pair != "page=1");
    let route = path.splitn(4, '/').nth(3).unwrap_or_default().to_owned();
    let post = parts.method == "POST";
    if post && !route.ends_with("/query") {
        let shown = if body.len() < 500 { String::from_utf8_lossy(&body) } else { "…".into() };
        account.lock().unwrap().transcript.push(format!("POST {route} {shown}"));
    }
    let last = route.rsplit('/').next().unwrap_or_default();
    let result = match last {
        "query" => query(&account, &body).await,
        "versions" if post => match upload(&account) {
            Some(version) => version,
            None => return refused(),
        },
        "versions" => json!({"items": [version(NEW), version(OLD)]}),
        "deployments" if post => deployment(&account, &body),
        "deployments" => json!({"deployments": [current(&account)]}),
        "database" | "namespaces" | "buckets" | "indexes" if post => create(&account, last, &body),
        "database" | "namespaces" if beyond => json!([]),
        "database" | "namespaces" | "buckets" => list(&account, last),
        _ if route.contains("vectorize/v2/indexes/") => match index(&account, last) {
            Some(index) => index,
            None => return not_found(&route),
        },
        "script-settings" => json!({"logpush": false, "tail_consumers": []}),
        "secrets" => {
            let names = account.lock().unwrap().resources.secrets.clone();
            names.iter().map(|name| json!({"name": name, "type": "secret_text"})).collect()
        }
        _ if route.contains("r2/buckets/") => json!({"name": last}),
        _ if route.contains("/versions/") => version(last),
        _ if route.contains("workers/services/") => {
            let tag = last_migration();
            let script = json!({"last_deployed_from": "wrangler", "migration_tag": tag});
            json!({"default_environment": {"environment": "production", "script": script}})
        }
        _ => return not_found(&route),
    };
    Json(json!({"success": true, "errors": [], "messages": [], "result": result})).into_response()
}

/// Makes a resource, with the id that service/wrangler.toml has for staging.
fn create(account: &Mutex<Inner>, kind: &str, body: &Bytes) -> Value {
    let body: Value = serde_json::from_slice(body).unwrap();
    let text = |member: &str| body[member].as_str().unwrap().to_owned();
    let resources = &mut account.lock().unwrap().resources;
    match kind {
        "database" => {
            let id = "00000000-0000-0000-0000-000000000002".to_owned();
            resources.databases.push((text("name"), id.clone()));
            json!({"uuid": id, "name": text("name"), "version": "production"})
        }
        "namespaces" => {
            let last = if text("title").ends_with("SESSIONS") { 12 } else { 2 };
            let id = format!("{last:032}");
            resources.namespaces.push((text("title"), id.clone()));
            json!({"id": id, "title": text("title")})
        }
        "indexes" => {
            resources.indexes.push(text("name"));
            described(&text("name"))
        }
        _ => {
            resources.buckets.push(text("name"));
            json!({"name": text("name")})
        }
    }
}

fn index(account: &Mutex<Inner>, name: &str) -> Option<Value> {
    let known = account.lock().unwrap().resources.indexes.iter().any(|known| known == name);
    known.then(|| described(name))
}

fn described(index: &str) -> Value {
    let date = "2026-11-22T00:00:00Z";
    json!({"name": index, "config": {"dimensions": 768, "metric": "cosine"}, "created_on": date,
        "modified_on": date, "description": ""})
}

fn list(account: &Mutex<Inner>, kind: &str) -> Value {
    let resources = &account.lock().unwrap().resources;
    match kind {
        "database" => {
            let all = resources.databases.iter();
            all.map(|(name, id)| json!({"name": name, "uuid": id, "version": "production"}))
                .collect()
        }
        "namespaces" => {
            let all = resources.namespaces.iter();
            all.map(|(title, id)| json!({"title": title, "id": id})).collect()
        }
        _ => {
            let date = "2026-11-22T00:00:00Z";
            let all = resources.buckets.iter();
            let all = all.map(|name| json!({"name": name, "creation_date": date}));
            json!({"buckets": all.collect::<Vec<_>>()})
        }
    }
}

fn refused() -> Response {
    let errors = json!([{"code": 10021, "message": "Uncaught Error: the script does not start"}]);
    let body = json!({"success": false, "errors": errors, "messages": [], "result": null});
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

fn not_found(route: &str) -> Response {
    let errors = json!([{"code": 7003, "message": format!("the fake knows no {route}")}]);
    let body = json!({"success": false, "errors": errors, "messages": [], "result": null});
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}

/// D1: statements that give rows one at a time, others as a script.
async fn query(account: &Mutex<Inner>, body: &Bytes) -> Value {
    let database = account.lock().unwrap().database.clone();
    let sql: Value = serde_json::from_slice(body).unwrap();
    let sql = sql["sql"].as_str().unwrap().trim().to_owned();
    let rows = if sql.starts_with("SELECT") {
        let text: &'static str = sql.leak();
        database.query(Sql { name: "query", text }.bind([])).await.unwrap().value.rows
    } else {
        database.script(sql).await.unwrap();
        Vec::new()
    };
    json!([{"results": rows, "success": true, "meta": {}}])
}

fn version(id: &str) -> Value {
    let metadata = json!({"created_on": "2026-11-22T00:00:00Z", "source": "wrangler"});
    let resources = json!({"bindings": [], "script": {"handlers": []}, "script_runtime": {}});
    json!({"id": id, "number": 1, "metadata": metadata, "annotations": {}, "resources": resources,
        "startup_time_ms": 1})
}

fn upload(account: &Mutex<Inner>) -> Option<Value> {
    (account.lock().unwrap().version != Version::Refused).then(|| version(NEW))
}

fn deployment(account: &Mutex<Inner>, body: &Bytes) -> Value {
    let body: Value = serde_json::from_slice(body).unwrap();
    let share = |version: &Value| {
        (
            version["version_id"].as_str().unwrap().to_owned(),
            version["percentage"].as_u64().unwrap(),
        )
    };
    let mut account = account.lock().unwrap();
    account.split = body["versions"].as_array().unwrap().iter().map(share).collect();
    let split = account.split.clone();
    account.splits.push(split);
    json!({"id": format!("deployment {}", account.splits.len())})
}

fn current(account: &Mutex<Inner>) -> Value {
    let split = account.lock().unwrap().split.clone();
    let versions = split
        .iter()
        .map(|(version, share)| json!({"version_id": version, "percentage": share}))
        .collect::<Vec<_>>();
    json!({"id": "d", "strategy": "percentage", "source": "wrangler", "author_email": "a@b.test",
        "created_on": "2026-11-22T00:00:00Z", "annotations": {}, "versions": versions})
}

/// The tag of the last migration of objects: what runs there has had all of them.
fn last_migration() -> &'static str {
    let config = include_str!("../../../service/wrangler.toml");
    let mut tags =
        config.lines().filter_map(|line| line.strip_prefix("tag = \"")?.strip_suffix('"'));
    tags.next_back().unwrap()
}
