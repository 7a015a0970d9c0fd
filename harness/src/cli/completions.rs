//! `workway completions`

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::output;
use crate::exit::Exit;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Shell that reads the script.
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn completions(arguments: &Arguments) -> Exit {
    let mut script = Vec::new();
    generate(arguments.shell, &mut super::Arguments::command(), "workway", &mut script);
    output::result_or_fail(&String::from_utf8_lossy(&script))
}
