//! Scenario files: what the author wrote, with the place of everything.
//!
//! Bytes become text ([`MAX_FILE_BYTES`], UTF-8), text a tree (a strict subset of YAML: nothing in
//! it means something else than it looks like), the tree a [`file::ScenarioFile`] (shapes, units,
//! names, patterns). The layer above, `plan`, gives it its meaning. Each station reports everything
//! it finds as [`Diagnostic`]s and prints nothing.

pub mod cost_threshold;
mod decode;
mod diagnostic;
mod discover;
mod error;
pub mod file;
mod library;
mod lint;
mod matcher;
mod node;
mod operand;
pub mod quantity;
mod render;
mod repair;
mod scalar;
mod schema;
mod source;
mod spanned;
mod suggest;
pub mod text;
pub mod threshold;
mod yaml;

#[cfg(test)]
mod tests;

pub use diagnostic::{Diagnostic, Severity};
pub use discover::{DiscoverError, discover, read};
pub use error::Problem;
pub use file::ScenarioFile;
pub use library::{
    Library, LibraryError, MAX_CALLS, MAX_FEED_BYTES, MAX_FEED_ITEMS, MAX_READ_BYTES,
};
pub use matcher::{Matcher, Operators};
pub use operand::{Bound, CompiledSchema};
pub use render::render;
pub use repair::MAX_ERRORS;
pub use schema::schema;
pub use source::MAX_FILE_BYTES;
pub use spanned::Spanned;
pub use yaml::MAX_DEPTH;

pub(crate) use library::{Called, first_of};
pub(crate) use matcher::Operand;
pub use node::clip;
pub use suggest::{closest, did_you_mean, listed};

pub(crate) use lint::secrets as lint_secrets;
pub(crate) use source::{Source, text as text_of};

/// Reads the shape of a scenario file.
///
/// # Errors
/// Everything that is wrong with it, up to [`MAX_ERRORS`], in the order of the file.
pub fn parse(text: &str) -> Result<ScenarioFile, Vec<Diagnostic>> {
    let source = Source::new(text);
    let (tree, mut diagnostics) = yaml::parse(&source);
    let Some(tree) = tree else { return Err(in_order(diagnostics, &source)) };
    match repair::decode_all(tree) {
        Ok(file) if diagnostics.is_empty() => return Ok(file),
        Ok(_) => {}
        Err(more) => diagnostics.extend(more),
    }
    Err(in_order(diagnostics, &source))
}

/// Sorted by place, each narrowed to what it is about, and no more than [`MAX_ERRORS`].
pub(crate) fn in_order(mut diagnostics: Vec<Diagnostic>, source: &Source<'_>) -> Vec<Diagnostic> {
    for diagnostic in &mut diagnostics {
        let focus = diagnostic.focus.take();
        diagnostic.span = source.narrow(diagnostic.span, focus.as_deref());
    }
    diagnostics.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.span.end));
    diagnostics.dedup();
    if let Some(hidden) = diagnostics.get(MAX_ERRORS) {
        let rest = Diagnostic {
            severity: hidden.severity,
            ..Diagnostic::error("and-more", "there is more from here on, not shown", hidden.span)
        };
        diagnostics.truncate(MAX_ERRORS);
        diagnostics.push(rest);
    }
    diagnostics
}
