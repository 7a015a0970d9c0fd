//! KV's stand-in: an SQLite table with expiry.

use std::{path::Path, time::Duration};

use super::{clock::NativeClock, counted, database::execute, sqlite::Sqlite};
use crate::ports::{
    Clock, KeyValue, MAX_KV_KEY_BYTES, MAX_VALUE_BYTES, MIN_KV_TTL, Meter, Metered, PortError,
    PortResult, Sql, Statement, Usage, used,
};

const SCHEMA: &[&str] = &[
    "CREATE TABLE entries (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL,
  expires_at INTEGER
) STRICT, WITHOUT ROWID",
    "CREATE INDEX idx_entries_expiry ON entries (expires_at)",
];

const GET: Sql = Sql {
    name: "kv_get",
    text: "SELECT value FROM entries WHERE key = ?1 AND (expires_at IS NULL OR expires_at > ?2)",
};

const PUT: Sql = Sql {
    name: "kv_put",
    text: "INSERT INTO entries VALUES (?1, ?2, ?3) \
           ON CONFLICT (key) DO UPDATE SET value = ?2, expires_at = ?3",
};
const DELETE: Sql = Sql { name: "kv_delete", text: "DELETE FROM entries WHERE key = ?1" };
/// Goes with each put: the platform takes the dead away by itself.
const PURGE: Sql = Sql { name: "kv_purge", text: "DELETE FROM entries WHERE expires_at <= ?1" };

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

    /// Returns the thread of the database.
    pub(super) fn sqlite(&self) -> &Sqlite {
        &self.entries
    }

    /// Returns what all calls used.
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

    async fn put(&self, key: &str, value: &str, ttl: Duration) -> PortResult<()> {
        check(key, value, ttl)?;
        let now = self.clock.now();
        let ttl = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        let expires_at = now.saturating_add(ttl);
        let put = PUT.bind([key.into(), value.into(), expires_at.into()]);
        let done = self.write([PURGE.bind([now.into()]), put]).await;
        let usage = Usage { kv_writes: 1, ..Usage::default() };
        counted(&self.total, used(done.map(Metered::free), usage))
    }

    async fn delete(&self, key: &str) -> PortResult<()> {
        let done = self.write([DELETE.bind([key.into()])]).await;
        let usage = Usage { kv_deletes: 1, ..Usage::default() };
        counted(&self.total, used(done.map(Metered::free), usage))
    }
}

impl SqliteKeyValue {
    async fn write<const N: usize>(&self, statements: [Statement; N]) -> Result<(), PortError> {
        let write = self.entries.run(move |connection| {
            statements.iter().try_for_each(|statement| execute(connection, statement).map(|_| ()))
        });
        write.await
    }
}

/// Refuses what the platform refuses.
fn check(key: &str, value: &str, ttl: Duration) -> Result<(), PortError> {
    let refuse = |why: String| Err(PortError::unavailable("kv", why));
    if key.is_empty() || key.len() > MAX_KV_KEY_BYTES {
        return refuse(format!("a key has 1 to {MAX_KV_KEY_BYTES} bytes"));
    }
    if value.len() > MAX_VALUE_BYTES {
        return refuse(format!("a value has at most {MAX_VALUE_BYTES} bytes"));
    }
    if ttl < MIN_KV_TTL {
        return refuse(format!("entries live at least {} s", MIN_KV_TTL.as_secs()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn expired_entries_are_gone() {
        let directory = tempfile::tempdir().unwrap();
        let clock = NativeClock::default();
        let kv = SqliteKeyValue::open(&directory.path().join("kv"), clock.clone()).unwrap();
        kv.put("brief", "v", MIN_KV_TTL).await.unwrap();
        kv.put("long", "v", MIN_KV_TTL * 2).await.unwrap();
        kv.put("deleted", "v", MIN_KV_TTL * 2).await.unwrap();
        kv.delete("deleted").await.unwrap();
        clock.advance(i64::try_from(MIN_KV_TTL.as_millis()).unwrap());
        for (key, there) in
            [("brief", false), ("long", true), ("deleted", false), ("absent", false)]
        {
            let found = kv.get(key).await.unwrap();
            assert_eq!((found.value.is_some(), found.usage.kv_reads), (there, 1), "{key}");
        }
        let expected = Usage { kv_reads: 4, kv_writes: 3, kv_deletes: 1, ..Usage::default() };
        assert_eq!(kv.usage(), expected);
        kv.put("new", "v", MIN_KV_TTL).await.unwrap();
        let count = Sql { name: "count", text: "SELECT count(*) AS n FROM entries" }.bind([]);
        let left = kv.entries.run(move |connection| execute(connection, &count)).await.unwrap();
        assert_eq!(left.value.rows[0]["n"], 2, "a put takes the dead away");
    }

    #[tokio::test]
    async fn what_the_platform_refuses_is_refused_here() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kv");
        let kv = SqliteKeyValue::open(&path, NativeClock::default()).unwrap();
        let just_too_short = MIN_KV_TTL.checked_sub(Duration::from_millis(1)).unwrap();
        let long = |length: usize| "k".repeat(length);
        for (key, value, ttl, fits) in [
            (long(MAX_KV_KEY_BYTES), long(MAX_VALUE_BYTES), MIN_KV_TTL, true),
            (long(MAX_KV_KEY_BYTES + 1), long(1), MIN_KV_TTL, false),
            (long(0), long(1), MIN_KV_TTL, false),
            (long(1), long(MAX_VALUE_BYTES + 1), MIN_KV_TTL, false),
            (long(1), long(1), just_too_short, false),
        ] {
            assert_eq!(kv.put(&key, &value, ttl).await.is_ok(), fits, "{} {ttl:?}", key.len());
        }
    }
}
