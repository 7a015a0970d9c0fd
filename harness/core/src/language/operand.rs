//! Operands of matchers that are more than a value.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};

use super::{
    Spanned, clip,
    error::Problem,
    file::{AS_WRITTEN, Json},
};
use crate::model::{JsonSchemaOf, Number, Span, Value};

/// A number to compare with.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// The number.
    pub number: Number,
    /// The place where it is written.
    pub span: Span,
}

impl From<Number> for Bound {
    fn from(number: Number) -> Self {
        Self { number, span: Span::default() }
    }
}

/// A number without its place, so that an error stands where the number should.
struct Bare(Number);

impl<'de> Deserialize<'de> for Bare {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(AS_WRITTEN, BareVisitor)
    }
}

struct BareVisitor;

impl Visitor<'_> for BareVisitor {
    type Value = Bare;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    /// The digits of a number.
    fn visit_bytes<E: Error>(self, digits: &[u8]) -> Result<Bare, E> {
        let digits = str::from_utf8(digits).unwrap_or_default();
        let number = Number::parse(digits).ok_or_else(|| not_a_number(digits));
        number.map(Bare).map_err(E::custom)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Bare, E> {
        Err(E::custom(not_a_number(&format!("the text `{}`", clip(text)))))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Bare, E> {
        Err(E::custom(not_a_number(&format!("`{value}`"))))
    }

    fn visit_unit<E: Error>(self) -> Result<Bare, E> {
        Err(E::custom(not_a_number("nothing")))
    }
}

fn not_a_number(found: &str) -> Problem {
    Problem::new("wrong-type", format!("must be a number, found {found}"))
}

impl<'de> Deserialize<'de> for Bound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value: Bare(number), span } = Spanned::deserialize(deserializer)?;
        Ok(Self { number, span })
    }
}

impl Serialize for Bound {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Value::Number(self.number.clone()).serialize(serializer)
    }
}

impl JsonSchema for Bound {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("number")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number" })
    }
}
/// A JSON Schema, checked when the file is read. It refers to nothing outside itself.
#[derive(Clone, Debug)]
pub struct CompiledSchema(pub JsonSchemaOf);

impl<'de> Deserialize<'de> for CompiledSchema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let schema = Json::deserialize(deserializer)?.value;
        let compiled = JsonSchemaOf::new(&schema).map_err(|error| {
            let message = format!("is not a JSON Schema: {error}");
            D::Error::custom(
                Problem::new("bad-schema", message)
                    .with_help("a schema is for example `{ type: object, required: [id] }`"),
            )
        })?;
        Ok(Self(compiled))
    }
}

impl Serialize for CompiledSchema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.written().serialize(serializer)
    }
}

impl JsonSchema for CompiledSchema {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("json-schema")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["object", "boolean"], "description": "a JSON Schema" })
    }
}
