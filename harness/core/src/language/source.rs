//! Bytes to text, and places in the text.

use crate::model::Span;

use super::Diagnostic;

/// The largest scenario file, in bytes. The largest one written by hand that we know of has
/// 40 KiB; past this size the argument is most likely not a scenario.
pub const MAX_FILE_BYTES: usize = 1 << 20;

/// The text of a scenario file.
///
/// # Errors
/// One diagnostic when `bytes` are too many, not UTF-8, start with a byte order mark, or hold a
/// NUL character.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, Box<Diagnostic>> {
    if bytes.len() > MAX_FILE_BYTES {
        return Err(too_large().into());
    }
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(at_start("utf-16", "the file is UTF-16; a scenario is UTF-8")
            .with_help("save it as UTF-8 without a byte order mark")
            .into());
    }
    if bytes.starts_with("\u{FEFF}".as_bytes()) {
        return Err(at_start("byte-order-mark", "the file starts with a byte order mark")
            .with_help("save it as UTF-8 without a byte order mark")
            .into());
    }
    let text = std::str::from_utf8(bytes).map_err(|error| Box::new(invalid_utf8(bytes, &error)))?;
    match text.find('\0') {
        None => Ok(text),
        Some(at) => Err(Diagnostic::error(
            "nul-character",
            format!("the file has a NUL character at byte {at}"),
            Source::new(text).span(at, at + 1),
        )
        .with_help("a scenario is UTF-8 text")
        .into()),
    }
}

fn too_large() -> Diagnostic {
    at_start("file-too-large", format!("the file is larger than {MAX_FILE_BYTES} bytes"))
        .with_help("is this a scenario? if so, split it")
}

fn at_start(code: &'static str, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(code, message, Span { start: 0, end: 0, line: 1, column: 1 })
}

fn invalid_utf8(bytes: &[u8], error: &std::str::Utf8Error) -> Diagnostic {
    let at = error.valid_up_to();
    let valid = std::str::from_utf8(&bytes[..at]).unwrap_or_default();
    let span = Source::new(valid).span(at, at);
    let message = format!("byte {at} (0x{:02X}) is not UTF-8", bytes.get(at).unwrap_or(&0));
    Diagnostic::error("invalid-utf-8", message, span).with_help("save the file as UTF-8")
}

/// A text that knows where its lines start.
pub(crate) struct Source<'t> {
    text: &'t str,
    line_starts: Vec<usize>,
    /// Byte offset of every character; `None` for ASCII, where they are the same.
    char_offsets: Option<Vec<usize>>,
}

impl<'t> Source<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            line_starts: std::iter::once(0).chain(breaks).collect(),
            char_offsets: (!text.is_ascii())
                .then(|| text.char_indices().map(|(at, _)| at).collect()),
        }
    }

    pub(crate) fn text(&self) -> &'t str {
        self.text
    }

    /// The line that byte `at` is on, without its end.
    pub(crate) fn line(&self, at: usize) -> &'t str {
        let line = self.span(at, at).line;
        let end = self.line_starts.get(line).copied().unwrap_or(self.text.len());
        self.text[self.line_starts[line - 1]..end].trim_end_matches(['\n', '\r'])
    }

    /// Byte offset of the `index`th character, the end of the text when there are fewer.
    pub(crate) fn byte_of_char(&self, index: usize) -> usize {
        match &self.char_offsets {
            None => index.min(self.text.len()),
            Some(offsets) => offsets.get(index).copied().unwrap_or(self.text.len()),
        }
    }

    fn char_of_byte(&self, at: usize) -> usize {
        match &self.char_offsets {
            None => at,
            Some(offsets) => offsets.partition_point(|&offset| offset < at),
        }
    }

    /// The span of these bytes; both are cut to the text and to character boundaries.
    pub(crate) fn span(&self, start: usize, end: usize) -> Span {
        let start = self.boundary(start);
        let end = self.boundary(end).max(start);
        let line = self.line_starts.partition_point(|&at| at <= start).max(1);
        let line_start = self.line_starts[line - 1];
        let column = self.char_of_byte(start) - self.char_of_byte(line_start) + 1;
        Span { start, end, line, column }
    }

    /// The span of these bytes, or of their first line when they are several lines.
    fn first_line(&self, start: usize, end: usize) -> Span {
        let span = self.span(start, end);
        let text = &self.text[span.start..span.end];
        let length = text.find(['\n', '\r']).unwrap_or(text.len());
        let shown = text[..length].trim_end().len();
        self.span(span.start, span.start + shown)
    }

    /// Returns the place of the caret: the focus if it is there, and never more than a line.
    pub(crate) fn narrow(&self, span: Span, focus: Option<&str>) -> Span {
        let span = self.span(span.start, span.end);
        let written = &self.text[span.start..span.end];
        let found = focus.and_then(|part| Some((find(written, part)?, part.len())));
        match found {
            Some((at, length)) => self.first_line(span.start + at, span.start + at + length),
            None => self.first_line(span.start, span.end),
        }
    }

    fn boundary(&self, at: usize) -> usize {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

/// Finds the place where `part` is written: in a template if it is in one, else its first
/// occurrence.
fn find(text: &str, part: &str) -> Option<usize> {
    let in_template = |&(at, _): &(usize, &str)| text[..at].trim_end().ends_with("${{");
    let template = text.match_indices(part).find(in_template).map(|(at, _)| at);
    template.or_else(|| text.find(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(bytes: &[u8]) -> (&'static str, usize, usize) {
        let diagnostic = text(bytes).unwrap_err();
        (diagnostic.code, diagnostic.span.line, diagnostic.span.column)
    }

    #[test]
    fn refuses_what_is_not_utf8_text() {
        assert_eq!(code(b"\xFF\xFEa\0"), ("utf-16", 1, 1));
        assert_eq!(code(b"\xFE\xFF\0a"), ("utf-16", 1, 1));
        assert_eq!(code("\u{FEFF}a: b".as_bytes()), ("byte-order-mark", 1, 1));
        assert_eq!(code(b"a: b\nc: \xC3\x28"), ("invalid-utf-8", 2, 4));
        assert_eq!(code(b"a: b\nc: \0"), ("nul-character", 2, 4));
    }

    #[test]
    fn the_size_limit_and_one_past_it() {
        let mut bytes = vec![b'#'; MAX_FILE_BYTES];
        assert!(text(&bytes).is_ok());
        bytes.push(b'#');
        assert_eq!(code(&bytes), ("file-too-large", 1, 1));
    }

    #[test]
    fn lines_and_columns_count_characters() {
        let source = Source::new("ü: 1\nä: ö x");
        let at = source.text().find('x').unwrap();
        let span = source.span(at, at + 1);
        assert_eq!((span.line, span.column), (2, 6));
        assert_eq!(source.byte_of_char(1), 2);
        assert_eq!(source.byte_of_char(99), source.text().len());
    }

    #[test]
    fn carets_stay_on_one_line() {
        let source = Source::new("a: |\n  one ${{ x }}\n  two\n");
        let all = source.span(3, 25);
        assert_eq!(source.narrow(all, None).end, 4);
        let focus = source.narrow(all, Some("x"));
        assert_eq!((focus.line, focus.column), (2, 11));
    }
}
