//! Backs up the database: once a day all tables are written to the bucket `BACKUPS`, a slice each
//! minute, until the day's manifest is complete.
//!
//! A day's folder, `d1/2026-11-22/`, holds chunks (with a row of a table on each line, as JSON) and
//! `manifest.json`. The manifest is written last in each slice, so that the next minute continues
//! from it if the host dies in between. A backup is not a snapshot: a row that is written while it
//! runs may be part of it or not. To restore one instant there is D1's own Time Travel, which reaches
//! back thirty days.

mod day;
mod digest;
mod manifest;

pub use day::Day;
pub use digest::{Digest, line, sha256};
pub use manifest::{Chunk, MANIFEST, Manifest, ManifestError, TableBackup, not_included};
use serde_json::Value;

use crate::domain::Millis;
use crate::ports::{Database, Meter, MeteredDatabase, Platform, PortError, Ports};
use crate::store::{MIGRATIONS, TABLES, Table};

/// The number of row sizes that one query returns. A size is a number, so that a thousand of them
/// need little memory.
pub const SIZES_AT_ONCE: usize = 1000;
/// The largest number of bytes of text of the rows that one query reads; a larger row is read alone.
/// A row has at most 2 MB (D1's limit) and exists about four times on its way (engine, JavaScript,
/// wasm, chunk), which is far below the 128 MB of an isolate.
pub const PAGE_BYTES: u64 = 1_000_000;
/// The number of bytes of chunks after which a slice ends. Hashing and encoding them takes a fraction
/// of the CPU time that wrangler.toml grants an invocation.
pub const SLICE_BYTES: u64 = 4_000_000;
/// The number of pages after which a slice ends. Each needs at most two queries and one object, and
/// an invocation may use a thousand of each.
pub const SLICE_PAGES: usize = 100;
/// The number of last days whose backups are kept.
pub const KEEP_DAYS: i64 = 14;
/// The number of last weeks of which the Sundays' backups are kept.
pub const KEEP_WEEKS: i64 = 8;

/// The result of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The day's backup was complete already.
    Idle,
    /// The backup is not complete yet.
    Started,
    /// The backup is complete now.
    Finished,
}

/// Adds one slice to the backup of the day of `due`. When that completes the backup, it deletes the
/// backups that are no longer kept.
///
/// # Errors
/// [`PortError`]. The next call begins where the last complete slice ended.
pub async fn advance<P: Platform>(ports: &Ports<P>, due: Millis) -> Result<Progress, PortError> {
    let day = Day::of(due);
    let key = day.object(MANIFEST);
    let manifest = match ports.backups().get(&key).await? {
        Some(bytes) => Manifest::parse(&bytes).map_err(|error| unreadable(&error))?,
        None => Manifest::new(day, due),
    };
    if manifest.finished_at.is_some() {
        return Ok(Progress::Idle);
    }
    // The rows of earlier slices may have other columns than the tables have after a migration.
    let manifest = if manifest.schema == schema() { manifest } else { Manifest::new(day, due) };
    let mut slice = Slice { ports, manifest, day, due, bytes: 0, pages: 0 };
    let complete = slice.run().await?;
    if complete {
        slice.manifest.finished_at = Some(due);
    }
    slice.write(&key, slice.manifest.to_json()).await?;
    if !complete {
        return Ok(Progress::Started);
    }
    delete_expired(ports, day).await?;
    ports.record(&slice.manifest.summary());
    Ok(Progress::Finished)
}

/// Returns the name of the latest migration that this code knows.
pub fn schema() -> &'static str {
    MIGRATIONS.last().map_or("", |(name, _)| name)
}

fn unreadable(error: &ManifestError) -> PortError {
    PortError::unavailable("objects", format!("the manifest cannot be read: {error}"))
}

/// The part of a backup that is made in one minute.
struct Slice<'a, P> {
    ports: &'a Ports<P>,
    manifest: Manifest,
    day: Day,
    due: Millis,
    bytes: u64,
    pages: usize,
}

impl<P: Platform> Slice<'_, P> {
    /// Continues the backup until the slice is full. Returns true if every table is done.
    async fn run(&mut self) -> Result<bool, PortError> {
        for table in TABLES {
            let mut backup = self.manifest.take(table);
            let done = if backup.done { Ok(true) } else { self.table(table, &mut backup).await };
            self.manifest.tables.push(backup);
            if !done? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn table(&mut self, table: &Table, backup: &mut TableBackup) -> Result<bool, PortError> {
        loop {
            let database = self.ports.database();
            let after = backup.after.as_deref();
            let sizes = table.sizes(database, after, SIZES_AT_ONCE).await?;
            for rows in pages(&sizes) {
                if self.bytes >= SLICE_BYTES || self.pages >= SLICE_PAGES {
                    return Ok(false);
                }
                let after = backup.after.as_deref();
                let rows = table.rows(database, after, rows).await?;
                self.page(table, backup, &rows).await?;
            }
            if sizes.len() < SIZES_AT_ONCE {
                backup.done = true;
                return Ok(true);
            }
        }
    }

    /// Writes these rows as a chunk.
    async fn page(
        &mut self,
        table: &Table,
        backup: &mut TableBackup,
        rows: &[Value],
    ) -> Result<(), PortError> {
        let Some(last) = rows.last() else { return Ok(()) };
        let mut text = String::new();
        for row in rows {
            let line = line(row);
            backup.digest = backup.digest.then(&line);
            text += &line;
            text.push('\n');
        }
        // The minute is part of the name, so that a slice that overlaps another overwrites nothing.
        let number = backup.chunks.len() + 1;
        let object = self.day.object(&format!("{}-{number:05}-{}.jsonl", table.name, self.due));
        let rows = rows.len() as u64;
        let bytes = text.len() as u64;
        backup.chunks.push(Chunk { object: object.clone(), rows, bytes, sha256: sha256(&text) });
        backup.rows += rows;
        backup.after = Some(table.key_of(last));
        self.bytes += bytes;
        self.pages += 1;
        self.write(&object, text).await
    }

    async fn write(&self, key: &str, text: String) -> Result<(), PortError> {
        self.ports.backups().put(key, text.into_bytes()).await
    }
}

/// Groups rows into pages by their sizes. Returns the number of rows of each page.
fn pages(sizes: &[u64]) -> Vec<usize> {
    let mut pages = Vec::new();
    let mut rows = 0;
    let mut bytes = 0;
    for size in sizes {
        if rows > 0 && bytes + size > PAGE_BYTES {
            pages.push(rows);
            rows = 0;
            bytes = 0;
        }
        rows += 1;
        bytes += size;
    }
    pages.extend((rows > 0).then_some(rows));
    pages
}

async fn delete_expired<P: Platform>(ports: &Ports<P>, today: Day) -> Result<(), PortError> {
    let store = ports.backups();
    let kept: Vec<_> = today.kept(KEEP_DAYS, KEEP_WEEKS).into_iter().map(Day::folder).collect();
    for folder in store.folders(day::ROOT).await? {
        if folder >= today.folder() || kept.contains(&folder) {
            continue;
        }
        // A listing returns a limited number of objects. The next day's backup deletes the others.
        let objects = store.objects(&folder).await?;
        store.delete(objects).await?;
    }
    Ok(())
}

/// The number of rows and the digest of a table as it is now, as a backup would record them.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TableState {
    /// The name of the table.
    pub name: &'static str,
    /// The number of rows.
    pub rows: u64,
    /// The digest of all rows, in the order of their keys.
    pub digest: Digest,
}

/// Computes the state of every table by reading it row by row.
///
/// # Errors
/// [`PortError`].
pub async fn tables<D: Database>(database: &D) -> Result<Vec<TableState>, PortError> {
    let mut states = Vec::new();
    for table in TABLES {
        states.push(state(database, table).await?);
    }
    Ok(states)
}

async fn state<D: Database>(database: &D, table: &Table) -> Result<TableState, PortError> {
    let mut state = TableState { name: table.name, rows: 0, digest: Digest::default() };
    let meter = Meter::default();
    let database = MeteredDatabase::new(database, &meter);
    let mut after = None::<Vec<Value>>;
    loop {
        let sizes = table.sizes(database, after.as_deref(), SIZES_AT_ONCE).await?;
        for rows in pages(&sizes) {
            for row in table.rows(database, after.as_deref(), rows).await? {
                state.rows += 1;
                state.digest = state.digest.then(&line(&row));
                after = Some(table.key_of(&row));
            }
        }
        if sizes.len() < SIZES_AT_ONCE {
            return Ok(state);
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
