//! Operands of matchers that are more than a value.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{clip, error::Problem, file::Json};
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

impl<'de> Deserialize<'de> for Bound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Json { value, span, .. } = Json::deserialize(deserializer)?;
        match value {
            Value::Number(number) => Ok(Self { number, span }),
            other => {
                let message = format!("must be a number, found `{}`", clip(&other.to_string()));
                Err(D::Error::custom(Problem::new("wrong-type", message)))
            }
        }
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
