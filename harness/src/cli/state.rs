//! What commands keep between calls: calibrations of this machine.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    gate::Calibration,
    host::Host,
    report::{self, WriteError},
};

/// Version of the format.
pub(super) const CALIBRATION_SCHEMA_VERSION: u32 = 1;

/// A calibration with what it holds for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Saved {
    /// [`CALIBRATION_SCHEMA_VERSION`].
    pub(super) schema_version: u32,
    /// When it was made, RFC 3339.
    pub(super) made_at: String,
    /// The machine.
    pub(super) host: Host,
    /// The scenario.
    pub(super) scenario: String,
    /// A hash of its file.
    pub(super) config: Option<String>,
    /// Seconds of a window.
    pub(super) window_s: f64,
    /// What was found.
    pub(super) calibration: Calibration,
}

impl Saved {
    /// The calibration for this scenario on this machine, if there is one.
    pub(super) fn load(host: &Host, config: Option<&str>) -> Option<Self> {
        let bytes = fs::read(folder()?.join(name(host, config))).ok()?;
        let saved: Self = serde_json::from_slice(&bytes).ok()?;
        let fits = saved.schema_version == CALIBRATION_SCHEMA_VERSION
            && saved.host.is_same(host)
            && saved.config.as_deref() == config;
        fits.then_some(saved)
    }

    /// Keeps it, in place of an older one. `None` when there is no place to keep it.
    pub(super) fn save(&self) -> Option<Result<PathBuf, WriteError>> {
        let json = serde_json::to_vec_pretty(self).ok()?;
        Some(report::write(&folder()?, &name(&self.host, self.config.as_deref()), &json))
    }
}

fn name(host: &Host, config: Option<&str>) -> String {
    format!("calibration-{}-{}.json", host.machine, config.unwrap_or("none"))
}

/// As the XDG base directory specification has it: state is what outlives a run and is not worth a
/// backup.
fn folder() -> Option<PathBuf> {
    let absolute =
        |name| env::var_os(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
    let state = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(Path::new(".local/state"))));
    state.map(|state| state.join("workway"))
}
