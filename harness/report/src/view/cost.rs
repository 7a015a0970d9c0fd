//! A bill for readers.

use rust_decimal::{Decimal, prelude::ToPrimitive as _};

use super::{
    Bar, Bars, Block, Cell, Column, Content, EVERYWHERE, Heading, IN_FULL, Medium, Table, Tone,
};
use crate::report::{
    BookReport, CostReport, TierReport,
    cost_figures::{Row, change_text, difference_texts, missing, notes, resources, shares, totals},
};

/// Parts of a bar that have names.
const NAMED: usize = 5;
const BASE: &str = "base";

/// The blocks of a bill.
pub(crate) fn bill(report: &CostReport) -> Vec<Block> {
    let heading = |level, text: &str, aside: String| {
        Content::Heading(Heading { level, word: None, text: text.to_owned(), aside })
    };
    let mut blocks = vec![heading(2, "The bill", String::new()).on(&[Medium::Page])];
    if !report.settings.is_empty() {
        let settings = format!("with {}", report.settings.join(", "));
        blocks.push(Content::Text(Tone::Plain, settings).everywhere());
    }
    for book in &report.books {
        let name = match &book.valid_until {
            Some(last) => format!("{} ({} to {last})", book.book, book.valid_from),
            None => format!("{} (from {})", book.book, book.valid_from),
        };
        blocks.push(heading(3, &name, book.note.clone()).on(IN_FULL));
        if book.tiers.is_empty() {
            let none = "no tier: the run has no mix for any".to_owned();
            blocks.push(Content::Text(Tone::Plain, none).on(IN_FULL));
            continue;
        }
        blocks.extend(of_book(book));
    }
    let differences = report.differences.iter().flat_map(difference_texts);
    blocks.push(Content::Notes(differences.collect()).everywhere());
    let warnings = report.warnings.iter().map(|warning| format!("note: {warning}"));
    blocks.push(Content::Notes(warnings.collect()).everywhere());
    blocks
}

fn of_book(book: &BookReport) -> Vec<Block> {
    let dollars = format!("{}, USD a month; ~ is assumed", book.book);
    let all = resources(book).into_iter().chain(totals(book)).collect();
    let sums = table(&format!("{}, USD a month", book.book), book, totals(book));
    let percent = table(&format!("{}, percent of the month", book.book), book, shares(book));
    let mut blocks = vec![
        Content::Table(table(&dollars, book, all)).on(IN_FULL),
        Content::Table(sums).on(&[Medium::Markdown]),
        Content::Notes(missing(book)).on(&[Medium::Markdown]),
        Content::Bars(bars(book)).on(IN_FULL),
        Content::Table(percent).on(&[Medium::Page]),
    ];
    if let Some(changes) = &book.changes {
        let none = changes.is_empty().then(|| "no resource changed".to_owned());
        let changes = none.into_iter().chain(changes.iter().map(change_text));
        blocks.push(Content::Notes(changes.collect()).on(EVERYWHERE));
    }
    blocks.push(Content::Notes(notes(book)).on(IN_FULL));
    blocks
}

fn table(caption: &str, book: &BookReport, rows: Vec<Row>) -> Table {
    let mut columns = vec![Column::text(caption)];
    columns.extend(book.tiers.iter().map(|tier| Column::number(tier.tier.as_str())));
    let row = |Row { name, figures }| {
        std::iter::once(name).chain(figures).map(Cell::from).collect::<Vec<_>>()
    };
    Table { caption: caption.to_owned(), columns, rows: rows.into_iter().map(row).collect() }
}

/// A bar for each tier, as long as its bill is of the largest, with its dearest parts by name.
fn bars(book: &BookReport) -> Bars {
    let tiers = || book.tiers.iter().filter(|tier| tier.usd > Decimal::ZERO);
    let largest = tiers().map(|tier| drawn(tier.usd)).fold(0.0, f64::max);
    let names = dearest(book);
    let bar = |tier: &TierReport| {
        let shares = shares_of(tier);
        let share = |name: &String| {
            shares.iter().find(|(known, _)| known == name).map_or(0.0, |(_, share)| *share)
        };
        Bar {
            name: tier.tier.clone(),
            text: format!("{} USD", tier.total()),
            length: drawn(tier.usd) / largest,
            shares: names.iter().map(share).collect(),
        }
    };
    let title = format!("The month's parts, {}", book.book);
    Bars { title, rows: tiers().map(bar).collect(), names: names.clone() }
}

/// What has the largest shares in any tier; what is paid in any case is one of them.
fn dearest(book: &BookReport) -> Vec<String> {
    let mut shares: Vec<(String, f64)> = Vec::new();
    for (name, share) in book.tiers.iter().flat_map(shares_of) {
        match shares.iter_mut().find(|(known, _)| *known == name) {
            Some((_, most)) => *most = most.max(share),
            None => shares.push((name, share)),
        }
    }
    shares.retain(|(_, share)| *share > 0.0);
    shares.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    shares.truncate(NAMED);
    shares.into_iter().map(|(name, _)| name).collect()
}

/// Parts of a month, 0 to 1.
fn shares_of(tier: &TierReport) -> Vec<(String, f64)> {
    let share = |usd: Decimal| usd.checked_div(tier.usd).map_or(0.0, drawn);
    let lines = tier.lines.iter().filter_map(|line| Some((line.resource.to_string(), line.usd?)));
    std::iter::once((BASE.to_owned(), tier.base_usd))
        .chain(lines)
        .map(|(name, usd)| (name, share(usd)))
        .collect()
}

/// A decimal as it is drawn.
fn drawn(amount: Decimal) -> f64 {
    amount.to_f64().unwrap_or(0.0)
}
