//! YAML to [`Node`]: the strict subset in which a file means what it looks like.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span as Marks, StrInput};

use crate::model::Span;

use super::{
    Diagnostic, MAX_ERRORS,
    node::{Entry, Map, Node, NodeValue, Scalar, clip},
    source::Source,
};

/// The greatest depth to which lists and maps may nest. The language itself needs 12 levels; the
/// rest is for JSON bodies. It bounds the recursion of everything that walks the tree.
pub const MAX_DEPTH: usize = 64;

/// The tree, without the parts that are not allowed, and what those were. Without a tree the file
/// could not be read to its end.
pub(super) fn parse(source: &Source<'_>) -> (Option<Node>, Vec<Diagnostic>) {
    let mut builder = Builder::new(source);
    let complete = builder.run(Parser::new_from_str(source.text()));
    if complete && builder.root.is_none() && builder.diagnostics.is_empty() {
        let span = source.span(0, 0);
        builder.diagnostics.push(
            Diagnostic::error("empty-file", "the file has no scenario in it", span)
                .with_help("a scenario starts with `scenario: family/name`"),
        );
    }
    (builder.root.filter(|_| complete), builder.diagnostics)
}

struct Builder<'s> {
    source: &'s Source<'s>,
    stack: Vec<Frame>,
    root: Option<Node>,
    documents: usize,
    diagnostics: Vec<Diagnostic>,
}

enum Frame {
    Seq { start: usize, items: Vec<Node> },
    Map { start: usize, map: Map, seen: HashMap<String, Span>, key: Key },
}

/// The state of the entry that is being read.
enum Key {
    Awaited,
    Known(String, Span),
    /// Its value is dropped.
    Refused,
}

impl<'s> Builder<'s> {
    fn new(source: &'s Source<'s>) -> Self {
        Self { source, stack: Vec::new(), root: None, documents: 0, diagnostics: Vec::new() }
    }

    /// True when the end of the file was reached.
    fn run(&mut self, parser: Parser<'_, StrInput<'_>>) -> bool {
        for event in parser {
            let go_on = match event {
                Ok((event, marks)) => self.event(event, marks),
                Err(error) => {
                    self.syntax(&error);
                    false
                }
            };
            if !go_on || self.diagnostics.len() > MAX_ERRORS {
                return false;
            }
        }
        true
    }

    fn syntax(&mut self, error: &ScanError) {
        let at = self.source.byte_of_char(error.marker().index());
        if error.info().contains("recursion limit") {
            self.too_deep(self.source.span(at, at + 1));
            return;
        }
        let message = format!("this is not valid YAML: {}", error.info());
        self.error("yaml-syntax", self.source.span(at, at + 1), message);
        if self.source.line(at).contains("${{") {
            self.help("within `{ }` and `[ ]` a template needs quotes: `\"${{ name }}\"`");
        }
    }

    /// False when there is no point in reading on.
    fn event(&mut self, event: Event<'_>, marks: Marks) -> bool {
        let span = self.span(marks);
        match event {
            Event::DocumentStart(_) => return self.document(span),
            Event::Alias(_) => {
                self.refuse_sharing("alias", "aliases", span);
                self.place(None, span);
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_decoration(anchor != 0, tag.is_some(), span);
                self.scalar(text.into_owned(), style, span);
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_decoration(anchor != 0, tag.is_some(), span);
                return self.open(Frame::Seq { start: span.start, items: Vec::new() }, span);
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_decoration(anchor != 0, tag.is_some(), span);
                let frame = Frame::Map {
                    start: span.start,
                    map: Map::default(),
                    seen: HashMap::new(),
                    key: Key::Awaited,
                };
                return self.open(frame, span);
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        true
    }

    fn document(&mut self, span: Span) -> bool {
        self.documents += 1;
        if self.documents > 1 {
            let message = "a file holds one scenario, and this starts a second document";
            self.error("several-documents", span, message);
            self.help("move it into a file of its own");
        }
        self.documents == 1
    }

    fn open(&mut self, frame: Frame, span: Span) -> bool {
        self.stack.push(frame);
        if self.stack.len() > MAX_DEPTH {
            self.too_deep(span);
            return false;
        }
        true
    }

    fn too_deep(&mut self, span: Span) {
        let message = format!("lists and maps nest deeper than {MAX_DEPTH} levels here");
        self.error("too-deep", span, message);
    }

    fn close(&mut self, end: Span) {
        let last_end = if end.end > end.start { Some(end.end) } else { None };
        let (start, value, content_end) = match self.stack.pop() {
            None => return,
            Some(Frame::Seq { start, items }) => {
                let content_end = items.last().map_or(start, |item| item.span.end);
                (start, NodeValue::Seq(items), content_end)
            }
            Some(Frame::Map { start, map, .. }) => {
                let content_end = map.entries.last().map_or(start, |entry| entry.value.span.end);
                (start, NodeValue::Map(map), content_end)
            }
        };
        let span = self.source.span(start, last_end.unwrap_or(content_end));
        self.place(Some(Node { span, value }), span);
    }

    fn scalar(&mut self, text: String, style: ScalarStyle, span: Span) {
        let plain = style == ScalarStyle::Plain;
        let is_key = matches!(self.stack.last(), Some(Frame::Map { key: Key::Awaited, .. }));
        if !is_key && plain && is_yaml_1_1_bool(&text) {
            self.error(
                "ambiguous-word",
                span,
                format!(
                    "`{text}` without quotes is a boolean to some YAML parsers and text to others"
                ),
            );
            self.help(&format!("write `true` or `false`, or quote it: `\"{text}\"`"));
            self.place(None, span);
            return;
        }
        let value = NodeValue::Scalar(Scalar { text, plain });
        self.place(Some(Node { span, value }), span);
    }

    /// Puts a finished node into the list or map that is open, or makes it the root.
    fn place(&mut self, node: Option<Node>, span: Span) {
        let awaits_key = matches!(self.stack.last(), Some(Frame::Map { key: Key::Awaited, .. }));
        if awaits_key {
            let next = self.key(node, span);
            if let Some(Frame::Map { key, .. }) = self.stack.last_mut() {
                *key = next;
            }
            return;
        }
        match self.stack.last_mut() {
            None => {
                self.root = node.filter(
                    |node| !matches!(&node.value, NodeValue::Scalar(scalar) if scalar.is_null()),
                );
            }
            Some(Frame::Seq { items, .. }) => items.extend(node),
            Some(Frame::Map { map, key, .. }) => {
                add(map, std::mem::replace(key, Key::Awaited), node);
            }
        }
    }

    /// Checks a node that stands where a key is expected.
    fn key(&mut self, node: Option<Node>, span: Span) -> Key {
        let Some(node) = node else { return Key::Refused };
        let NodeValue::Scalar(scalar) = node.value else {
            self.error("complex-key", span, "a list or map cannot be a key");
            self.help("keys are text; templates such as `${{ name }}` need quotes");
            return Key::Refused;
        };
        if scalar.text.is_empty() {
            self.error("empty-key", span, "a key is empty");
            return Key::Refused;
        }
        if scalar.plain && scalar.text == "<<" {
            self.error("merge-key", span, "merge keys are not allowed");
            self.help("repeat the keys: a scenario is read more often than it is written");
            return Key::Refused;
        }
        self.unique(scalar.text, span)
    }

    fn unique(&mut self, text: String, span: Span) -> Key {
        let Some(Frame::Map { seen, .. }) = self.stack.last_mut() else {
            return Key::Refused;
        };
        if let Some(first) = seen.get(&text) {
            let line = first.line;
            self.error("duplicate-key", span, format!("duplicate key `{}`", clip(&text)));
            self.help(&format!("it is already set at line {line}"));
            return Key::Refused;
        }
        seen.insert(text.clone(), span);
        Key::Known(text, span)
    }

    fn refuse_decoration(&mut self, anchor: bool, tag: bool, span: Span) {
        if anchor {
            self.refuse_sharing("anchor", "anchors", span);
        }
        if tag {
            self.error("tag", span, "YAML tags are not allowed");
            self.help("quotes make text: `\"1\"`; a number needs none: `1`");
        }
    }

    fn refuse_sharing(&mut self, code: &'static str, what: &str, span: Span) {
        self.error(code, span, format!("YAML {what} are not allowed"));
        self.help("write the value again, or name it under `vars`");
    }

    fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        let diagnostic = Diagnostic::error(code, message, span);
        self.diagnostics.push(diagnostic);
    }

    fn help(&mut self, help: &str) {
        if let Some(last) = self.diagnostics.last_mut() {
            last.help = Some(help.to_owned());
        }
    }

    fn span(&self, marks: Marks) -> Span {
        let start = self.source.byte_of_char(marks.start.index());
        let end = self.source.byte_of_char(marks.end.index());
        self.source.span(start, end)
    }
}

fn add(map: &mut Map, key: Key, node: Option<Node>) {
    match (key, node) {
        (Key::Known(key, key_span), Some(mut value)) => {
            if value.span.start == value.span.end {
                // A value that is not there has no place of its own.
                value.span = key_span;
            }
            map.entries.push(Entry { key, key_span, value });
        }
        (Key::Known(key, _), None) => map.removed.push(key),
        (Key::Refused | Key::Awaited, _) => {}
    }
}

/// Words that YAML 1.1 reads as booleans and YAML 1.2 as text.
fn is_yaml_1_1_bool(text: &str) -> bool {
    ["yes", "no", "on", "off"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Node {
        let (tree, diagnostics) = parse(&Source::new(text));
        assert_eq!(diagnostics, []);
        tree.unwrap()
    }

    fn codes(text: &str) -> Vec<&'static str> {
        parse(&Source::new(text)).1.into_iter().map(|diagnostic| diagnostic.code).collect()
    }

    fn entry<'n>(node: &'n Node, name: &str) -> &'n Entry {
        let NodeValue::Map(map) = &node.value else { panic!("{node:?}") };
        map.entries.iter().find(|entry| entry.key == name).unwrap()
    }

    #[test]
    fn spans_are_bytes_and_places_are_characters() {
        let text = "ä: 'ö'\r\nb:\n  - { c: [1, 2] }\n  -   d\n\ne: |\n  x\n";
        let tree = tree(text);
        let written = |name: &str| {
            let span = entry(&tree, name).value.span;
            (&text[span.start..span.end], span.line, span.column)
        };
        assert_eq!(written("ä"), ("'ö'", 1, 4));
        assert_eq!(written("b"), ("- { c: [1, 2] }\n  -   d", 3, 3));
        assert_eq!(entry(&tree, "b").key_span.line, 2);
        // A block starts with its first line, not with its sign.
        assert_eq!(written("e").1, 7);
    }

    #[test]
    fn an_absent_value_is_where_its_key_is() {
        let tree = tree("a:\nb: 1\n");
        assert_eq!(entry(&tree, "a").value.span, entry(&tree, "a").key_span);
    }

    #[test]
    fn the_deepest_file_and_one_level_deeper() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(codes(&nested(MAX_DEPTH)), Vec::<&str>::new());
        assert_eq!(codes(&nested(MAX_DEPTH + 1)), ["too-deep"]);
        assert_eq!(codes(&"[".repeat(100_000)), ["too-deep"]);
        let block: Vec<_> = (0..200).map(|depth| " ".repeat(depth) + "a:\n").collect();
        assert_eq!(codes(&block.concat()), ["too-deep"]);
    }

    #[test]
    fn refuses_everything_that_has_a_second_meaning() {
        assert_eq!(codes("a: &x 1\nb: *x\n"), ["anchor", "alias"]);
        assert_eq!(codes("a: !t 1\n"), ["tag"]);
        assert_eq!(codes("<<: {}\n"), ["merge-key"]);
        assert_eq!(codes("{ [a]: 1 }\n"), ["complex-key"]);
        assert_eq!(codes("? \n: 1\n"), ["empty-key"]);
        assert_eq!(codes("a: 1\n\"a\": 2\n"), ["duplicate-key"]);
        assert_eq!(codes("a: 1\n---\nb: 1\n"), ["several-documents"]);
        assert_eq!(codes("- yes\n- No\n- ON\n- off\n- 'off'\n- y\n"), ["ambiguous-word"; 4]);
        assert_eq!(codes("a:\n\tb: 1\n"), ["yaml-syntax"]);
        assert_eq!(codes(" # only\n"), ["empty-file"]);
    }

    #[test]
    fn stops_when_there_are_more_errors_than_are_shown() {
        assert_eq!(codes(&"- yes\n".repeat(1000)).len(), MAX_ERRORS + 1);
    }
}
