//! `workway merge`

use std::path::PathBuf;

use clap::Args;

use super::{output, rendering};
use crate::{
    cost::CloudflareBilling,
    exit::{self, Exit},
    report::{self, Format, read_run},
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Reports of `workway run --out` of the same scenarios, run at the same time by several
    /// generators.
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// Format of the result on stdout.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also write every format into this folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn merge(arguments: &Arguments) -> Exit {
    let runs = arguments.runs.iter().map(|path| read_run(path)).collect::<Result<Vec<_>, _>>();
    let merged = match runs {
        Ok(runs) => report::merge(&runs, &CloudflareBilling).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match merged {
        Err(problem) => output::fail(Exit::Usage, &problem),
        Ok(sum) => {
            let sum = sum.with_exit_codes(exit::code);
            match rendering::publish(&sum, arguments.format, arguments.out.as_deref()) {
                Ok(()) => Exit::from(sum.verdict),
                Err(exit) => exit,
            }
        }
    }
}
