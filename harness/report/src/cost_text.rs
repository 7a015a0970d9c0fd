//! What it costs, for a terminal.

use std::fmt::Write as _;

use rust_decimal::{Decimal, prelude::ToPrimitive as _};

use super::{
    cost::{BookReport, CostReport},
    cost_figures::{Row, change_text, notes, resources, totals},
};

/// Columns of a resource's name.
const NAME: usize = 22;
/// Columns of a figure.
const FIGURE: usize = 14;
/// Columns of a full bar.
const BAR: usize = 50;
/// What the parts of a bar are drawn with, largest first.
const FILLS: [char; 6] = ['█', '▓', '▒', '░', '▪', '·'];

/// The report as text.
pub fn cost_text(report: &CostReport) -> String {
    let mut text = String::new();
    if !report.settings.is_empty() {
        line(&mut text, &format!("with {}", report.settings.join(", ")));
    }
    for book in &report.books {
        show(&mut text, book);
        line(&mut text, "");
    }
    for warning in &report.warnings {
        line(&mut text, &format!("note: {warning}"));
    }
    text
}

fn line(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push('\n');
}

fn show(text: &mut String, book: &BookReport) {
    line(text, &format!("{} ({}): {}", book.book, book.date, book.note));
    if book.tiers.is_empty() {
        line(text, "  no tier: the run has no mix for any");
        return;
    }
    let tiers = book.tiers.iter().map(|tier| tier.tier.clone()).collect();
    row(text, &Row { name: "USD a month".to_owned(), figures: tiers });
    for figures in resources(book).iter().chain(&totals(book)) {
        row(text, figures);
    }
    chart(text, book);
    line(text, "");
    if let Some(changes) = &book.changes {
        if changes.is_empty() {
            line(text, "  no resource changed");
        }
        for change in changes {
            line(text, &format!("  {}", change_text(change)));
        }
    }
    for note in notes(book) {
        line(text, &format!("  {note}"));
    }
}

fn row(text: &mut String, Row { name, figures }: &Row) {
    let mut out = format!("  {name:NAME$}");
    for figure in figures {
        // Writing to a String cannot fail.
        let _ = write!(out, "{figure:>FIGURE$}");
    }
    line(text, &out);
}

/// A bar for each tier, as long as its bill is of the largest; its parts are the dearest resources.
fn chart(text: &mut String, book: &BookReport) {
    let largest = book.tiers.iter().map(|tier| drawn(tier.usd)).fold(0.0, f64::max);
    if largest <= 0.0 {
        return;
    }
    let Some(last) = book.tiers.last() else { return };
    let mut parts: Vec<_> = last
        .lines
        .iter()
        .map(|line| (line.resource, line.usd.map_or(0.0, drawn)))
        .filter(|(_, usd)| *usd > 0.0)
        .collect();
    parts.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    parts.truncate(FILLS.len() - 1);
    line(text, "");
    for tier in &book.tiers {
        let total = drawn(tier.usd);
        let mut bar = String::new();
        for ((resource, _), fill) in parts.iter().zip(FILLS) {
            let of = tier.lines.iter().find(|line| line.resource == *resource);
            let usd = of.and_then(|line| line.usd).map_or(0.0, drawn);
            bar.extend(std::iter::repeat_n(fill, columns(usd / largest)));
        }
        let length = columns(total / largest).max(1);
        let rest = length.saturating_sub(bar.chars().count());
        bar.extend(std::iter::repeat_n(FILLS[FILLS.len() - 1], rest));
        let percent = total / largest * 100.0;
        line(text, &format!("  {:NAME$}{bar} {percent:.1} %", tier.tier));
    }
    let mut legend: Vec<_> =
        parts.iter().zip(FILLS).map(|((name, _), fill)| format!("{fill} {name}")).collect();
    legend.push(format!("{} rest", FILLS[FILLS.len() - 1]));
    line(text, &format!("  {:NAME$}{}", "", legend.join(", ")));
}

/// A decimal as it is drawn.
pub(super) fn drawn(amount: Decimal) -> f64 {
    amount.to_f64().unwrap_or(0.0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of 50 columns"
)]
fn columns(share: f64) -> usize {
    (share.clamp(0.0, 1.0) * BAR as f64).round() as usize
}
