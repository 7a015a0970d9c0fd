//! A circuit breaker: models that fail over and over are left alone for a while.

use std::sync::{Mutex, PoisonError};

use crate::domain::Millis;

/// Failures in a row that open it.
pub const FAILURES: u32 = 5;
/// It stays open for so long; then one call in as long may try.
pub const OPEN_FOR: Millis = 30_000;

/// The breaker of a process or isolate. Plain data: it may outlive the request that changed it.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<State>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    failures: u32,
    open_until: Option<Millis>,
}

impl Breaker {
    /// One that is closed.
    pub const fn new() -> Self {
        Self(Mutex::new(State { failures: 0, open_until: None }))
    }

    /// Whether a call may be made now.
    pub fn admits(&self, now: Millis) -> bool {
        self.change(|state| match state.open_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                state.open_until = Some(now + OPEN_FOR);
                true
            }
        })
    }

    /// Takes note of what became of a call.
    pub fn record(&self, answered: bool, now: Millis) {
        self.change(|state| {
            if answered {
                *state = State::default();
                return;
            }
            state.failures = state.failures.saturating_add(1);
            if state.failures >= FAILURES {
                state.open_until = Some(now + OPEN_FOR);
            }
        });
    }

    /// Whether all is well, as far as is known.
    pub fn is_closed(&self) -> bool {
        self.change(|state| state.open_until.is_none())
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_after_failures_in_a_row_and_lets_one_try_again() {
        let breaker = Breaker::default();
        for n in 1..FAILURES {
            breaker.record(false, i64::from(n));
            assert!(breaker.admits(0) && breaker.is_closed());
        }
        breaker.record(true, 0);
        for _ in 1..FAILURES {
            breaker.record(false, 10);
        }
        assert!(breaker.is_closed(), "they were not in a row");
        breaker.record(false, 10);
        assert!(!breaker.is_closed());
        assert!(!breaker.admits(10) && !breaker.admits(10 + OPEN_FOR - 1));
        assert!(breaker.admits(10 + OPEN_FOR), "one may try");
        assert!(!breaker.admits(10 + OPEN_FOR), "one only");
        assert!(breaker.admits(10 + 2 * OPEN_FOR), "should the first never come back");
        breaker.record(true, 11 + 2 * OPEN_FOR);
        assert!(breaker.is_closed() && breaker.admits(0) && breaker.admits(0));
    }
}
