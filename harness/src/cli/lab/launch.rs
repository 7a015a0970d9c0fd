//! `workway lab launch`

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::cli::output::{self, Format};
use crate::{
    exit::Exit,
    launch::{
        Checklist, Commit, EvidenceError, ImportError, PROOFS, State, attested, checklist, html,
        import, links, load, prove, text,
    },
    report::{WriteError, write},
    target::repository_with,
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Run these proofs first; all of them without a name. Each is a command of this repository, and
    /// runs here; some take minutes.
    #[arg(long, value_name = "NAME", num_args = 0.., value_delimiter = ',')]
    prove: Option<Vec<String>>,
    /// Take what a run against a deployment came to as evidence: the report of `workway run --out`, of
    /// this commit. It goes to `reports/launch`; commit that.
    #[arg(long, value_name = "REPORT")]
    evidence: Vec<PathBuf>,
    /// Folder for the checklist as a page and as JSON, with copies of the evidence.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Format of the result on stdout.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(in crate::cli) fn launch(arguments: &Arguments) -> Exit {
    let Some(root) = repository_with("scenarios") else {
        let message = "no folder `scenarios` here or above: the checklist is about a repository";
        return output::fail(Exit::Usage, message);
    };
    let list = match judged(arguments, &root) {
        Ok(list) => list,
        Err(error) => return output::fail(exit(&error), &error.to_string()),
    };
    let json = match output::json(&list) {
        Ok(json) => json,
        Err(exit) => return exit,
    };
    if let Some(folder) = &arguments.out
        && let Err(problem) = written(folder, &root, &list, &json)
    {
        return output::fail(Exit::ReportNotWritten, &problem.to_string());
    }
    let shown = if arguments.format == Format::Json { json } else { text(&list) };
    match output::result_or_fail(&shown) {
        Exit::Pass if list.count(State::Failed) > 0 => Exit::Conformance,
        // Nothing failed; that is not the same as ready.
        Exit::Pass if list.count(State::NotProvenHere) > 0 => Exit::Inconclusive,
        exit => exit,
    }
}

fn exit(error: &EvidenceError) -> Exit {
    let unwritten = |error: &EvidenceError| matches!(error, EvidenceError::Write(_));
    match error {
        EvidenceError::Import(error) => match &**error {
            ImportError::Write(error) if unwritten(error) => Exit::ReportNotWritten,
            _ => Exit::Usage,
        },
        error if unwritten(error) => Exit::ReportNotWritten,
        _ => Exit::Usage,
    }
}

/// Says why the page of a checklist could not be made.
#[derive(Debug, thiserror::Error)]
enum PageError {
    #[error("{file}: {error}")]
    Read { file: String, error: std::io::Error },
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Writes the page, the same for programs, and copies of the files that the page links to.
fn written(folder: &Path, root: &Path, list: &Checklist, json: &str) -> Result<(), PageError> {
    for (name, bytes) in [("launch.html", html(list).as_str()), ("launch.json", json)] {
        let path = write(folder, name, bytes.as_bytes())?;
        output::say(&format!("written: {}", path.display()));
    }
    for (file, copy) in links(list) {
        let bytes = fs::read(root.join(&file)).map_err(|error| PageError::Read { file, error })?;
        let copy = folder.join(copy);
        let (Some(parent), Some(name)) = (copy.parent(), copy.file_name()) else { continue };
        write(parent, &name.to_string_lossy(), &bytes)?;
    }
    Ok(())
}

fn judged(arguments: &Arguments, root: &Path) -> Result<Checklist, EvidenceError> {
    for report in &arguments.evidence {
        let file = import(root, report).map_err(Box::new)?;
        output::say(&format!("written: {file}; it counts once it is committed"));
    }
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
    let attested = attested(root, &commit)?;
    Ok(checklist(commit, &load(root), &attested))
}
