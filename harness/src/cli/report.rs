//! `workway report`

use std::path::PathBuf;

use clap::Args;

use super::{output, rendering};
use crate::{
    exit::Exit,
    report::{Format, read_run},
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A report of `workway run --out`: the file, or the folder that it is in.
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// What goes to stdout.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also write every format into this folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Shows a report again. That the run failed is no failure of this command.
pub(super) fn report(arguments: &Arguments) -> Exit {
    let report = match read_run(&arguments.run) {
        Ok(report) => report,
        Err(error) => return output::fail(Exit::Usage, &error.to_string()),
    };
    match rendering::publish(&report, arguments.format, arguments.out.as_deref()) {
        Ok(()) => Exit::Pass,
        Err(exit) => exit,
    }
}
