//! Line plots as SVG: no script, no font and no image from elsewhere.

use std::fmt::Write as _;

use maud::{Markup, html};

use crate::report::view::{Axis, Line, Plot};

/// Of the drawing; the page scales it.
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 26.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 40.0;

/// Classes of the style sheet, by number of the line: told apart by colour and by dashes.
const CLASSES: [&str; 4] = ["a", "b", "c", "d"];

impl Plot {
    /// The figure; `None` when there is nothing to draw.
    pub(crate) fn figure(&self) -> Option<Markup> {
        let drawn = |line: &&Line| line.points.iter().flatten().count() > 1;
        let lines: Vec<_> = self.lines.iter().filter(drawn).collect();
        if lines.is_empty() {
            return None;
        }
        let (x, y) = (&self.x, &self.y);
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        Some(html! {
            figure {
                figcaption { (self.title) }
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(self.words(&lines)) {
                    @for (at, text) in &y.ticks {
                        line class="grid" x1=(LEFT) x2=(right) y1=(num(self.y(*at))) y2=(num(self.y(*at))) {}
                        text x=(LEFT - 6.0) y=(num(self.y(*at) + 4.0)) text-anchor="end" { (text) }
                    }
                    @for (at, text) in &x.ticks {
                        line class="axis" x1=(num(self.x(*at))) x2=(num(self.x(*at))) y1=(bottom) y2=(bottom + 4.0) {}
                        text x=(num(self.x(*at))) y=(bottom + 16.0) text-anchor="middle" { (text) }
                    }
                    line class="axis" x1=(LEFT) x2=(right) y1=(bottom) y2=(bottom) {}
                    text x=(LEFT.midpoint(right)) y=(HEIGHT - 6.0) text-anchor="middle" { (x.label) }
                    @if !self.band.is_empty() { polygon class="band" points=(self.band_points()) {} }
                    @for (line, class) in lines.iter().zip(CLASSES) {
                        path class={ "l " (class) } d=(self.path(line)) {}
                    }
                }
                ul class="legend" {
                    @for (line, class) in lines.iter().zip(CLASSES) {
                        li {
                            svg viewBox="0 0 32 12" aria-hidden="true" {
                                line class={ "l " (class) } x1="0" x2="32" y1="6" y2="6" {}
                            }
                            (line.name)
                        }
                    }
                }
            }
        })
    }

    /// For those who do not see it.
    fn words(&self, lines: &[&Line]) -> String {
        let names: Vec<_> = lines.iter().map(|line| line.name).collect();
        format!("{}: {} by {}", self.title, names.join(", "), self.x.label)
    }

    fn x(&self, at: f64) -> f64 {
        LEFT + part(at, &self.x) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, at: f64) -> f64 {
        HEIGHT - BOTTOM - part(at, &self.y) * (HEIGHT - TOP - BOTTOM)
    }

    fn path(&self, line: &Line) -> String {
        let mut path = String::new();
        let mut pen = 'M';
        for point in &line.points {
            match point {
                Some((x, y)) if x.is_finite() && y.is_finite() => {
                    // Writing to a String cannot fail.
                    let _ = write!(path, "{pen}{} {}", num(self.x(*x)), num(self.y(*y)));
                    pen = 'L';
                }
                _ => pen = 'M',
            }
        }
        path
    }

    fn band_points(&self) -> String {
        let there = self.band.iter().map(|(x, low, _)| (*x, *low));
        let back = self.band.iter().rev().map(|(x, _, high)| (*x, *high));
        let points =
            there.chain(back).map(|(x, y)| format!("{},{}", num(self.x(x)), num(self.y(y))));
        points.collect::<Vec<_>>().join(" ")
    }
}

/// Where on an axis, 0 to 1.
fn part(at: f64, axis: &Axis) -> f64 {
    ((at - axis.low) / (axis.high - axis.low)).clamp(0.0, 1.0)
}

/// A tenth of a pixel is enough.
fn num(at: f64) -> String {
    format!("{at:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_interrupts_the_line_and_nothing_gives_no_figure() {
        let axis = || Axis::linear("s", [0.0, 4.0].into_iter(), |at| at.to_string());
        let mut plot = Plot {
            title: "a".to_owned(),
            x: axis(),
            y: axis(),
            lines: vec![Line {
                name: "n",
                points: vec![Some((0.0, 0.0)), Some((1.0, 1.0)), None, Some((3.0, f64::NAN))],
            }],
            band: Vec::new(),
            sparks: Vec::new(),
        };
        let figure = plot.figure().unwrap().into_string();
        assert_eq!(figure.matches('M').count(), 1, "{figure}");
        assert!(!figure.contains("NaN"), "{figure}");
        plot.lines[0].points.truncate(1);
        assert!(plot.figure().is_none());
    }
}
