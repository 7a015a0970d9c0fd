//! Matchers: a value alone, or a map of operators. A new operator is a field of [`OperatorsFile`]
//! and a line in `plan::resolve::expect`.

use std::{borrow::Cow, fmt, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

use super::{Json, Spanned};
use crate::{
    language::{error::Problem, text::Pattern},
    model::{JsonSchemaOf, Order},
};

/// What a value must be. The deserializer chooses by the shape of the node.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename = "$workway::ByShape", rename_all = "lowercase")]
pub enum MatcherFile {
    /// A map of operators: all of them hold.
    Map(Box<OperatorsFile>),
    /// A value or a list alone: equal to it.
    Other(Json),
}

/// The name by which [`MatcherFile`] asks the deserializer to choose by shape.
pub(in crate::language) const BY_SHAPE: &str = "$workway::ByShape";

/// Operators; all of them hold.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "operators", deny_unknown_fields)]
pub struct OperatorsFile {
    /// Equal, as JSON.
    pub eq: Option<Json>,
    /// Present, and not equal.
    pub ne: Option<Json>,
    /// A number below this.
    pub lt: Option<Number>,
    /// A number not above this.
    pub le: Option<Number>,
    /// A number above this.
    pub gt: Option<Number>,
    /// A number not below this.
    pub ge: Option<Number>,
    /// Equal to one of these.
    #[serde(rename = "in")]
    pub one_of: Option<Spanned<Vec<Json>>>,
    /// A text in which this regular expression is found.
    pub matches: Option<Spanned<Pattern>>,
    /// A text with this in it, or a list with this as an item.
    pub contains: Option<Json>,
    /// Whether it is there; `null` is there.
    pub exists: Option<bool>,
    /// The number of characters, items or members.
    pub length: Option<Spanned<Box<MatcherFile>>>,
    /// The number of different items of a list.
    pub distinct: Option<Spanned<Box<MatcherFile>>>,
    /// Every item of a list.
    pub each: Option<Spanned<Box<MatcherFile>>>,
    /// A list in this order.
    pub sorted: Option<Order>,
    /// Valid by this JSON Schema.
    pub schema: Option<Spanned<CompiledSchema>>,
}

/// A number to compare with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number(pub f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    #[expect(clippy::cast_precision_loss, reason = "JSON numbers are compared as f64")]
    fn visit_u64<E: Error>(self, value: u64) -> Result<Number, E> {
        Ok(Number(value as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "JSON numbers are compared as f64")]
    fn visit_i64<E: Error>(self, value: i64) -> Result<Number, E> {
        Ok(Number(value as f64))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Number, E> {
        Ok(Number(value))
    }
}

impl JsonSchema for Number {
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

impl JsonSchema for MatcherFile {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("matcher")
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let operators = generator.subschema_for::<OperatorsFile>();
        json_schema!({
            "description": "A value alone means equal; a map of operators means all of them.",
            "anyOf": [
                { "type": ["null", "boolean", "number", "string", "array"] },
                operators,
            ],
        })
    }
}

/// A JSON Schema, checked when the file is read. It refers to nothing outside itself.
#[derive(Clone, Debug)]
pub struct CompiledSchema(pub JsonSchemaOf);

impl<'de> Deserialize<'de> for CompiledSchema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let schema = Json::deserialize(deserializer)?.value;
        let compiled = jsonschema::validator_for(&schema).map_err(|error| {
            let message = format!("is not a JSON Schema: {error}");
            D::Error::custom(
                Problem::new("bad-schema", message)
                    .with_help("a schema is for example `{ type: object, required: [id] }`"),
            )
        })?;
        Ok(Self(JsonSchemaOf(Arc::new(compiled), Arc::new(schema))))
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
