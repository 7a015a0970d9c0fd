//! The segments of a request: bytes, and names whose values come between them.

use crate::model::Value;
use http::{HeaderName, HeaderValue};

use super::BuildError;
use crate::{
    plan::{
        Bindings as _, JsonTemplate, Segment as Part, Template, TemplateError, UserId,
        percent_encode,
    },
    run::values::{At, Scope},
};

/// A segment of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    Literal(Vec<u8>),
    /// A value within the path, percent-encoded.
    Path(String),
    /// A value within the header of this name.
    Header(HeaderName, String),
    /// The token of a person.
    Token(UserId),
    /// The length of the body.
    Length,
    /// A value within the body, as it is.
    Text(String),
    /// A JSON value.
    Json(String),
    /// A value within a JSON string.
    JsonText(String),
}

/// Segments in the making; neighbouring literals become one.
#[derive(Debug, Default)]
pub(crate) struct Segments(pub(crate) Vec<Segment>);

impl Segments {
    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        match self.0.last_mut() {
            Some(Segment::Literal(last)) => last.extend_from_slice(bytes),
            _ if bytes.is_empty() => {}
            _ => self.0.push(Segment::Literal(bytes.to_vec())),
        }
    }

    pub(crate) fn template(&mut self, template: &Template, segment: impl Fn(&str) -> Segment) {
        for part in template.segments() {
            match part {
                Part::Literal(text) => self.text(text),
                Part::Name(name) => self.0.push(segment(name)),
            }
        }
    }

    pub(crate) fn length(&mut self, body: &Self) {
        match body.constant() {
            Some(body) => self.text(&body.len().to_string()),
            None => self.0.push(Segment::Length),
        }
    }

    /// The bytes, if there is nothing to fill in.
    pub(crate) fn constant(&self) -> Option<Vec<u8>> {
        match self.0.as_slice() {
            [] => Some(Vec::new()),
            [Segment::Literal(bytes)] => Some(bytes.clone()),
            _ => None,
        }
    }

    pub(crate) fn json(&mut self, json: &JsonTemplate) {
        match json {
            JsonTemplate::Constant(value) => self.text(&value.to_string()),
            JsonTemplate::Text(template) => self.json_text(template),
            JsonTemplate::Array(items) => {
                self.list("[", "]", items, Self::json);
            }
            JsonTemplate::Object(members) => {
                self.list("{", "}", members, |segments, (key, value)| {
                    segments.text(&format!("{}:", Value::from(key.as_str())));
                    segments.json(value);
                });
            }
        }
    }

    /// A name alone keeps its type.
    fn json_text(&mut self, template: &Template) {
        if let [Part::Name(name)] = template.segments() {
            self.0.push(Segment::Json(name.clone()));
            return;
        }
        self.text("\"");
        for segment in template.segments() {
            match segment {
                Part::Literal(text) => self.text(&escaped(text)),
                Part::Name(name) => self.0.push(Segment::JsonText(name.clone())),
            }
        }
        self.text("\"");
    }

    fn list<T>(&mut self, open: &str, close: &str, items: &[T], each: impl Fn(&mut Self, &T)) {
        self.text(open);
        for (index, item) in items.iter().enumerate() {
            self.text(if index == 0 { "" } else { "," });
            each(self, item);
        }
        self.text(close);
    }
}

/// Returns the text as it stands within the quotes of a JSON string.
fn escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

impl Segment {
    /// Appends the segment; `body` is the length of the body in bytes.
    pub(crate) fn write(
        &self,
        out: &mut Vec<u8>,
        body: usize,
        scope: &Scope,
        at: &At<'_>,
    ) -> Result<(), BuildError> {
        let value = |name: &str| at.lookup(name).ok_or(TemplateError::Unbound(name.to_owned()));
        let text = |name: &str| {
            value(name).map(|value| match value {
                Value::String(text) => text,
                other => other.to_string(),
            })
        };
        let of_body = BuildError::template("body");
        match self {
            Self::Literal(bytes) => out.extend_from_slice(bytes),
            Self::Path(name) => {
                let text = text(name).map_err(BuildError::template("path"))?;
                out.extend_from_slice(percent_encode(&text).as_bytes());
            }
            Self::Header(header, name) => {
                let text = text(name)
                    .map_err(|source| BuildError::template(format!("header {header}"))(source))?;
                HeaderValue::from_bytes(text.as_bytes())
                    .map_err(|_| BuildError::HeaderValue(header.clone()))?;
                out.extend_from_slice(text.as_bytes());
            }
            Self::Token(user) => {
                let user = scope.context().virtual_users.get(*user, scope.iteration);
                let user = user.ok_or(BuildError::NoUser)?;
                out.extend_from_slice(user.authorization.as_bytes());
            }
            Self::Length => out.extend_from_slice(body.to_string().as_bytes()),
            Self::Text(name) => out.extend_from_slice(text(name).map_err(of_body)?.as_bytes()),
            Self::Json(name) => {
                out.extend_from_slice(value(name).map_err(of_body)?.to_string().as_bytes());
            }
            Self::JsonText(name) => {
                out.extend_from_slice(escaped(&text(name).map_err(of_body)?).as_bytes());
            }
        }
        Ok(())
    }
}
