//! The parts of a response that are looked at, and operands of matchers.

use std::{fmt, sync::Arc};

use http::HeaderName;
use serde_json::Value;

/// A part of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The status code, a number.
    Status,
    /// A header's value, a string; several values are joined with `, `.
    Header(HeaderName),
    /// The result of an RFC 9535 query on the JSON body: nothing, one value, or an array of the
    /// values if there are several.
    Json(String),
    /// The body as text.
    Text,
}

/// The order of a list.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// None is less than the one before it.
    Ascending,
    /// None is greater than the one before it.
    Descending,
}

/// A JSON Schema, compiled, and as it was written.
#[derive(Clone)]
pub struct JsonSchemaOf(pub Arc<jsonschema::Validator>, pub Arc<Value>);

impl fmt::Debug for JsonSchemaOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JsonSchemaOf")
    }
}
