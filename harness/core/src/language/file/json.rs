//! Any JSON value, written as YAML, with templates in its texts.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

use crate::model::{JsonTemplate, Span};

use super::Spanned;
use crate::language::text::template;

/// A JSON value with templates in its texts.
#[derive(Clone, Debug)]
pub struct Json {
    /// As it was written.
    pub value: Value,
    /// With its templates parsed.
    pub template: JsonTemplate,
    /// The names in it, each with the place of the text it stands in.
    pub names: Vec<Spanned<String>>,
    /// Where it is written.
    pub span: Span,
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value: Tree(value, names), span } = Spanned::deserialize(deserializer)?;
        let template = JsonTemplate::parse(&value).map_err(D::Error::custom)?;
        let place =
            |(name, at): (String, Option<Span>)| Spanned { value: name, span: at.unwrap_or(span) };
        Ok(Self { value, template, names: names.into_iter().map(place).collect(), span })
    }
}

/// A value and the names in its texts; a name without a place stands in this very text.
struct Tree(Value, Vec<(String, Option<Span>)>);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
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

    fn visit_u64<E: Error>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree(value.into(), Vec::new()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree(value.into(), Vec::new()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree(value.into(), Vec::new()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Tree, E> {
        let template = template(text).map_err(E::custom)?;
        let names = template.names().map(|name| (name.to_owned(), None)).collect();
        Ok(Tree(text.into(), names))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let (mut items, mut names) = (Vec::new(), Vec::new());
        while let Some(item) = seq.next_element::<Spanned<Tree>>()? {
            items.push(merge(item, &mut names));
        }
        Ok(Tree(Value::Array(items), names))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let (mut members, mut names) = (serde_json::Map::new(), Vec::new());
        while let Some((key, item)) = map.next_entry::<String, Spanned<Tree>>()? {
            members.insert(key, merge(item, &mut names));
        }
        Ok(Tree(Value::Object(members), names))
    }
}

fn merge(item: Spanned<Tree>, names: &mut Vec<(String, Option<Span>)>) -> Value {
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
