//! The part of Cloudflare's API that a deployment uses, as wrangler asks for it, with a database
//! behind it.

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    body::{Bytes, to_bytes},
    extract::{Request, State},
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use workway_service::{
    platform::native::SqliteDatabase,
    ports::{Database, Sql},
};

use super::{
    resources::{Ids, Index, Resources},
    worker::{Worker, last_migration, worker},
};

pub(crate) const OLD: &str = "11111111-1111-4111-8111-111111111111";
pub(crate) const NEW: &str = "22222222-2222-4222-8222-222222222222";
/// The Worker that `wrangler secret put` makes where there is none: it answers nothing.
pub(crate) const DRAFT: &str = "33333333-3333-4333-8333-333333333333";

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
    pub(crate) worker: Option<Worker>,
    /// Empty while there is no Worker.
    pub(crate) split: Split,
    pub(crate) splits: Vec<Split>,
    transcript: Vec<String>,
    pub(crate) requests: u64,
    pub(crate) met_new: u64,
    pub(crate) named_new: u64,
    resources: Resources,
}

/// An account.
pub(crate) struct Account {
    /// Base of the API.
    pub(crate) api: String,
    /// Where the Worker is reached.
    pub(crate) edge: String,
    inner: Arc<Mutex<Inner>>,
}

impl Account {
    /// Its Worker has one version, and has had every migration of objects.
    pub(crate) async fn open(service: Url, version: Version) -> Self {
        let worker = Worker { migration: Some(last_migration().to_owned()), secrets: Vec::new() };
        let split = split(vec![(OLD, 100)]);
        Self::with(service, version, Some(worker), split, Resources::none(Ids::OfTheFile)).await
    }

    /// It has nothing.
    pub(crate) async fn empty(service: Url, version: Version) -> Self {
        Self::with(service, version, None, Vec::new(), Resources::none(Ids::Own)).await
    }

    async fn with(
        service: Url,
        version: Version,
        worker: Option<Worker>,
        split: Split,
        resources: Resources,
    ) -> Self {
        let inner = Arc::new(Mutex::new(Inner {
            database: SqliteDatabase::of_export("").unwrap(),
            version,
            worker,
            split,
            splits: Vec::new(),
            transcript: Vec::new(),
            requests: 0,
            met_new: 0,
            named_new: 0,
            resources,
        }));
        let api = serve(Router::new().fallback(api).with_state(Arc::clone(&inner))).await;
        let edge = serve(super::edge::router(Arc::clone(&inner), service)).await;
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
        let mut inner = self.inner.lock().unwrap();
        inner.worker.as_mut().unwrap().secrets.push(name.to_owned());
    }

    /// Its Worker has had the objects' migrations up to this one, and no later one.
    pub(crate) fn set_migration(&self, tag: &str) {
        self.inner.lock().unwrap().worker.as_mut().unwrap().migration = Some(tag.to_owned());
    }

    /// Its Worker is what `wrangler secret put` makes where there is none.
    pub(crate) fn set_draft(&self) {
        let mut inner = self.inner.lock().unwrap();
        inner.worker.as_mut().unwrap().migration = None;
        inner.split = split(vec![(DRAFT, 100)]);
    }

    /// There is an index of vectors.
    pub(crate) fn add_index(&self, index: Index) {
        self.inner.lock().unwrap().resources.indexes.push(index);
    }

    /// The indexes of vectors.
    pub(crate) fn indexes(&self) -> Vec<Index> {
        self.inner.lock().unwrap().resources.indexes.clone()
    }

    /// Runs statements in the database.
    pub(crate) async fn execute(&self, sql: String) {
        let database = self.inner.lock().unwrap().database.clone();
        database.script(sql).await.unwrap();
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
    // Behind `/accounts/ID/`.
    let route = parts.uri.path().splitn(4, '/').nth(3).unwrap_or_default().to_owned();
    // Everything fits on the first page; wrangler asks until a page is empty.
    let query_text = parts.uri.query().unwrap_or_default();
    let beyond = query_text.split('&').any(|pair| pair.starts_with("page=") && pair != "page=1");
    let changes = parts.method != Method::GET && !route.ends_with("/query");
    if changes {
        let shown = match body.len() {
            _ if route.ends_with("/secrets") => "a secret".into(),
            0..500 => String::from_utf8_lossy(&body),
            _ => "…".into(),
        };
        account.lock().unwrap().transcript.push(format!("{} {route} {shown}", parts.method));
    }
    let last = route.rsplit('/').next().unwrap_or_default();
    let result = match last {
        "query" => query(&account, &route, &body).await,
        _ if route.starts_with("workers/") => worker(&account, &parts.method, &route, &body),
        "database" | "namespaces" if beyond => Some(json!([])),
        "database" | "namespaces" | "buckets" | "indexes" if changes => {
            Some(account.lock().unwrap().resources.create(last, &body))
        }
        "database" | "namespaces" | "buckets" => Some(account.lock().unwrap().resources.list(last)),
        _ => match route.strip_prefix("vectorize/v2/indexes/") {
            Some(path) => account.lock().unwrap().resources.index(path, &body),
            None => route.contains("r2/buckets/").then(|| json!({"name": last})),
        },
    };
    let Some(result) = result else { return not_found(&account, &route) };
    let refused = result.as_str() == Some("refused");
    if refused { self::refused() } else { answered(&result) }
}

fn answered(result: &Value) -> Response {
    Json(json!({"success": true, "errors": [], "messages": [], "result": result})).into_response()
}

fn failure(status: StatusCode, code: u32, message: &str) -> Response {
    let errors = json!([{"code": code, "message": message}]);
    let body = json!({"success": false, "errors": errors, "messages": [], "result": null});
    (status, Json(body)).into_response()
}

fn refused() -> Response {
    let message = "Uncaught Error: the script does not start";
    failure(StatusCode::BAD_REQUEST, 10021, message)
}

fn not_found(account: &Mutex<Inner>, route: &str) -> Response {
    let no_worker = account.lock().unwrap().worker.is_none() && route.starts_with("workers/");
    let (code, message) = if no_worker {
        (10007, "This Worker does not exist on your account.".to_owned())
    } else {
        (7003, format!("the fake knows no {route}"))
    };
    failure(StatusCode::NOT_FOUND, code, &message)
}

/// D1: statements that give rows one at a time, others as a script.
async fn query(account: &Mutex<Inner>, route: &str, body: &Bytes) -> Option<Value> {
    let database = {
        let account = account.lock().unwrap();
        let id = route.split('/').nth_back(1)?;
        let known = account.resources.has_database(id);
        known.then(|| account.database.clone())?
    };
    let sql: Value = serde_json::from_slice(body).unwrap();
    let sql = sql["sql"].as_str().unwrap().trim().to_owned();
    let rows = if sql.starts_with("SELECT") {
        let text: &'static str = sql.leak();
        database.query(Sql { name: "query", text }.bind([])).await.unwrap().value.rows
    } else {
        database.script(sql).await.unwrap();
        Vec::new()
    };
    Some(json!([{"results": rows, "success": true, "meta": {}}]))
}
