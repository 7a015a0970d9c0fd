//! A bill as bars: each tier's month in parts, by resource.

use maud::{Markup, html};
use rust_decimal::Decimal;

use crate::report::{BookReport, TierReport, cost_text::drawn};

/// Of the drawing; the page scales it.
const WIDTH: f64 = 480.0;
/// Left of the bars, for the names of tiers.
const LEFT: f64 = 80.0;
/// Right of them, for the dollars.
const RIGHT: f64 = 80.0;
const HEIGHT: f64 = 22.0;
const STEP: f64 = 34.0;
/// The fills of the style sheet; the last is for everything else.
const FILLS: [&str; 6] = ["s0", "s1", "s2", "s3", "s4", "s5"];
/// The letters in them, so that colours are not all that tells them apart.
const LETTERS: [&str; 6] = ["A", "B", "C", "D", "E", ""];
/// Narrower parts have no room for a letter.
const LEAST_LETTER: f64 = 14.0;
const BASE: &str = "base";
const REST: &str = "rest";

/// A part of a bar, 0 to 1 of the month.
struct Part {
    fill: usize,
    from: f64,
    share: f64,
}

/// The figure; `None` when every month costs nothing.
pub(super) fn figure(book: &BookReport) -> Option<Markup> {
    let names = dearest(book);
    let tiers: Vec<_> = book.tiers.iter().filter(|tier| drawn(tier.usd) > 0.0).collect();
    if tiers.is_empty() {
        return None;
    }
    let height = STEP * tiers.iter().map(|_| 1.0).sum::<f64>();
    let title = format!("What a month consists of, {}", book.book);
    let scale = |share: f64| share * (WIDTH - LEFT - RIGHT);
    Some(html! {
        figure {
            figcaption { (title) }
            svg viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-label=(words(&title, &names)) {
                @for (tier, top) in tiers.iter().zip((0..).map(|n| f64::from(n) * STEP)) {
                    @let middle = top + HEIGHT / 2.0 + 4.0;
                    text x=(LEFT - 6.0) y=(middle) text-anchor="end" { (tier.tier) }
                    @for Part { fill, from, share } in parts(tier, &names) {
                        rect class=(FILLS[fill]) x=(pixels(LEFT + scale(from))) y=(top)
                            width=(pixels(scale(share))) height=(HEIGHT) {}
                        @if scale(share) > LEAST_LETTER {
                            text class="in" x=(pixels(LEFT + scale(from + share / 2.0))) y=(middle)
                                text-anchor="middle" { (LETTERS[fill]) }
                        }
                    }
                    text x=(WIDTH - RIGHT + 6.0) y=(middle) { "$" (tier.total()) }
                }
            }
            ul class="legend" {
                @for (n, name) in names.iter().map(String::as_str).chain([REST]).enumerate() {
                    @let fill = if name == REST { FILLS.len() - 1 } else { n };
                    li {
                        svg viewBox="0 0 32 12" aria-hidden="true" {
                            rect class=(FILLS[fill]) width="32" height="12" {}
                        }
                        (LETTERS[fill]) " " (name)
                    }
                }
            }
        }
    })
}

fn words(title: &str, names: &[String]) -> String {
    format!("{title}: {} and the rest, by tier; the figures stand in the table", names.join(", "))
}

/// What has the largest shares in any tier; what is paid in any case is one of them.
fn dearest(book: &BookReport) -> Vec<String> {
    let mut shares: Vec<(String, f64)> = Vec::new();
    for tier in &book.tiers {
        for (name, share) in shares_of(tier) {
            match shares.iter_mut().find(|(known, _)| *known == name) {
                Some((_, most)) => *most = most.max(share),
                None => shares.push((name, share)),
            }
        }
    }
    shares.retain(|(_, share)| *share > 0.0);
    shares.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    shares.truncate(FILLS.len() - 1);
    shares.into_iter().map(|(name, _)| name).collect()
}

/// Parts of a month, 0 to 1.
fn shares_of(tier: &TierReport) -> Vec<(String, f64)> {
    let share = |usd: Decimal| {
        let share = drawn(usd) / drawn(tier.usd);
        if share.is_finite() { share } else { 0.0 }
    };
    let line =
        |line: &crate::report::LineReport| Some((line.resource.to_string(), share(line.usd?)));
    let base = (BASE.to_owned(), share(tier.base_usd));
    std::iter::once(base).chain(tier.lines.iter().filter_map(line)).collect()
}

/// The named parts in their order, and then the rest.
fn parts(tier: &TierReport, names: &[String]) -> Vec<Part> {
    let shares = shares_of(tier);
    let mut parts = Vec::new();
    let mut from = 0.0;
    for (fill, name) in names.iter().enumerate() {
        let share = shares.iter().find(|(known, _)| known == name).map_or(0.0, |(_, share)| *share);
        if share > 0.0 {
            parts.push(Part { fill, from, share });
            from += share;
        }
    }
    let share = (1.0 - from).max(0.0);
    parts.push(Part { fill: FILLS.len() - 1, from, share });
    parts
}

/// A tenth of a pixel is enough.
fn pixels(at: f64) -> String {
    format!("{at:.1}")
}
