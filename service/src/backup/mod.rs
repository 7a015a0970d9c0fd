//! Backups of the database: once a day all its tables go to the bucket `BACKUPS`, a slice each
//! minute, until the day's manifest is complete.
//!
//! A day's folder, `d1/2026-11-22/`, holds chunks (a row of a table on each line, as JSON) and
//! `manifest.json`, which is written last in each slice: whatever dies in between, the next minute
//! goes on from the manifest. A backup is no snapshot: a row that is written while it runs may be
//! in it or not. For one instant there is D1's own Time Travel, thirty days back.

mod day;
mod digest;
mod manifest;

pub use day::Day;
pub use digest::{Digest, line, sha256};
pub use manifest::{Chunk, MANIFEST, Manifest, TableBackup, not_included};
use serde_json::Value;

use crate::domain::Millis;
use crate::ports::{Database, Meter, MeteredDatabase, Platform, PortError, Ports};
use crate::store::{MIGRATIONS, TABLES, Table};

/// Sizes asked for at once: a number for each row, so a thousand of them weigh nothing.
pub const SIZES_AT_ONCE: usize = 1000;
/// Text of the rows that are read at once, in bytes; a larger row is read alone. A row has at most
/// 2 MB (D1's limit) and exists about four times on its way (engine, JavaScript, wasm, chunk): far
/// below the 128 MB of an isolate.
pub const PAGE_BYTES: u64 = 1_000_000;
/// After these many bytes of chunks a slice ends: hashing and encoding them takes a fraction of the
/// CPU time that wrangler.toml grants an invocation.
pub const SLICE_BYTES: u64 = 4_000_000;
/// After these many pages a slice ends: each is two queries at most and one object, and an
/// invocation has a thousand of each.
pub const SLICE_PAGES: usize = 100;
/// Whose folder is not deleted yet, on the day of a backup: those of the last days,
pub const KEEP_DAYS: i64 = 14;
/// and of Sundays in the last weeks.
pub const KEEP_WEEKS: i64 = 8;

/// What a slice came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The day's backup was there already.
    Idle,
    /// It is not complete yet.
    Started,
    /// It is complete now.
    Finished,
}

/// Takes the backup of the day of `due` one slice further, and when that completes it, deletes the
/// backups that are no longer kept.
///
/// # Errors
/// [`PortError`]; the next call begins where the last complete slice ended.
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
    // After a migration the rows of earlier slices are not what the tables hold now.
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

/// The latest migration that this code knows.
pub fn schema() -> &'static str {
    MIGRATIONS.last().map_or("", |(name, _)| name)
}

fn unreadable(error: &serde_json::Error) -> PortError {
    PortError::unavailable("objects", format!("the manifest cannot be read: {error}"))
}

/// One minute's part of a backup.
struct Slice<'a, P> {
    ports: &'a Ports<P>,
    manifest: Manifest,
    day: Day,
    due: Millis,
    bytes: u64,
    pages: usize,
}

impl<P: Platform> Slice<'_, P> {
    /// Whether every table is done now.
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

    /// Writes a chunk of these rows.
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
        // The minute is part of the name: a slice that overlaps another overwrites nothing.
        let number = backup.chunks.len() + 1;
        let object = self.day.object(&format!("{}-{number:05}-{}.jsonl", table.name, self.due));
        let (rows, bytes) = (rows.len() as u64, text.len() as u64);
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

/// How many rows to read at once, one time after the other.
fn pages(sizes: &[u64]) -> Vec<usize> {
    let mut pages = Vec::new();
    let (mut rows, mut bytes) = (0, 0);
    for size in sizes {
        if rows > 0 && bytes + size > PAGE_BYTES {
            pages.push(rows);
            (rows, bytes) = (0, 0);
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
        // More than fit into one listing go with tomorrow's.
        let objects = store.objects(&folder).await?;
        store.delete(objects).await?;
    }
    Ok(())
}

/// A table as it is now: what a backup would say of it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TableState {
    /// The table.
    pub name: &'static str,
    /// How many rows it has.
    pub rows: u64,
    /// Of all its rows, in the order of their keys.
    pub digest: Digest,
}

/// Reads every table, row by row.
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
    let (meter, mut after) = (Meter::default(), None::<Vec<Value>>);
    let database = MeteredDatabase::new(database, &meter);
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
