//! Every random choice of a run, from its seed.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

/// The purpose of a random sequence. Sequences of different purposes are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The choice of the journey of an iteration.
    Mix,
    /// The values that an iteration makes up.
    Iteration,
    /// The times of arrivals, where they are random.
    Arrivals,
    /// The values that a branch beside others makes up.
    Branch,
    /// The values made up outside iterations: variables, setup and teardown.
    Scenario,
}

/// The `n`-th random sequence for `purpose` in the run with this seed.
pub fn random(seed: u64, purpose: Purpose, n: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8] = match purpose {
        Purpose::Mix => 1,
        Purpose::Iteration => 2,
        Purpose::Scenario => 3,
        Purpose::Arrivals => 4,
        Purpose::Branch => 5,
    };
    let mut generator = ChaCha8Rng::from_seed(key);
    generator.set_stream(n);
    generator
}

#[cfg(test)]
mod tests {
    use rand::Rng as _;

    use super::*;

    #[test]
    fn sequences_repeat_and_differ() {
        let first = |seed, purpose, n| random(seed, purpose, n).next_u64();
        assert_eq!(first(7, Purpose::Mix, 3), first(7, Purpose::Mix, 3));
        assert_ne!(first(7, Purpose::Mix, 3), first(7, Purpose::Mix, 4));
        assert_ne!(first(7, Purpose::Mix, 3), first(7, Purpose::Iteration, 3));
        assert_ne!(first(7, Purpose::Mix, 3), first(8, Purpose::Mix, 3));
    }
}
