//! `workway report`

use std::path::PathBuf;

use clap::Args;

use super::{output, rendering};
use crate::{
    exit::Exit,
    report::{Format, Written, read},
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A report of `workway run`, `gate` or `prove` with `--out`: the file, or the folder that it is
    /// in.
    #[arg(value_name = "REPORT")]
    run: PathBuf,
    /// Format of the result on stdout.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also write every format that it has into this folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Shows a report again. That the run failed is no failure of this command.
pub(super) fn report(arguments: &Arguments) -> Exit {
    let (format, out) = (arguments.format, arguments.out.as_deref());
    let published = match read(&arguments.run) {
        Ok(Written::Run(run)) => rendering::publish(&*run, format, out),
        Ok(Written::Gate(gate)) => rendering::publish(&*gate, format, out),
        Ok(Written::Matrix(matrix)) => rendering::publish(&*matrix, format, out),
        Err(error) => Err(output::fail(Exit::Usage, &error.to_string())),
    };
    match published {
        Ok(()) => Exit::Pass,
        Err(exit) => exit,
    }
}
