//! Line plots as SVG: no script, no font and no image from elsewhere.

use std::fmt::Write as _;

use maud::{Markup, html};

/// Of the drawing; the page scales it.
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 26.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 40.0;

/// Classes of the style sheet, by number of the line: told apart by colour and by dashes.
const CLASSES: [&str; 4] = ["a", "b", "c", "d"];

/// A plot.
pub(super) struct Plot {
    pub(super) title: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) lines: Vec<Line>,
    /// Lower and upper end for each x.
    pub(super) band: Vec<(f64, f64, f64)>,
}

/// One axis, in the units that are drawn (after a logarithm, if there is one).
pub(super) struct Axis {
    pub(super) label: &'static str,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) ticks: Vec<(f64, String)>,
}

/// One line. Points that are missing interrupt it.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) points: Vec<Option<(f64, f64)>>,
}

impl Axis {
    /// From the least to the most of `values` with about five round ticks.
    pub(super) fn linear(
        label: &'static str,
        values: impl Iterator<Item = f64> + Clone,
        show: impl Fn(f64) -> String,
    ) -> Self {
        let low = values.clone().fold(0.0, f64::min);
        let high = values.fold(low, f64::max);
        let high = if high > low { high } else { low + 1.0 };
        let step = round_step((high - low) / 5.0);
        let first = (low / step).ceil();
        let ticks = (0..=10).map(|n| (first + f64::from(n)) * step).take_while(|at| *at <= high);
        let ticks = ticks.map(|at| (at, show(at))).collect();
        Self { label, low, high, ticks }
    }

    /// The same on a logarithmic scale, a tick for 1, 2 and 5 of each power of ten. Points are drawn
    /// at the logarithm.
    pub(super) fn logarithmic(
        label: &'static str,
        values: impl Iterator<Item = f64> + Clone,
        show: impl Fn(f64) -> String,
    ) -> Self {
        const LEAST: f64 = 1e-6;
        let low = values.clone().fold(f64::INFINITY, f64::min).clamp(LEAST, 1e12).log10();
        let high = values.fold(LEAST, f64::max).log10();
        let (low, high) = (low, if high > low + 0.1 { high } else { low + 0.5 });
        let wide = high - low > 2.0;
        let mut ticks = Vec::new();
        for power in -6..12 {
            for factor in [1.0, 2.0, 5.0] {
                let value: f64 = factor * 10.0_f64.powi(power);
                let at = value.log10();
                if at >= low - 1e-9 && at <= high + 1e-9 && (!wide || factor < 1.5) {
                    ticks.push((at, show(value)));
                }
            }
        }
        Self { label, low, high, ticks }
    }
}

/// 1, 2 or 5 times a power of ten, at least `step`.
fn round_step(step: f64) -> f64 {
    let power = 10.0_f64.powf(step.log10().floor());
    let factors = [1.0, 2.0, 5.0];
    factors.into_iter().map(|factor| factor * power).find(|s| *s >= step).unwrap_or(10.0 * power)
}

impl Plot {
    /// The figure; `None` when there is nothing to draw.
    pub(super) fn figure(&self) -> Option<Markup> {
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
    fn ticks_are_round() {
        let axis = Axis::linear("s", [0.0, 47.0].into_iter(), |at| at.to_string());
        let shown: Vec<_> = axis.ticks.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(shown, ["0", "10", "20", "30", "40"]);
        let axis = Axis::logarithmic("ms", [0.9, 30.0].into_iter(), |at| at.to_string());
        let shown: Vec<_> = axis.ticks.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(shown, ["1", "2", "5", "10", "20"]);
    }

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
        };
        let figure = plot.figure().unwrap().into_string();
        assert_eq!(figure.matches('M').count(), 1, "{figure}");
        assert!(!figure.contains("NaN"), "{figure}");
        plot.lines[0].points.truncate(1);
        assert!(plot.figure().is_none());
    }
}
