//! The rate limiter's stand-in.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use super::clock::NativeClock;
use crate::config::RateLimit;
use crate::domain::Millis;
use crate::ports::{Clock, Metered, PortResult, RateLimiter};

/// Keys kept before those of past windows are dropped: 100,000 keys are about 10 MB.
const MAX_IDLE_KEYS: usize = 100_000;

/// A sliding counter: the previous window counts as much as it still overlaps the last period.
/// Refused requests do not count. This is how a maintainer of the platform describes its own
/// (cloudflare/workers-sdk#14968).
#[derive(Debug)]
pub struct SlidingCounter<C = NativeClock> {
    limit: f64,
    period: Millis,
    clock: C,
    counts: Mutex<HashMap<String, Window>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    number: Millis,
    current: f64,
    previous: f64,
}

impl<C: Clock> SlidingCounter<C> {
    /// Admits as many requests of a key as `limit` says.
    pub fn new(limit: RateLimit, clock: C) -> Self {
        let period = Millis::from(limit.period_seconds) * 1000;
        Self { limit: f64::from(limit.requests), period, clock, counts: Mutex::default() }
    }

    fn admit_at(&self, key: &str, now: Millis) -> bool {
        let number = now.div_euclid(self.period);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() > MAX_IDLE_KEYS {
            counts.retain(|_, window| window.number >= number - 1);
        }
        let window = counts.entry(key.to_owned()).or_default();
        *window = window.at(number);
        // Both are below 2^32: exact.
        #[expect(clippy::cast_precision_loss)]
        let elapsed = now.rem_euclid(self.period) as f64 / self.period as f64;
        let admitted = window.previous * (1.0 - elapsed) + window.current < self.limit;
        if admitted {
            window.current += 1.0;
        }
        admitted
    }
}

impl Window {
    /// Returns the same counts, seen from window `number`.
    fn at(self, number: Millis) -> Self {
        match number - self.number {
            0 => self,
            1 => Self { number, current: 0.0, previous: self.current },
            _ => Self { number, ..Self::default() },
        }
    }
}

impl<C: Clock> RateLimiter for SlidingCounter<C> {
    async fn admit(&self, key: &str) -> PortResult<bool> {
        Ok(Metered::free(self.admit_at(key, self.clock.now())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(limiter: &SlidingCounter, key: &str, now: Millis, tries: u32) -> u32 {
        (0..tries).map(|_| u32::from(limiter.admit_at(key, now))).sum()
    }

    #[test]
    fn keys_of_past_windows_are_kept_up_to_the_limit() {
        let limiter = SlidingCounter::new(
            RateLimit { requests: 1, period_seconds: 60 },
            NativeClock::default(),
        );
        let kept = || limiter.counts.lock().unwrap().len();
        for key in 0..MAX_IDLE_KEYS {
            limiter.admit_at(&key.to_string(), 0);
        }
        limiter.admit_at("later", 120_000);
        assert_eq!(kept(), MAX_IDLE_KEYS + 1);
        limiter.admit_at("last", 120_000);
        assert_eq!(kept(), 2);
    }

    #[test]
    fn slides() {
        let limiter = SlidingCounter::new(RateLimit::default(), NativeClock::default());
        assert_eq!(admitted(&limiter, "a", 0, 101), 100);
        assert_eq!(admitted(&limiter, "b", 0, 1), 1, "another key has its own budget");
        assert_eq!(admitted(&limiter, "a", 59_999, 1), 0);
        assert_eq!(admitted(&limiter, "a", 60_000, 1), 0, "the window before still counts whole");
        assert_eq!(admitted(&limiter, "a", 90_000, 101), 50, "half of it is past");
        assert_eq!(admitted(&limiter, "a", 240_000, 101), 100, "all of it is past");
    }
}
