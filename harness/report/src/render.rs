//! A view as text for a terminal, as Markdown, and as a page.

mod bars;
mod html;
mod markdown;
mod plot;
mod text;

pub(super) use html::page;
pub(super) use markdown::markdown;
pub(super) use text::{blocks_as_text, text};

#[cfg(test)]
mod tests;
