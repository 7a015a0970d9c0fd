//! Every format of a run, from the one document.

use super::{RunReport, github, hdr_log, html, json, junit, markdown, prometheus, text};

/// A format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people at a terminal.
    Text,
    /// For programs; see `schema_version` in it.
    Json,
    /// A page, with plots.
    Html,
    /// For a job's summary and a pull request.
    Markdown,
    /// `JUnit` XML, for whatever shows test results.
    Junit,
    /// Annotations of GitHub Actions.
    Github,
    /// An HDR interval log.
    Hdr,
    /// Prometheus text.
    Prometheus,
}

impl Format {
    /// All of them; JSON, from which the others can be made again, last.
    pub const ALL: [Self; 8] = [
        Self::Text,
        Self::Html,
        Self::Markdown,
        Self::Junit,
        Self::Github,
        Self::Hdr,
        Self::Prometheus,
        Self::Json,
    ];

    /// Its name in the folder of a report.
    pub const fn file(self) -> &'static str {
        match self {
            Self::Text => "report.txt",
            Self::Json => "report.json",
            Self::Html => "report.html",
            Self::Markdown => "report.md",
            Self::Junit => "junit.xml",
            Self::Github => "annotations.txt",
            Self::Hdr => "latency.hlog",
            Self::Prometheus => "metrics.prom",
        }
    }

    /// The report in this format.
    ///
    /// # Errors
    /// What no report that was read or made here can cause: a defect, or a spoiled histogram.
    pub fn render(self, report: &RunReport) -> Result<Vec<u8>, String> {
        let bytes = |text: String| Ok(text.into_bytes());
        match self {
            Self::Text => bytes(text(report, false)),
            Self::Html => bytes(html(report)),
            Self::Markdown => bytes(markdown(report)),
            Self::Github => bytes(github(report)),
            Self::Json => json(report).map_err(|error| error.to_string()),
            Self::Junit => junit(report).map(String::into_bytes).map_err(|e| e.to_string()),
            Self::Hdr => hdr_log(report),
            Self::Prometheus => {
                prometheus(report).map(String::into_bytes).map_err(|e| e.to_string())
            }
        }
    }
}
