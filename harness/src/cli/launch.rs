//! `workway launch`

use std::path::{Path, PathBuf};

use clap::Args;

use super::output::{self, Format};
use crate::{
    exit::Exit,
    launch::{Checklist, Commit, EvidenceError, PROOFS, State, checklist, html, load, prove, text},
    report::write,
    target::repository_with,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Run these proofs first; all of them without a name. Each is a command of this repository, and
    /// runs here; some take minutes.
    #[arg(long, value_name = "NAME", num_args = 0.., value_delimiter = ',')]
    prove: Option<Vec<String>>,
    /// Folder for the checklist as a page and as JSON.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What goes to stdout.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn launch(arguments: &Arguments) -> Exit {
    let Some(root) = repository_with("scenarios") else {
        let message = "no folder `scenarios` here or above: the checklist is about a repository";
        return output::fail(Exit::Usage, message);
    };
    let list = match judged(arguments, &root) {
        Ok(list) => list,
        Err(error @ EvidenceError::Write(_)) => {
            return output::fail(Exit::ReportNotWritten, &error.to_string());
        }
        Err(error) => return output::fail(Exit::Usage, &error.to_string()),
    };
    let json = match output::json(&list) {
        Ok(json) => json,
        Err(exit) => return exit,
    };
    if let Some(folder) = &arguments.out {
        for (name, bytes) in [("launch.html", &html(&list)), ("launch.json", &json)] {
            match write(folder, name, bytes.as_bytes()) {
                Ok(path) => output::say(&format!("written: {}", path.display())),
                Err(error) => return output::fail(Exit::ReportNotWritten, &error.to_string()),
            }
        }
    }
    let shown = if arguments.format == Format::Json { json } else { text(&list) };
    match output::result_or_fail(&shown) {
        Exit::Pass if list.count(State::Failed) > 0 => Exit::Conformance,
        // Nothing failed; that is not the same as ready.
        Exit::Pass if list.count(State::NotProvenHere) > 0 => Exit::Inconclusive,
        exit => exit,
    }
}

fn judged(arguments: &Arguments, root: &Path) -> Result<Checklist, EvidenceError> {
    let commit = Commit::of(root)?;
    if let Some(names) = &arguments.prove {
        let all = || PROOFS.iter().map(|proof| proof.name.to_owned()).collect();
        let names: Vec<String> = if names.is_empty() { all() } else { names.clone() };
        let program =
            std::env::current_exe().map_err(|error| EvidenceError::Run("workway", error))?;
        for name in &names {
            output::say(&format!("proving {name}"));
            let evidence = prove(root, &program, name)?;
            let how = match evidence {
                _ if evidence.succeeded() => "proven",
                _ if evidence.undecided() => "undecided",
                _ => "failed",
            };
            output::say(&format!("{how}: {}", evidence.figure));
        }
    }
    Ok(checklist(commit, &load(root)))
}
