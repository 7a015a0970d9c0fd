//! Starting scenarios from what is there already: a recording of a browser (HAR), or an OpenAPI
//! document. What comes out is a beginning, for its author to sharpen: it is valid, holds no secret,
//! and says in comments what was left out.

mod har;
mod openapi;
mod secret;
mod yaml;

pub use har::from_har;
pub use openapi::from_openapi;
use serde_json::Value;

/// Most requests of one scenario; what a recording has beyond is left out, and said so.
pub const MAX_REQUESTS: usize = 500;
/// Largest input, in bytes: recordings with bodies are large.
pub const MAX_INPUT_BYTES: u64 = 256 * 1024 * 1024;
/// The environment variable in which an imported scenario looks for a token.
pub const TOKEN_VARIABLE: &str = "WORKWAY_TOKEN";

/// A scenario to begin with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Starting {
    /// `imported/orders`.
    pub name: String,
    /// A sentence.
    pub about: String,
    /// The notes on what was left out or replaced, once each.
    pub notes: Vec<String>,
    /// The requests, in order.
    pub requests: Vec<Draft>,
}

/// One request of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// The name of the step.
    pub name: String,
    /// The method in lower case, as the language writes it.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// Set if the request carries a token.
    pub auth: bool,
    /// The headers, by name.
    pub headers: Vec<(String, String)>,
    /// The body of the request.
    pub body: Body,
    /// The expected status: a number, or several.
    pub status: Vec<u16>,
}

/// The body of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Body {
    /// None.
    #[default]
    Empty,
    /// JSON.
    Json(Value),
    /// Something else.
    Text(String),
}

/// An input that is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is not JSON.
    #[error("it is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It is JSON of another kind.
    #[error("{0}")]
    Kind(String),
}

impl Starting {
    fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// Lowercase letters, digits and single dashes: a part of a scenario's name.
fn slug(text: &str) -> String {
    let text = text.to_ascii_lowercase();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let slug = words.collect::<Vec<_>>().join("-");
    let slug: String = slug.chars().take(40).collect();
    if slug.is_empty() { "root".to_owned() } else { slug }
}

/// Text in which nothing is taken for a template.
fn plain(text: &str) -> String {
    text.replace("${{", "$ {{")
}
