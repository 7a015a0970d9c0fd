//! Expand, then contract: while a new version gets its traffic step by step, and after a rollback,
//! the old code works on the new schema. `released/NAME.sql` holds every statement of a released
//! version, by the latest migration that it knew; each must still run. A new release adds its own:
//! `UPDATE_STATEMENTS=1 cargo test -p workway-service --test integration expand::`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{fs, path::PathBuf};

use regex::Regex;
use rusqlite::{Connection, params_from_iter};
use workway_service::{
    backup::schema,
    store::{MIGRATIONS, STATEMENTS},
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/released")
}

fn migrated() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    for (_, sql) in MIGRATIONS {
        connection.execute_batch(sql).unwrap();
    }
    connection
}

/// Runs a statement with a value for each parameter that fits every column of ours: in a STRICT table
/// the text `1` is stored as a text or as a number.
fn runs(connection: &Connection, statement: &str) -> Result<(), rusqlite::Error> {
    let mut prepared = connection.prepare(statement)?;
    let values = vec!["1"; prepared.parameter_count()];
    let mut rows = prepared.query(params_from_iter(values))?;
    while rows.next()?.is_some() {}
    Ok(())
}

#[test]
fn statements_of_released_versions_run_on_the_schema_of_today() {
    if std::env::var_os("UPDATE_STATEMENTS").is_some() {
        let lines = STATEMENTS.iter().map(|sql| format!("-- {}\n{};\n", sql.name, sql.text));
        let file = folder().join(format!("{}.sql", schema()));
        fs::create_dir_all(folder()).unwrap();
        fs::write(file, lines.collect::<Vec<_>>().join("\n")).unwrap();
    }
    let mut count = 0;
    for file in fs::read_dir(folder()).unwrap() {
        let path = file.unwrap().path();
        let connection = migrated();
        let text = fs::read_to_string(&path).unwrap();
        for statement in text.split(";\n").filter(|part| !part.trim().is_empty()) {
            if let Err(error) = runs(&connection, statement) {
                panic!("{}: {error}\n{statement}", path.display());
            }
            count += 1;
        }
    }
    println!("{count} statements of released versions");
    assert!(count >= 20);
}

/// The check above can fail.
#[test]
fn a_column_without_default_and_one_that_went_are_noticed() {
    let insert = "INSERT INTO t (id) VALUES (?)";
    for (table, fine) in [
        ("CREATE TABLE t (id TEXT PRIMARY KEY, n INTEGER NOT NULL DEFAULT 0) STRICT", true),
        ("CREATE TABLE t (id TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT", false),
        ("CREATE TABLE t (key TEXT PRIMARY KEY) STRICT", false),
    ] {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(table).unwrap();
        assert_eq!(runs(&connection, insert).is_ok(), fine, "{table}");
    }
}

/// What takes something away waits until no version with traffic needs it, and says so:
/// `-- contract: …`. Before the first release nobody had the schema.
#[test]
fn migrations_after_the_first_release_only_add() {
    let files = fs::read_dir(folder()).unwrap();
    let released = files.map(|file| file.unwrap().path().file_stem().unwrap().to_owned());
    let first = released.min().unwrap().into_string().unwrap();
    let takes = Regex::new(r"(?i)\b(DROP|RENAME)\b").unwrap();
    for (name, sql) in MIGRATIONS.iter().filter(|(name, _)| *name > first.as_str()) {
        let code: String = sql.lines().filter(|line| !line.starts_with("--")).collect();
        let said = sql.lines().any(|line| line.starts_with("-- contract: "));
        assert!(said || !takes.is_match(&code), "{name} takes something away: see this file");
    }
}
