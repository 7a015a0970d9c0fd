//! `workway check`

use std::path::PathBuf;

use clap::Args;

use super::{output, selection};
use crate::exit::Exit;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Scenario files, and folders of them; the folder `scenarios` by default.
    #[arg(value_name = "SCENARIO|DIR")]
    paths: Vec<PathBuf>,
}

pub(super) fn check(arguments: &Arguments) -> Exit {
    match selection::select(&arguments.paths, "scenarios") {
        Ok(plans) => {
            let count = plans.len();
            let noun = if count == 1 { "scenario is" } else { "scenarios are" };
            match output::result(&format!("{count} {noun} valid\n")) {
                Ok(()) => Exit::Pass,
                Err(error) => output::fail(Exit::ReportNotWritten, &format!("stdout: {error}")),
            }
        }
        Err(exit) => exit,
    }
}
