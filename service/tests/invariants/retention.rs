//! Every kind of data has a retention, or a reason why it has none.

use std::collections::BTreeSet;

use regex::Regex;
use rusqlite::Connection;
use workway_service::{
    domain::retention::{KEPT, Kept},
    ports::ActorClass,
    store::MIGRATIONS,
};

const WRANGLER: &str = include_str!("../../wrangler.toml");
const PAGE: &str = include_str!("../../../docs/retention.md");

/// What the service stores: tables, objects, namespaces and buckets, and vectors.
fn stored() -> BTreeSet<String> {
    let database = Connection::open_in_memory().unwrap();
    for (_, sql) in MIGRATIONS {
        database.execute_batch(sql).unwrap();
    }
    let mut tables =
        database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").unwrap();
    let tables = tables.query_map([], |row| row.get(0)).unwrap();
    let mut stored: BTreeSet<String> = tables.map(Result::unwrap).collect();
    stored.extend(ActorClass::ALL.map(|class| class.name().to_owned()));
    let binding =
        Regex::new(r#"(?s)\[\[(?:kv_namespaces|r2_buckets)\]\]\s+binding = "(\w+)""#).unwrap();
    stored.extend(binding.captures_iter(WRANGLER).map(|found| found[1].to_owned()));
    stored.insert("vectors".to_owned());
    stored
}

#[test]
fn everything_that_is_stored_has_a_retention_or_a_reason() {
    let listed: BTreeSet<_> = KEPT.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(listed, stored());
    assert_eq!(listed.len(), KEPT.len(), "each once");
}

#[test]
fn the_page_has_the_same_table() {
    for (name, kept) in KEPT {
        let line = match kept {
            Kept::For(time) => format!("| `{name}` | {time} |"),
            Kept::Because(reason) => format!("| `{name}` | not deleted: {reason} |"),
        };
        assert!(PAGE.contains(&line), "docs/retention.md lacks: {line}");
    }
}
