//! The error of the decoder: what is wrong, and the way to the node where it is.

use std::fmt;

use serde::de::{Error, Expected, Unexpected};

use crate::model::Span;

use super::{
    Diagnostic,
    node::clip,
    suggest::{closest, did_you_mean, listed},
};

/// The reason why a type refuses a value. The message is a predicate: the decoder puts the key in
/// front of it, because a type does not know under which key it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The code, as in [`Diagnostic::code`].
    pub code: &'static str,
    /// `must be a rate such as 50/s, found fast`.
    pub message: String,
    /// The advice, if there is any.
    pub help: Option<String>,
}

/// Separates the parts of a [`Problem`] on its way through `serde`, which only carries text.
const SEPARATOR: char = '\u{1F}';

impl Problem {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None }
    }

    pub(super) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into().replace(SEPARATOR, " "));
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let help = self.help.as_deref().unwrap_or_default();
        write!(f, "{}{SEPARATOR}{help}{SEPARATOR}{}", self.code, self.message)
    }
}

/// The kind of an error.
#[derive(Debug)]
pub(super) enum Kind {
    UnknownKey {
        key: String,
        allowed: Vec<&'static str>,
    },
    UnknownVariant {
        what: String,
        found: String,
        allowed: Vec<&'static str>,
    },
    MissingKey(&'static str),
    /// A choice, such as a step, that has not exactly one key.
    NotOneKey {
        what: &'static str,
        found: usize,
    },
    Value {
        code: String,
        message: String,
        help: Option<String>,
    },
}

/// An error and the way to its node.
#[derive(Debug)]
pub(super) struct DecodeError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    span: Option<Span>,
    /// The path from the node to the root.
    path: Vec<usize>,
    subject: Option<String>,
    in_item: bool,
}

impl DecodeError {
    pub(super) fn new(kind: Kind) -> Self {
        Self(Box::new(Inner { kind, span: None, path: Vec::new(), subject: None, in_item: false }))
    }

    pub(super) fn value(code: &str, message: impl Into<String>) -> Self {
        Self::new(Kind::Value { code: code.to_owned(), message: message.into(), help: None })
    }

    pub(super) fn with_help(mut self, text: impl Into<String>) -> Self {
        if let Kind::Value { help, .. } = &mut self.0.kind {
            *help = Some(text.into());
        }
        self
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.0.kind
    }

    /// Says what the choice is between: steps, profiles.
    pub(super) fn of(mut self, name: &'static str) -> Self {
        if let Kind::UnknownVariant { what, .. } = &mut self.0.kind
            && self.0.path.is_empty()
        {
            *what = name.to_lowercase();
        }
        self
    }

    /// Returns the path from the root to the node.
    pub(super) fn path(&self) -> Vec<usize> {
        self.0.path.iter().rev().copied().collect()
    }

    /// Returns whether the place is best described by the key that leads to the node.
    fn wants_key(&self) -> bool {
        self.0.span.is_none()
    }

    /// Sets the place, unless a place further in is known, or the key above is the better one.
    pub(super) fn at_node(mut self, span: Span) -> Self {
        if !matches!(self.0.kind, Kind::MissingKey(_)) {
            self.0.span.get_or_insert(span);
        }
        self
    }

    /// The error came from decoding the key of entry `index`.
    pub(super) fn at_key(mut self, index: usize, key: &str, span: Span) -> Self {
        self.0.span.get_or_insert(span);
        self.0.path.push(index);
        if let Kind::Value { message, .. } = &mut self.0.kind {
            // The subject says it already.
            let found = format!(", found `{}`", clip(key));
            message.truncate(message.strip_suffix(&found).unwrap_or(message).len());
            self.0.subject.get_or_insert_with(|| format!("`{}`", clip(key)));
        }
        self
    }

    /// The error came from the value of entry `index`.
    pub(super) fn under_key(mut self, index: usize, key: &str, span: Span) -> Self {
        if self.wants_key() {
            self.0.span = Some(span);
        }
        self.0.path.push(index);
        self.named(key)
    }

    /// Names the key of a choice, which is not a step of the path of its own.
    pub(super) fn named(mut self, key: &str) -> Self {
        let in_item = self.0.in_item;
        self.0.subject.get_or_insert_with(|| {
            let key = clip(key);
            if in_item { format!("an item of `{key}`") } else { format!("`{key}`") }
        });
        self
    }

    /// The error came from item `index` of a list.
    pub(super) fn in_item(mut self, index: usize, span: Span) -> Self {
        self.0.span.get_or_insert(span);
        self.0.path.push(index);
        self.0.in_item |= self.0.subject.is_none();
        self
    }

    /// Returns the diagnostic that is shown. `root` is the place for an error of the whole file.
    pub(super) fn into_diagnostic(self, root: Span) -> Diagnostic {
        let span = self.0.span.unwrap_or(root);
        let subject = self.0.subject.unwrap_or_else(|| "the scenario".to_owned());
        match self.0.kind {
            Kind::UnknownKey { key, allowed } => unknown_key(&key, &subject, &allowed, span),
            Kind::UnknownVariant { what, found, allowed } => {
                let message = format!("unknown {what} `{}`", clip(&found));
                let error = Diagnostic::error("unknown-choice", message, span);
                let error = suggest(error, &found, &allowed);
                if what == "value" && error.help.is_none() {
                    let help =
                        format!("the map itself, with that key, is `json: {{ {found}: … }}`");
                    return error.with_help(help);
                }
                error
            }
            Kind::MissingKey(name) => missing_key(name, &subject, span),
            Kind::NotOneKey { what, found } => not_one_key(what, found, span),
            Kind::Value { code, message, help } => {
                let code = CODES.iter().find(|known| **known == code).unwrap_or(&"wrong-value");
                let message = format!("{subject} {message}");
                Diagnostic { help, ..Diagnostic::error(code, message, span) }
            }
        }
    }
}

/// The codes of [`Problem`]s.
const CODES: [&str; 12] = [
    "wrong-type",
    "wrong-value",
    "bad-duration",
    "bad-rate",
    "bad-template",
    "bad-json-path",
    "bad-regex",
    "bad-threshold",
    "bad-name",
    "bad-path",
    "bad-header",
    "reinterpreted",
];

fn unknown_key(key: &str, subject: &str, allowed: &[&str], span: Span) -> Diagnostic {
    let message = format!("unknown key `{}` in {subject}", clip(key));
    suggest(Diagnostic::error("unknown-key", message, span), key, allowed)
}

/// Words that the language had before, each with the word that took its place, and how that is
/// written.
const RENAMED: [(&str, &str, &str); 9] = [
    ("let", "vars", "values that are given and values that are computed stand under `vars`"),
    ("elapse", "wait", "`wait: 61s` moves the clock of a target that has one, and waits elsewhere"),
    ("align", "control", "write `control: { wait-for-window: { window: …, remaining: … } }`"),
    ("clock", "control", "write `control: { clock: stop }`"),
    ("target", "control", "write `control: { target: restart }`"),
    ("fault", "control", "write `control: { fault: { path: …, status: 503 } }`"),
    ("ledger", "upstream-calls", "write `upstream-calls: { path: …, effects: 1 }`"),
    ("also", "expect", "make `expect` a list: `expect: [{ status: 200 }, { rule: …, … }]`"),
    ("says", "description", "write `description: …`"),
];

/// Adds what a word is called now; or "did you mean", or the list of what there is.
fn suggest(mut diagnostic: Diagnostic, found: &str, allowed: &[&str]) -> Diagnostic {
    let renamed = RENAMED.iter().find(|(old, new, _)| *old == found && allowed.contains(new));
    if let Some((_, new, help)) = renamed {
        let message = format!("{}; it is `{new}` now", diagnostic.message);
        return Diagnostic { message, ..diagnostic.with_help(*help) };
    }
    match closest(found, allowed.iter().copied()) {
        Some(name) => {
            diagnostic.message += &did_you_mean(name);
            diagnostic
        }
        None if allowed.is_empty() => diagnostic,
        None => diagnostic.with_help(format!("allowed here: {}", listed(allowed.iter().copied()))),
    }
}

fn missing_key(name: &'static str, subject: &str, span: Span) -> Diagnostic {
    if name == "within" {
        let message = format!("{subject} has no deadline: add `within`");
        return Diagnostic::error("no-deadline", message, span)
            .with_help("a poll without one may never end; write for example `within: 10s`");
    }
    Diagnostic::error("missing-key", format!("{subject} has no `{name}`"), span)
        .with_help(format!("add `{name}: …`"))
}

fn not_one_key(what: &str, found: usize, span: Span) -> Diagnostic {
    let message = format!("a {what} is a map with exactly one key, found {found}");
    Diagnostic::error("not-one-key", message, span)
        .with_help(format!("what belongs to the {what} is indented further than its key"))
}

impl std::error::Error for DecodeError {}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0.kind)
    }
}

impl Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let text = message.to_string();
        let mut parts = text.splitn(3, SEPARATOR);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(code), Some(help), Some(message)) => {
                let error = Self::value(code, message);
                if help.is_empty() { error } else { error.with_help(help) }
            }
            _ => Self::value("wrong-value", text),
        }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = match expected.to_string() {
            text if text == "a string" => "text".to_owned(),
            other => other,
        };
        Self::value("wrong-type", format!("must be {expected}, found {}", describe(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::value("wrong-value", format!("must be {expected}, found {}", describe(found)))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Kind::UnknownKey { key: field.to_owned(), allowed: expected.to_vec() })
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let (found, allowed) = (variant.to_owned(), expected.to_vec());
        Self::new(Kind::UnknownVariant { what: "choice".to_owned(), found, allowed })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Kind::MissingKey(field))
    }
}

fn describe(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("`{value}`"),
        Unexpected::Signed(value) => format!("`{value}`"),
        Unexpected::Float(value) => format!("`{value}`"),
        Unexpected::Str(text) if text.parse::<f64>().is_ok() => {
            format!("the text `{}`", clip(text))
        }
        Unexpected::Str(text) => format!("`{}`", clip(text)),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a map".to_owned(),
        _ => "something else".to_owned(),
    }
}
