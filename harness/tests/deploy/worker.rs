//! What is asked of the account's Worker.

use std::sync::Mutex;

use axum::{body::Bytes, http::Method};
use serde_json::{Value, json};

use super::cloudflare::{DRAFT, Inner, NEW, OLD, Version, split};

/// What stays when versions change.
#[derive(Default)]
pub(crate) struct Worker {
    /// The last migration of its objects.
    pub(crate) migration: Option<String>,
    pub(crate) secrets: Vec<String>,
}

/// What is asked of the Worker; `None` where there is none, or nothing of the kind.
pub(crate) fn worker(
    account: &Mutex<Inner>,
    method: &Method,
    route: &str,
    body: &Bytes,
) -> Option<Value> {
    let mut account = account.lock().unwrap();
    let change = *method != Method::GET;
    let path: Vec<_> = route.split('/').skip(1).collect();
    if let (["scripts", _], true) = (path.as_slice(), change) {
        return Some(whole(&mut account, body));
    }
    let worker = account.worker.as_mut()?;
    match (&path[1..], change) {
        ([_], false) if path[0] == "services" => {
            let script =
                json!({"last_deployed_from": "wrangler", "migration_tag": worker.migration});
            let environment = json!({"environment": "production", "script": script});
            Some(json!({"default_environment": environment}))
        }
        ([_], false) if path[0] == "workers" => Some(json!({
            "id": "w", "subdomain": {"enabled": false, "previews_enabled": false},
        })),
        ([_, "secrets"], true) => {
            let body: Value = serde_json::from_slice(body).unwrap();
            worker.secrets.push(body["name"].as_str().unwrap().to_owned());
            Some(json!({"name": body["name"], "type": "secret_text"}))
        }
        ([_, "secrets"], false) => {
            let secrets = worker.secrets.iter();
            Some(secrets.map(|name| json!({"name": name, "type": "secret_text"})).collect())
        }
        ([_, "versions"], true) => Some(match account.version {
            Version::Refused => json!("refused"),
            _ => version(NEW),
        }),
        ([_, "versions"], false) => Some(json!({"items": [version(NEW), version(OLD)]})),
        ([_, "versions", id], false) => Some(version(id)),
        ([_, "deployments"], true) => Some(deployment(&mut account, body)),
        ([_, "deployments"], false) => Some(json!({"deployments": [current(&account)]})),
        ([_, "script-settings"], _) => Some(json!({"logpush": false, "tail_consumers": []})),
        ([_, "subdomain"], _) => Some(json!({"enabled": false, "previews_enabled": false})),
        ([_, "schedules"], true) => Some(json!({"schedules": []})),
        ([_, "domains", "changeset"], true) => {
            Some(json!({"added": [], "removed": [], "updated": [], "conflicting": []}))
        }
        ([_, "domains", "records"], true) => Some(json!([])),
        _ => None,
    }
}

/// A whole script: with migrations of objects it is ours, else a draft to hang secrets on.
fn whole(account: &mut Inner, body: &Bytes) -> Value {
    if account.version == Version::Refused {
        return json!("refused");
    }
    let text = String::from_utf8_lossy(body);
    let tag = text.split("\"new_tag\":\"").nth(1).and_then(|rest| rest.split('"').next());
    let worker = account.worker.get_or_insert_default();
    let id = match (tag, &worker.migration) {
        (None, _) => DRAFT,
        (Some(_), None) => OLD,
        (Some(_), Some(_)) => NEW,
    };
    worker.migration = tag.map(str::to_owned).or(worker.migration.take());
    account.split = split(vec![(id, 100)]);
    let now = account.split.clone();
    account.splits.push(now);
    json!({"id": "script", "etag": "e", "deployment_id": id.replace('-', ""), "startup_time_ms": 1})
}

fn version(id: &str) -> Value {
    let metadata = json!({"created_on": "2026-11-22T00:00:00Z", "source": "wrangler"});
    let script = json!({"handlers": [], "etag": "e"});
    let resources = json!({"bindings": [], "script": script, "script_runtime": {}});
    json!({"id": id, "number": 1, "metadata": metadata, "annotations": {}, "resources": resources,
        "startup_time_ms": 1})
}

fn deployment(account: &mut Inner, body: &Bytes) -> Value {
    let body: Value = serde_json::from_slice(body).unwrap();
    let share = |version: &Value| {
        let id = version["version_id"].as_str().unwrap().to_owned();
        (id, version["percentage"].as_u64().unwrap())
    };
    account.split = body["versions"].as_array().unwrap().iter().map(share).collect();
    let split = account.split.clone();
    account.splits.push(split);
    json!({"id": format!("deployment {}", account.splits.len())})
}

fn current(account: &Inner) -> Value {
    let versions = account
        .split
        .iter()
        .map(|(version, share)| json!({"version_id": version, "percentage": share}))
        .collect::<Vec<_>>();
    json!({"id": "d", "strategy": "percentage", "source": "wrangler", "author_email": "a@b.test",
        "created_on": "2026-11-22T00:00:00Z", "annotations": {}, "versions": versions})
}

/// The tag of the last migration of objects: what runs there has had all of them.
pub(crate) fn last_migration() -> &'static str {
    let config = include_str!("../../../service/wrangler.toml");
    let mut tags =
        config.lines().filter_map(|line| line.strip_prefix("tag = \"")?.strip_suffix('"'));
    tags.next_back().unwrap()
}
