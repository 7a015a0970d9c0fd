//! The command line. Here, in `report` and in `main` alone does the program print.
//!
//! stdout carries the result, stderr everything else.

mod ab_test;
mod applicable;
mod calibrate;
mod check;
mod compare;
mod completions;
mod cost;
mod credentials;
mod doctor;
mod edge;
mod filter;
mod gate;
mod import;
mod lab;
mod list;
mod load;
mod measured;
mod merge;
mod output;
mod progress;
mod rendering;
mod report;
mod rerun;
mod run;
mod schema;
mod selection;
mod signals;
mod state;

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
    /// Put one URL under load, in one line: how many requests a second, how fast, how many failed.
    Load(load::Arguments),
    /// Check scenario files without sending anything.
    Check(check::Arguments),
    /// Compare two versions side by side: slower, dearer, more errors, or not.
    Gate(gate::Arguments),
    /// Say what recorded runs cost a month, at which volume, and why.
    Cost(cost::Arguments),
    /// Show a report again, in any format.
    Report(report::Arguments),
    /// Write starting scenarios from a recording, or from an OpenAPI document.
    Import(import::Arguments),
    /// Compare runs with those that were accepted before.
    Compare(compare::Arguments),
    /// Add up the reports of several generators, and judge the sum.
    Merge(merge::Arguments),
    /// Measure the noise of this machine, for `workway gate`.
    Calibrate(calibrate::Arguments),
    /// Look at what a deployed domain shows to the outside: TLS, redirect, headers, caches.
    Edge(edge::Arguments),
    /// Print the scenarios, or the rules that they name.
    List(list::Arguments),
    /// Print the JSON Schema of scenario files, for editors.
    Schema,
    /// Say what this machine lacks, and what to do about it.
    Doctor(doctor::Arguments),
    /// Print the completions of a shell.
    Completions(completions::Arguments),
    /// Work with the reference service of this project: serve it, break it, restore it, launch it.
    #[command(subcommand)]
    Lab(lab::Command),
}

/// Parses the command line, does what it says, and returns how it ended.
pub fn main() -> Exit {
    guarded(parse_and_run)
}

/// Turns a panic, which is a defect of ours, into its own exit code and a line that says so.
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
    crate::http::tls::install();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::fail(Exit::Internal, &format!("no runtime: {error}")),
    };
    let exit = runtime.block_on(async {
        match arguments.command {
            Command::Run(arguments) => run::run(arguments).await,
            Command::Load(arguments) => load::load(arguments).await,
            Command::Check(arguments) => check::check(&arguments),
            Command::Gate(arguments) => gate::gate(&arguments).await,
            Command::Compare(arguments) => compare::compare(&arguments),
            Command::Merge(arguments) => merge::merge(&arguments),
            Command::Report(arguments) => report::report(&arguments),
            Command::Calibrate(arguments) => calibrate::calibrate(&arguments).await,
            Command::List(arguments) => list::list(&arguments),
            Command::Schema => schema::schema(),
            Command::Cost(arguments) => cost::cost(&arguments).await,
            Command::Doctor(arguments) => doctor::doctor(&arguments).await,
            Command::Completions(arguments) => completions::completions(&arguments),
            Command::Import(arguments) => import::import(&arguments),
            Command::Edge(arguments) => edge::edge(arguments).await,
            Command::Lab(command) => lab::lab(command).await,
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
