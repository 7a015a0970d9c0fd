//! What every report can do, whichever command wrote it.

use serde::Serialize;

use super::{
    Comparison, CostReport, DetectionMatrix, Format, GateReport, RenderError, RunReport, harmless,
    render,
    view::{self, View},
};

/// A report that is shown, and written into a folder in several formats.
pub trait Rendered: Serialize {
    /// What it is, for messages.
    const WHAT: &'static str;
    /// The files of its folder; JSON, from which the others can be made again, last.
    const FILES: &'static [(Format, &'static str)];

    /// Returns what a terminal, Markdown and a page show of it.
    fn view(&self) -> View;

    /// Renders it for people at a terminal.
    fn text(&self, color: bool) -> String {
        render::text(&self.view(), color)
    }

    /// Renders it in a format; `None` where it has none like that.
    fn render(&self, format: Format) -> Option<Result<Vec<u8>, RenderError>> {
        let text = match format {
            Format::Text => self.text(false),
            Format::Markdown => render::markdown(&self.view()),
            Format::Html => render::page(&self.view()),
            Format::Json => return Some(json(self)),
            _ => return None,
        };
        Some(Ok(text.into_bytes()))
    }

    /// The name of the file that holds all of it.
    fn json_file() -> &'static str {
        let json = Self::FILES.iter().find(|(format, _)| *format == Format::Json);
        json.map_or(Format::Json.file(), |(_, name)| name)
    }
}

impl Rendered for RunReport {
    const WHAT: &'static str = "run";
    const FILES: &'static [(Format, &'static str)] = &files();

    fn view(&self) -> View {
        view::run(self)
    }

    fn render(&self, format: Format) -> Option<Result<Vec<u8>, RenderError>> {
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

    fn view(&self) -> View {
        view::gate(self)
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

    fn view(&self) -> View {
        view::matrix(self)
    }
}

/// Returns a bill as text.
pub fn cost_text(report: &CostReport) -> String {
    render::blocks_as_text(&view::bill(report))
}

/// Returns runs beside their baselines as text.
pub fn comparison_text(comparisons: &[Comparison]) -> String {
    render::blocks_as_text(&view::comparisons(comparisons))
}

/// Returns a report as indented JSON with a newline at the end.
///
/// # Errors
/// None that a report can cause; a caller tells of it as a defect.
pub fn json(report: &(impl Serialize + ?Sized)) -> Result<Vec<u8>, RenderError> {
    let text = serde_json::to_string_pretty(report)? + "\n";
    Ok(harmless::json(&text).into_owned().into_bytes())
}
