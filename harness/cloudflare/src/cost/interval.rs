//! Confidence intervals from repeated runs.

use rust_decimal::{Decimal, MathematicalOps, prelude::FromPrimitive};

/// Quantiles of Student's t for 95 % two-sided, for 1 to 30 degrees of freedom (any table; NIST
/// Engineering Statistics Handbook §1.3.6.7.2).
const T_95: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];
/// The quantile of the normal distribution, for more values than the table has.
const NORMAL_95: f64 = 1.960;

/// Returns half the width of the 95 % confidence interval of the mean. `None` below two values.
pub fn half_width(values: &[Decimal]) -> Option<Decimal> {
    let freedom = values.len().checked_sub(1).filter(|freedom| *freedom > 0)?;
    let n = Decimal::from(values.len());
    let mean = values.iter().sum::<Decimal>() / n;
    let squares: Decimal = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    let variance = squares / Decimal::from(freedom);
    let t = Decimal::from_f64(T_95.get(freedom - 1).copied().unwrap_or(NORMAL_95))?;
    Some(t * (variance / n).sqrt()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_computed_by_hand() {
        let values = |values: &[i64]| values.iter().map(|v| Decimal::from(*v)).collect::<Vec<_>>();
        assert_eq!(half_width(&values(&[])), None);
        assert_eq!(half_width(&values(&[3])), None);
        assert_eq!(half_width(&values(&[5, 5, 5])), Some(Decimal::ZERO));
        // s = 1, n = 3: 4.303 / sqrt(3).
        let half = half_width(&values(&[1, 2, 3])).unwrap();
        assert_eq!(half.round_dp(4), Decimal::new(24843, 4));
    }
}
