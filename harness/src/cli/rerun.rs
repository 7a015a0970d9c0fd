//! `--rerun-failed`: what an earlier report says went wrong.

use std::{collections::BTreeSet, fs, path::Path};

use super::output;
use crate::{exit::Exit, judge::Verdict, report::RunReport};

/// The scenarios that did not pass.
pub(super) struct Failed {
    names: BTreeSet<String>,
    /// Their files.
    pub(super) files: Vec<String>,
}

impl Failed {
    /// Reads the scenarios to run again from a report: the file, or the folder that it was written
    /// into.
    ///
    /// # Errors
    /// The exit code of the command.
    pub(super) fn read(path: &Path) -> Result<Self, Exit> {
        let file = if path.is_dir() { path.join("report.json") } else { path.to_owned() };
        let usage = |problem: String| {
            output::fail(Exit::Usage, &format!("--rerun-failed {}: {problem}", file.display()))
        };
        let bytes = fs::read(&file).map_err(|error| usage(error.to_string()))?;
        let report: RunReport = serde_json::from_slice(&bytes)
            .map_err(|error| usage(format!("not a report of `workway run`: {error}")))?;
        let failed = report
            .scenarios
            .into_iter()
            .filter(|scenario| !matches!(scenario.verdict, Verdict::Pass | Verdict::NotApplicable));
        let (names, files): (BTreeSet<_>, BTreeSet<_>) =
            failed.map(|scenario| (scenario.name, scenario.file)).unzip();
        if names.is_empty() {
            let message = format!("{}: nothing failed there", file.display());
            return Err(output::fail(Exit::NothingSelected, &message));
        }
        Ok(Self { names, files: files.into_iter().collect() })
    }

    /// Returns whether this scenario is one of them.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}
