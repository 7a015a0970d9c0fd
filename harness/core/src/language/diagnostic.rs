//! Describes a problem in a scenario file, its place, and a way to solve it.

use std::fmt;

use crate::model::Span;

/// The severity of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The scenario cannot run.
    Error,
    /// The scenario runs; something in it has no effect.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One finding, at one place of a scenario file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The severity, which tells whether the scenario can run despite the problem.
    pub severity: Severity,
    /// A short id that does not change between releases, such as `unknown-key`.
    pub code: &'static str,
    /// The problem: a lowercase sentence without a full stop.
    pub message: String,
    /// The place of the problem.
    pub span: Span,
    /// A few words under the caret.
    pub label: Option<String>,
    /// The advice, if there is any.
    pub help: Option<String>,
    /// The part of `span` that it is about, as it is written there.
    pub(crate) focus: Option<String>,
}

impl Diagnostic {
    /// An error without label and help.
    pub fn error(code: &'static str, message: impl Into<String>, span: Span) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            span,
            label: None,
            help: None,
            focus: None,
        }
    }

    /// A warning without label and help.
    pub fn warning(code: &'static str, message: impl Into<String>, span: Span) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message, span) }
    }

    /// Adds what to do.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a few words under the caret.
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Points at the first occurrence of `part` in the span instead of at all of it.
    pub(crate) fn with_focus(mut self, part: impl Into<String>) -> Self {
        self.focus = Some(part.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Span { line, column, .. } = self.span;
        write!(f, "{line}:{column}: {}: {}", self.severity, self.message)
    }
}
