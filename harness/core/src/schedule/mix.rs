//! Chooses the journey of an arrival.

use rand::RngExt as _;

use super::{Purpose, random};

/// A weighted choice for each arrival, the same in every run with the same seed.
#[derive(Clone, Debug)]
pub struct Mix {
    seed: u64,
    /// Sums of the weights up to and including each choice.
    sums: Vec<u64>,
}

impl Mix {
    /// A choice among as many things as there are weights.
    pub fn new(seed: u64, weights: impl IntoIterator<Item = u32>) -> Self {
        let sums = weights
            .into_iter()
            .scan(0, |sum, weight| {
                *sum += u64::from(weight);
                Some(*sum)
            })
            .collect();
        Self { seed, sums }
    }

    /// Index of the choice for arrival `n`; 0 when there is nothing to choose.
    pub fn choose(&self, n: u64) -> usize {
        match self.sums.as_slice() {
            [] | [_] | [.., 0] => 0,
            sums @ [.., total] => {
                let drawn = random(self.seed, Purpose::Mix, n).random_range(0..*total);
                sums.partition_point(|sum| *sum <= drawn)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_respected_and_choices_repeat() {
        let mix = Mix::new(42, [1, 0, 3]);
        let mut counts = [0_u32; 3];
        for n in 0..10_000 {
            counts[mix.choose(n)] += 1;
            assert_eq!(mix.choose(n), Mix::new(42, [1, 0, 3]).choose(n));
        }
        assert_eq!(counts[1], 0);
        // 2500 ± 5 standard deviations of a binomial (43 each).
        assert!(counts[0].abs_diff(2500) < 217, "{counts:?}");
    }

    #[test]
    fn nothing_to_choose() {
        assert_eq!(Mix::new(1, [5]).choose(9), 0);
        assert_eq!(Mix::new(1, []).choose(9), 0);
        assert_eq!(Mix::new(1, [0, 0]).choose(9), 0);
    }
}
