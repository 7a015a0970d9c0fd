//! The command `workway`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(workway::cli::main().code())
}
