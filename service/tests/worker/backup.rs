//! The backup that the cron makes.

use serde_json::json;
use wasm_bindgen_test::wasm_bindgen_test;
use workway_service::{
    backup::{MANIFEST, Manifest, line, sha256, tables},
    ports::{MAX_OBJECT_KEYS, ObjectStore, Platform, Usage},
};

use crate::world::{World, advance, http_step, log, set_mode, token};

const DAY: i64 = 24 * 60 * 60 * 1000;

fn manifest(world: &World) -> Manifest {
    let bucket = world.bucket();
    let objects = bucket.as_object().unwrap();
    let (_, text) = objects.iter().rfind(|(key, _)| key.ends_with(MANIFEST)).unwrap();
    Manifest::parse(text.as_str().unwrap().as_bytes()).unwrap()
}

#[wasm_bindgen_test]
async fn the_cron_writes_what_the_tables_hold_and_deletes_old_backups() {
    let world = World::new();
    let workflow = json!({"name": "é😀", "description": "d", "steps": [http_step()]});
    for _ in 0..3 {
        assert_eq!(world.post("/workflows", &token("ann"), &workflow).await.status, 201);
    }
    world.cron().await;
    let (backup, bucket) = (manifest(&world), world.bucket());
    assert!(backup.finished_at.is_some(), "{backup:?}");
    let held = tables(world.platform().database()).await.unwrap();
    for (table, state) in backup.tables.iter().zip(&held) {
        // Usage moves to the database after the backup, its own included.
        if table.name == "usage_accounts" {
            continue;
        }
        assert_eq!((&table.digest, table.rows), (&state.digest, state.rows), "{}", table.name);
        for chunk in &table.chunks {
            assert_eq!(sha256(bucket[&chunk.object].as_str().unwrap()), chunk.sha256);
        }
    }
    let workflows = backup.tables.iter().find(|table| table.name == "workflows").unwrap();
    assert_eq!(workflows.rows, 3);
    // Integers come as integers, and text as it was.
    let rows = world.rows("SELECT * FROM workflows ORDER BY id");
    let lines = rows.as_array().unwrap().iter().map(|row| line(row) + "\n").collect::<String>();
    assert_eq!(bucket[&workflows.chunks[0].object], json!(lines));

    world.cron().await;
    assert_eq!(world.bucket(), bucket, "once a day");
    for _ in 0..20 {
        advance(DAY).await;
        world.cron().await;
    }
    let kept = world.bucket();
    let kept = kept.as_object().unwrap().keys().filter(|key| key.ends_with(MANIFEST)).count();
    assert!((14..=17).contains(&kept), "two weeks, and the Sundays before: {kept}");
}

#[wasm_bindgen_test]
async fn a_bucket_that_is_down_is_logged_and_met_again_a_minute_later() {
    let world = World::new();
    set_mode(&world.env, "BACKUPS", "broken");
    world.cron().await;
    assert!(log().contains("scheduled task failed: backup: objects failed"), "{}", log());
    assert_eq!(world.bucket(), json!({}));
    // What fails at the same time hides nothing: each part has its line.
    set_mode(&world.env, "DB", "broken");
    world.cron().await;
    for part in ["sweep: database", "idempotency keys: database", "backup: objects"] {
        assert!(
            log().contains(&format!("scheduled task failed: {part} failed")),
            "{part}: {}",
            log()
        );
    }
    set_mode(&world.env, "DB", "well");
    set_mode(&world.env, "BACKUPS", "well");
    advance(60_000).await;
    world.cron().await;
    assert!(manifest(&world).finished_at.is_some());
}

#[wasm_bindgen_test]
async fn objects_are_kept_listed_and_deleted() {
    let world = World::new();
    let platform = world.platform();
    let store = platform.backups();
    assert_eq!(store.get("d/x/1").await.unwrap().value, None);
    for key in ["d/x/2", "d/x/1", "d/y/1"] {
        let put = store.put(key, key.as_bytes().to_vec()).await.unwrap();
        assert_eq!(put.usage, Usage { object_writes: 1, ..Usage::default() });
    }
    let got = store.get("d/x/2").await.unwrap();
    assert_eq!(got.value.as_deref(), Some("d/x/2".as_bytes()));
    assert_eq!(got.usage, Usage { object_reads: 1, ..Usage::default() });
    assert_eq!(store.folders("d/").await.unwrap().value, ["d/x/", "d/y/"]);
    let list = store.objects("d/x/").await.unwrap();
    assert_eq!(list.value, ["d/x/1", "d/x/2"]);
    assert_eq!(list.usage, Usage { object_writes: 1, ..Usage::default() });
    assert!(list.value.len() <= MAX_OBJECT_KEYS);
    store.delete(list.value).await.unwrap();
    store.delete(Vec::new()).await.unwrap();
    assert_eq!(store.folders("d/").await.unwrap().value, ["d/y/"]);
    set_mode(&world.env, "BACKUPS", "broken");
    assert!(store.get("d/y/1").await.is_err());
    assert!(store.put("d/y/1", vec![1]).await.is_err());
    assert!(store.folders("d/").await.is_err());
    assert!(store.delete(vec!["d/y/1".to_owned()]).await.is_err());
}
