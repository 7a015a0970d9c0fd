//! Computes when iterations arrive and which journey each takes: pure functions of the plan, the
//! seed and the arrival's number, so that every thread can compute its own share without asking
//! another.

use std::time::Duration;

use crate::{model::float, plan::Profile};

mod mix;
mod poisson;
mod random;
mod rates;

pub use mix::Mix;
use poisson::Poisson;
pub use random::{Purpose, random};
use rates::Rates;

/// The planned offsets of all arrivals of an open load profile, from the start of the load.
#[derive(Clone, Debug)]
pub struct Schedule {
    arrivals: Arrivals,
    duration: Duration,
}

#[derive(Clone, Debug)]
enum Arrivals {
    Rates(Rates),
    Poisson { seed: u64, per_second: f64 },
    None,
}

impl Schedule {
    /// The arrivals of `profile` in the run with this seed. Profiles whose iterations do not arrive
    /// by a schedule have none.
    pub fn new(profile: &Profile, seed: u64) -> Self {
        let arrivals = match profile {
            Profile::Rates(stretches) => Arrivals::Rates(Rates::new(stretches)),
            Profile::Poisson { per_second, .. } => {
                Arrivals::Poisson { seed, per_second: *per_second }
            }
            Profile::Users(_) | Profile::Search(_) => Arrivals::None,
        };
        Self { arrivals, duration: profile.duration().unwrap_or_default() }
    }

    /// The arrivals whose number leaves `first` when divided by `every`, with their numbers, in
    /// order.
    pub fn share(&self, first: u64, every: u64) -> Share {
        let offsets = match &self.arrivals {
            Arrivals::Rates(rates) => Offsets::Rates(rates.clone()),
            Arrivals::Poisson { seed, per_second } => {
                Offsets::Poisson { arrivals: Box::new(Poisson::new(*seed, *per_second)), number: 0 }
            }
            Arrivals::None => Offsets::Rates(Rates::new(&[])),
        };
        Share { offsets, next: first, every: every.max(1), end: self.duration }
    }

    /// Returns an upper bound of the number of arrivals, which is exact when they do not come at
    /// random.
    pub fn at_most(&self) -> u64 {
        match &self.arrivals {
            Arrivals::Rates(rates) => rates.len(),
            Arrivals::Poisson { per_second, .. } => {
                // Ten standard deviations above the mean: never exceeded.
                let mean = per_second * self.duration.as_secs_f64();
                ceil(mean + 10.0 * mean.sqrt() + 10.0)
            }
            Arrivals::None => 0,
        }
    }

    /// Returns how long arrivals go on.
    pub fn duration(&self) -> Duration {
        self.duration
    }
}

/// One thread's part of a [`Schedule`].
#[derive(Clone, Debug)]
pub struct Share {
    offsets: Offsets,
    /// Number of the next arrival.
    next: u64,
    every: u64,
    end: Duration,
}

#[derive(Clone, Debug)]
enum Offsets {
    Rates(Rates),
    /// Arrivals, and the number of the next of them.
    Poisson {
        arrivals: Box<Poisson>,
        number: u64,
    },
}

impl Iterator for Share {
    type Item = (u64, Duration);

    fn next(&mut self) -> Option<(u64, Duration)> {
        let number = self.next;
        let offset = match &mut self.offsets {
            Offsets::Rates(rates) => rates.at(number)?,
            Offsets::Poisson { arrivals, number: at } => {
                let skipped = usize::try_from(number - *at).ok()?;
                *at = number + 1;
                arrivals.nth(skipped).filter(|offset| *offset < self.end)?
            }
        };
        self.next += self.every;
        Some((number, offset))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and a number of arrivals is never negative"
)]
fn ceil(count: f64) -> u64 {
    count.ceil() as u64
}

#[cfg(test)]
mod tests;
