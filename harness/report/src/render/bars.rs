//! Bars as SVG, each in its parts.

use maud::{Markup, html};

use crate::report::view::{Bar, Bars};

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
const REST: &str = "rest";

/// A part of a bar, 0 to 1 of it.
struct Part {
    fill: usize,
    from: f64,
    share: f64,
}

/// The figure; `None` when there is no bar.
pub(super) fn figure(Bars { title, names, rows }: &Bars) -> Option<Markup> {
    if rows.is_empty() {
        return None;
    }
    let height = STEP * rows.iter().map(|_| 1.0).sum::<f64>();
    let scale = |share: f64| share * (WIDTH - LEFT - RIGHT);
    let words =
        format!("{title}: {} and the rest; the figures stand in the table", names.join(", "));
    Some(html! {
        figure {
            figcaption { (title) }
            svg viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-label=(words) {
                @for (bar, top) in rows.iter().zip((0..).map(|n| f64::from(n) * STEP)) {
                    @let middle = top + HEIGHT / 2.0 + 4.0;
                    text x=(LEFT - 6.0) y=(middle) text-anchor="end" { (bar.name) }
                    @for Part { fill, from, share } in parts(bar) {
                        rect class=(FILLS[fill]) x=(pixels(LEFT + scale(from))) y=(top)
                            width=(pixels(scale(share))) height=(HEIGHT) {}
                        @if scale(share) > LEAST_LETTER {
                            text class="in" x=(pixels(LEFT + scale(from + share / 2.0))) y=(middle)
                                text-anchor="middle" { (LETTERS[fill]) }
                        }
                    }
                    text x=(WIDTH - RIGHT + 6.0) y=(middle) { (bar.text) }
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

/// The named parts in their order, and then the rest.
fn parts(bar: &Bar) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut from = 0.0;
    for (fill, share) in bar.shares.iter().copied().enumerate().filter(|(_, share)| *share > 0.0) {
        parts.push(Part { fill, from, share });
        from += share;
    }
    parts.push(Part { fill: FILLS.len() - 1, from, share: (1.0 - from).max(0.0) });
    parts
}

/// A tenth of a pixel is enough.
fn pixels(at: f64) -> String {
    format!("{at:.1}")
}
