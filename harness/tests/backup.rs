//! The disaster-recovery drill: a service works, its cron makes a backup, everything else is lost,
//! and a new service has the same rows in the same order, digest for digest. Natively here; on
//! workerd, and from one platform to the other, in the test that is ignored by default.
#![cfg(feature = "service")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use workway::{
    backup::Backup,
    target::{Target, TargetOptions, TargetSpec},
    token::{Signer, now},
};
use workway_service::{
    backup::{TableState, tables},
    platform::native::SqliteDatabase,
};

/// More than D1 takes in one statement.
const LONG: usize = 150_000;

fn workway(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_workway")).args(arguments).output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

async fn start(spec: TargetSpec, state: &Path) -> Target {
    workway::http::tls::install();
    let options = TargetOptions {
        program: Some(PathBuf::from(env!("CARGO_BIN_EXE_workway"))),
        state: Some(state.to_owned()),
        built: std::env::var_os("WORKWAY_BUILT").is_some(),
        ..TargetOptions::default()
    };
    spec.start(&options).await.unwrap()
}

/// Asks the API as a person.
async fn post(target: &Target, path: &str, body: &Value) -> Value {
    let token =
        Signer::new(target.secret.as_ref().unwrap()).sign("ann", "read write", now()).unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(target.url.join(path).unwrap()).bearer_auth(token);
    let request = request.header("content-type", "application/json").body(body.to_string());
    let answer = request.send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{path}: {status} {text}");
    serde_json::from_str(&text).unwrap()
}

/// Workflows, one of them with more text than a statement may have, a run, and a key.
async fn fill(target: &Target) {
    let step = |text: &str| json!({"type": "transform", "config": {"value": text}});
    for name in ["plain", "it's \"quoted\"; DROP TABLE workflows; --", "é😀\n\t\\n"] {
        let workflow = json!({"name": name, "description": name, "steps": [step("x")]});
        post(target, "/workflows", &workflow).await;
    }
    let long = "it's long ".repeat(LONG / 10);
    let long = json!({"name": "long", "description": "d", "steps": [step(&long)]});
    let id = post(target, "/workflows", &long).await["id"].as_str().unwrap().to_owned();
    let run = post(target, &format!("/workflows/{id}/runs"), &json!({})).await;
    finished(target, run["id"].as_str().unwrap()).await;
}

async fn finished(target: &Target, run: &str) {
    let token = Signer::new(target.secret.as_ref().unwrap()).sign("ann", "read", now()).unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for _ in 0..600 {
        let url = target.url.join(&format!("/runs/{run}")).unwrap();
        let answer = client.get(url).bearer_auth(&token).send().await.unwrap();
        let run: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        if !run["finished_at"].is_null() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the run does not end");
}

/// The folder of the one day that a native service has backed up.
fn day(state: &Path) -> PathBuf {
    let days = fs::read_dir(state.join("backups/d1")).unwrap();
    let days: Vec<_> = days.map(|day| day.unwrap().path()).collect();
    days.into_iter().max().unwrap()
}

/// A native service that worked, and made a backup when it was quiet.
async fn backed_up() -> (TempDir, PathBuf) {
    let state = tempfile::tempdir().unwrap();
    let target = start(TargetSpec::Embedded, state.path()).await;
    fill(&target).await;
    let control = target.control.clone().unwrap();
    while !control.rest().await.unwrap().quiet {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Usage is written some seconds after the requests; nothing must change between the backup and
    // the look at the tables.
    target.stop().await;
    let target = start(TargetSpec::Embedded, state.path()).await;
    target.control.clone().unwrap().cron().await.unwrap();
    target.stop().await;
    let day = day(state.path());
    (state, day)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_database_holds_what_the_lost_one_did() {
    let (state, day) = backed_up().await;
    let lost = SqliteDatabase::open(&state.path().join("database.sqlite")).unwrap();
    let lost = tables(&lost).await.unwrap();
    assert!(lost.iter().map(|table| table.rows).sum::<u64>() >= 5, "{lost:?}");

    let verified = workway(&["lab", "backup", "verify", text(&day)]);
    let said = String::from_utf8(verified.stdout).unwrap();
    assert!(verified.status.success() && said.contains("whole"), "{said}");
    assert!(said.contains("not in it:") && said.contains("WORKFLOW_EXECUTOR"), "{said}");

    let new = tempfile::tempdir().unwrap();
    let restored = workway(&["lab", "backup", "restore", text(&day), "--state", text(new.path())]);
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    let database = SqliteDatabase::open(&new.path().join("database.sqlite")).unwrap();
    // What the backup itself used is written down after it.
    let but_usage = |mut states: Vec<TableState>| {
        states.retain(|state| state.name != "usage_accounts");
        states
    };
    assert_eq!(but_usage(tables(&database).await.unwrap()), but_usage(lost));
    drop(database);

    // The service goes on with it.
    let target = start(TargetSpec::Embedded, new.path()).await;
    fill(&target).await;
    target.stop().await;

    let again = workway(&["lab", "backup", "restore", text(&day), "--state", text(new.path())]);
    assert_eq!(again.status.code(), Some(2));
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(said.contains("is not empty") && said.contains("restore into a new one"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_backup_is_told_and_restores_nothing() {
    let (_state, day) = backed_up().await;
    let chunk = fs::read_dir(&day)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| text(path).contains("/workflows-"))
        .unwrap();
    let manifest = day.join("manifest.json");
    let (rows, said) = (fs::read(&chunk).unwrap(), fs::read_to_string(&manifest).unwrap());
    let changed = String::from_utf8(rows.clone()).unwrap().replacen("plain", "Plain", 1);
    let fewer = rows[..rows.len() - 2].to_vec();
    let unfinished = regex::Regex::new("\"finished_at\": [0-9]+").unwrap();
    let unfinished = unfinished.replace(&said, "\"finished_at\": null").into_owned();
    let count = said.replacen("\"rows\": 4", "\"rows\": 5", 1);
    let elsewhere = said.replace("\"name\": \"workflows\"", "\"name\": \"sqlite_schema\"");
    let cases: [(&Path, Vec<u8>, i32, &str); 6] = [
        (&chunk, changed.into_bytes(), 1, "SHA-256"),
        (&chunk, fewer, 1, "SHA-256"),
        (&manifest, unfinished.into_bytes(), 1, "never completed"),
        (&manifest, count.into_bytes(), 1, "rows of"),
        (&manifest, elsewhere.into_bytes(), 1, "no table"),
        (&manifest, b"{".to_vec(), 2, "no manifest"),
    ];
    for (path, bytes, code, message) in cases {
        let intact = fs::read(path).unwrap();
        assert_ne!(intact, bytes, "{message}");
        fs::write(path, bytes).unwrap();
        let new = tempfile::tempdir().unwrap();
        let restored =
            workway(&["lab", "backup", "restore", text(&day), "--state", text(new.path())]);
        let said = String::from_utf8(restored.stderr).unwrap();
        assert!(said.contains(message), "{message}: {said}");
        assert_eq!(restored.status.code(), Some(code), "{said}");
        assert!(!new.path().join("database.sqlite").exists() || empty(new.path()).await);
        fs::write(path, intact).unwrap();
    }
    fs::remove_file(&chunk).unwrap();
    let gone = workway(&["lab", "backup", "verify", text(&day)]);
    assert_eq!(gone.status.code(), Some(2));
    assert!(String::from_utf8(gone.stderr).unwrap().contains("workflows-"));
}

async fn empty(state: &Path) -> bool {
    let database = SqliteDatabase::open(&state.join("database.sqlite")).unwrap();
    tables(&database).await.unwrap().iter().all(|table| table.rows == 0)
}

/// What `wrangler d1 export` writes is compared row by row.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_compared_row_by_row() {
    let (state, day) = backed_up().await;
    let mut export = String::from("PRAGMA defer_foreign_keys=TRUE;\n");
    for (_, migration) in workway_service::store::MIGRATIONS {
        export += migration;
    }
    Backup::open(&day).unwrap().sql(&mut export).unwrap();
    // As D1 writes line breaks: the backslash and the `n` of the text become one, too.
    let export = export.replace("'é😀\n\t\\n'", "replace('é😀\\n\t\\n','\\n',char(10))");
    assert!(export.contains("char(10)"));
    let file = state.path().join("export.sql");
    fs::write(&file, &export).unwrap();
    let same = workway(&["lab", "backup", "compare", text(&day), text(&file)]);
    assert!(same.status.success(), "{}", String::from_utf8_lossy(&same.stderr));

    fs::write(&file, export.replacen("'plain'", "'plane'", 1)).unwrap();
    let other = workway(&["lab", "backup", "compare", text(&day), text(&file)]);
    assert_eq!(other.status.code(), Some(1));
    let said = String::from_utf8(other.stderr).unwrap();
    assert!(said.contains("workflows differs from the backup: as many rows"), "{said}");
}

/// A folder in which wrangler commands find the local state of one deployment.
fn deployment() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let service = repository().join("service");
    fs::copy(service.join("wrangler.toml"), folder.path().join("wrangler.toml")).unwrap();
    let migrations = folder.path().join("migrations");
    std::os::unix::fs::symlink(service.join("migrations"), migrations).unwrap();
    folder
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

async fn start_worker(deployment: &Path) -> Target {
    start(TargetSpec::Wrangler, &deployment.join(".wrangler/state")).await
}

async fn cron(target: &Target) {
    let url = target.url.join("/cdn-cgi/handler/scheduled?cron=*+*+*+*+*").unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(url).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
}

async fn restore_locally(deployment: PathBuf, bucket: PathBuf, day: String) -> Output {
    let script = repository().join("scripts/restore-db");
    let mut command = Command::new(script);
    command.args(["local", &day]).env("WORKWAY_LOCAL", deployment);
    command.env("WORKWAY_BUCKET_FOLDER", bucket).env("WORKWAY", env!("CARGO_BIN_EXE_workway"));
    command.env("CI", "1");
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// The local bucket of a deployment, as a folder with one day's objects.
fn download(deployment: &Path, into: &Path) -> PathBuf {
    let today = workway_service::backup::Day::of(i64::try_from(now()).unwrap() * 1000);
    let get = |key: &str| {
        let file = into.join(key);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let mut command = Command::new(repository().join("service/node_modules/.bin/wrangler"));
        command.current_dir(deployment).env("CI", "1").env("WRANGLER_SEND_METRICS", "false");
        command.args(["r2", "object", "get", &format!("workway-backups-local/{key}")]);
        command.args(["--local", "--file", text(&file)]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{key}: {}", String::from_utf8_lossy(&output.stderr));
    };
    get(&today.object("manifest.json"));
    let day = into.join(today.folder());
    let objects = workway(&["lab", "backup", "objects", text(&day)]);
    String::from_utf8(objects.stdout).unwrap().lines().for_each(get);
    day
}

/// Backed up on workerd, restored on workerd and natively; and the other way round.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Worker's tools: scripts/test runs it"]
async fn backups_go_from_one_platform_to_the_other() {
    let lost = deployment();
    let target = start_worker(lost.path()).await;
    fill(&target).await;
    // What requests used is written some seconds later.
    tokio::time::sleep(Duration::from_secs(12)).await;
    cron(&target).await;
    target.stop().await;
    let bucket = tempfile::tempdir().unwrap();
    let day = download(lost.path(), bucket.path());
    let backup = Backup::open(&day).unwrap();
    let rows: u64 = backup.manifest.tables.iter().map(|table| table.rows).sum();
    println!("{rows} rows backed up on workerd");
    assert!(rows >= 5);

    let native = tempfile::tempdir().unwrap();
    let restored =
        workway(&["lab", "backup", "restore", text(&day), "--state", text(native.path())]);
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    println!("natively: {}", String::from_utf8_lossy(&restored.stdout));

    restored_on_workerd(&backup, bucket.path()).await;
    let (state, day) = backed_up().await;
    let backup = Backup::open(&day).unwrap();
    restored_on_workerd(&backup, &state.path().join("backups")).await;
}

/// Restores into a new deployment, whose first backup must then say the same of every table.
async fn restored_on_workerd(backup: &Backup, bucket: &Path) {
    let (new, day) = (deployment(), backup.manifest.day.clone());
    let restore = || restore_locally(new.path().to_owned(), bucket.to_owned(), day.clone());
    let restored = restore().await;
    let said = String::from_utf8_lossy(&restored.stderr).into_owned();
    assert!(restored.status.success(), "{said}");
    println!("on workerd: {}", String::from_utf8_lossy(&restored.stdout));
    let again = restore().await;
    assert!(!again.status.success());
    assert!(String::from_utf8_lossy(&again.stderr).contains("restore into an empty one"));

    let target = start_worker(new.path()).await;
    cron(&target).await;
    target.stop().await;
    let folder = tempfile::tempdir().unwrap();
    let second = Backup::open(&download(new.path(), folder.path())).unwrap();
    for (one, other) in backup.manifest.tables.iter().zip(&second.manifest.tables) {
        assert_eq!((&one.digest, one.rows), (&other.digest, other.rows), "{}", one.name);
    }
}
