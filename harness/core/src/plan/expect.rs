//! What responses must be.

use std::{fmt, sync::Arc};

use http::HeaderName;
use serde_json::Value;

use super::{Claim, Span};
use crate::language::Matcher;

/// One thing that must hold of one response.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// What is looked at.
    pub subject: Subject,
    /// What it must be.
    pub matcher: Matcher,
    /// In the file.
    pub span: Span,
}

/// A part of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The status code, a number.
    Status,
    /// A header's value, a string; several values are joined with `, `.
    Header(HeaderName),
    /// What an RFC 9535 query selects from the JSON body: nothing, one value, or an array of the
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

/// Keep a part of a response under a name.
#[derive(Clone, Debug)]
pub struct Capture {
    /// The variable.
    pub name: String,
    /// What it takes; a response without it fails the step.
    pub subject: Subject,
    /// In the file.
    pub span: Span,
}

/// "This many of the responses look like this".
#[derive(Clone, Debug)]
pub struct CountExpectation {
    /// Which responses are counted: those for which all of these hold.
    pub matching: Vec<Expectation>,
    /// What the number must be.
    pub is: Matcher,
    /// In the file.
    pub span: Span,
    /// What it stands for.
    pub claim: Claim,
}

/// "The responses have this many different values of it".
#[derive(Clone, Debug)]
pub struct DistinctExpectation {
    /// Of what; responses without it do not count.
    pub subject: Subject,
    /// What the number must be.
    pub is: Matcher,
    /// In the file.
    pub span: Span,
    /// What it stands for.
    pub claim: Claim,
}
