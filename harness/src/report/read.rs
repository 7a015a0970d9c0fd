//! Reports that were written before.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{RunReport, SCHEMA_VERSION};

/// A report that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not there, or not readable.
    #[error("{path}: {error}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Not a report.
    #[error("{path} is no report of `workway run --out`: {error}", path = .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Where it goes wrong.
        error: serde_json::Error,
    },
    /// A report of a later version.
    #[error(
        "{path} has schema version {found}, this program reads up to {SCHEMA_VERSION}; use a newer \
         one",
        path = .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
}

/// Reads a report: a file, or the folder that it is in. Older versions are read, too.
///
/// # Errors
/// [`ReadError`].
pub fn read_run(path: &Path) -> Result<RunReport, ReadError> {
    #[derive(serde::Deserialize)]
    struct Version {
        schema_version: u32,
    }
    let path = if path.is_dir() { path.join("report.json") } else { path.to_owned() };
    let bytes = fs::read(&path).map_err(|error| ReadError::Io { path: path.clone(), error })?;
    let format = |error| ReadError::Format { path: path.clone(), error };
    let Version { schema_version: found } = serde_json::from_slice(&bytes).map_err(format)?;
    if found > SCHEMA_VERSION {
        return Err(ReadError::Newer { path, found });
    }
    serde_json::from_slice(&bytes).map_err(format)
}
