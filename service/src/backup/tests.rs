#![allow(clippy::unwrap_used, reason = "tests")]

use std::{path::Path, sync::Arc};

use super::*;
use crate::{
    config::Config,
    platform::native::Native,
    ports::{Clock as _, ObjectStore as _, PortFailure, Sql},
};

const INSERT: Sql = Sql {
    name: "insert",
    text: "INSERT INTO workflows VALUES (?1, 'u', 'n', ?2, '[]', NULL, ?3, ?3)",
};
const DAY: Millis = 24 * 60 * 60 * 1000;

async fn open(state: &Path) -> Native {
    let secret = |name: &str| (name == "JWT_SECRET").then(|| "s".repeat(32));
    Native::open(state, Arc::new(Config::from_lookup(secret).unwrap())).await.unwrap()
}

async fn insert(platform: &Native, id: &str, bytes: usize) {
    let row = INSERT.bind([id.into(), "x".repeat(bytes).into(), platform.clock().now().into()]);
    platform.database().query(row).await.unwrap();
}

async fn manifest(platform: &Native, due: Millis) -> Manifest {
    let key = Day::of(due).object(MANIFEST);
    Manifest::parse(&platform.backups().get(&key).await.unwrap().value.unwrap()).unwrap()
}

#[test]
fn a_page_is_full_at_its_limit_and_not_before() {
    let half = PAGE_BYTES / 2;
    let over = PAGE_BYTES + 1;
    assert_eq!(pages(&[]), [0; 0]);
    assert_eq!(pages(&[half, half, 1]), [2, 1]);
    assert_eq!(pages(&[half, half + 1, 1]), [1, 2]);
    assert_eq!(pages(&[1, over, 1]), [1, 1, 1], "a row too large for a page is read alone");
}

#[tokio::test]
async fn one_slice_holds_a_small_database_and_the_day_is_done() {
    let state = tempfile::tempdir().unwrap();
    let platform = open(state.path()).await;
    let due = platform.clock().now();
    for n in 0..3 {
        insert(&platform, &format!("w{n}"), 10).await;
    }
    assert_eq!(advance(&Ports::new(platform.clone()), due).await.unwrap(), Progress::Finished);
    insert(&platform, "w3", 10).await;
    assert_eq!(advance(&Ports::new(platform.clone()), due + 60_000).await.unwrap(), Progress::Idle);
    let manifest = manifest(&platform, due).await;
    assert_eq!(manifest.finished_at, Some(due));
    let rows: Vec<_> = manifest.tables.iter().map(|t| (t.name.as_str(), t.rows)).collect();
    let expected = TABLES.iter().map(|t| (t.name, if t.name == "workflows" { 3 } else { 0 }));
    assert_eq!(rows, expected.collect::<Vec<_>>());
    assert_eq!(
        advance(&Ports::new(platform.clone()), due + DAY).await.unwrap(),
        Progress::Finished,
        "the next day"
    );
}

/// Checks that a slice ends after four megabytes and the next one continues there, whatever the
/// order in which rows were inserted.
#[tokio::test]
async fn slices_go_on_and_add_up_to_what_the_tables_hold() {
    let state = tempfile::tempdir().unwrap();
    let platform = open(state.path()).await;
    let due = platform.clock().now();
    for n in (0..10).rev() {
        insert(&platform, &format!("w{n}"), 900_000).await;
    }
    let mut slices = 1;
    while advance(&Ports::new(platform.clone()), due + slices * 60_000).await.unwrap()
        == Progress::Started
    {
        slices += 1;
    }
    // Each page has one row. The fifth page exceeds the limit of a slice, and is its last.
    assert_eq!(slices, 2);
    let manifest = manifest(&platform, due).await;
    let held = tables(platform.database()).await.unwrap();
    for (table, state) in manifest.tables.iter().zip(&held) {
        assert_eq!((&table.digest, table.rows), (&state.digest, state.rows), "{}", table.name);
        assert!(table.done);
    }
    let workflows = manifest.tables.iter().find(|table| table.name == "workflows").unwrap();
    assert_eq!(workflows.chunks.len(), 10);
    for chunk in &workflows.chunks {
        let body = platform.backups().get(&chunk.object).await.unwrap().value.unwrap();
        let text = String::from_utf8(body).unwrap();
        assert_eq!((text.len() as u64, sha256(&text)), (chunk.bytes, chunk.sha256.clone()));
        assert_eq!(text.lines().count() as u64, chunk.rows);
    }
}

/// Checks tables with as many rows as one query returns sizes, and with one more.
#[tokio::test]
async fn many_small_rows_at_the_limit_and_one_past_it() {
    let state = tempfile::tempdir().unwrap();
    let platform = open(state.path()).await;
    let due = platform.clock().now();
    for (day, rows) in [(0, SIZES_AT_ONCE), (1, SIZES_AT_ONCE + 1)] {
        let already = if day == 0 { 0 } else { SIZES_AT_ONCE };
        for n in already..rows {
            insert(&platform, &format!("w{n:05}"), 1).await;
        }
        let due = due + day * DAY;
        assert_eq!(advance(&Ports::new(platform.clone()), due).await.unwrap(), Progress::Finished);
        let manifest = manifest(&platform, due).await;
        let held: u64 = manifest.tables.iter().map(|table| table.rows).sum();
        assert_eq!(held, rows as u64);
    }
}

#[tokio::test]
async fn old_backups_go_and_some_sundays_stay() {
    let state = tempfile::tempdir().unwrap();
    let platform = open(state.path()).await;
    // Noon of 2026-11-22, a Sunday.
    let noon = 1_795_348_800_000;
    for back in (0..70).rev() {
        advance(&Ports::new(platform.clone()), noon - back * DAY).await.unwrap();
    }
    let folders = platform.backups().folders("d1/").await.unwrap().value;
    let sundays = KEEP_WEEKS - 2;
    assert_eq!(i64::try_from(folders.len()).unwrap(), KEEP_DAYS + sundays, "{folders:?}");
    assert_eq!(folders.first().unwrap(), "d1/2026-10-04/");
    assert!(folders.contains(&"d1/2026-11-09/".to_owned()), "{folders:?}");
    assert!(!folders.contains(&"d1/2026-11-07/".to_owned()), "{folders:?}");
}

#[tokio::test]
async fn an_unreadable_manifest_is_an_error_and_a_migration_begins_anew() {
    let state = tempfile::tempdir().unwrap();
    let platform = open(state.path()).await;
    let due = platform.clock().now();
    let key = Day::of(due).object(MANIFEST);
    platform.backups().put(&key, b"{}".to_vec()).await.unwrap();
    let error = advance(&Ports::new(platform.clone()), due).await.unwrap_err();
    assert!(matches!(error.cause, PortFailure::Unavailable { port: "objects", .. }), "{error}");

    let mut other = Manifest::new(Day::of(due), due);
    other.schema = "0000_before".to_owned();
    let mut table = other.take(TABLES.first().unwrap());
    table.done = true;
    table.rows = 99;
    other.tables.push(table);
    platform.backups().put(&key, other.to_json().into_bytes()).await.unwrap();
    assert_eq!(advance(&Ports::new(platform.clone()), due).await.unwrap(), Progress::Finished);
    let manifest = manifest(&platform, due).await;
    assert!(manifest.tables.iter().all(|table| table.rows == 0));
    assert_eq!(manifest.schema, schema());
    assert!(manifest.summary().contains(&manifest.day));
}

/// Checks that every store of a deployment is part of a backup, or listed as not. Whoever adds a
/// binding decides that here.
#[test]
fn every_binding_is_in_a_backup_or_listed_as_not() {
    // These are the database, the bucket of its backups, and the bindings that store nothing that
    // anybody would miss: models, counters of a minute, and the name of the version.
    const KEEP_NOTHING: [&str; 5] = ["DB", "BACKUPS", "AI", "RATE_LIMITER", "VERSION"];
    let config = include_str!("../../wrangler.toml");
    let mut table = "";
    let mut bindings = std::collections::BTreeSet::new();
    for line in config.lines() {
        table = line.strip_prefix('[').map_or(table, |name| name.trim_matches(['[', ']']));
        let is_object =
            table.ends_with("durable_objects.bindings") || table.ends_with("ratelimits");
        let key = if is_object { "name = \"" } else { "binding = \"" };
        bindings.extend(line.strip_prefix(key).map(|name| name.trim_end_matches('"')));
    }
    assert_eq!(bindings.len(), 12, "{bindings:?}");
    let listed = not_included();
    for binding in &bindings {
        let kept_elsewhere = KEEP_NOTHING.contains(binding);
        assert_ne!(listed.contains_key(*binding), kept_elsewhere, "{binding}: see `not_included`");
    }
    for name in listed.keys().filter(|name| name.chars().all(|c| c.is_uppercase() || c == '_')) {
        assert!(bindings.contains(name.as_str()), "{name} is no binding");
    }
}
