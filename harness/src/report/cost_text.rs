//! What it costs, for a terminal.

use std::fmt::Write as _;

use super::cost::{BookReport, CostReport, LineReport, TierReport};
use crate::cost::Resource;

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
    row(text, "USD a month", book.tiers.iter().map(|tier| tier.tier.clone()));
    for resource in Resource::ALL {
        let of = |tier: &TierReport| {
            let line = tier.lines.iter().find(|line| line.resource == resource.name())?;
            let mark = if line.origin == "measured" { "" } else { "~" };
            Some(line.usd.as_ref().map_or("not priced".to_owned(), |usd| format!("{mark}{usd}")))
        };
        let costs: Vec<_> = book.tiers.iter().map(of).collect();
        let dear = |cost: &Option<String>| {
            cost.as_ref()
                .is_some_and(|cost| cost.trim_start_matches('~') != "0.00" && cost != "not priced")
        };
        if costs.iter().any(dear) {
            row(text, resource.label(), costs.into_iter().map(Option::unwrap_or_default));
        }
    }
    row(text, "base", book.tiers.iter().map(|tier| tier.base_usd.clone()));
    row(text, "total", book.tiers.iter().map(|tier| tier.usd.clone()));
    if book.tiers.iter().any(|tier| tier.usd_half_width.is_some()) {
        let interval = |tier: &TierReport| {
            tier.usd_half_width.as_ref().map_or(String::new(), |half| format!("±{half}"))
        };
        row(text, "95 % interval", book.tiers.iter().map(interval));
    }
    row(text, "per 1,000 requests", book.tiers.iter().map(|t| t.usd_per_1000_requests.clone()));
    row(text, "next million", book.tiers.iter().map(|t| t.usd_next_million_requests.clone()));
    table(text, book);
    chart(text, book);
    notes(text, book);
}

fn row(text: &mut String, name: &str, figures: impl Iterator<Item = String>) {
    let mut out = format!("  {name:NAME$}");
    for figure in figures {
        // Writing to a String cannot fail.
        let _ = write!(out, "{figure:>FIGURE$}");
    }
    line(text, &out);
}

fn table(text: &mut String, book: &BookReport) {
    if book.tiers.iter().all(|tier| tier.table.is_none()) {
        return;
    }
    let of = |part: fn(&super::cost::TableReport) -> Option<String>| {
        book.tiers.iter().map(move |tier| {
            tier.table
                .as_ref()
                .map_or(String::new(), |t| part(t).unwrap_or_else(|| "none".to_owned()))
        })
    };
    row(text, "the guide's table", of(|table| Some(table.usd.clone())));
    row(text, "difference", of(|table| Some(table.difference_usd.clone())));
    row(text, "writes among rows", of(|table| table.write_share.clone()));
    row(text, "explained by writes", of(|table| table.explaining_write_share.clone()));
}

/// A bar for each tier, as long as its bill is of the largest; its parts are the dearest resources.
fn chart(text: &mut String, book: &BookReport) {
    let number = |text: &str| text.parse::<f64>().unwrap_or(0.0);
    let largest = book.tiers.iter().map(|tier| number(&tier.usd)).fold(0.0, f64::max);
    if largest <= 0.0 {
        return;
    }
    let Some(last) = book.tiers.last() else { return };
    let mut parts: Vec<_> = last
        .lines
        .iter()
        .map(|line| (line.resource.as_str(), line.usd.as_deref().map_or(0.0, number)))
        .filter(|(_, usd)| *usd > 0.0)
        .collect();
    parts.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    parts.truncate(FILLS.len() - 1);
    line(text, "");
    for tier in &book.tiers {
        let total = number(&tier.usd);
        let mut bar = String::new();
        for ((resource, _), fill) in parts.iter().zip(FILLS) {
            let of = tier.lines.iter().find(|line| line.resource == *resource);
            let usd = of.and_then(|line| line.usd.as_deref()).map_or(0.0, number);
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

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of 50 columns"
)]
fn columns(share: f64) -> usize {
    (share.clamp(0.0, 1.0) * BAR as f64).round() as usize
}

fn notes(text: &mut String, book: &BookReport) {
    line(text, "");
    if let Some(changes) = &book.changes {
        if changes.is_empty() {
            line(text, "  no resource changed");
        }
        for change in changes {
            let months: Vec<_> = change
                .usd
                .iter()
                .map(|(tier, usd)| format!("{} USD at {tier}", signed(usd)))
                .collect();
            let (base, head) = (&change.base, &change.head);
            let what = format!("{}: {base} -> {head} for each request", change.resource);
            line(text, &format!("  {what}: {} a month", months.join(", ")));
        }
    }
    let Some(tier) = book.tiers.last() else { return };
    let unmeasured = |line: &&LineReport| line.origin != "measured" && line.usd.is_some();
    for assumed in tier.lines.iter().filter(unmeasured) {
        let why = assumed.why.as_deref().unwrap_or_default();
        line(text, &format!("  ~ {} {}: {why}", assumed.resource, assumed.origin));
    }
    for tier in &book.tiers {
        for missing in &tier.missing {
            line(text, &format!("  {}: {missing}", tier.tier));
        }
    }
    for crossing in tier.crossings.iter().take(3) {
        let (resource, units, requests) = (&crossing.resource, &crossing.units, &crossing.requests);
        line(
            text,
            &format!("  {resource}: its next price begins at {requests} requests ({units} units)"),
        );
    }
    let billed = |resource: &String| tier.lines.iter().any(|line| line.resource == *resource);
    for (resource, flag) in book.flags.iter().filter(|(resource, _)| billed(resource)) {
        line(text, &format!("  {resource}: {flag}"));
    }
}

fn signed(usd: &str) -> String {
    if usd.starts_with('-') { usd.to_owned() } else { format!("+{usd}") }
}
