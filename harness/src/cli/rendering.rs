//! A report to stdout and into a folder.

use std::path::Path;

use super::output;
use crate::{
    exit::Exit,
    report::{self, Format, Rendered},
};

/// The variable that is set where GitHub reads our stdout.
const ACTIONS: &str = "GITHUB_ACTIONS";

/// Writes every format into `folder`, if there is one, and one of them to stdout.
///
/// # Errors
/// The exit code of the command; the summary is on stderr then.
pub(super) fn publish<R: Rendered>(
    report: &R,
    format: Format,
    folder: Option<&Path>,
) -> Result<(), Exit> {
    // Before anything is written: a format that there is not writes nothing.
    let shown = shown(report, format)?;
    let not_written = |message: String| {
        output::say(&report.text(false));
        output::fail(Exit::ReportNotWritten, &message)
    };
    if let Some(folder) = folder {
        let file =
            |(format, name): &(Format, &str)| Ok(((*name).to_owned(), render(report, *format)?));
        let files = R::FILES.iter().map(file).collect::<Result<Vec<_>, Exit>>()?;
        report::write_all(folder, &files).map_err(|error| not_written(error.to_string()))?;
        output::say(&format!("report: {}", folder.join(R::json_file()).display()));
    }
    output::result(&shown).map_err(|error| not_written(format!("stdout: {error}")))
}

fn shown<R: Rendered>(report: &R, format: Format) -> Result<String, Exit> {
    if format != Format::Text {
        return Ok(String::from_utf8_lossy(&render(report, format)?).into_owned());
    }
    let text = report.text(output::color_on_stdout());
    // With annotations after it where GitHub would show them.
    match (std::env::var_os(ACTIONS), report.render(Format::Github)) {
        (Some(value), Some(Ok(lines))) if value == "true" => {
            Ok(text + &String::from_utf8_lossy(&lines))
        }
        _ => Ok(text),
    }
}

fn render<R: Rendered>(report: &R, format: Format) -> Result<Vec<u8>, Exit> {
    let Some(rendered) = report.render(format) else {
        let names: Vec<_> = R::FILES.iter().map(|(_, name)| *name).collect();
        let (what, names) = (R::WHAT, names.join(", "));
        let message = format!("a {what} has no such format; it has text, {names}");
        return Err(output::fail(Exit::Usage, &message));
    };
    rendered.map_err(|error| output::fail(Exit::Internal, &format!("report: {error}")))
}
