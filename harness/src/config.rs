//! Reads `workway.toml`, the settings of a project, from the current folder or one around it.

use std::{
    env, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{
    model::files::{self, MAX_SETTINGS_BYTES},
    target::{BadTarget, TargetSpec},
};

/// The name of the file.
const FILE: &str = "workway.toml";
/// The variable that names a target, in place of the one in the file.
pub const TARGET_VARIABLE: &str = "WORKWAY_TARGET";

/// The settings of a project.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The target where nobody names one.
    target: Option<String>,
}

/// Says why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: io::Error,
    },
    /// The file is not TOML, or has other settings.
    #[error("{}:\n{error}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The reason, with its line and column.
        error: toml::de::Error,
    },
    /// The target is none.
    #[error("{place}: {error}")]
    Target {
        /// The file or the variable that names the target.
        place: String,
        /// The reason.
        error: BadTarget,
    },
    /// The variable is set, and to no text.
    #[error("${TARGET_VARIABLE} is not UTF-8: set it to a URL or to another target")]
    NotText,
    /// Nobody names a target.
    #[error(
        "no target: name what to test with --target URL, with ${TARGET_VARIABLE}, or with \
         `target = \"URL\"` in a file {FILE} in this folder or one around it"
    )]
    NoTarget,
}

/// Returns the target where the command line names none: that of the environment, or that of the nearest
/// `workway.toml`.
///
/// # Errors
/// [`ConfigError`].
pub fn target() -> Result<TargetSpec, ConfigError> {
    let Named { text, place } = named_target()?;
    TargetSpec::parse(&text).map_err(|error| ConfigError::Target { place, error })
}

/// A target as the environment or a file names it.
pub(crate) struct Named {
    /// The name, which has not been read yet.
    pub(crate) text: String,
    place: String,
}

/// Returns the name of the target where the command line has none.
///
/// # Errors
/// [`ConfigError`].
pub(crate) fn named_target() -> Result<Named, ConfigError> {
    match env::var(TARGET_VARIABLE) {
        Ok(text) if !text.is_empty() => {
            return Ok(Named { text, place: format!("${TARGET_VARIABLE}") });
        }
        Err(env::VarError::NotUnicode(_)) => return Err(ConfigError::NotText),
        _ => {}
    }
    match nearest(&env::current_dir().unwrap_or_default())? {
        Some((path, Config { target: Some(text) })) => {
            Ok(Named { text, place: path.display().to_string() })
        }
        _ => Err(ConfigError::NoTarget),
    }
}

/// Reads the file in a folder or in the nearest folder around it that has one.
fn nearest(folder: &Path) -> Result<Option<(PathBuf, Config)>, ConfigError> {
    let Some(path) = folder.ancestors().map(|around| around.join(FILE)).find(|path| path.exists())
    else {
        return Ok(None);
    };
    match files::read_text(&path, MAX_SETTINGS_BYTES) {
        Ok(text) => match toml::from_str(&text) {
            Ok(config) => Ok(Some((path, config))),
            Err(error) => Err(ConfigError::Malformed { path, error }),
        },
        Err(error) => Err(ConfigError::Unreadable { path, error }),
    }
}
