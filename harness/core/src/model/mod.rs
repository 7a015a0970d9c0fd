//! Holds the words that every layer shares: places in a file, kinds of errors, capabilities, the clock.

mod capability;
mod choice;
pub mod clock;
mod error;
pub mod files;
pub mod glob;
mod json;
mod name;
mod number;
mod parts;
mod query;
mod secret;
mod severity;
mod signal;
mod span;
pub mod stub;
mod subject;
mod target;
mod template;
mod threshold;
pub mod usage;

pub use capability::Capability;
pub use choice::{Connections, Encoding, InstantFormat, KeyPart, Pacing, Spoil};
pub use error::ErrorKind;
pub use error::{Stage, causes, classify};
#[cfg(test)]
pub(crate) use json::tests::{json, value_text};
pub use json::{JsonError, MAX_DEPTH, Number, Object, Value, clipped, quoted};
pub(crate) use json::{read_number, shown};
pub use name::{MAX_NAME_CHARS, NAME_RULE, is_name, is_part};
pub use number::{float, hex, nanos};
pub use parts::Parts;
pub use query::{MAX_QUERY_BYTES, Query, QueryError};
pub use secret::Secret;
pub use severity::Severity;
pub use signal::Signal;
pub use span::Span;
pub use subject::{JsonSchemaOf, Order, Subject};
pub use target::TargetKind;
pub(crate) use template::percent_encode;
pub use template::{
    Bindings, JsonTemplate, MAX_RENDERED_BYTES, Segment, Template, TemplateError, Values,
};
pub use threshold::{Clock, Comparison, CostFigure, Metric, Quantity};
