//! The ports on the bindings, one by one.

use serde_json::{Value, json};
use wasm_bindgen_test::wasm_bindgen_test;
use workway_service::{
    platform::cloudflare::Cloudflare,
    ports::{
        Admission, Database, KeyValue, MAX_INTEGER, MIN_KV_TTL, Param, Platform, PortFailure,
        PortResult, RateLimiter, Rows, Sql, Usage,
    },
};

use crate::world::{World, misbind_limiter, put_in_cache, set_mode, set_var};

const TABLE: &str = "CREATE TABLE t (k TEXT PRIMARY KEY, v) STRICT";

async fn query<const N: usize>(
    platform: &Cloudflare,
    text: &'static str,
    params: [Param; N],
) -> PortResult<Rows> {
    platform.database().query(Sql { name: "test", text }.bind(params)).await
}

#[wasm_bindgen_test]
async fn d1_gives_back_what_it_was_given() {
    let world = World::new();
    let platform = world.platform();
    world.rows(&TABLE.replace("v)", "v ANY)"));
    let values: [(Param, Value); 8] = [
        (Param::Null, Value::Null),
        (MAX_INTEGER.into(), json!(MAX_INTEGER)),
        ((-MAX_INTEGER).into(), json!(-MAX_INTEGER)),
        (0.into(), json!(0)),
        ("".into(), json!("")),
        ("é😀\u{0}'\"".into(), json!("é😀\u{0}'\"")),
        ("1".into(), json!("1")),
        (Param::from(None::<i64>), Value::Null),
    ];
    for (index, (param, expected)) in values.into_iter().enumerate() {
        let key = Param::from(format!("{index}"));
        let insert = "INSERT INTO t (k, v) VALUES (?1, ?2)";
        let inserted = query(&platform, insert, [key.clone(), param]).await.unwrap().value;
        assert_eq!((inserted.changes, inserted.rows), (1, vec![]));
        let read = query(&platform, "SELECT v FROM t WHERE k = ?1", [key]).await.unwrap().value;
        assert_eq!((read.changes, read.rows), (0, vec![json!({"v": expected})]));
    }
    let kinds = world.rows("SELECT k FROM t WHERE typeof(v) = 'integer' ORDER BY k");
    assert_eq!(kinds, json!([{"k": "1"}, {"k": "2"}, {"k": "3"}]), "none became a REAL");
    let deleted = query(&platform, "DELETE FROM t", []).await.unwrap().value;
    assert_eq!(deleted.changes, 8);
}

#[wasm_bindgen_test]
async fn d1_tells_conflicts_from_failures() {
    let world = World::new();
    let platform = world.platform();
    world.rows(&TABLE.replace("v)", "v TEXT NOT NULL)"));
    let insert = "INSERT INTO t (k, v) VALUES (?1, ?2)";
    query(&platform, insert, ["a".into(), "v".into()]).await.unwrap();
    for params in [["a".into(), "v".into()], ["b".into(), Param::Null]] {
        let error = query(&platform, insert, params).await.unwrap_err();
        assert!(
            matches!(&error.cause, PortFailure::Conflict(why) if why.contains("constraint failed"))
        );
    }
    let error = query(&platform, "SELECT nope", []).await.unwrap_err();
    assert!(error.to_string().starts_with("database failed: no such column: nope"), "{error}");
    set_mode(&world.env, "DB", "broken");
    let error = query(&platform, "SELECT 1", []).await.unwrap_err();
    assert_eq!(error.to_string(), "database failed: Network connection lost.");
    set_var(&world.env, "DB", None);
    assert!(query(&platform, "SELECT 1", []).await.is_err());
}

#[wasm_bindgen_test]
async fn kv_counts_each_call() {
    let world = World::new();
    let platform = world.platform();
    put_in_cache(&world.env, "k", "é😀");
    for (key, expected) in [("k", Some("é😀")), ("absent", None)] {
        let read = platform.cache().get(key).await.unwrap();
        assert_eq!((read.value.as_deref(), read.usage.kv_reads), (expected, 1));
    }
    let written = platform.cache().put("new", "é", MIN_KV_TTL).await.unwrap();
    assert_eq!(written.usage, Usage { kv_writes: 1, ..Usage::default() });
    assert_eq!(platform.cache().get("new").await.unwrap().value.as_deref(), Some("é"));
    assert_eq!(platform.sessions().get("new").await.unwrap().value, None, "namespaces differ");
    let deleted = platform.cache().delete("new").await.unwrap();
    assert_eq!(deleted.usage, Usage { kv_deletes: 1, ..Usage::default() });
    assert_eq!(platform.cache().get("new").await.unwrap().value, None);
    let brief = platform.cache().put("k", "v", MIN_KV_TTL / 2).await.unwrap_err();
    assert!(brief.to_string().contains("expiration_ttl"), "{brief}");
    set_mode(&world.env, "CACHE", "broken");
    assert!(platform.cache().put("k", "v", MIN_KV_TTL).await.is_err());
    assert!(platform.cache().delete("k").await.is_err());
    let error = platform.cache().get("k").await.unwrap_err();
    assert!(matches!(error.cause, PortFailure::Unavailable { port: "kv", .. }), "{error}");
    set_var(&world.env, "CACHE", None);
    assert!(platform.cache().get("k").await.is_err());
}

#[wasm_bindgen_test]
async fn a_binding_of_another_class_is_no_limiter() {
    let world = World::new();
    let platform = world.platform();
    assert_eq!(platform.rate_limiter().admit("a").await.unwrap().value, Admission::Admitted);
    misbind_limiter(&world.env);
    let error = platform.rate_limiter().admit("a").await.unwrap_err();
    assert!(error.to_string().contains("cannot be cast to the type Ratelimit"), "{error}");
}
