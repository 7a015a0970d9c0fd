//! Plots, before they are drawn.

use crate::report::series::Series;

/// A plot of lines.
pub(crate) struct Plot {
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<Line>,
    /// Lower and upper end for each x.
    pub(crate) band: Vec<(f64, f64, f64)>,
    /// What a terminal shows of it, in place of the lines.
    pub(crate) sparks: Vec<Series>,
}

/// One axis, in the units that are drawn (after a logarithm, if there is one).
pub(crate) struct Axis {
    pub(crate) label: &'static str,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) ticks: Vec<(f64, String)>,
}

/// One line. Points that are missing interrupt it.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) points: Vec<Option<(f64, f64)>>,
}

impl Axis {
    /// From the least to the most of `values` with about five round ticks.
    pub(crate) fn linear(
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
    pub(crate) fn logarithmic(
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
}
