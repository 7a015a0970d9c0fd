//! A report to stdout and into a folder.

use std::path::Path;

use super::output;
use crate::{
    exit::Exit,
    report::{self, Format, RunReport},
};

/// Whether GitHub reads our stdout.
const ACTIONS: &str = "GITHUB_ACTIONS";

/// Writes every format into `folder`, if there is one, and one of them to stdout.
///
/// # Errors
/// How the command ends; the summary is on stderr then.
pub(super) fn publish(
    report: &RunReport,
    format: Format,
    folder: Option<&Path>,
) -> Result<(), Exit> {
    let plain = report::text(report, false);
    let failed = |message: String| output::fail(Exit::Internal, &format!("report: {message}"));
    let render = |format: Format| format.render(report).map_err(failed);
    if let Some(folder) = folder {
        let files = Format::ALL.map(|format| Ok((format.file().to_owned(), render(format)?)));
        let files: Vec<_> = files.into_iter().collect::<Result<_, Exit>>()?;
        if let Err(error) = report::write_all(folder, &files) {
            output::say(&plain);
            return Err(output::fail(Exit::ReportNotWritten, &error.to_string()));
        }
        output::say(&format!("report: {}", folder.join(Format::Json.file()).display()));
    }
    let shown = match format {
        Format::Text => in_actions(report, report::text(report, output::color_on_stdout())),
        other => String::from_utf8_lossy(&render(other)?).into_owned(),
    };
    output::result(&shown).map_err(|error| {
        output::say(&plain);
        output::fail(Exit::ReportNotWritten, &format!("stdout: {error}"))
    })
}

/// With annotations after it where GitHub would show them.
fn in_actions(report: &RunReport, text: String) -> String {
    match std::env::var_os(ACTIONS) {
        Some(value) if value == "true" => text + &report::github(report),
        _ => text,
    }
}
