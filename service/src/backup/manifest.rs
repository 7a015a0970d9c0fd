//! Defines the manifest, which lists the contents of a backup.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Day, Digest, schema};
use crate::domain::Millis;
use crate::store::{NOT_INCLUDED, Table};

/// The name of the manifest in its folder.
pub const MANIFEST: &str = "manifest.json";
/// The version of this format.
const FORMAT: u32 = 1;

/// A text that is not a manifest of this version.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The text is not JSON, or lacks a member.
    #[error(transparent)]
    Malformed(#[from] serde_json::Error),
    /// The manifest has another version.
    #[error("format {0}, where this program knows {FORMAT}")]
    Format(u32),
}

/// The manifest of a backup, complete or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this format.
    pub format: u32,
    /// The day, such as `2026-11-22`.
    pub day: String,
    /// The latest migration of the code that made it.
    pub schema: String,
    /// The time at which the first slice was due.
    pub started_at: Millis,
    /// The time at which the last slice was due; null while the backup is not complete.
    pub finished_at: Option<Millis>,
    /// The tables that have been begun.
    pub tables: Vec<TableBackup>,
    /// The stores of the deployment that are not part of the backup, with the reasons.
    pub not_included: BTreeMap<String, String>,
}

/// The part of a backup that holds one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableBackup {
    /// The name of the table.
    pub name: String,
    /// The columns of its primary key.
    pub key: Vec<String>,
    /// The number of rows so far.
    pub rows: u64,
    /// The digest of these rows, in the order of their keys.
    pub digest: Digest,
    /// True if these are all rows.
    pub done: bool,
    /// The key of the last row so far.
    pub after: Option<Vec<Value>>,
    /// The objects that hold the rows.
    pub chunks: Vec<Chunk>,
}

/// An object that holds rows of one table, with a line of JSON for each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// The key of the object in the bucket.
    pub object: String,
    /// The number of rows.
    pub rows: u64,
    /// The number of bytes.
    pub bytes: u64,
    /// The SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
}

/// Lists the stores that no backup holds, by name and with the reason: each binding of the Worker that
/// stores something, except the database and the bucket of the backups; and the secrets.
pub fn not_included() -> BTreeMap<String, String> {
    let stores = [
        ("CACHE", "the cache can be empty"),
        ("SESSIONS", "sessions: people sign in again"),
        (
            "OAUTH",
            "connections and the tokens of Google and Notion, encrypted with a secret that is nowhere \
             else: people connect again",
        ),
        ("AI_MISSES", "questions to models that are under way: they are asked again"),
        ("VECTORDB", "vectors for search: restoring the workflows has them all made again"),
        ("ANALYTICS", "events for analysis: Cloudflare keeps them, three months"),
        (
            "WORKFLOW_EXECUTOR",
            "unfinished runs: after a restore the sweep starts them again from their first step, \
             with the same keys for the same effects; finished runs are in the database",
        ),
        ("secrets", "never written anywhere: set them again, see scripts/provision"),
    ];
    let named = |(name, why): &(&str, &str)| ((*name).to_owned(), (*why).to_owned());
    stores.iter().chain(NOT_INCLUDED).map(named).collect()
}

impl Manifest {
    /// Makes the manifest of a backup that is about to begin.
    pub(super) fn new(day: Day, started_at: Millis) -> Self {
        Self {
            format: FORMAT,
            day: day.name(),
            schema: schema().to_owned(),
            started_at,
            finished_at: None,
            tables: Vec::new(),
            not_included: not_included(),
        }
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// [`ManifestError`] when the bytes are not a manifest of this format.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let manifest: Self = serde_json::from_slice(bytes)?;
        if manifest.format == FORMAT {
            Ok(manifest)
        } else {
            Err(ManifestError::Format(manifest.format))
        }
    }

    pub(super) fn to_json(&self) -> String {
        // A manifest has texts and numbers only, so that this cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Takes out the part of a table, to be put back when it has grown.
    pub(super) fn take(&mut self, table: &Table) -> TableBackup {
        match self.tables.iter().position(|backup| backup.name == table.name) {
            Some(index) => self.tables.remove(index),
            None => TableBackup {
                name: table.name.to_owned(),
                key: table.key.iter().map(|column| (*column).to_owned()).collect(),
                rows: 0,
                digest: Digest::default(),
                done: false,
                after: None,
                chunks: Vec::new(),
            },
        }
    }

    /// Returns a line for the log.
    pub(super) fn summary(&self) -> String {
        let rows: u64 = self.tables.iter().map(|table| table.rows).sum();
        let chunks = self.tables.iter().flat_map(|table| &table.chunks);
        let bytes: u64 = chunks.map(|chunk| chunk.bytes).sum();
        json!({"backup": self.day, "rows": rows, "bytes": bytes}).to_string()
    }
}
