//! Selects the scenarios that a command works on.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{filter::Filter, output};
use crate::{
    exit::Exit,
    language::{self, Diagnostic, Severity},
    plan::{self, ScenarioPlan},
};

/// Holds the scenarios that a command works on.
pub(super) struct Selected {
    pub(super) plans: Vec<ScenarioPlan>,
    /// Warnings that were said.
    pub(super) warnings: usize,
}

/// Finds, reads and plans the scenarios that `arguments` name: files, folders and filters; filters
/// alone choose among all scenarios, and nothing means `default`. What is wrong with any of them is
/// said on stderr, all of it.
///
/// # Errors
/// The exit code of the command.
pub(super) fn select(arguments: &[String], default: &str) -> Result<Vec<ScenarioPlan>, Exit> {
    select_and_warn(arguments, default).map(|selected| selected.plans)
}

/// Does the same as [`select`], and prints the warnings.
///
/// # Errors
/// The exit code of the command.
pub(super) fn select_and_warn(arguments: &[String], default: &str) -> Result<Selected, Exit> {
    let is_filter = |text: &&String| Filter::is_meant(text) && !Path::new(text).exists();
    let (filters, paths): (Vec<_>, Vec<_>) = arguments.iter().partition(is_filter);
    let filters: Vec<_> = filters
        .into_iter()
        .map(|text| {
            Filter::parse(text).map_err(|e| output::fail(Exit::Usage, &format!("{text}: {e}")))
        })
        .collect::<Result<_, _>>()?;
    let mut paths: Vec<_> = paths.into_iter().map(PathBuf::from).collect();
    if paths.is_empty() {
        paths.push(default_path(if filters.is_empty() { default } else { EVERYTHING })?);
    }
    let mut selected = load_all(&paths)?;
    let found = selected.plans.len();
    selected.plans.retain(|plan| filters.iter().all(|filter| filter.matches(plan)));
    if selected.plans.is_empty() {
        let message = format!("none of {found} scenarios is as the filter says");
        return Err(output::fail(Exit::NothingSelected, &message));
    }
    Ok(selected)
}

/// The folder from which filters choose when no path is named.
const EVERYTHING: &str = "scenarios";

fn load_all(paths: &[PathBuf]) -> Result<Selected, Exit> {
    let files = language::discover(paths)
        .map_err(|error| output::fail(Exit::from(&error), &error.to_string()))?;
    let mut selected = Selected { plans: Vec::new(), warnings: 0 };
    let mut invalid = 0;
    for file in files {
        match load(&file)? {
            Some((plan, warnings)) => {
                selected.plans.push(plan);
                selected.warnings += warnings;
            }
            None => invalid += 1,
        }
    }
    if invalid > 0 {
        let noun = if invalid == 1 { "scenario is" } else { "scenarios are" };
        return Err(output::fail(
            Exit::Scenario,
            &format!("{invalid} {noun} invalid; nothing was sent"),
        ));
    }
    refuse_namesakes(&selected.plans)?;
    Ok(selected)
}

/// Returns the folder of the repository that we are in.
fn default_path(default: &str) -> Result<PathBuf, Exit> {
    let current = std::env::current_dir().unwrap_or_default();
    let found = current.ancestors().map(|folder| folder.join(default)).find(|path| path.is_dir());
    let path = found.ok_or_else(|| {
        let message =
            format!("no folder `{default}` here or above; name scenario files or folders");
        output::fail(Exit::Usage, &message)
    })?;
    // As short as it can be written: it stands in every message.
    Ok(path.strip_prefix(&current).map(PathBuf::from).unwrap_or(path))
}

fn load(path: &Path) -> Result<Option<(ScenarioPlan, usize)>, Exit> {
    let bytes = language::read(path)
        .map_err(|error| output::fail(Exit::from(&error), &error.to_string()))?;
    let name = path.display().to_string();
    let show = |diagnostics: &[Diagnostic]| {
        let text = String::from_utf8_lossy(&bytes);
        output::say(&language::render(diagnostics, &name, &text, output::color_on_stderr()));
    };
    match plan::load(&name, &bytes, &workway_lab::catalog()) {
        Ok((plan, warnings)) => {
            debug_assert!(warnings.iter().all(|warning| warning.severity == Severity::Warning));
            if !warnings.is_empty() {
                show(&warnings);
            }
            Ok(Some((plan, warnings.len())))
        }
        Err(errors) => {
            show(&errors);
            Ok(None)
        }
    }
}

/// Reports and baselines find a scenario by its name.
fn refuse_namesakes(plans: &[ScenarioPlan]) -> Result<(), Exit> {
    let mut files = BTreeMap::new();
    for plan in plans {
        if let Some(first) = files.insert(&plan.name, &plan.file) {
            let message = format!(
                "{}: the scenario name `{}` is taken by {first}; names are unique in a run",
                plan.file, plan.name
            );
            return Err(output::fail(Exit::Scenario, &message));
        }
    }
    Ok(())
}
