//! KV's stand-in: an SQLite table with expiry.

use std::path::Path;

use super::{clock::NativeClock, counted, database::execute, sqlite::Sqlite};
use crate::ports::{Clock, KeyValue, Meter, Metered, PortError, PortResult, Sql, Usage};

const SCHEMA: &[&str] = &["CREATE TABLE entries (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL,
  expires_at INTEGER
) STRICT, WITHOUT ROWID"];

const GET: Sql = Sql {
    name: "kv_get",
    text: "SELECT value FROM entries WHERE key = ?1 AND (expires_at IS NULL OR expires_at > ?2)",
};

/// A namespace in a file.
#[derive(Clone, Debug)]
pub struct SqliteKeyValue {
    entries: Sqlite,
    clock: NativeClock,
    total: Meter,
}

impl SqliteKeyValue {
    /// Opens, or makes, a namespace.
    ///
    /// # Errors
    /// [`PortError`].
    pub fn open(path: &Path, clock: NativeClock) -> Result<Self, PortError> {
        Ok(Self { entries: Sqlite::open(path, SCHEMA)?, clock, total: Meter::default() })
    }

    /// What all calls used.
    pub(super) fn usage(&self) -> Usage {
        self.total.usage()
    }
}

impl KeyValue for SqliteKeyValue {
    async fn get(&self, key: &str) -> PortResult<Option<String>> {
        let statement = GET.bind([key.into(), self.clock.now().into()]);
        let found = self.entries.run(move |connection| execute(connection, &statement)).await?;
        let value = found.value.rows.first().and_then(|row| row.get("value")?.as_str());
        // A miss is billed as a read, too.
        let usage = Usage { kv_reads: 1, ..Usage::default() };
        counted(&self.total, Ok(Metered { value: value.map(str::to_owned), usage }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn expired_entries_are_gone() {
        let directory = tempfile::tempdir().unwrap();
        let kv =
            SqliteKeyValue::open(&directory.path().join("kv"), NativeClock::default()).unwrap();
        let put = |key: &str, expires_at: Option<i64>| {
            Sql { name: "put", text: "INSERT INTO entries VALUES (?1, 'v', ?2)" }
                .bind([key.into(), expires_at.into()])
        };
        for statement in [put("lasting", None), put("past", Some(1)), put("future", Some(1 << 52))]
        {
            kv.entries.run(move |connection| execute(connection, &statement)).await.unwrap();
        }
        for (key, there) in
            [("lasting", true), ("past", false), ("future", true), ("absent", false)]
        {
            let found = kv.get(key).await.unwrap();
            assert_eq!((found.value.is_some(), found.usage.kv_reads), (there, 1), "{key}");
        }
    }
}
