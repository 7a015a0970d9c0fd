//! A rate limiter that counts wrongly, or for the wrong key.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use workway_service::{
    config::RateLimit,
    platform::native::{NativeClock, SlidingCounter},
    ports::{Admission, Clock, Metered, PortResult, RateLimiter},
};

use super::change::{Counts, Head, Limiter};

/// Delays the write of a count that was read: longer than two requests are apart.
const RACE: Duration = Duration::from_millis(5);

/// Counts in place of the service's limiter.
#[derive(Debug)]
pub(super) struct WrongLimiter {
    how: Limiter,
    clock: NativeClock,
    places: [SlidingCounter; 2],
    next: Mutex<usize>,
    windows: Mutex<HashMap<String, Window>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    /// The end of the window, in milliseconds since 1970.
    ends: i64,
    count: u32,
}

impl WrongLimiter {
    pub(super) fn new(how: Limiter, clock: NativeClock) -> Self {
        let limit = RateLimit { requests: how.limit, period_seconds: how.period };
        let place = || SlidingCounter::new(limit, clock.clone());
        let places = [place(), place()];
        Self { how, clock, places, next: Mutex::default(), windows: Mutex::default() }
    }

    pub(super) async fn admit(&self, key: &str, head: &Head) -> PortResult<Admission> {
        let Some(key) = (self.how.key)(key, head) else {
            return Ok(Metered::free(Admission::Admitted));
        };
        let admitted = match self.how.counts {
            Counts::Sliding => return self.places[0].admit(&key).await,
            Counts::PerIsolate => return self.places[self.turn()].admit(&key).await,
            Counts::Fixed => self.count(&key, self.window(&key)),
            Counts::Extending => self.extend(&key),
            Counts::Racy => {
                let window = self.window(&key);
                tokio::time::sleep(RACE).await;
                self.count(&key, window)
            }
        };
        // The service then says the period.
        let refused = Admission::Refused { retry_after: None };
        Ok(Metered::free(if admitted { Admission::Admitted } else { refused }))
    }

    fn turn(&self) -> usize {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = 1 - *next;
        *next
    }

    fn windows(&self) -> MutexGuard<'_, HashMap<String, Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn period(&self) -> i64 {
        i64::from(self.how.period) * 1000
    }

    /// Returns the window of a key now, with ends that are the same for all.
    fn window(&self, key: &str) -> Window {
        let (now, period) = (self.clock.now(), self.period());
        let ends = (now.div_euclid(period) + 1) * period;
        let known = self.windows().get(key).copied().filter(|window| window.ends == ends);
        known.unwrap_or(Window { ends, count: 0 })
    }

    fn count(&self, key: &str, window: Window) -> bool {
        let admitted = window.count < self.how.limit;
        let count = window.count + u32::from(admitted);
        self.windows().insert(key.to_owned(), Window { count, ..window });
        admitted
    }

    /// Returns a window that begins anew with each request that is refused.
    fn extend(&self, key: &str) -> bool {
        let now = self.clock.now();
        let mut windows = self.windows();
        let window = windows.entry(key.to_owned()).or_default();
        if window.ends <= now {
            *window = Window { ends: now + self.period(), count: 0 };
        }
        let admitted = window.count < self.how.limit;
        window.count += 1;
        if !admitted {
            window.ends = now + self.period();
        }
        admitted
    }
}
