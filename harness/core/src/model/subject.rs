//! The parts of a response that are looked at, and operands of matchers.

use std::{fmt, sync::Arc};

use http::HeaderName;

use super::Value;

/// A part of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The status code, a number.
    Status,
    /// A header's value, a string; several values are joined with `, `.
    Header(HeaderName),
    /// The result of an RFC 9535 query on the JSON body. A query that can select one value at most
    /// gives that value or nothing; any other gives a list, whatever it selects.
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

/// A JSON Schema, compiled, and as it was written. The validator has 64 bits for a number: what does
/// not fit is rounded before it is compared with a bound.
#[derive(Clone)]
pub struct JsonSchemaOf(Arc<jsonschema::Validator>, Arc<Value>);

impl JsonSchemaOf {
    /// Compiles a schema.
    ///
    /// # Errors
    /// If it is none.
    pub fn new(schema: &Value) -> Result<Self, Box<jsonschema::ValidationError<'static>>> {
        let compiled = jsonschema::validator_for(&schema.to_serde())?;
        Ok(Self(Arc::new(compiled), Arc::new(schema.clone())))
    }

    /// The schema as it was written.
    pub fn written(&self) -> &Value {
        &self.1
    }

    /// Returns whether `value` is valid.
    pub fn is_valid(&self, value: &Value) -> bool {
        self.0.is_valid(&value.to_serde())
    }

    /// Describes at most `most` violations, each with the place where it is.
    pub fn violations(&self, value: &Value, most: usize) -> Vec<(String, String)> {
        let value = value.to_serde();
        let errors = self.0.iter_errors(&value).take(most);
        errors.map(|error| (error.instance_path().to_string(), error.to_string())).collect()
    }
}

impl fmt::Debug for JsonSchemaOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JsonSchemaOf")
    }
}
