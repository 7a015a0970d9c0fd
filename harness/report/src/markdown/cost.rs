//! What a month costs, as Markdown: the sums by tier.

use std::fmt::Write as _;

use super::escape;
use crate::report::{
    BookReport, CostReport,
    cost_figures::{Row, missing, totals},
};

/// A table for each book; nothing where no tier has a mix.
pub(super) fn cost(text: &mut String, report: &CostReport) {
    for book in report.books.iter().filter(|book| !book.tiers.is_empty()) {
        of_book(text, book);
    }
    for warning in &report.warnings {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "- {}", escape(warning));
    }
}

fn of_book(text: &mut String, book: &BookReport) {
    let tiers = book.tiers.iter().map(|tier| tier.tier.clone()).collect();
    let title = format!("{}, USD a month", book.book);
    let _ = writeln!(text);
    row(text, &Row { name: title, figures: tiers });
    let _ = writeln!(text, "|---|{}", "--:|".repeat(book.tiers.len()));
    for figures in &totals(book) {
        row(text, figures);
    }
    let missing = missing(book);
    if !missing.is_empty() {
        let _ = writeln!(text);
    }
    for note in missing {
        let _ = writeln!(text, "- {}", escape(&note));
    }
}

fn row(text: &mut String, Row { name, figures }: &Row) {
    let cells: Vec<_> = std::iter::once(name).chain(figures).map(|cell| escape(cell)).collect();
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}
