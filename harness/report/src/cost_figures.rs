//! The figures of a bill as every reader gets them: rows of a table with a column for each tier, and
//! notes under it.

use rust_decimal::{Decimal, prelude::ToPrimitive as _};
use workway_price::Resource;

use super::{
    BookDifference, BookReport, ChangeReport, Origin, TableReport, TierChangeReport,
    TierDifference, TierReport, number,
};

/// A row of a table: its name, and a figure for each tier.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) figures: Vec<String>,
}

fn row(name: &str, book: &BookReport, of: impl FnMut(&TierReport) -> String) -> Row {
    Row { name: name.to_owned(), figures: book.tiers.iter().map(of).collect() }
}

/// Dollars by resource, of those that cost something; `~` is assumed.
pub(super) fn resources(book: &BookReport) -> Vec<Row> {
    by_resource(book, |tier, resource| {
        let line = tier.lines.iter().find(|line| line.resource == resource)?;
        let mark = if line.origin == Origin::Measured { "" } else { "~" };
        let usd = line.usd?;
        Some((format!("{mark}{usd}"), !usd.is_zero()))
    })
}

/// Percent of the month by resource, and of what is paid in any case.
pub(super) fn shares(book: &BookReport) -> Vec<Row> {
    let mut rows = by_resource(book, |tier, resource| {
        let line = tier.lines.iter().find(|line| line.resource == resource)?;
        let free = line.usd.is_some_and(|usd| usd.is_zero());
        Some((line.percent?.to_string(), !free))
    });
    let base = |tier: &TierReport| {
        let share = tier.base_usd.checked_div(tier.usd);
        share.map_or(String::new(), |share| format!("{:.1}", share * Decimal::ONE_HUNDRED))
    };
    rows.push(row("base", book, base));
    rows
}

/// A row for each resource of which some tier has a figure that matters.
fn by_resource(
    book: &BookReport,
    of: impl Fn(&TierReport, Resource) -> Option<(String, bool)>,
) -> Vec<Row> {
    let rows = Resource::ALL.iter().filter_map(|resource| {
        let figures = book.tiers.iter().map(|tier| of(tier, *resource));
        let figures: Vec<_> = figures.map(Option::unwrap_or_default).collect();
        let matters = figures.iter().any(|(_, matters)| *matters);
        let figures = figures.into_iter().map(|(figure, _)| figure).collect();
        matters.then(|| Row { name: resource.label().to_owned(), figures })
    });
    rows.collect()
}

/// The sums, and what they are beside.
pub(super) fn totals(book: &BookReport) -> Vec<Row> {
    let mut rows = vec![
        row("base", book, |tier| tier.base_usd.to_string()),
        row("total", book, TierReport::total),
    ];
    if book.tiers.iter().any(|tier| tier.usd_half_width.is_some()) {
        let interval = |tier: &TierReport| {
            tier.usd_half_width.as_ref().map_or(String::new(), |half| format!("±{half}"))
        };
        rows.push(row("95 % interval", book, interval));
    }
    rows.push(row("per 1,000 requests", book, |tier| tier.usd_per_1000_requests.to_string()));
    rows.push(row("next million", book, |tier| tier.usd_next_million_requests.to_string()));
    if book.tiers.iter().any(|tier| tier.table.is_some()) {
        let of = |name, part: fn(&TableReport) -> Option<Decimal>| {
            row(name, book, |tier| {
                let part = tier.table.as_ref().map(part);
                part.map_or(String::new(), |part| {
                    part.map_or("none".to_owned(), |part| part.to_string())
                })
            })
        };
        rows.push(of("the guide's table", |table| Some(table.usd)));
        rows.push(of("difference", |table| Some(table.difference_usd)));
        rows.push(of("writes among rows", |table| table.write_share));
        rows.push(of("explained by writes", |table| table.explaining_write_share));
    }
    rows
}

/// What to know: what is assumed (`~`), what is not in the sums, and where more begins to cost more.
pub(super) fn notes(book: &BookReport) -> Vec<String> {
    let tiers = &book.tiers;
    let mut notes = missing(book);
    notes.extend(of_tiers(tiers, assumptions));
    notes.extend(of_tiers(tiers, not_in_the_sum));
    notes.extend(of_tiers(tiers, crossings));
    let billed = |resource: &Resource| {
        let mut lines = tiers.iter().flat_map(|tier| &tier.lines);
        lines.any(|line| line.resource == *resource && line.origin != Origin::Absent)
    };
    let daily = book.daily.iter().filter(|resource| billed(resource));
    for resource in daily {
        notes.extend(of_tiers(tiers, |tier| {
            let days = tier.busy_days;
            vec![format!(
                "{resource}: what is free each day counts on {days} busy days of the month"
            )]
        }));
    }
    let flags = book.flags.iter().filter(|(resource, _)| billed(resource));
    notes.extend(flags.map(|(resource, flag)| format!("{resource}: {flag}")));
    notes
}

/// Volumes about which the run says nothing.
pub(super) fn missing(book: &BookReport) -> Vec<String> {
    of_tiers(&book.tiers, |tier| tier.missing.clone())
}

/// What each tier says, once where several say the same: `startup, growth: ...`; without names where
/// all of them do.
fn of_tiers(tiers: &[TierReport], notes: impl Fn(&TierReport) -> Vec<String>) -> Vec<String> {
    let mut said: Vec<(String, Vec<&str>)> = Vec::new();
    for tier in tiers {
        for note in notes(tier) {
            match said.iter_mut().find(|(known, _)| *known == note) {
                Some((_, names)) => names.push(&tier.tier),
                None => said.push((note, vec![&tier.tier])),
            }
        }
    }
    let named = |(note, names): (String, Vec<&str>)| {
        if names.len() == tiers.len() { note } else { format!("{}: {note}", names.join(", ")) }
    };
    said.into_iter().map(named).collect()
}

fn assumptions(tier: &TierReport) -> Vec<String> {
    let assumed =
        tier.lines.iter().filter(|line| line.origin == Origin::Assumed && line.usd.is_some());
    let text = |line: &super::LineReport| {
        format!("~ {} assumed: {}", line.resource, line.why.as_deref().unwrap_or_default())
    };
    assumed.map(text).collect()
}

fn not_in_the_sum(tier: &TierReport) -> Vec<String> {
    if tier.absent.is_empty() {
        return Vec::new();
    }
    let names: Vec<_> = tier.absent.iter().map(|resource| resource.name()).collect();
    let names = names.join(", ");
    vec![format!("not in the sum, as nobody measured it: {names}; --set puts your own figures")]
}

/// The nearest three.
fn crossings(tier: &TierReport) -> Vec<String> {
    const SHOWN: usize = 3;
    let text = |crossing: &super::CrossingReport| {
        let super::CrossingReport { resource, requests, units } = crossing;
        let (requests, units) = (grouped(*requests), grouped(*units));
        format!("{resource}: its next price begins at {requests} requests ({units} units)")
    };
    tier.crossings.iter().take(SHOWN).map(text).collect()
}

/// A whole number with groups of three digits; any other as it is.
fn grouped(amount: Decimal) -> String {
    let whole = amount.to_u64().filter(|_| amount.is_integer());
    whole.map_or_else(|| amount.to_string(), number::count)
}

/// `rows_read: 2.1 -> 2.5 for each request: +0.40 USD a month at scale`, of the tiers whose bill
/// changes, or of all that change where no bill does.
pub(super) fn change_text(change: &ChangeReport) -> String {
    let units = |tier: &TierChangeReport| format!("{} -> {}", tier.base, tier.head);
    let money = |tier: &TierChangeReport| format!("{:+} USD a month at {}", tier.usd, tier.tier);
    let paid: Vec<_> = change.tiers.iter().filter(|tier| !tier.usd.is_zero()).collect();
    let used: Vec<_> = change.tiers.iter().filter(|tier| tier.base != tier.head).collect();
    let tiers = if paid.is_empty() { used } else { paid };
    let Some(first) = tiers.first() else { return change.resource.to_string() };
    let (resource, same) = (&change.resource, units(first));
    if tiers.iter().all(|tier| units(tier) == same) {
        let months: Vec<_> = tiers.iter().map(|tier| money(tier)).collect();
        return format!("{resource}: {same} for each request: {}", months.join(", "));
    }
    let each = tiers.iter().map(|tier| format!("{} ({})", money(tier), units(tier)));
    format!("{resource}, for each request: {}", each.collect::<Vec<_>>().join(", "))
}

/// `cloudflare-2026-12 instead of cloudflare-2026-11, enterprise: +63.36 USD a month: log_events -42.00, …`
pub(super) fn difference_texts(difference: &BookDifference) -> Vec<String> {
    let BookDifference { from, to, tiers } = difference;
    let text = |tier: &TierDifference| {
        let base = (!tier.base_usd.is_zero()).then(|| format!("base {:+}", tier.base_usd));
        let lines = tier.lines.iter().map(|line| format!("{} {:+}", line.resource, line.usd));
        let parts: Vec<_> = base.into_iter().chain(lines).collect();
        let parts = if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") };
        format!("{to} instead of {from}, {}: {:+} USD a month: {parts}", tier.tier, tier.usd)
    };
    tiers.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_names_the_tiers_whose_bill_it_changes() {
        let tier = |name: &str, base: &str, head: &str, usd: &str| TierChangeReport {
            tier: name.to_owned(),
            base: base.parse().unwrap(),
            head: head.parse().unwrap(),
            usd: usd.parse().unwrap(),
        };
        let (startup, scale) =
            (tier("startup", "1", "3", "0.00"), tier("scale", "1", "3", "41.00"));
        let text = |tiers: &[&TierChangeReport]| {
            let tiers = tiers.iter().map(|tier| (*tier).clone()).collect();
            change_text(&ChangeReport { resource: Resource::RowsRead, tiers })
        };
        assert_eq!(
            text(&[&startup, &scale]),
            "rows_read: 1 -> 3 for each request: +41.00 USD a month at scale"
        );
        let enterprise = tier("enterprise", "2", "1", "-5.00");
        assert_eq!(
            text(&[&startup, &scale, &enterprise]),
            "rows_read, for each request: +41.00 USD a month at scale (1 -> 3), -5.00 USD a month at \
             enterprise (2 -> 1)"
        );
        assert_eq!(
            text(&[&startup]),
            "rows_read: 1 -> 3 for each request: +0.00 USD a month at startup"
        );
        let change =
            ChangeReport { resource: Resource::RowsRead, tiers: vec![startup, scale, enterprise] };
        assert_eq!(change.most().unwrap().tier, "scale");
    }
}
