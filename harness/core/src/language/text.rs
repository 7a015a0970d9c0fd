//! Types that are written as text: names, templates, paths, patterns.

use std::{fmt, marker::PhantomData};

use http::{HeaderName, HeaderValue, uri::PathAndQuery};
use schemars::{Schema, json_schema};
use serde::{
    Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};

use crate::model::{NAME_RULE, Query, Subject, Template, is_name, is_part};

use super::{error::Problem, node::clip};

/// A type that is written as text and checked when it is read.
pub(super) trait FromText: Sized {
    /// The description of the type, for schemas.
    const WHAT: &'static str;
    /// A regular expression that editors check, a superset of what is accepted; empty for none.
    const PATTERN: &'static str;

    fn from_text(text: &str) -> Result<Self, Problem>;
}

pub(super) fn deserialize<'de, T: FromText, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    struct TextVisitor<T>(PhantomData<T>);

    impl<T: FromText> Visitor<'_> for TextVisitor<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(T::WHAT)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            T::from_text(text).map_err(E::custom)
        }
    }

    deserializer.deserialize_str(TextVisitor(PhantomData))
}

pub(super) fn schema<T: FromText>() -> Schema {
    if T::PATTERN.is_empty() {
        json_schema!({ "type": "string", "description": T::WHAT })
    } else {
        json_schema!({ "type": "string", "description": T::WHAT, "pattern": T::PATTERN })
    }
}

/// `Deserialize` and `JsonSchema` for types that are written as text.
macro_rules! written_as_text {
    ($($type:ty),+ $(,)?) => {$(
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::language::text::deserialize(deserializer)
            }
        }

        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed(stringify!($type))
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $crate::language::text::schema::<$type>()
            }
        }
    )+};
}
pub(super) use written_as_text;

pub use crate::model::MAX_NAME_CHARS;

/// `family/name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioName(pub String);

/// A word to select scenarios by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(pub String);

/// The name of a variable, a user or a journey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(pub String);

/// The name of a step in reports and thresholds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepName(pub String);

/// The name of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentName(pub String);

/// The id of a rule, such as `RL1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleId(pub String);

/// A word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word(pub String);

/// A file, relative to the scenario's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath(pub String);

/// Text with templates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateText(pub Template);

/// A path and query with templates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathText(pub Template);

/// The value of a header of a request, with templates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderText(pub Template);

/// A header of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHeader(pub HeaderName);

/// A header of a request: not one that the harness sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader(pub HeaderName);

/// An RFC 9535 query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath(pub String);

/// A regular expression.
#[derive(Clone, Debug)]
pub struct Pattern(pub regex::Regex);

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

/// The source of a capture: a JSON path, `header.<name>` or `status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureSource(pub Subject);

written_as_text!(
    ScenarioName,
    Tag,
    Name,
    StepName,
    EnvironmentName,
    RuleId,
    Word,
    FilePath,
    TemplateText,
    PathText,
    HeaderText,
    ResponseHeader,
    RequestHeader,
    JsonPath,
    Pattern,
    CaptureSource,
);

impl FromText for ScenarioName {
    const WHAT: &'static str = "`family/name` in letters, digits, spaces, `-` and `_`";
    const PATTERN: &'static str = r"^[\p{L}\p{N} _-]+(/[\p{L}\p{N} _-]+)*$";

    fn from_text(text: &str) -> Result<Self, Problem> {
        let is_well = text.chars().count() <= MAX_NAME_CHARS && text.split('/').all(is_part);
        name_if(is_well, text, Self::WHAT).map(Self)
    }
}

impl FromText for Tag {
    const WHAT: &'static str = "a word in lowercase letters, digits and `-`";
    const PATTERN: &'static str = "^[a-z0-9-]+$";

    fn from_text(text: &str) -> Result<Self, Problem> {
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let is_well = text.len() <= MAX_NAME_CHARS && !text.is_empty() && text.chars().all(letters);
        name_if(is_well, text, Self::WHAT).map(Self)
    }
}

impl FromText for Name {
    const WHAT: &'static str = NAME_RULE;
    const PATTERN: &'static str = r"^\p{L}[\p{L}\p{N} _-]*$";

    fn from_text(text: &str) -> Result<Self, Problem> {
        name_if(is_name(text), text, Self::WHAT).map(Self)
    }
}

impl FromText for StepName {
    const WHAT: &'static str = "the name of a step: up to 80 characters on one line";
    const PATTERN: &'static str = "";

    fn from_text(text: &str) -> Result<Self, Problem> {
        let is_well = !text.trim().is_empty()
            && text.trim() == text
            && text.chars().count() <= MAX_NAME_CHARS
            && !text.contains(char::is_control);
        name_if(is_well, text, Self::WHAT).map(Self)
    }
}

impl FromText for EnvironmentName {
    const WHAT: &'static str = "the name of an environment variable, such as `STAGING_TOKEN`";
    const PATTERN: &'static str = "^[A-Za-z_][A-Za-z0-9_]*$";

    fn from_text(text: &str) -> Result<Self, Problem> {
        let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let goes_on_well = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        name_if(starts_well && goes_on_well, text, Self::WHAT).map(Self)
    }
}

impl FromText for RuleId {
    const WHAT: &'static str = "the id of a rule, such as `RL1`";
    const PATTERN: &'static str = "^[A-Z][A-Za-z0-9-]*$";

    fn from_text(text: &str) -> Result<Self, Problem> {
        let starts_well = text.starts_with(|c: char| c.is_ascii_uppercase());
        let goes_on_well = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let is_well = starts_well && goes_on_well && text.len() <= MAX_NAME_CHARS;
        name_if(is_well, text, Self::WHAT).map(Self)
    }
}

impl FromText for Word {
    const WHAT: &'static str = "a word of letters, digits, `_` and `-`";
    const PATTERN: &'static str = "^[A-Za-z0-9_-]+$";

    fn from_text(text: &str) -> Result<Self, Problem> {
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let is_well = !text.is_empty() && text.len() <= MAX_NAME_CHARS && text.chars().all(letters);
        name_if(is_well, text, Self::WHAT).map(Self)
    }
}

impl FromText for FilePath {
    const WHAT: &'static str = "a file, relative to this one, such as `cases.csv`";
    const PATTERN: &'static str = "";

    fn from_text(text: &str) -> Result<Self, Problem> {
        let is_relative = !text.is_empty() && !text.starts_with('/') && !text.contains(['\\', ':']);
        let is_well = is_relative && !text.contains(char::is_control);
        name_if(is_well, text, Self::WHAT).map(Self)
    }
}

fn name_if(is_well: bool, text: &str, what: &str) -> Result<String, Problem> {
    if is_well {
        Ok(text.to_owned())
    } else {
        Err(Problem::new("bad-name", format!("must be {what}, found `{}`", clip(text))))
    }
}

pub(super) fn template(text: &str) -> Result<Template, Problem> {
    Template::parse(text)
        .map_err(|error| Problem::new("bad-template", format!("has a wrong template: {error}")))
}

impl FromText for TemplateText {
    const WHAT: &'static str = "text; `${{ name }}` stands for a value";
    const PATTERN: &'static str = "";

    fn from_text(text: &str) -> Result<Self, Problem> {
        template(text).map(Self)
    }
}

impl FromText for PathText {
    const WHAT: &'static str =
        "a path such as `/workflows?limit=1`; `${{ name }}` stands for a value";
    const PATTERN: &'static str = "^/";

    fn from_text(text: &str) -> Result<Self, Problem> {
        let found = clip(text);
        if !text.starts_with('/') {
            return Err(Problem::new("bad-path", format!("must start with `/`, found `{found}`"))
                .with_help(
                    "write the path alone: the target's address is an option of the command",
                ));
        }
        let template = template(text)?;
        let sample = sample(&template);
        if text.starts_with("//")
            || sample.contains('#')
            || PathAndQuery::try_from(&sample).is_err()
        {
            return Err(Problem::new(
                "bad-path",
                format!("must be a path and query, found `{found}`"),
            )
            .with_help(
                "percent-encode spaces and other characters; a fragment (`#`) is never sent",
            ));
        }
        Ok(Self(template))
    }
}

/// The template with every name filled in by something harmless, to check what is around it.
fn sample(template: &Template) -> String {
    template
        .segments()
        .iter()
        .map(|segment| match segment {
            crate::model::Segment::Literal(text) => text.as_str(),
            crate::model::Segment::Name(_) => "x",
        })
        .collect()
}

impl FromText for HeaderText {
    const WHAT: &'static str = "the value of a header; `${{ name }}` stands for a value";
    const PATTERN: &'static str = "";

    fn from_text(text: &str) -> Result<Self, Problem> {
        let template = template(text)?;
        if HeaderValue::try_from(sample(&template)).is_err() {
            return Err(Problem::new("bad-header", "has a character that a header cannot hold")
                .with_help("headers are one line of text without control characters"));
        }
        Ok(Self(template))
    }
}

impl FromText for ResponseHeader {
    const WHAT: &'static str = "the name of a header";
    const PATTERN: &'static str = "";

    fn from_text(text: &str) -> Result<Self, Problem> {
        header_name(text).map(Self)
    }
}

/// Headers that follow from the request; setting them by hand would make it a different one.
const SET_BY_THE_HARNESS: [&str; 4] = ["host", "content-length", "transfer-encoding", "connection"];

impl FromText for RequestHeader {
    const WHAT: &'static str = "the name of a header";
    const PATTERN: &'static str = "";

    fn from_text(text: &str) -> Result<Self, Problem> {
        let name = header_name(text)?;
        if SET_BY_THE_HARNESS.contains(&name.as_str()) {
            return Err(Problem::new(
                "bad-header",
                "is set by the harness and cannot be written here",
            )
            .with_help("remove it: it follows from the target and the body"));
        }
        Ok(Self(name))
    }
}

fn header_name(text: &str) -> Result<HeaderName, Problem> {
    HeaderName::try_from(text).map_err(|_| {
        Problem::new("bad-header", "is not the name of a header")
            .with_help("a header's name has letters, digits and `-`")
    })
}

impl FromText for JsonPath {
    const WHAT: &'static str = "a JSON path (RFC 9535) such as `$.steps[0].type`";
    const PATTERN: &'static str = r"^\$";

    fn from_text(text: &str) -> Result<Self, Problem> {
        if Query::parse(text).is_ok() {
            return Ok(Self(text.to_owned()));
        }
        Err(Problem::new("bad-json-path", "is not a JSON path (RFC 9535)")
            .with_help("write for example `$.id`, `$.steps[0].type` or `$['a b']`"))
    }
}

/// The largest compiled regular expression, in bytes: a few thousand times that of a usual one.
const MAX_REGEX_BYTES: usize = 1 << 20;

impl FromText for Pattern {
    const WHAT: &'static str = "a regular expression";
    const PATTERN: &'static str = "";

    fn from_text(text: &str) -> Result<Self, Problem> {
        let built = regex::RegexBuilder::new(text).size_limit(MAX_REGEX_BYTES).build();
        built.map(Self).map_err(|error| {
            Problem::new("bad-regex", format!("is not a regular expression: {}", reason(&error)))
        })
    }
}

/// The last line of a regex error; the others draw the pattern, which the diagnostic does better.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default().trim();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

impl FromText for CaptureSource {
    const WHAT: &'static str = "a JSON path, `header.<name>` or `status`";
    const PATTERN: &'static str = r"^(\$|header\.|status$)";

    fn from_text(text: &str) -> Result<Self, Problem> {
        if text == "status" {
            return Ok(Self(Subject::Status));
        }
        if let Some(name) = text.strip_prefix("header.") {
            return header_name(name).map(|name| Self(Subject::Header(name)));
        }
        if text.starts_with('$') {
            return JsonPath::from_text(text).map(|path| Self(Subject::Json(path.0)));
        }
        let message = format!("must be {}, found `{}`", Self::WHAT, clip(text));
        Err(Problem::new("wrong-value", message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MAX_QUERY_BYTES;

    #[test]
    fn names() {
        for text in ["smoke/workflow-lifecycle", "a", "a/b/c", "0-1", "A", "a b", "ü/a b"] {
            assert!(ScenarioName::from_text(text).is_ok(), "{text}");
        }
        for text in ["", "/", "a/", "/a", "a//b", "a /b", "a.b", "a:b", " a", "a\tb"] {
            assert!(ScenarioName::from_text(text).is_err(), "{text}");
        }
        assert!(ScenarioName::from_text(&"a".repeat(MAX_NAME_CHARS)).is_ok());
        assert!(ScenarioName::from_text(&"a".repeat(MAX_NAME_CHARS + 1)).is_err());
        assert!(Name::from_text("a_B-9").is_ok());
        assert!(Name::from_text("a name").is_ok());
        assert!(Name::from_text("a.b").is_err());
        assert!(StepName::from_text(" a").is_err());
    }

    #[test]
    fn paths() {
        for text in ["/", "/w/${{ id }}?a=b&c=%20", "/${{ a }}${{ b }}"] {
            assert!(PathText::from_text(text).is_ok(), "{text}");
        }
        for text in ["", "w", "http://x/", "//x", "/a b", "/a#b", "/${{ a", "/\u{7}"] {
            assert!(PathText::from_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn headers() {
        assert!(RequestHeader::from_text("X-A").is_ok());
        assert!(RequestHeader::from_text("Host").is_err());
        assert!(RequestHeader::from_text("a b").is_err());
        assert!(ResponseHeader::from_text("Connection").is_ok());
        assert!(HeaderText::from_text("a\nb").is_err());
        assert!(HeaderText::from_text("a ${{ b }}").is_ok());
    }

    #[test]
    fn json_paths_and_captures() {
        assert!(JsonPath::from_text("$.steps[?@.type == 'http'].id").is_ok());
        assert!(JsonPath::from_text("$.a[").is_err());
        assert!(JsonPath::from_text("a.b").is_err());
        let longest = format!("$.{}", "a".repeat(MAX_QUERY_BYTES - 2));
        assert!(JsonPath::from_text(&longest).is_ok());
        assert!(JsonPath::from_text(&format!("{longest}a")).is_err());
        assert_eq!(CaptureSource::from_text("status").unwrap().0, Subject::Status);
        assert!(CaptureSource::from_text("header.location").is_ok());
        assert!(CaptureSource::from_text("location").is_err());
    }

    #[test]
    fn patterns_are_bounded() {
        assert!(Pattern::from_text("^[0-9a-f-]{36}$").is_ok());
        assert!(Pattern::from_text("(").is_err());
        assert!(Pattern::from_text("(?:a{1000}){1000}").is_err());
    }
}
