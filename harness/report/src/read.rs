//! Reports that were written before.

use std::path::{Path, PathBuf};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::model::files::{self, MAX_REPORT_BYTES};

use super::{
    DetectionMatrix, GATE_SCHEMA_VERSION, GateReport, MATRIX_SCHEMA_VERSION, Rendered, RunReport,
    SCHEMA_VERSION,
};

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
    /// The operations of a step do not add up: somebody changed the file.
    #[error(
        "{path}: step `{step}` of {scenario} does not add up: scheduled must be ok + failed + dropped + \
         unfinished",
        path = .path.display()
    )]
    Unbalanced {
        /// The file.
        path: PathBuf,
        /// The scenario.
        scenario: String,
        /// The step.
        step: String,
    },
    /// A report of another command.
    #[error("{path} is a {what}, not a run", path = .path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A report of an earlier version, in which facts were sentences.
    #[error(
        "{path} has schema version {found}, this program reads {known}; run it again, or use the \
         program that wrote it",
        path = .path.display()
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The one that is known.
        known: u32,
    },
    /// A report of a later version.
    #[error(
        "{path} has schema version {found}, this program reads {known}; use a newer one",
        path = .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The latest that is known.
        known: u32,
    },
}

/// A report of any command.
#[derive(Clone, Debug, PartialEq)]
pub enum Written {
    /// Of `workway run` and `workway merge`.
    Run(Box<RunReport>),
    /// Of `workway gate`.
    Gate(Box<GateReport>),
    /// Of `workway lab prove`.
    Matrix(Box<DetectionMatrix>),
}

/// Reads a report of a run: a file, or the folder that it is in.
///
/// # Errors
/// [`ReadError`].
pub fn read_run(path: &Path) -> Result<RunReport, ReadError> {
    match read(path)? {
        Written::Run(run) => Ok(*run),
        Written::Gate(_) => Err(ReadError::Other { path: path.to_owned(), what: GateReport::WHAT }),
        Written::Matrix(_) => {
            Err(ReadError::Other { path: path.to_owned(), what: DetectionMatrix::WHAT })
        }
    }
}

/// Reads a report of any command: a file, or the folder that it is in; of a folder with several, a
/// run before a gate before a matrix.
///
/// # Errors
/// [`ReadError`].
pub fn read(path: &Path) -> Result<Written, ReadError> {
    let path = if path.is_dir() { within(path) } else { path.to_owned() };
    let bytes = files::read(&path, MAX_REPORT_BYTES);
    let bytes = bytes.map_err(|error| ReadError::Io { path: path.clone(), error })?;
    let format = |error| ReadError::Format { path: path.clone(), error };
    let value: Value = serde_json::from_slice(&bytes).map_err(format)?;
    // A field that only that report has.
    Ok(if value.get("findings").is_some() {
        Written::Gate(of_version(&path, value, GATE_SCHEMA_VERSION)?)
    } else if value.get("defects").is_some() {
        Written::Matrix(of_version(&path, value, MATRIX_SCHEMA_VERSION)?)
    } else {
        let run = of_version(&path, value, SCHEMA_VERSION)?;
        balanced(&run, &path)?;
        Written::Run(run)
    })
}

/// Checks that every operation of a run is accounted for.
fn balanced(run: &RunReport, path: &Path) -> Result<(), ReadError> {
    for scenario in &run.scenarios {
        let mut steps = scenario.steps.iter().chain(&scenario.total);
        if let Some(step) = steps.find(|step| !step.is_balanced()) {
            let (scenario, step) = (scenario.name.clone(), step.name.clone());
            return Err(ReadError::Unbalanced { path: path.to_owned(), scenario, step });
        }
    }
    Ok(())
}

/// The report in a folder; that of a run if there is none, so that an error names it.
fn within(folder: &Path) -> PathBuf {
    let names = [RunReport::json_file(), GateReport::json_file(), DetectionMatrix::json_file()];
    let mut files = names.into_iter().map(|name| folder.join(name));
    files.find(|file| file.exists()).unwrap_or_else(|| folder.join(RunReport::json_file()))
}

fn of_version<T: DeserializeOwned>(
    path: &Path,
    value: Value,
    known: u32,
) -> Result<Box<T>, ReadError> {
    #[derive(Deserialize)]
    struct Version {
        schema_version: u32,
    }
    let format = |error| ReadError::Format { path: path.to_owned(), error };
    let Version { schema_version: found } = Version::deserialize(&value).map_err(format)?;
    if found > known {
        return Err(ReadError::Newer { path: path.to_owned(), found, known });
    }
    if found < known {
        return Err(ReadError::Older { path: path.to_owned(), found, known });
    }
    serde_json::from_value(value).map(Box::new).map_err(format)
}
