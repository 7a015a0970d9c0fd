//! Arrivals at random.

use std::time::Duration;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::{Purpose, random};

/// The arrivals of a Poisson process, without end: exponential gaps from one sequence, so that they
/// are the same for any number of threads.
#[derive(Clone, Debug)]
pub(super) struct Poisson {
    gaps: ChaCha8Rng,
    per_second: f64,
    /// Seconds of the last arrival.
    last: f64,
}

impl Poisson {
    pub(super) fn new(seed: u64, per_second: f64) -> Self {
        Self { gaps: random(seed, Purpose::Arrivals, 0), per_second, last: 0.0 }
    }
}

impl Iterator for Poisson {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        // In [0, 1), so that the logarithm is of a number above 0.
        let uniform: f64 = self.gaps.random();
        self.last += -(1.0 - uniform).ln() / self.per_second;
        Duration::try_from_secs_f64(self.last).ok()
    }
}
