//! `workway doctor`

use clap::Args;

use super::output::{self, Format};
use crate::{
    doctor::{Diagnosis, State, examine},
    exit::Exit,
    target::{TargetOptions, TargetSpec},
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A deployment to look at, too.
    #[arg(long, value_name = "URL", value_parser = TargetSpec::parse)]
    target: Option<TargetSpec>,
    /// The target is not on loopback, and you may send requests to it.
    #[arg(long)]
    allow_remote: bool,
    /// Format of the result on stdout.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) async fn doctor(arguments: &Arguments) -> Exit {
    let mut found = examine();
    if let Some(spec) = &arguments.target {
        let options =
            TargetOptions { allow_remote: arguments.allow_remote, ..TargetOptions::default() };
        let TargetSpec::Url(url) = spec else {
            return output::fail(Exit::Usage, "--target: give the URL of something that runs");
        };
        match spec.start(&options).await {
            Ok(_) => found.extend(crate::doctor::examine_target(url).await),
            Err(error) => return output::fail(Exit::from(&error), &error.to_string()),
        }
    }
    match output::show(arguments.format, &found, |found| found.iter().map(line).collect()) {
        Exit::Pass if found.iter().any(|one| one.state == State::Broken) => Exit::Usage,
        exit => exit,
    }
}

fn line(found: &Diagnosis) -> String {
    let Diagnosis { what, needed_for, state, seen, fix } = found;
    let mark = match state {
        State::Fine => "✓",
        State::Missing => "-",
        State::Broken => "✗",
    };
    let fix = fix.as_ref().map(|fix| format!("\n    {fix}")).unwrap_or_default();
    format!("{mark} {what:16} {seen}  ({needed_for}){fix}\n")
}
