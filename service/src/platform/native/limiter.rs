//! The rate limiter's stand-in.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::clock::NativeClock;
use crate::config::RateLimit;
use crate::domain::Millis;
use crate::ports::{Admission, Clock, Metered, PortResult, RateLimiter};

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

    fn admit_at(&self, key: &str, now: Millis) -> Admission {
        let number = now.div_euclid(self.period);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() > MAX_IDLE_KEYS {
            counts.retain(|_, window| window.number >= number - 1);
        }
        let window = counts.entry(key.to_owned()).or_default();
        *window = window.at(number);
        let elapsed = now.rem_euclid(self.period);
        if self.counted(*window, elapsed) < self.limit {
            window.current += 1.0;
            return Admission::Admitted;
        }
        Admission::Refused { retry_after: Some(self.back_after(*window, elapsed)) }
    }

    /// Returns how many requests count against the limit so long after the beginning of a window.
    fn counted(&self, window: Window, elapsed: Millis) -> f64 {
        // Both are below 2^32: exact.
        #[expect(clippy::cast_precision_loss)]
        let elapsed = elapsed as f64 / self.period as f64;
        window.previous * (1.0 - elapsed) + window.current
    }

    /// Returns the time until less than the limit counts: the count falls from now on, without a jump at
    /// the end of the window. After two periods nothing counts any more.
    fn back_after(&self, window: Window, elapsed: Millis) -> Duration {
        let admits = |wait: Millis| {
            let (further, elapsed) =
                ((elapsed + wait) / self.period, (elapsed + wait) % self.period);
            self.counted(window.at(window.number + further), elapsed) < self.limit
        };
        let (mut refused, mut admitted) = (0, 2 * self.period);
        while admitted - refused > 1 {
            let middle = refused.midpoint(admitted);
            *(if admits(middle) { &mut admitted } else { &mut refused }) = middle;
        }
        Duration::from_millis(admitted.unsigned_abs())
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
    async fn admit(&self, key: &str) -> PortResult<Admission> {
        Ok(Metered::free(self.admit_at(key, self.clock.now())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn admitted(limiter: &SlidingCounter, key: &str, now: Millis, tries: u32) -> u32 {
        let admitted = |_: &_| limiter.admit_at(key, now) == Admission::Admitted;
        u32::try_from((0..tries).filter(admitted).count()).unwrap()
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

    proptest! {
        /// Checks that a request is admitted after the time that a refusal names, and not before it.
        #[test]
        fn a_refusal_says_when_the_next_is_admitted(
            requests in 1..20_u32,
            period_seconds in 1..90_u32,
            pauses in vec(0..30_000_i64, 1..60),
        ) {
            let limit = RateLimit { requests, period_seconds };
            let limiter = SlidingCounter::new(limit, NativeClock::default());
            let mut now = 0;
            for pause in pauses {
                now += pause * i64::from(period_seconds) / 60;
                while limiter.admit_at("a", now) == Admission::Admitted {}
                let Admission::Refused { retry_after } = limiter.admit_at("a", now) else {
                    panic!("just refused")
                };
                let wait = i64::try_from(retry_after.unwrap().as_millis()).unwrap();
                prop_assert!((1..=i64::from(period_seconds) * 1000 + 1).contains(&wait), "{}", wait);
                let early = limiter.admit_at("a", now + wait - 1);
                prop_assert!(early != Admission::Admitted, "{} ms early", wait);
                now += wait;
                prop_assert_eq!(limiter.admit_at("a", now), Admission::Admitted);
            }
        }
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
