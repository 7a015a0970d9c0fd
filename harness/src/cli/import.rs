//! `workway import`

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use reqwest::Url;

use super::output::{self, Failure};
use crate::{
    exit::Exit,
    import::{MAX_INPUT_BYTES, Starting, from_har, from_openapi},
    language,
    model::files,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    /// Import a recording of a browser (HTTP archive): its requests to one origin. Secrets stay out.
    Har {
        #[command(flatten)]
        files: Files,
        /// Origin whose requests are imported; that of the first one by default.
        #[arg(long, value_name = "URL")]
        origin: Option<Url>,
    },
    /// Import an OpenAPI 3 document in JSON: each operation once, and without its token.
    Openapi {
        #[command(flatten)]
        files: Files,
    },
}

#[derive(Debug, Args)]
struct Files {
    /// File to read.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Folder for the scenarios, which is made if absent. A file that is there is never replaced.
    #[arg(long, value_name = "DIR", default_value = "scenarios/imported")]
    out: PathBuf,
}

pub(super) fn import(arguments: &Arguments) -> Exit {
    match written(&arguments.from) {
        Ok(text) => output::result_or_fail(&text),
        Err(failure) => failure.show(),
    }
}

fn written(from: &From) -> Result<String, Failure> {
    let from_file = match from {
        From::Har { files, .. } | From::Openapi { files } => files,
    };
    let name = from_file.file.display();
    let bytes = files::read(&from_file.file, MAX_INPUT_BYTES)
        .map_err(|error| Failure::usage(format!("{name}: {error}")))?;
    let scenarios = match from {
        From::Har { origin, .. } => from_har(&bytes, origin.as_ref()).map(|one| vec![one]),
        From::Openapi { .. } => from_openapi(&bytes),
    };
    let scenarios = scenarios.map_err(|error| Failure::usage(format!("{name}: {error}")))?;
    let mut list = String::new();
    for scenario in &scenarios {
        let path = save(&from_file.out, scenario)?;
        let requests = scenario.requests.len();
        // Writing to a String cannot fail.
        let _ = writeln!(list, "{}  {requests} requests", path.display());
    }
    output::say("a beginning: read the comments, say what must be true, then `workway check` them");
    Ok(list)
}

fn save(folder: &Path, starting: &Starting) -> Result<PathBuf, Failure> {
    let yaml = starting.to_yaml();
    if let Err(problems) =
        crate::plan::load(&starting.name, yaml.as_bytes(), &workway_lab::catalog())
    {
        let shown = language::render(&problems, &starting.name, &yaml, false);
        let message = format!("what was made is no valid scenario:\n{shown}");
        return Err(Failure::new(Exit::Internal, message));
    }
    let path =
        folder.join(format!("{}.yaml", starting.name.rsplit('/').next().unwrap_or_default()));
    let failed = |error: std::io::Error| {
        let message = format!("cannot write {}: {error}", path.display());
        Failure::new(Exit::ReportNotWritten, message)
    };
    fs::create_dir_all(folder).map_err(failed)?;
    let mut file = File::create_new(&path).map_err(failed)?;
    file.write_all(yaml.as_bytes()).map_err(failed)?;
    Ok(path)
}
