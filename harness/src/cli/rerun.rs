//! `--rerun-failed`: what an earlier report says went wrong.

use std::{collections::BTreeSet, fmt::Display, path::Path};

use super::output;
use crate::{exit::Exit, judge::Verdict, model::TargetKind, report, target::TargetSpec};

/// The scenarios that did not pass.
pub(super) struct Failed {
    names: BTreeSet<String>,
    /// Their files.
    pub(super) files: Vec<String>,
    /// The target that they failed against.
    pub(super) target: TargetSpec,
}

impl Failed {
    /// Reads the scenarios to run again from a report: the file, or the folder that it was written
    /// into.
    ///
    /// # Errors
    /// The exit code of the command.
    pub(super) fn read(path: &Path) -> Result<Self, Exit> {
        let usage = |problem: &dyn Display| {
            output::fail(Exit::Usage, &format!("--rerun-failed: {problem}"))
        };
        let report = report::read_run(path).map_err(|error| usage(&error))?;
        let target = match report.target_kind {
            TargetKind::Embedded => TargetSpec::Embedded,
            TargetKind::Wrangler => TargetSpec::Wrangler,
            TargetKind::Url => TargetSpec::parse(&report.target)
                .map_err(|error| usage(&format!("the target of {}: {error}", path.display())))?,
        };
        let failed = report
            .scenarios
            .into_iter()
            .filter(|scenario| !matches!(scenario.verdict, Verdict::Pass | Verdict::NotApplicable));
        let (names, files): (BTreeSet<_>, BTreeSet<_>) =
            failed.map(|scenario| (scenario.name, scenario.file)).unzip();
        if names.is_empty() {
            let message = format!("{}: nothing failed there", path.display());
            return Err(output::fail(Exit::NothingSelected, &message));
        }
        Ok(Self { names, files: files.into_iter().collect(), target })
    }

    /// Returns whether this scenario is one of them.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}
