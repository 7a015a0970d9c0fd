//! Which scenarios a command works on.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::output;
use crate::{
    exit::Exit,
    plan::ScenarioPlan,
    scenario::{self, Diagnostic, Severity},
};

/// Finds, reads and plans the scenarios at `paths`, or at `default` if there are none. What is
/// wrong with any of them is said on stderr, all of it.
///
/// # Errors
/// How the command ends.
pub(super) fn select(paths: &[PathBuf], default: &str) -> Result<Vec<ScenarioPlan>, Exit> {
    let paths = if paths.is_empty() { vec![default_path(default)?] } else { paths.to_vec() };
    let files = scenario::discover(&paths)
        .map_err(|error| output::fail(error.exit(), &error.to_string()))?;
    let mut plans = Vec::new();
    let mut invalid = 0;
    for file in files {
        match load(&file)? {
            Some(plan) => plans.push(plan),
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
    refuse_namesakes(&plans)?;
    Ok(plans)
}

/// The folder of the repository that we are in.
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

/// The plan of a file, or `None` when it is invalid.
fn load(path: &Path) -> Result<Option<ScenarioPlan>, Exit> {
    let bytes =
        scenario::read(path).map_err(|error| output::fail(error.exit(), &error.to_string()))?;
    let name = path.display().to_string();
    let show = |diagnostics: &[Diagnostic]| {
        let text = String::from_utf8_lossy(&bytes);
        output::say(&scenario::render(diagnostics, &name, &text, output::color_on_stderr()));
    };
    match scenario::load(&name, &bytes) {
        Ok((plan, warnings)) => {
            debug_assert!(warnings.iter().all(|warning| warning.severity == Severity::Warning));
            if !warnings.is_empty() {
                show(&warnings);
            }
            Ok(Some(plan))
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
