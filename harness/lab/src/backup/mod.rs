//! Backups that the service wrote: whether they are whole, and how they become a database again.

mod export;
mod sql;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;
pub use sql::{MAX_STATEMENT_BYTES, Statements};
use workway_service::{
    backup::{
        Chunk, Digest, MANIFEST, Manifest, ManifestError, TableBackup, TableState, line, sha256,
        tables,
    },
    platform::native::SqliteDatabase,
    ports::PortError,
    store::TABLES,
};

/// A folder with the objects of one day: the manifest, and the chunks that it names.
#[derive(Debug)]
pub struct Backup {
    folder: PathBuf,
    /// The manifest, which lists the contents of the backup.
    pub manifest: Manifest,
}

/// A backup that is not one, or a database that is not what was backed up.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file of it.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The path of the file.
        path: PathBuf,
        /// The reason.
        error: io::Error,
    },
    /// The file is no manifest that this program understands.
    #[error("{} is no manifest of a backup: {error}", path.display())]
    Manifest {
        /// The path of the file.
        path: PathBuf,
        /// The error in the manifest.
        error: ManifestError,
    },
    /// The backup was never completed, or lost something since.
    #[error("the backup of {day} is not whole: {problem}")]
    Damaged {
        /// The day of the backup.
        day: String,
        /// The description of the error.
        problem: String,
    },
    /// A restore goes into an empty database only.
    #[error("the database is not empty: {table} has {rows} rows; restore into a new one")]
    NotEmpty {
        /// A table with rows.
        table: &'static str,
        /// The number of its rows.
        rows: u64,
    },
    /// The database holds something else than what was backed up.
    #[error("{table} differs from the backup: {problem}")]
    Differs {
        /// The table.
        table: String,
        /// The difference.
        problem: String,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] PortError),
}

impl Backup {
    /// Opens the backup in a folder. Its chunks lie beside the manifest, by the last part of their keys.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn open(folder: &Path) -> Result<Self, BackupError> {
        let path = folder.join(MANIFEST);
        let bytes = read(&path)?;
        let manifest =
            Manifest::parse(&bytes).map_err(|error| BackupError::Manifest { path, error })?;
        let backup = Self { folder: folder.to_owned(), manifest };
        if backup.manifest.finished_at.is_none() {
            return Err(backup.damaged("it was never completed; take another day's".to_owned()));
        }
        for table in &backup.manifest.tables {
            if !TABLES.iter().any(|known| known.name == table.name) {
                let problem = format!("this program knows no table {:?}", table.name);
                return Err(backup.damaged(problem));
            }
        }
        Ok(backup)
    }

    /// Returns the keys of its chunks in the bucket.
    pub fn objects(&self) -> impl Iterator<Item = &str> {
        let chunks = self.manifest.tables.iter().flat_map(|table| &table.chunks);
        chunks.map(|chunk| chunk.object.as_str())
    }

    /// Hands over every row, table by table, and checks on the way that all of it is as it was written.
    ///
    /// # Errors
    /// [`BackupError`]; also what `visit` returns.
    pub fn rows<E: From<BackupError>>(
        &self,
        mut visit: impl FnMut(&TableBackup, &Value) -> Result<(), E>,
    ) -> Result<(), E> {
        for table in &self.manifest.tables {
            let (mut rows, mut digest) = (0, Digest::default());
            for chunk in &table.chunks {
                for line in self.chunk(chunk)?.lines() {
                    let row = serde_json::from_str(line).map_err(|error| {
                        self.damaged(format!("a row of {}: {error}", chunk.object))
                    })?;
                    digest = digest.then(line);
                    rows += 1;
                    visit(table, &row)?;
                }
            }
            if (rows, &digest) != (table.rows, &table.digest) {
                let problem = format!("{} has {rows} rows of {}", table.name, table.rows);
                return Err(self.damaged(problem).into());
            }
        }
        Ok(())
    }

    /// Reads all of it.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn verify(&self) -> Result<(), BackupError> {
        self.rows(|_, _| Ok(()))
    }

    fn chunk(&self, chunk: &Chunk) -> Result<String, BackupError> {
        let name = chunk.object.rsplit('/').next().unwrap_or_default();
        if name.is_empty() || name == ".." {
            return Err(self.damaged(format!("{:?} is no name of a chunk", chunk.object)));
        }
        let bytes = read(&self.folder.join(name))?;
        let text = String::from_utf8(bytes).unwrap_or_default();
        if sha256(&text) == chunk.sha256 {
            Ok(text)
        } else {
            Err(self.damaged(format!("{name} is not what was written (SHA-256)")))
        }
    }

    fn damaged(&self, problem: String) -> BackupError {
        BackupError::Damaged { day: self.manifest.day.clone(), problem }
    }

    /// Restores it into a database that is empty, and compares what is there then.
    ///
    /// # Errors
    /// [`BackupError`].
    pub async fn restore(&self, database: &SqliteDatabase) -> Result<(), BackupError> {
        for table in tables(database).await? {
            if table.rows > 0 {
                return Err(BackupError::NotEmpty { table: table.name, rows: table.rows });
            }
        }
        let mut script = String::new();
        self.sql(&mut script)?;
        database.script(script).await?;
        self.compare(&tables(database).await?)
    }

    /// Checks that an export of a database holds what was backed up, as far as D1's exports tell.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn compare_export(&self, states: &[TableState]) -> Result<(), BackupError> {
        let mut digests = BTreeMap::<_, Digest>::new();
        self.rows(|table, row| {
            let digest = digests.entry(table.name.clone()).or_default();
            *digest = digest.then(&line(&export::as_exported(row)));
            Ok::<_, BackupError>(())
        })?;
        let mut exported = self.manifest.clone();
        for table in &mut exported.tables {
            table.digest = digests.remove(&table.name).unwrap_or_default();
        }
        Self { folder: self.folder.clone(), manifest: exported }.compare(states)
    }

    /// Checks that tables hold exactly what was backed up.
    ///
    /// # Errors
    /// [`BackupError::Differs`].
    pub fn compare(&self, states: &[TableState]) -> Result<(), BackupError> {
        for backup in &self.manifest.tables {
            let differs =
                |problem| Err(BackupError::Differs { table: backup.name.clone(), problem });
            let Some(state) = states.iter().find(|state| state.name == backup.name) else {
                return differs("it is missing".to_owned());
            };
            if state.rows != backup.rows {
                return differs(format!("{} rows, backed up were {}", state.rows, backup.rows));
            }
            if state.digest != backup.digest {
                return differs("as many rows, but not the same".to_owned());
            }
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, BackupError> {
    fs::read(path).map_err(|error| BackupError::Read { path: path.to_owned(), error })
}
