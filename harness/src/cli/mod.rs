//! The command line. Here, in `report` and in `main` alone does the program print.
//!
//! stdout carries the result, stderr everything else.

mod applicable;
mod check;
mod cost;
mod credentials;
mod filter;
mod list;
mod output;
mod progress;
mod rerun;
mod run;
mod schema;
mod selection;
mod serve;
mod signals;
mod token;

use std::panic::{UnwindSafe, catch_unwind};

use clap::{Parser, Subcommand};

use crate::exit::Exit;

/// Says with evidence whether an API on Cloudflare Workers is correct, fast, and what it costs.
///
/// Exit codes: 0 pass, 1 conformance violated, 2 usage, 3 scenario invalid, 4 nothing selected,
/// 5 threshold failed or without data, 6 cost gate failed, 7 target unreachable, 8 inconclusive,
/// 9 report not written, 70 a defect of this program, 130/143 interrupted.
#[derive(Debug, Parser)]
#[command(name = "workway", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run scenarios against a target and judge what came of it.
    Run(run::Arguments),
    /// Check scenario files without sending anything.
    Check(check::Arguments),
    /// Print the scenarios, or the rules that they name.
    List(list::Arguments),
    /// Print the JSON Schema of scenario files, for editors.
    Schema,
    /// Say what recorded runs cost a month, at which volume, and why.
    Cost(cost::Arguments),
    /// Serve the API on loopback, with a stub of everything that it calls.
    Serve(serve::Arguments),
    /// Print an access token for a local service.
    Token(token::Arguments),
}

/// Parses the command line, does what it says, and returns how it ended.
pub fn main() -> Exit {
    guarded(parse_and_run)
}

/// A panic is a defect of ours: it gets its own exit code, and a line that says so.
fn guarded(work: impl FnOnce() -> Exit + UnwindSafe) -> Exit {
    catch_unwind(work).unwrap_or_else(|_| {
        let message = "this is a defect of workway, not of what it tests; please report it with \
                       the command line and the lines above";
        output::fail(Exit::Internal, message)
    })
}

fn parse_and_run() -> Exit {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are results and go to stdout; clap knows.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Pass };
        }
    };
    crate::tls::install();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::fail(Exit::Internal, &format!("no runtime: {error}")),
    };
    let exit = runtime.block_on(async {
        match arguments.command {
            Command::Run(arguments) => run::run(arguments).await,
            Command::Check(arguments) => check::check(&arguments),
            Command::List(arguments) => list::list(&arguments),
            Command::Schema => schema::schema(),
            Command::Cost(arguments) => cost::cost(&arguments),
            Command::Serve(arguments) => serve::serve(&arguments).await,
            Command::Token(arguments) => token::token(&arguments),
        }
    });
    // A thread that still waits for standard input must not keep the process.
    runtime.shutdown_background();
    exit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_with_70() {
        assert_eq!(guarded(|| panic!("on purpose")), Exit::Internal);
        assert_eq!(guarded(|| Exit::Pass), Exit::Pass);
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
