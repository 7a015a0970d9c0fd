//! `workway check`

use clap::Args;

use super::{output, selection};
use crate::exit::Exit;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Scenario files, folders of them, and filters such as `tag:slow and not name:*burst*`; the
    /// folder `scenarios` by default.
    #[arg(value_name = "SCENARIO|DIR|FILTER")]
    selection: Vec<String>,
    /// Let warnings, too, end with exit code 3.
    #[arg(long)]
    deny_warnings: bool,
}

pub(super) fn check(arguments: &Arguments) -> Exit {
    let selected = match selection::select_and_warn(&arguments.selection, "scenarios") {
        Ok(selected) => selected,
        Err(exit) => return exit,
    };
    if arguments.deny_warnings && selected.warnings > 0 {
        let count = selected.warnings;
        let noun = if count == 1 { "warning" } else { "warnings" };
        return output::fail(Exit::Scenario, &format!("{count} {noun}, and --deny-warnings"));
    }
    let count = selected.plans.len();
    let noun = if count == 1 { "scenario is" } else { "scenarios are" };
    output::result_or_fail(&format!("{count} {noun} valid\n"))
}
