//! Measures the noise of a machine by comparing base with itself.

use std::collections::BTreeMap;

use rand::RngExt as _;
use serde::{Deserialize, Serialize};

use super::{DEFAULT_PAIRS, FEWEST_PAIRS, MOST_PAIRS, Pair, statistics};
use crate::{
    record::float,
    schedule::{Purpose, random},
};

/// Percentiles whose noise is measured.
pub const PERCENTILES: [f64; 4] = [50.0, 90.0, 95.0, 99.0];

/// The probability with which a detectable change is found.
pub const POWER: f64 = 0.9;

/// Gates that are drawn from the pairs to see how often they alarm: the rate is known to ± 0.2 %
/// at 1 %.
const DRAWN_GATES: u32 = 10_000;

/// Deltas are suggested in steps of a percent.
const STEP: f64 = 0.01;

/// What pairs of the same version say of a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Calibration {
    /// Pairs that it stands on.
    pub pairs: usize,
    /// By percentile, such as `p95`; those with enough operations.
    pub noise: BTreeMap<String, Noise>,
    /// The smallest bound for the gated percentile, as a part of base, that gates of this many
    /// pairs can show to be kept.
    pub suggested_delta: Option<f64>,
    /// Pairs with which the default bound can be shown to be kept.
    pub suggested_pairs: Option<usize>,
}

/// How one percentile behaves when nothing changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Noise {
    /// Standard deviation of the logarithm of the ratio of two windows.
    pub deviation: f64,
    /// The change between the two halves, as a part: not far from 0 if all is well.
    pub bias: f64,
    /// What gates of the default number of pairs can expect.
    pub expectation: Expectation,
}

/// What a gate can expect.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Expectation {
    /// Pairs of the gate.
    pub pairs: usize,
    /// The smallest change that it finds with [`POWER`], as a part of base.
    pub detectable: f64,
    /// The part of gates that alarm although nothing changed: drawn from the pairs, with signs at
    /// random, significant and above the bound.
    pub false_alarms: f64,
    /// The part that would be significant, whatever the size.
    pub significant: f64,
}

impl Calibration {
    /// Calibrates gates with these parameters from pairs of the same version. `seed` decides the
    /// draws.
    pub fn new(pairs: &[Pair], alpha: f64, bound: f64, seed: u64) -> Self {
        let mut noise = BTreeMap::new();
        for percent in PERCENTILES {
            if let Some(found) = of(pairs, percent, alpha, bound, seed) {
                noise.insert(format!("p{percent}"), found);
            }
        }
        let gated = noise.get("p95").map(|noise: &Noise| noise.deviation);
        let detectable = |deviation, pairs| {
            statistics::detectable(deviation, pairs, alpha, POWER).map(f64::exp_m1)
        };
        let suggested_delta =
            gated.and_then(|deviation| detectable(deviation, DEFAULT_PAIRS)).map(round_up);
        let suggested_pairs = gated.and_then(|deviation| {
            (FEWEST_PAIRS..=MOST_PAIRS)
                .find(|pairs| detectable(deviation, *pairs).is_some_and(|found| found <= bound))
        });
        Self { pairs: pairs.len(), noise, suggested_delta, suggested_pairs }
    }
}

fn of(pairs: &[Pair], percent: f64, alpha: f64, bound: f64, seed: u64) -> Option<Noise> {
    let operations: u64 = pairs.iter().map(|pair| pair.base.total.response.len()).sum();
    if !statistics::enough(percent, operations) {
        return None;
    }
    let ratio =
        |pair: &Pair| Some((pair.head.percentile(percent)? / pair.base.percentile(percent)?).ln());
    let ratios: Vec<f64> = pairs.iter().filter_map(ratio).collect();
    let effect = statistics::paired(&ratios, alpha)?;
    let expectation = Expectation {
        pairs: DEFAULT_PAIRS,
        detectable: statistics::detectable(effect.deviation, DEFAULT_PAIRS, alpha, POWER)?.exp_m1(),
        false_alarms: alarms(&ratios, alpha, bound, seed),
        significant: alarms(&ratios, alpha, 0.0, seed),
    };
    Some(Noise { deviation: effect.deviation, bias: effect.mean.exp_m1(), expectation })
}

/// The part of gates that alarm, drawn from `ratios` with replacement and with signs at random.
fn alarms(ratios: &[f64], alpha: f64, bound: f64, seed: u64) -> f64 {
    let mut random = random(seed, Purpose::Scenario, 0);
    let mut alarms = 0;
    for _ in 0..DRAWN_GATES {
        let drawn: Vec<f64> = (0..DEFAULT_PAIRS)
            .map(|_| {
                let ratio = ratios[random.random_range(0..ratios.len())];
                if random.random_bool(0.5) { ratio } else { -ratio }
            })
            .collect();
        // The t test instead of all signs: ten thousand exact tests take a minute.
        let alarm = statistics::paired_student(&drawn)
            .is_some_and(|effect| effect.p_rise <= alpha && effect.mean.exp_m1() > bound);
        alarms += u64::from(alarm);
    }
    float(alarms) / f64::from(DRAWN_GATES)
}

/// Rounds up to the next percent.
fn round_up(part: f64) -> f64 {
    // Without the small step, 0.05 could become 0.06.
    const ROUNDING: f64 = 1e-9;
    let percents = ((part - ROUNDING) / STEP).ceil();
    (percents * STEP * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_are_whole_percents() {
        for (part, expected) in [(0.05, 0.05), (0.050_1, 0.06), (0.001, 0.01)] {
            assert!((round_up(part) - expected).abs() < 1e-12, "{part}");
        }
    }

    #[test]
    fn gates_drawn_from_noise_alarm_as_often_as_alpha_says() {
        let ratios: Vec<f64> = (0..24).map(|n| f64::from(n % 7 - 3) * 0.01).collect();
        let significant = alarms(&ratios, 0.01, 0.0, 7);
        assert!(significant > 0.004 && significant < 0.018, "{significant} of {DRAWN_GATES}");
        assert!(alarms(&ratios, 0.01, 0.05, 7) < 0.001);
    }
}
