//! Vectorize's stand-in: vectors in SQLite, all of a reader's looked at for each query.

use std::path::Path;

use rusqlite::{Connection, params};

use super::{
    counted,
    sqlite::{Sqlite, unavailable},
};
use crate::domain::ai::DIMENSIONS;
use crate::ports::{
    Match, Meter, Metered, PortError, PortResult, Usage, Vector, VectorIndex, one_queried,
    one_written,
};

const SCHEMA: &[&str] = &["CREATE TABLE vectors (
  id TEXT PRIMARY KEY,
  readers TEXT NOT NULL,
  dimensions BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_vectors_readers ON vectors (readers)"];

/// The most vectors: a query looks at all that its reader may see, which takes some 20 ms here.
pub const MAX_VECTORS: i64 = 10_000;

/// An index in a file.
#[derive(Clone, Debug)]
pub struct SqliteVectors {
    vectors: Sqlite,
    total: Meter,
    limit: i64,
}

impl SqliteVectors {
    /// Opens, or makes, an index.
    ///
    /// # Errors
    /// [`PortError`].
    pub fn open(path: &Path) -> Result<Self, PortError> {
        Self::holding(path, MAX_VECTORS)
    }

    fn holding(path: &Path, limit: i64) -> Result<Self, PortError> {
        Ok(Self { vectors: Sqlite::open(path, SCHEMA)?, total: Meter::default(), limit })
    }

    /// Returns the thread of the database.
    pub(super) fn sqlite(&self) -> &Sqlite {
        &self.vectors
    }

    /// Returns what all calls used.
    pub(super) fn usage(&self) -> Usage {
        self.total.usage()
    }
}

impl VectorIndex for SqliteVectors {
    async fn upsert(&self, vector: Vector) -> PortResult<()> {
        let limit = self.limit;
        let written = self.vectors.run(move |connection| upsert(connection, &vector, limit)).await;
        counted(&self.total, written.map(|()| Metered { value: (), usage: one_written() }))
    }

    async fn delete(&self, id: &str) -> PortResult<()> {
        let id = id.to_owned();
        let deleted = self.vectors.run(move |connection| {
            connection
                .execute("DELETE FROM vectors WHERE id = ?1", params![id])
                .map_err(|error| unavailable(&error))
        });
        counted(&self.total, deleted.await.map(|_| Metered::free(())))
    }

    async fn query(
        &self,
        values: Vec<f32>,
        readers: Vec<String>,
        limit: usize,
    ) -> PortResult<Vec<Match>> {
        check(&values)?;
        let found = self.vectors.run(move |connection| {
            nearest(connection, &values, &readers, limit).map_err(|error| unavailable(&error))
        });
        let found = found.await;
        counted(&self.total, found.map(|value| Metered { value, usage: one_queried() }))
    }
}

fn check(values: &[f32]) -> Result<(), PortError> {
    if values.len() == DIMENSIONS && values.iter().all(|value| value.is_finite()) {
        return Ok(());
    }
    Err(PortError::unavailable("vectors", format!("a vector has {DIMENSIONS} finite dimensions")))
}

fn upsert(connection: &Connection, vector: &Vector, limit: i64) -> Result<(), PortError> {
    check(&vector.values)?;
    let dimensions: Vec<u8> = vector.values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let known = "EXISTS (SELECT 1 FROM vectors WHERE id = ?1)";
    let sql = format!(
        "INSERT INTO vectors SELECT ?1, ?2, ?3 \
         WHERE {known} OR (SELECT count(*) FROM vectors) < ?4 \
         ON CONFLICT (id) DO UPDATE SET readers = ?2, dimensions = ?3"
    );
    let written = connection.execute(&sql, params![vector.id, vector.readers, dimensions, limit]);
    match written.map_err(|error| unavailable(&error))? {
        0 => Err(PortError::unavailable("vectors", format!("the index is full, at {limit}"))),
        _ => Ok(()),
    }
}

fn nearest(
    connection: &Connection,
    query: &[f32],
    readers: &[String],
    limit: usize,
) -> rusqlite::Result<Vec<Match>> {
    let mut statement =
        connection.prepare_cached("SELECT id, dimensions FROM vectors WHERE readers = ?1")?;
    let mut matches = Vec::new();
    for reader in readers {
        let mut rows = statement.query(params![reader])?;
        while let Some(row) = rows.next()? {
            let dimensions: Vec<u8> = row.get(1)?;
            let score = cosine(query, &dimensions);
            matches.push(Match { id: row.get(0)?, score });
        }
    }
    // By identifier where the scores are equal, so that the order is the same each time.
    matches.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.id.cmp(&b.id)));
    matches.truncate(limit);
    Ok(matches)
}

/// Returns the cosine of a vector and one that is stored; 0 where either has no length.
fn cosine(query: &[f32], stored: &[u8]) -> f64 {
    let (mut dot, mut of_query, mut of_stored) = (0.0, 0.0, 0.0);
    for (a, b) in query.iter().zip(stored.as_chunks::<4>().0) {
        let (a, b) = (f64::from(*a), f64::from(f32::from_le_bytes(*b)));
        dot += a * b;
        of_query += a * a;
        of_stored += b * b;
    }
    let length = (of_query * of_stored).sqrt();
    if length > 0.0 { dot / length } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(id: &str, readers: &str, direction: usize) -> Vector {
        let mut values = vec![0.0; DIMENSIONS];
        values[0] = 1.0;
        values[direction] = 1.0;
        Vector { id: id.into(), values, readers: readers.into() }
    }

    async fn found(index: &SqliteVectors, readers: &[&str], limit: usize) -> Vec<String> {
        let readers = readers.iter().map(ToString::to_string).collect();
        let query = vector("", "", 0).values;
        let found = index.query(query, readers, limit).await.unwrap();
        assert_eq!(found.usage, one_queried());
        found.value.into_iter().map(|found| found.id).collect()
    }

    #[tokio::test]
    async fn the_nearest_of_ones_readers_come_first() {
        let directory = tempfile::tempdir().unwrap();
        let index = SqliteVectors::open(&directory.path().join("v")).unwrap();
        for (id, readers, direction) in
            [("far", "ann", 1), ("near", "everyone", 0), ("foreign", "bob", 0)]
        {
            let written = index.upsert(vector(id, readers, direction)).await.unwrap();
            assert_eq!(written.usage, one_written());
        }
        assert_eq!(found(&index, &["everyone", "ann"], 9).await, ["near", "far"]);
        assert_eq!(found(&index, &["everyone", "ann"], 1).await, ["near"]);
        index.upsert(vector("near", "bob", 0)).await.unwrap();
        index.delete("far").await.unwrap();
        index.delete("never there").await.unwrap();
        assert_eq!(found(&index, &["everyone", "ann"], 9).await, [""; 0]);
        let short = Vector { values: vec![1.0; DIMENSIONS - 1], ..vector("x", "ann", 0) };
        assert!(index.upsert(short).await.is_err());
        assert!(index.query(vec![f32::NAN; DIMENSIONS], vec![], 1).await.is_err());
    }

    #[tokio::test]
    async fn an_index_that_is_full_still_changes_what_it_has() {
        let directory = tempfile::tempdir().unwrap();
        let index = SqliteVectors::holding(&directory.path().join("v"), 2).unwrap();
        for id in ["a", "b", "a"] {
            index.upsert(vector(id, "ann", 0)).await.unwrap();
        }
        let error = index.upsert(vector("c", "ann", 0)).await.unwrap_err();
        assert!(error.to_string().contains("full, at 2"), "{error}");
    }
}
