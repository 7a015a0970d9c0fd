//! The statistics of a gate, without I/O and without words.
//!
//! The unit of replication is the window: requests of one window share its luck, so their number
//! says nothing about how much two windows differ by chance. Every test here is over pairs of
//! windows, one of each version, side by side in time.

use statrs::{
    distribution::{ContinuousCDF, StudentsT},
    stats_tests::{Alternative, fisher::fishers_exact},
};

use crate::record::float;

/// Up to this many pairs every assignment of signs is looked at: 2^16 sums take a millisecond.
/// Above it Student's t is as good, by the central limit theorem.
pub const EXACT_PAIRS: usize = 16;

/// Fewer pairs show no spread.
pub const MIN_PAIRS: usize = 2;

/// Operations beyond a percentile that both sides must have, over all windows: with fewer, the
/// percentile is a matter of a few requests. A rule of thumb of tail estimation (n·(1−q) ≥ 100).
/// What a single window lacks shows as spread between the pairs, and so counts in the test.
pub const MIN_EXCEEDANCES: f64 = 100.0;

/// The estimate of the mean difference from paired differences.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effect {
    /// The number of pairs.
    pub pairs: usize,
    /// The mean difference.
    pub mean: f64,
    /// Standard deviation of the differences.
    pub deviation: f64,
    /// The probability of a mean as large or larger if there were no difference.
    pub p_rise: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// The mean of `differences`, whether it could be chance, and the interval that leaves out `alpha`
/// on either side. The test is the exact sign flip (Fisher 1935; Good, "Permutation Tests" §3.2)
/// up to [`EXACT_PAIRS`], the paired t test above; the interval is Student's.
///
/// `None` with fewer than [`MIN_PAIRS`] differences, or when one of them is not a number.
pub fn paired(differences: &[f64], alpha: f64) -> Option<Effect> {
    let (student, error, effect) = student_effect(differences)?;
    let half = student.inverse_cdf(1.0 - alpha) * error;
    let exact = differences.len() <= EXACT_PAIRS;
    let p_rise = if exact { sign_flip(differences) } else { effect.p_rise };
    Some(Effect { p_rise, low: effect.mean - half, high: effect.mean + half, ..effect })
}

/// Tests paired differences by Student's t alone, and without an interval.
pub(super) fn paired_student(differences: &[f64]) -> Option<Effect> {
    student_effect(differences).map(|(_, _, effect)| effect)
}

/// The distribution, the standard error, and the effect with the mean for both ends.
fn student_effect(differences: &[f64]) -> Option<(StudentsT, f64, Effect)> {
    let pairs = differences.len();
    if pairs < MIN_PAIRS || !differences.iter().all(|difference| difference.is_finite()) {
        return None;
    }
    let n = float(pairs as u64);
    let mean = differences.iter().sum::<f64>() / n;
    let squares: f64 = differences.iter().map(|difference| (difference - mean).powi(2)).sum();
    let deviation = (squares / (n - 1.0)).sqrt();
    let error = deviation / n.sqrt();
    let student = student(pairs)?;
    let p_rise = p_student(&student, mean, error);
    Some((student, error, Effect { pairs, mean, deviation, p_rise, low: mean, high: mean }))
}

/// Compares one more value with `known` ones: returns how far it is from their mean, and the mean.
/// The interval and the test are those of a prediction (Hahn, Meeker, "Statistical Intervals"
/// §4.7).
///
/// `None` as for [`paired`].
pub fn predicted(known: &[f64], value: f64, alpha: f64) -> Option<(Effect, f64)> {
    let (student, _, spread) = student_effect(known)?;
    if !value.is_finite() {
        return None;
    }
    let n = float(known.len() as u64);
    let error = spread.deviation * (1.0 + 1.0 / n).sqrt();
    let mean = value - spread.mean;
    let half = student.inverse_cdf(1.0 - alpha) * error;
    let p_rise = p_student(&student, mean, error);
    let effect = Effect { mean, p_rise, low: mean - half, high: mean + half, ..spread };
    Some((effect, spread.mean))
}

/// The part of all 2^n assignments of signs whose sum is at least the observed one.
fn sign_flip(differences: &[f64]) -> f64 {
    let observed: f64 = differences.iter().sum();
    let scale: f64 = differences.iter().map(|difference| difference.abs()).sum();
    // Sums in another order differ in the last digits; equal sums must count as equal.
    let tolerance = scale * 1e-12;
    let assignments = 1_u64 << differences.len();
    let as_large = (0..assignments).filter(|signs| {
        let signed = differences.iter().enumerate().map(|(index, difference)| {
            if signs >> index & 1 == 0 { *difference } else { -*difference }
        });
        signed.sum::<f64>() >= observed - tolerance
    });
    float(as_large.count() as u64) / float(assignments)
}

fn p_student(student: &StudentsT, mean: f64, error: f64) -> f64 {
    if error > 0.0 {
        student.sf(mean / error)
    } else if mean > 0.0 {
        0.0
    } else {
        1.0
    }
}

fn student(pairs: usize) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, float(pairs as u64) - 1.0).ok()
}

/// The smallest true mean difference that `pairs` pairs find with probability `power`, when single
/// differences spread by `deviation`. The usual approximation (NIST Engineering Statistics Handbook
/// §7.2.2.2) with quantiles of Student's t.
pub fn detectable(deviation: f64, pairs: usize, alpha: f64, power: f64) -> Option<f64> {
    if pairs < MIN_PAIRS {
        return None;
    }
    let student = student(pairs)?;
    let quantiles = student.inverse_cdf(1.0 - alpha) + student.inverse_cdf(power);
    Some(quantiles * deviation / float(pairs as u64).sqrt())
}

/// The largest p that `pairs` pairs can come below: what an exact test can show at all.
pub fn smallest_p(pairs: usize) -> f64 {
    if pairs > EXACT_PAIRS { 0.0 } else { 0.5_f64.powi(i32::try_from(pairs).unwrap_or(i32::MAX)) }
}

/// Holm's step-down: which of these are significant when `alpha` bounds the probability that any of
/// them is by chance (Holm 1979).
pub fn holm(p: &[f64], alpha: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut significant = vec![false; p.len()];
    for (rank, index) in order.into_iter().enumerate() {
        if p[index] > alpha / float((p.len() - rank) as u64) {
            break;
        }
        significant[index] = true;
    }
    significant
}

/// Failures among operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// Operations that failed.
    pub failed: u64,
    /// All operations.
    pub of: u64,
}

impl Failures {
    /// Both together.
    pub fn with(self, other: Self) -> Self {
        Self { failed: self.failed + other.failed, of: self.of + other.of }
    }

    /// The part that failed, 0 to 1; 0 of nothing.
    pub fn share(self) -> f64 {
        if self.of == 0 { 0.0 } else { float(self.failed) / float(self.of) }
    }

    /// Wilson's score interval at `z` standard errors (Wilson 1927).
    fn wilson(self, z: f64) -> (f64, f64) {
        if self.of == 0 {
            return (0.0, 1.0);
        }
        let (n, p, z2) = (float(self.of), self.share(), z * z);
        let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
        ((centre - half).max(0.0), (centre + half).min(1.0))
    }
}

/// Two counts of failures, compared exactly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FailureChange {
    /// Head's part minus base's.
    pub rise: f64,
    /// The probability of as many failures in head or more if there were no difference.
    pub p_rise: f64,
    /// Lower end of the interval of the rise.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Tests whether failures became more: Fisher's exact test, one-sided, on the counts; the interval
/// that leaves out `alpha` on either side is Newcombe's hybrid score (Newcombe 1998, method 10).
///
/// `None` when a side has no operation.
pub fn failures(base: Failures, head: Failures, alpha: f64) -> Option<FailureChange> {
    if base.of == 0 || head.of == 0 {
        return None;
    }
    let z = normal_quantile(1.0 - alpha)?;
    let ((base_low, base_high), (head_low, head_high)) = (base.wilson(z), head.wilson(z));
    let (base_share, head_share) = (base.share(), head.share());
    let rise = head_share - base_share;
    let down = ((head_share - head_low).powi(2) + (base_high - base_share).powi(2)).sqrt();
    let up = ((head_high - head_share).powi(2) + (base_share - base_low).powi(2)).sqrt();
    // Rows of the table, column by column: head then base.
    let table = [head.failed, base.failed, head.of - head.failed, base.of - base.failed];
    // Without a failure on either side there is nothing to tell apart.
    let none = head.failed == 0 || head.failed + base.failed == 0;
    let p_rise = if none { 1.0 } else { fishers_exact(&table, Alternative::Greater).ok()? };
    Some(FailureChange { rise, p_rise, low: rise - down, high: rise + up })
}

fn normal_quantile(p: f64) -> Option<f64> {
    statrs::distribution::Normal::new(0.0, 1.0).ok().map(|normal| normal.inverse_cdf(p))
}

/// Both ends of the exact interval of a share, each leaving out `alpha` (Clopper, Pearson 1934).
pub fn exact_interval(count: u64, of: u64, alpha: f64) -> (f64, f64) {
    let beta = |a: u64, b: u64, p: f64| {
        statrs::distribution::Beta::new(float(a), float(b)).map_or(p, |beta| beta.inverse_cdf(p))
    };
    let low = if count == 0 { 0.0 } else { beta(count, of - count + 1, alpha) };
    let high = if count >= of { 1.0 } else { beta(count + 1, of - count, 1.0 - alpha) };
    (low, high)
}

/// Returns whether this many operations are enough for the percentile (0 to 100).
pub fn enough(percent: f64, operations: u64) -> bool {
    // Without the small step, 100 exceedances of 10,000 could come out as 99.99999.
    const ROUNDING: f64 = 1e-6;
    float(operations) * (100.0 - percent) / 100.0 + ROUNDING >= MIN_EXCEEDANCES
}

/// Operations that the percentile needs.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a percentile below 100 gives a small positive number; the cast saturates"
)]
pub fn needed(percent: f64) -> u64 {
    const ROUNDING: f64 = 1e-6;
    (MIN_EXCEEDANCES * 100.0 / (100.0 - percent) - ROUNDING).ceil() as u64
}

#[cfg(test)]
mod tests;
