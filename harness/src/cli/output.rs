//! Writing to the terminal.

use std::{
    error::Error,
    io::{self, IsTerminal, Write},
    path::Path,
};

use clap::ValueEnum;
use serde::Serialize;

use crate::{exit::Exit, report};

/// Writes one line to stderr. A closed stderr is no reason to stop.
pub(super) fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// The largest number of characters of an error. It may quote what is wrong, and that may be a file.
const MAX_MESSAGE: usize = 16_000;

/// Says what went wrong and returns how the command ends.
pub(super) fn fail(exit: Exit, message: &str) -> Exit {
    let label = if color_on_stderr() { "\u{1b}[1;31merror\u{1b}[0m" } else { "error" };
    match message.char_indices().nth(MAX_MESSAGE) {
        None => say(&format!("{label}: {message}")),
        Some((end, _)) => {
            let more = message[end..].chars().count();
            say(&format!("{label}: {}… ({more} more characters)", &message[..end]));
        }
    }
    exit
}

/// Ends a command without a result.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    error: Box<dyn Error + Send + Sync>,
}

impl Failure {
    /// Returns a failure that ends the command so.
    pub(super) fn new(exit: Exit, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { exit, error: error.into() }
    }

    /// Returns the failure of a command line, a configuration or a file that is wrong.
    pub(super) fn usage(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Exit::Usage, error)
    }

    /// Says what went wrong, and returns how the command ends.
    pub(super) fn show(&self) -> Exit {
        fail(self.exit, &self.error.to_string())
    }
}

/// Writes the result. A reader that has seen enough and went away is no failure.
pub(super) fn result(text: &str) -> Result<(), io::Error> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Checks that the folder of `--out`, if there is one, takes files; this is called before anything
/// is sent.
///
/// # Errors
/// The exit code of the command.
pub(super) fn check_out(folder: Option<&Path>) -> Result<(), Exit> {
    let Some(folder) = folder else { return Ok(()) };
    let help = "name a folder that can be written";
    let refused = |error| fail(Exit::Usage, &format!("--out: {error}; {help}; nothing was sent"));
    report::check_folder(folder).map_err(refused)
}

/// Writes the result of a command that succeeds with it.
pub(super) fn result_or_fail(text: &str) -> Exit {
    match result(text) {
        Ok(()) => Exit::Pass,
        Err(error) => fail(Exit::ReportNotWritten, &format!("stdout: {error}")),
    }
}

/// Selects the form of a result on stdout, for commands that have these two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Text for people.
    Text,
    /// JSON for programs.
    Json,
}

impl From<Format> for report::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::Json => Self::Json,
        }
    }
}

/// Writes the result of a command that succeeds with it, in the format that was asked for.
pub(super) fn show<T: Serialize>(
    format: Format,
    result: &T,
    text: impl FnOnce(&T) -> String,
) -> Exit {
    match format {
        Format::Text => result_or_fail(&text(result)),
        Format::Json => match json(result) {
            Ok(json) => result_or_fail(&json),
            Err(exit) => exit,
        },
    }
}

/// Renders a result for programs.
///
/// # Errors
/// The exit code of the command.
pub(super) fn json<T: Serialize>(result: &T) -> Result<String, Exit> {
    let json = serde_json::to_string_pretty(result);
    json.map(|json| json + "\n").map_err(|error| fail(Exit::Internal, &format!("report: {error}")))
}

/// Returns whether colour is wanted on stdout: a terminal, and no `NO_COLOR` (no-color.org).
pub(super) fn color_on_stdout() -> bool {
    wants_color(io::stdout().is_terminal())
}

/// Returns whether colour is wanted on stderr.
pub(super) fn color_on_stderr() -> bool {
    wants_color(io::stderr().is_terminal())
}

fn wants_color(terminal: bool) -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    terminal && !dumb && !set("NO_COLOR")
}
