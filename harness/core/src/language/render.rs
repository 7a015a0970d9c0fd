//! Diagnostics as text, the way compilers show them.

use annotate_snippets::{
    Annotation, AnnotationKind, Level, Origin, Renderer, Snippet, renderer::DecorStyle,
};

use super::{Diagnostic, Severity, source::Source};

/// The diagnostics of one file, each with its place, its line and a caret under what is wrong.
///
/// `text` is the text that was parsed; for a file that is not UTF-8, the lossy conversion of its
/// bytes will do. The result ends with a line break unless there are no diagnostics.
pub fn render(diagnostics: &[Diagnostic], file: &str, text: &str, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let source = Source::new(text);
    let mut out = String::new();
    for diagnostic in diagnostics {
        out.push_str(&render_one(diagnostic, file, &source, &renderer));
        out.push_str("\n\n");
    }
    out.truncate(out.trim_end().len());
    if !out.is_empty() {
        out.push('\n');
    }
    // The renderer shows the controls of ASCII; those of C1 would steer a terminal, too.
    out.replace(|one| matches!(one, '\u{80}'..='\u{9f}'), "\u{fffd}")
}

fn render_one(
    diagnostic: &Diagnostic,
    file: &str,
    source: &Source<'_>,
    renderer: &Renderer,
) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let span = source.narrow(diagnostic.span, None);
    let annotation: Annotation<'_> = AnnotationKind::Primary.span(span.start..span.end);
    let annotation = annotation.label(diagnostic.label.as_deref());
    let title = level.primary_title(diagnostic.message.as_str());
    let mut group = if source.text().is_empty() {
        title.element(Origin::path(file).line(1).char_column(1))
    } else {
        title.element(Snippet::source(source.text()).path(file).annotation(annotation))
    };
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_line_and_a_caret() {
        let text = "a: b\nc: d\n";
        let span = Source::new(text).span(5, 6);
        let diagnostic =
            Diagnostic::error("x", "wrong", span).with_label("here").with_help("do something");
        let shown = render(&[diagnostic], "f.yaml", text, false);
        assert_eq!(
            shown,
            "error: wrong\n --> f.yaml:2:1\n  |\n2 | c: d\n  | ^ here\n  |\n  = help: do something\n"
        );
    }

    #[test]
    fn shows_a_file_without_text() {
        let diagnostic = Diagnostic::error("x", "empty", crate::model::Span::default());
        let shown = render(&[diagnostic], "f.yaml", "", true);
        assert!(shown.contains("f.yaml") && shown.contains('\u{1B}'), "{shown:?}");
    }

    #[test]
    fn shows_nothing_for_nothing() {
        assert_eq!(render(&[], "f.yaml", "a", false), "");
    }
}
