//! What a backup holds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Day, Digest, schema};
use crate::domain::Millis;
use crate::store::{NOT_INCLUDED, Table};

/// The manifest's name in its folder.
pub const MANIFEST: &str = "manifest.json";
/// The version of this format.
const FORMAT: u32 = 1;

/// A backup, complete or on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this format.
    pub format: u32,
    /// `2026-11-22`.
    pub day: String,
    /// The latest migration of the code that made it.
    pub schema: String,
    /// When the first slice was due.
    pub started_at: Millis,
    /// When the last one was; absent while it is not complete.
    pub finished_at: Option<Millis>,
    /// Its tables, as far as they have been begun.
    pub tables: Vec<TableBackup>,
    /// What the deployment has besides, and why it is not here.
    pub not_included: BTreeMap<String, String>,
}

/// One table of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableBackup {
    /// The table.
    pub name: String,
    /// The columns of its primary key.
    pub key: Vec<String>,
    /// How many rows are here.
    pub rows: u64,
    /// Of these rows, in the order of their keys.
    pub digest: Digest,
    /// Whether these are all.
    pub done: bool,
    /// The key of the last row here.
    pub after: Option<Vec<Value>>,
    /// Where the rows are.
    pub chunks: Vec<Chunk>,
}

/// An object with rows of one table, a line of JSON each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Its key in the bucket.
    pub object: String,
    /// How many rows.
    pub rows: u64,
    /// How long.
    pub bytes: u64,
    /// Of its bytes.
    pub sha256: String,
}

/// What no backup holds, by name, and why: each binding of the Worker that keeps something, but for the
/// database and the bucket with the backups; and the secrets.
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
    /// A backup that is about to begin.
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

    /// Reads one.
    ///
    /// # Errors
    /// When it is not a manifest of this format.
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let manifest: Self = serde_json::from_slice(bytes)?;
        if manifest.format == FORMAT {
            return Ok(manifest);
        }
        let message = format!("format {}, where this program knows {FORMAT}", manifest.format);
        Err(serde::de::Error::custom(message))
    }

    pub(super) fn to_json(&self) -> String {
        // Of text and numbers: that cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Takes out a table as far as it got.
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

    /// A line for the log.
    pub(super) fn summary(&self) -> String {
        let rows: u64 = self.tables.iter().map(|table| table.rows).sum();
        let chunks = self.tables.iter().flat_map(|table| &table.chunks);
        let bytes: u64 = chunks.map(|chunk| chunk.bytes).sum();
        json!({"backup": self.day, "rows": rows, "bytes": bytes}).to_string()
    }
}
