//! Text and JSON with `${{ name }}` in it.

use std::collections::BTreeMap;

use crate::model::{Value, is_name, is_part};

/// Text with names to fill in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    segments: Vec<Segment>,
}

/// A piece of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Text that stands for itself.
    Literal(String),
    /// The value of a name.
    Name(String),
}

/// The reasons why a template cannot be parsed or filled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `${{` without `}}`.
    #[error("`${{{{` at character {0} is never closed; end it with `}}}}`")]
    Unclosed(usize),
    /// Not a name, and not names with dots between them.
    #[error("`{0}` is not a name; use letters, digits, spaces, `_`, `-` and `.`")]
    NotAName(String),
    /// Nothing is known under this name.
    #[error("`{0}` has no value yet")]
    Unbound(String),
    /// The text or the value is too large with its names filled in.
    #[error("with its names filled in it has more than {MAX_RENDERED_BYTES} bytes")]
    TooLarge,
}

/// The largest text or value with its names filled in, in bytes. It is far more than any body that a
/// person wrote; without a bound, a few variables that each hold the one before them twice would fill the
/// memory.
pub const MAX_RENDERED_BYTES: usize = 16 << 20;

/// Gives the values of names.
pub trait Bindings {
    /// The value of `name`, if it has one. May differ from call to call (`uuid` does).
    fn lookup(&self, name: &str) -> Option<Value>;
}

impl Template {
    /// Splits `text` at each `${{ name }}`.
    ///
    /// # Errors
    /// [`TemplateError::Unclosed`] and [`TemplateError::NotAName`].
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut segments = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find("${{") {
            let inner = &rest[open + 3..];
            let close = inner.find("}}").ok_or_else(|| {
                TemplateError::Unclosed(text[..text.len() - rest.len() + open].chars().count())
            })?;
            push_literal(&mut segments, &rest[..open]);
            segments.push(Segment::Name(name(&inner[..close])?));
            rest = &inner[close + 2..];
        }
        push_literal(&mut segments, rest);
        Ok(Self { segments })
    }

    /// Returns a template of these segments.
    pub fn of(segments: impl IntoIterator<Item = Segment>) -> Self {
        Self { segments: segments.into_iter().collect() }
    }

    /// A text without names.
    pub fn literal(text: &str) -> Self {
        Self::of([Segment::Literal(text.to_owned())])
    }

    /// The pieces, in order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The names in it, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Name(name) => Some(name.as_str()),
            Segment::Literal(_) => None,
        })
    }

    /// Texts in it that look like a name to fill in, as other tools write it: `{{ name }}` and
    /// `${name}`.
    pub fn lookalikes(&self) -> Vec<String> {
        let mut found = Vec::new();
        for segment in &self.segments {
            let Segment::Literal(text) = segment else { continue };
            for (open, close) in [("{{", "}}"), ("${", "}")] {
                let mut rest = text.as_str();
                while let Some(start) = rest.find(open) {
                    let inner = &rest[start + open.len()..];
                    let Some(end) = inner.find(close) else { break };
                    if name(&inner[..end]).is_ok() {
                        found.push(format!("{open}{}{close}", &inner[..end]));
                    }
                    rest = inner;
                }
            }
        }
        found
    }

    /// Returns the text as the author would write it.
    pub fn source(&self) -> String {
        self.segments
            .iter()
            .map(|segment| match segment {
                Segment::Literal(text) => text.clone(),
                Segment::Name(name) => format!("${{{{ {name} }}}}"),
            })
            .collect()
    }

    /// Fills the names in. Strings go in as they are, everything else as JSON.
    ///
    /// # Errors
    /// [`TemplateError::Unbound`].
    pub fn render(&self, bindings: &dyn Bindings) -> Result<String, TemplateError> {
        self.render_with(bindings, |text| text)
    }

    /// Like [`Self::render`], for a path or query: what is filled in is percent-encoded, so that
    /// no value can add a segment, a parameter or a fragment.
    ///
    /// # Errors
    /// [`TemplateError::Unbound`].
    pub fn render_path(&self, bindings: &dyn Bindings) -> Result<String, TemplateError> {
        self.render_with(bindings, |text| percent_encode(&text))
    }

    fn render_with(
        &self,
        bindings: &dyn Bindings,
        encode: impl Fn(String) -> String,
    ) -> Result<String, TemplateError> {
        let mut out = String::new();
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => out.push_str(text),
                Segment::Name(name) => out.push_str(&encode(text_of(lookup(bindings, name)?))),
            }
            if out.len() > MAX_RENDERED_BYTES {
                return Err(TemplateError::TooLarge);
            }
        }
        Ok(out)
    }

    /// The value itself when the template is one name and nothing else, else the rendered text.
    fn render_value(&self, bindings: &dyn Bindings) -> Result<Value, TemplateError> {
        match self.segments.as_slice() {
            [Segment::Name(name)] => lookup(bindings, name),
            _ => self.render(bindings).map(Value::String),
        }
    }
}

/// JSON with templates in its strings. A string that is one name alone becomes that name's value,
/// with its type.
#[derive(Clone, Debug, PartialEq)]
pub enum JsonTemplate {
    /// A value without templates: sent as it is.
    Constant(Value),
    /// A string with names in it.
    Text(Template),
    /// An array.
    Array(Vec<JsonTemplate>),
    /// An object; its keys are as written.
    Object(Vec<(String, JsonTemplate)>),
}

impl JsonTemplate {
    /// Parses the templates in every string of `value`.
    ///
    /// # Errors
    /// The first error of [`Template::parse`].
    pub fn parse(value: &Value) -> Result<Self, TemplateError> {
        Ok(match value {
            Value::String(text) if text.contains("${{") => Self::Text(Template::parse(text)?),
            Value::Array(items) => {
                let items: Vec<_> = items.iter().map(Self::parse).collect::<Result<_, _>>()?;
                if items.iter().all(Self::is_constant) {
                    Self::Constant(value.clone())
                } else {
                    Self::Array(items)
                }
            }
            Value::Object(members) => {
                let members: Vec<_> = members
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), Self::parse(value)?)))
                    .collect::<Result<_, _>>()?;
                if members.iter().all(|(_, value)| value.is_constant()) {
                    Self::Constant(value.clone())
                } else {
                    Self::Object(members)
                }
            }
            _ => Self::Constant(value.clone()),
        })
    }

    fn is_constant(&self) -> bool {
        matches!(self, Self::Constant(_))
    }

    /// The names of its members, if it is an object.
    pub fn members(&self) -> Option<Vec<&str>> {
        match self {
            Self::Constant(value) => {
                value.as_object().map(|members| members.keys().map(String::as_str).collect())
            }
            Self::Object(members) => Some(members.iter().map(|(name, _)| name.as_str()).collect()),
            Self::Text(_) | Self::Array(_) => None,
        }
    }

    /// The names of the members that its items have, if it is a list of objects.
    pub fn members_of_items(&self) -> Option<Vec<&str>> {
        let members: Vec<Vec<&str>> = match self {
            Self::Constant(Value::Array(items)) => {
                let objects: Option<Vec<_>> = items.iter().map(Value::as_object).collect();
                objects?
                    .into_iter()
                    .map(|object| object.keys().map(String::as_str).collect())
                    .collect()
            }
            Self::Array(items) => items.iter().map(Self::members).collect::<Option<_>>()?,
            _ => return None,
        };
        Some(members.into_iter().flatten().collect())
    }

    /// The names in it.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Constant(_) => Vec::new(),
            Self::Text(text) => text.names().collect(),
            Self::Array(items) => items.iter().flat_map(Self::names).collect(),
            Self::Object(members) => members.iter().flat_map(|(_, v)| v.names()).collect(),
        }
    }

    /// Fills the names in.
    ///
    /// # Errors
    /// [`TemplateError::Unbound`] and [`TemplateError::TooLarge`].
    pub fn render(&self, bindings: &dyn Bindings) -> Result<Value, TemplateError> {
        self.render_within(bindings, &mut MAX_RENDERED_BYTES.clone())
    }

    /// Takes what it fills in from the bytes that are `left`.
    fn render_within(
        &self,
        bindings: &dyn Bindings,
        left: &mut usize,
    ) -> Result<Value, TemplateError> {
        match self {
            Self::Constant(value) => Ok(value.clone()),
            Self::Text(text) => {
                let value = text.render_value(bindings)?;
                *left = left.checked_sub(value.size()).ok_or(TemplateError::TooLarge)?;
                Ok(value)
            }
            Self::Array(items) => {
                items.iter().map(|item| item.render_within(bindings, left)).collect()
            }
            Self::Object(members) => members
                .iter()
                .map(|(key, value)| Ok((key.clone(), value.render_within(bindings, left)?)))
                .collect(),
        }
    }
}

fn push_literal(segments: &mut Vec<Segment>, text: &str) {
    if !text.is_empty() {
        segments.push(Segment::Literal(text.to_owned()));
    }
}

fn name(inner: &str) -> Result<String, TemplateError> {
    let name = inner.trim();
    let mut parts = name.split('.');
    if parts.next().is_some_and(is_name) && parts.all(is_part) {
        Ok(name.to_owned())
    } else {
        Err(TemplateError::NotAName(name.to_owned()))
    }
}

fn lookup(bindings: &dyn Bindings, name: &str) -> Result<Value, TemplateError> {
    bindings.lookup(name).ok_or_else(|| TemplateError::Unbound(name.to_owned()))
}

fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// Everything but RFC 3986's unreserved characters.
pub(crate) fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// The values of one iteration: variables, captures, and what the harness provides.
pub type Values = BTreeMap<String, Value>;

impl Bindings for Values {
    fn lookup(&self, name: &str) -> Option<Value> {
        self.get(name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use crate::model::json;

    use super::*;

    fn values() -> Values {
        Values::from([
            ("id".to_owned(), json!("a/b?c d")),
            ("n".to_owned(), json!(7)),
            ("list".to_owned(), json!([1, 2])),
        ])
    }

    #[test]
    fn fills_text_and_encodes_paths() {
        let template = Template::parse("/w/${{ id }}/${{n}}").unwrap();
        assert_eq!(template.render(&values()).unwrap(), "/w/a/b?c d/7");
        assert_eq!(template.render_path(&values()).unwrap(), "/w/a%2Fb%3Fc%20d/7");
        assert_eq!(template.names().collect::<Vec<_>>(), ["id", "n"]);
        assert_eq!(template.source(), "/w/${{ id }}/${{ n }}");
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(Template::parse("ü ${{ id").unwrap_err(), TemplateError::Unclosed(2));
        assert_eq!(Template::parse("${{ 1x }}").unwrap_err(), TemplateError::NotAName("1x".into()));
        let spaced = Template::parse("${{ a case.first name }}").unwrap();
        assert_eq!(spaced.names().collect::<Vec<_>>(), ["a case.first name"]);
        let unbound = Template::parse("${{ who }}").unwrap().render(&values()).unwrap_err();
        assert_eq!(unbound, TemplateError::Unbound("who".into()));
    }

    #[test]
    fn finds_what_other_tools_fill_in() {
        let template = Template::parse("{{ a b }} ${{ x }} ${c} {{}} ${ } $d {{ e").unwrap();
        assert_eq!(template.lookalikes(), ["{{ a b }}", "${c}"]);
    }

    #[test]
    fn a_lone_name_keeps_its_type() {
        let template =
            JsonTemplate::parse(&json!({"a": "${{ list }}", "b": ["n=${{ n }}", 1]})).unwrap();
        assert_eq!(template.render(&values()).unwrap(), json!({"a": [1, 2], "b": ["n=7", 1]}));
        assert_eq!(template.names(), ["list", "n"]);
        assert!(JsonTemplate::parse(&json!([1, {"a": "b"}])).unwrap().is_constant());
    }
}
