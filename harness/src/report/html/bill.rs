//! What a month costs, on a page.

use maud::{Markup, html};

use super::table;
use crate::report::{BookReport, CostReport};

pub(super) fn bill(report: &CostReport) -> Markup {
    html! {
        h2 { "The bill" }
        @for warning in &report.warnings { p class="unsure" { (warning) } }
        @for book in &report.books { (of_book(book)) }
    }
}

fn of_book(book: &BookReport) -> Markup {
    let mut columns = vec![("USD a month", false)];
    columns.extend(book.tiers.iter().map(|tier| (tier.tier.as_str(), true)));
    let mut resources: Vec<&str> = Vec::new();
    for line in book.tiers.iter().flat_map(|tier| &tier.lines) {
        let costs = line.usd.as_deref().is_some_and(|usd| usd != "0.00");
        if costs && !resources.contains(&line.resource.as_str()) {
            resources.push(&line.resource);
        }
    }
    let row = |name: &str, figures: Vec<String>| {
        std::iter::once(name.to_owned()).chain(figures).collect::<Vec<_>>()
    };
    let mut rows: Vec<_> = resources
        .into_iter()
        .map(|resource| {
            let of = book.tiers.iter().map(|tier| {
                let line = tier.lines.iter().find(|line| line.resource == resource);
                line.map_or(String::new(), |line| {
                    let mark = if line.origin == "measured" { "" } else { "~" };
                    line.usd.as_ref().map_or(String::new(), |usd| format!("{mark}{usd}"))
                })
            });
            row(resource, of.collect())
        })
        .collect();
    rows.push(row("base", book.tiers.iter().map(|tier| tier.base_usd.clone()).collect()));
    rows.push(row("total", book.tiers.iter().map(|tier| tier.usd.clone()).collect()));
    let per = book.tiers.iter().map(|tier| tier.usd_per_1000_requests.clone());
    rows.push(row("1,000 requests", per.collect()));
    let caption = format!("{} ({}); ~ is assumed", book.book, book.date);
    html! {
        @if book.tiers.is_empty() { p { (book.book) ": no tier has a mix in this run" } }
        @else { (table(&caption, &columns, &rows)) }
        p class="dim" { (book.note) }
    }
}
