//! Any JSON value, written as YAML, with templates in its texts.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

use crate::model::{JsonTemplate, Object, Span, TemplateError, Value};

use super::Spanned;
use crate::language::text::template;

/// A JSON value with templates in its texts.
#[derive(Clone, Debug)]
pub struct Json {
    /// The value as it was written.
    pub value: Value,
    /// The value with its templates parsed.
    pub template: JsonTemplate,
    /// The names in it, each with the place of the text it stands in.
    pub names: Vec<Spanned<String>>,
    /// The texts that look like a name to fill in, such as `{{ title }}`, likewise.
    pub lookalikes: Vec<Spanned<String>>,
    /// The place where it is written.
    pub span: Span,
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value: Tree(value, mentions), span } = Spanned::deserialize(deserializer)?;
        let template = JsonTemplate::parse(&value).map_err(D::Error::custom)?;
        let (mut names, mut lookalikes) = (Vec::new(), Vec::new());
        for (mention, at) in mentions {
            let span = at.unwrap_or(span);
            match mention {
                Mention::Name(value) => names.push(Spanned { value, span }),
                Mention::Lookalike(value) => lookalikes.push(Spanned { value, span }),
            }
        }
        Ok(Self { value, template, names, lookalikes, span })
    }
}

impl Json {
    /// A value that no file has, with its templates parsed.
    ///
    /// # Errors
    /// A template that is none.
    pub fn new(value: Value) -> Result<Self, TemplateError> {
        let template = JsonTemplate::parse(&value)?;
        let names = template.names().into_iter().map(|name| name.to_owned().into()).collect();
        Ok(Self { value, template, names, lookalikes: Vec::new(), span: Span::default() })
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

/// The name by which a value asks the deserializer for what is written: a number comes as the bytes
/// of its digits, and what readers of YAML disagree on is refused.
pub(in crate::language) const AS_WRITTEN: &str = "$workway::AsWritten";

/// A value and what its texts mention; what has no place stands in this very text.
struct Tree(Value, Vec<(Mention, Option<Span>)>);

/// A part of a text.
enum Mention {
    /// A name to fill in.
    Name(String),
    /// A text that looks like a name to fill in.
    Lookalike(String),
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(AS_WRITTEN, TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree(Value::Null, Vec::new()))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree(value.into(), Vec::new()))
    }

    /// A number, with the digits that the author wrote.
    fn visit_bytes<E: Error>(self, digits: &[u8]) -> Result<Tree, E> {
        Value::parse(digits).map(|number| Tree(number, Vec::new())).map_err(E::custom)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Tree, E> {
        let template = template(text).map_err(E::custom)?;
        let names = template.names().map(|name| Mention::Name(name.to_owned()));
        let lookalikes = template.lookalikes().into_iter().map(Mention::Lookalike);
        let mentions = names.chain(lookalikes).map(|mention| (mention, None)).collect();
        Ok(Tree(text.into(), mentions))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let (mut items, mut names) = (Vec::new(), Vec::new());
        while let Some(item) = seq.next_element::<Spanned<Tree>>()? {
            items.push(merge(item, &mut names));
        }
        Ok(Tree(Value::Array(items), names))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let (mut members, mut names) = (Object::new(), Vec::new());
        while let Some((key, item)) = map.next_entry::<String, Spanned<Tree>>()? {
            members.insert(key, merge(item, &mut names));
        }
        Ok(Tree(Value::Object(members), names))
    }
}

fn merge(item: Spanned<Tree>, names: &mut Vec<(Mention, Option<Span>)>) -> Value {
    let Tree(value, inner) = item.value;
    names.extend(inner.into_iter().map(|(name, at)| (name, at.or(Some(item.span)))));
    value
}

impl JsonSchema for Json {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("json")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        Schema::from(true)
    }
}
