//! What a month costs, on a page.

use maud::{Markup, html};

use super::{bar, table};
use crate::report::{
    BookReport, ChangeReport, CostReport,
    cost_figures::{Row, change_text, notes, resources, shares, totals},
};

pub(super) fn bill(report: &CostReport) -> Markup {
    html! {
        h2 { "The bill" }
        @for warning in &report.warnings { p class="unsure" { (warning) } }
        @for book in &report.books { (of_book(book)) }
    }
}

fn of_book(book: &BookReport) -> Markup {
    let name = format!("{} ({})", book.book, book.date);
    let dollars: Vec<_> = resources(book).into_iter().chain(totals(book)).collect();
    html! {
        h3 { (name) }
        p class="dim" { (book.note) }
        @if book.tiers.is_empty() { p { (book.book) ": no tier has a mix in this run" } }
        @else {
            @if let Some(figure) = bar::figure(book) { div class="bars" { (figure) } }
            (rows(&format!("{name}: USD a month; ~ is assumed"), book, dollars))
            (rows(&format!("{name}: percent of the month"), book, shares(book)))
            @if let Some(changes) = &book.changes { (changed(changes)) }
            ul { @for note in notes(book) { li { (note) } } }
        }
    }
}

fn rows(caption: &str, book: &BookReport, rows: Vec<Row>) -> Markup {
    let mut columns = vec![("resource or sum", false)];
    columns.extend(book.tiers.iter().map(|tier| (tier.tier.as_str(), true)));
    let cells = |Row { name, figures }| std::iter::once(name).chain(figures).collect();
    table(caption, &columns, &rows.into_iter().map(cells).collect::<Vec<_>>())
}

fn changed(changes: &[ChangeReport]) -> Markup {
    html! {
        @if changes.is_empty() { p { "no resource changed" } }
        ul { @for change in changes { li { (change_text(change)) } } }
    }
}
