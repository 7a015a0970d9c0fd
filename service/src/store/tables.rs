//! Reads whole tables for backups, in the order of their primary keys.

use serde::Deserialize;
use serde_json::Value;

use crate::ports::{Database, MAX_INTEGER, MeteredDatabase, Param, PortError, Sql};

/// A table that is part of a backup.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// The name of the table.
    pub name: &'static str,
    /// The columns of the primary key.
    pub key: &'static [&'static str],
    /// The other columns of text, which decide how large a row is.
    pub text: &'static [&'static str],
    first_sizes: Sql,
    next_sizes: Sql,
    first_rows: Sql,
    next_rows: Sql,
}

/// Builds each table and the statements that read it, from the beginning and after a key. The input
/// is the table's name, its key and its columns of text.
macro_rules! tables {
    ($($name:ident ($key:ident $(, $more:ident)*) [$($text:ident),*],)*) => {
        /// Every table but those of [`NOT_INCLUDED`].
        pub const TABLES: &[Table] = &[$(
            Table {
                name: stringify!($name),
                key: &[stringify!($key) $(, stringify!($more))*],
                text: &[$(stringify!($text)),*],
                first_sizes: Sql {
                    name: concat!("first_sizes_of_", stringify!($name)),
                    text: concat!(
                        tables!(@sizes $($text)*), " FROM ", stringify!($name),
                        tables!(@order $key $($more)*),
                    ),
                },
                next_sizes: Sql {
                    name: concat!("next_sizes_of_", stringify!($name)),
                    text: concat!(
                        tables!(@sizes $($text)*), " FROM ", stringify!($name),
                        tables!(@after $key $($more)*), tables!(@order $key $($more)*),
                    ),
                },
                first_rows: Sql {
                    name: concat!("first_rows_of_", stringify!($name)),
                    text: concat!(
                        "SELECT * FROM ", stringify!($name), tables!(@order $key $($more)*),
                    ),
                },
                next_rows: Sql {
                    name: concat!("next_rows_of_", stringify!($name)),
                    text: concat!(
                        "SELECT * FROM ", stringify!($name),
                        tables!(@after $key $($more)*), tables!(@order $key $($more)*),
                    ),
                },
            },
        )*];
    };
    (@sizes $($text:ident)*) => {
        concat!("SELECT 0" $(, " + ifnull(octet_length(", stringify!($text), "), 0)")*, " AS bytes")
    };
    (@after $key:ident $($more:ident)*) => {
        concat!(
            " WHERE (", stringify!($key) $(, ", ", stringify!($more))*,
            ") > (?" $(, tables!(@parameter $more))*, ")"
        )
    };
    (@order $key:ident $($more:ident)*) => {
        concat!(" ORDER BY ", stringify!($key) $(, ", ", stringify!($more))*, " LIMIT ?")
    };
    (@parameter $name:ident) => { ", ?" };
}

tables! {
    idempotency_keys(scope) [fingerprint, claim, resource, content_type, location, body],
    quota_months(user_id, month) [],
    subscriptions(id) [user_id, customer_id, plan, status, event_previous],
    usage_accounts(user_id, month, cause) [usage],
    workflow_runs(id) [workflow_id, user_id, status, definition, report],
    workflows(id) [user_id, name, description, steps],
}

/// Tables that no backup holds, each with the reason.
pub const NOT_INCLUDED: &[(&str, &str)] = &[
    ("search_outbox", "restoring the workflows fills it again"),
    (
        "stripe_events",
        "an event that comes again is older than its subscription and changes nothing",
    ),
];

#[derive(Deserialize)]
struct Size {
    bytes: u64,
}

impl Table {
    /// Returns the number of bytes of text of each of the next rows after a key, at most `limit` of
    /// them.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn sizes<D: Database>(
        &self,
        database: MeteredDatabase<'_, D>,
        after: Option<&[Value]>,
        limit: usize,
    ) -> Result<Vec<u64>, PortError> {
        let sql = if after.is_some() { self.next_sizes } else { self.first_sizes };
        let statement = sql.bind(parameters(after, limit));
        let sizes: Vec<Size> = database.query(statement).await?.decode()?;
        Ok(sizes.into_iter().map(|size| size.bytes).collect())
    }

    /// Returns the next rows after a key, at most `limit` of them.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn rows<D: Database>(
        &self,
        database: MeteredDatabase<'_, D>,
        after: Option<&[Value]>,
        limit: usize,
    ) -> Result<Vec<Value>, PortError> {
        let sql = if after.is_some() { self.next_rows } else { self.first_rows };
        Ok(database.query(sql.bind(parameters(after, limit))).await?.rows)
    }

    /// Returns the primary key of a row.
    pub fn key_of(&self, row: &Value) -> Vec<Value> {
        self.key.iter().map(|column| row.get(*column).cloned().unwrap_or_default()).collect()
    }
}

fn parameters(after: Option<&[Value]>, limit: usize) -> Vec<Param> {
    let limit = i64::try_from(limit).unwrap_or(MAX_INTEGER);
    let key = after.unwrap_or_default().iter().map(|value| match value {
        Value::String(text) => Param::Text(text.clone()),
        other => other.as_i64().map_or(Param::Null, Param::Integer),
    });
    key.chain([limit.into()]).collect()
}

#[cfg(all(test, not(target_arch = "wasm32")))]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeMap;

    use rusqlite::Connection;

    use super::*;
    use crate::store::MIGRATIONS;

    fn migrated() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        for (_, sql) in MIGRATIONS {
            connection.execute_batch(sql).unwrap();
        }
        connection
    }

    /// Returns each column of a table with its type, and its place in the primary key, from 1.
    fn columns(connection: &Connection, table: &str) -> Vec<(String, String, usize)> {
        let sql = format!("SELECT name, type, pk FROM pragma_table_info('{table}')");
        let mut statement = connection.prepare(&sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        rows.unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn every_table_and_each_column_of_text_is_listed() {
        let connection = migrated();
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
                   ORDER BY name";
        let mut statement = connection.prepare(sql).unwrap();
        let names: Vec<String> =
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let included = TABLES.iter().map(|table| table.name);
        let mut listed: Vec<_> =
            included.chain(NOT_INCLUDED.iter().map(|(name, _)| *name)).collect();
        listed.sort_unstable();
        assert_eq!(names, listed, "list each table in service/src/store/tables.rs");
        for table in TABLES {
            let columns = columns(&connection, table.name);
            for (column, kind, _) in &columns {
                assert!(kind == "TEXT" || kind == "INTEGER", "{}.{column}: {kind}", table.name);
            }
            let keys: BTreeMap<_, _> = columns
                .iter()
                .filter(|(_, _, place)| *place > 0)
                .map(|(name, _, place)| (*place, name.as_str()))
                .collect();
            assert_eq!(keys.into_values().collect::<Vec<_>>(), table.key, "key of {}", table.name);
            let text: Vec<_> = columns
                .iter()
                .filter(|(_, kind, place)| kind == "TEXT" && *place == 0)
                .map(|(name, ..)| name.as_str())
                .collect();
            assert_eq!(text, table.text, "columns of text of {}", table.name);
        }
    }

    /// Checks that a page is found through the key and read in its order, so that nothing is sorted.
    #[test]
    fn pages_are_read_along_the_key() {
        let connection = migrated();
        for table in TABLES {
            for sql in [table.first_sizes, table.next_sizes, table.first_rows, table.next_rows] {
                let explain = format!("EXPLAIN QUERY PLAN {}", sql.text);
                let mut statement = connection.prepare(&explain).unwrap();
                let mut rows = statement.raw_query();
                while let Some(row) = rows.next().unwrap() {
                    let step: String = row.get("detail").unwrap();
                    let start = if sql.name.starts_with("first") { "SCAN" } else { "SEARCH" };
                    assert!(step.starts_with(start), "{}: {step}", sql.name);
                }
            }
        }
    }
}
