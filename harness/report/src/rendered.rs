//! What every report can do, whichever command wrote it.

use serde::Serialize;

use super::{
    DetectionMatrix, Format, GateReport, RunReport, gate_html, gate_markdown, gate_text,
    matrix_html, matrix_markdown, matrix_text, text,
};

/// A report that is shown, and written into a folder in several formats.
pub trait Rendered {
    /// What it is, for messages.
    const WHAT: &'static str;
    /// The files of its folder; JSON, from which the others can be made again, last.
    const FILES: &'static [(Format, &'static str)];

    /// For people at a terminal.
    fn text(&self, color: bool) -> String;

    /// In a format; `None` where it has none like that.
    fn render(&self, format: Format) -> Option<Result<Vec<u8>, String>>;

    /// The name of the file that holds all of it.
    fn json_file() -> &'static str {
        let json = Self::FILES.iter().find(|(format, _)| *format == Format::Json);
        json.map_or(Format::Json.file(), |(_, name)| name)
    }
}

impl Rendered for RunReport {
    const WHAT: &'static str = "run";
    const FILES: &'static [(Format, &'static str)] = &files();

    fn text(&self, color: bool) -> String {
        text(self, color)
    }

    fn render(&self, format: Format) -> Option<Result<Vec<u8>, String>> {
        Some(format.render(self))
    }
}

const fn files() -> [(Format, &'static str); Format::ALL.len()] {
    let mut files = [(Format::Json, ""); Format::ALL.len()];
    let mut at = 0;
    while at < files.len() {
        files[at] = (Format::ALL[at], Format::ALL[at].file());
        at += 1;
    }
    files
}

impl Rendered for GateReport {
    const WHAT: &'static str = "gate";
    const FILES: &'static [(Format, &'static str)] = &[
        (Format::Text, "gate.txt"),
        (Format::Markdown, "gate.md"),
        (Format::Html, "gate.html"),
        (Format::Json, "gate.json"),
    ];

    fn text(&self, color: bool) -> String {
        gate_text(self, color)
    }

    fn render(&self, format: Format) -> Option<Result<Vec<u8>, String>> {
        let text = match format {
            Format::Text => gate_text(self, false),
            Format::Markdown => gate_markdown(self),
            Format::Html => gate_html(self),
            Format::Json => return Some(pretty(self)),
            _ => return None,
        };
        Some(Ok(text.into_bytes()))
    }
}

impl Rendered for DetectionMatrix {
    const WHAT: &'static str = "detection matrix";
    // Its text is a summary of the Markdown.
    const FILES: &'static [(Format, &'static str)] = &[
        (Format::Markdown, "detection-matrix.md"),
        (Format::Html, "detection-matrix.html"),
        (Format::Json, "detection-matrix.json"),
    ];

    fn text(&self, _color: bool) -> String {
        matrix_text(self)
    }

    fn render(&self, format: Format) -> Option<Result<Vec<u8>, String>> {
        let text = match format {
            Format::Text => matrix_text(self),
            Format::Markdown => matrix_markdown(self),
            Format::Html => matrix_html(self),
            Format::Json => return Some(pretty(self)),
            _ => return None,
        };
        Some(Ok(text.into_bytes()))
    }
}

fn pretty(report: &impl Serialize) -> Result<Vec<u8>, String> {
    let json = serde_json::to_string_pretty(report).map_err(|error| error.to_string())?;
    Ok((json + "\n").into_bytes())
}
