//! Every format of a run, from the one document.

use super::{Rendered, RunReport, github, hdr_log, json, junit, prometheus, render};

/// Why a report cannot be rendered: a defect of this program, or a spoiled histogram.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// As JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// As `JUnit` XML.
    #[error(transparent)]
    Junit(#[from] quick_junit::SerializeError),
    /// As an HDR interval log, whose library has no text for its errors.
    #[error("interval log: {0}")]
    IntervalLog(String),
    /// As Prometheus text.
    #[error(transparent)]
    Prometheus(#[from] std::fmt::Error),
}

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
    /// [`RenderError`].
    pub fn render(self, report: &RunReport) -> Result<Vec<u8>, RenderError> {
        let bytes = |text: String| Ok(text.into_bytes());
        match self {
            Self::Text => bytes(report.text(false)),
            Self::Html => bytes(render::page(&report.view())),
            Self::Markdown => bytes(render::markdown(&report.view())),
            Self::Github => bytes(github(report)),
            Self::Json => json(report),
            Self::Junit => Ok(junit(report)?.into_bytes()),
            Self::Hdr => hdr_log(report),
            Self::Prometheus => Ok(prometheus(report)?.into_bytes()),
        }
    }
}
