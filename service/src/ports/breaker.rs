//! Implements a circuit breaker: after repeated failures the models are not called for a while.

use std::sync::{Mutex, PoisonError};

use super::{PortError, PortFailure};
use crate::domain::Millis;

/// The number of consecutive failures that open the breaker.
pub const FAILURES: u32 = 5;
/// The time that the breaker stays open, in milliseconds. Then it is half open: it permits one trial
/// at a time. A trial that has not ended after the same time is given up, and the next is permitted.
pub const OPEN_FOR: Millis = 30_000;

/// The breaker of a process or isolate. It is plain data, so that it may outlive the request that
/// changed it.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<State>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    failures: u32,
    open_until: Option<Millis>,
}

/// A permit to call the models once. Dropping it reports neither success nor failure; if it was for
/// a trial, the next caller may try.
#[derive(Debug)]
#[must_use]
pub struct Permit<'a> {
    breaker: &'a Breaker,
    /// The time until which nobody else may try, if this permit is for a trial.
    trial: Option<Millis>,
}

impl Breaker {
    /// Makes a breaker that is closed.
    pub const fn new() -> Self {
        Self(Mutex::new(State { failures: 0, open_until: None }))
    }

    /// Permits a call now. Returns `None` while the breaker is open.
    pub fn admit(&self, now: Millis) -> Option<Permit<'_>> {
        let trial = self.change(|state| match state.open_until {
            None => Some(None),
            Some(until) if now < until => None,
            Some(_) => {
                state.open_until = Some(now + OPEN_FOR);
                Some(state.open_until)
            }
        })?;
        Some(Permit { breaker: self, trial })
    }

    /// Returns true if the breaker is closed.
    pub fn is_closed(&self) -> bool {
        self.change(|state| state.open_until.is_none())
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Permit<'_> {
    /// Reports that the models answered, which closes the breaker.
    pub fn answered(mut self) {
        self.trial = None;
        self.breaker.change(|state| *state = State::default());
    }

    /// Reports that the models did not answer, which may open the breaker.
    pub fn failed(mut self, now: Millis) {
        self.trial = None;
        self.breaker.change(|state| {
            state.failures = state.failures.saturating_add(1);
            if state.failures >= FAILURES {
                state.open_until = Some(now + OPEN_FOR);
            }
        });
    }

    /// Reports the outcome of a call. A refusal says nothing about the health of the models.
    pub fn report<T>(self, outcome: &Result<T, PortError>, now: Millis) {
        match outcome {
            Ok(_) => self.answered(),
            Err(PortError { cause: PortFailure::Refused(_), .. }) => {}
            Err(_) => self.failed(now),
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let Some(until) = self.trial else { return };
        self.breaker.change(|state| {
            // Another trial may have begun since, or closed the breaker.
            if state.open_until == Some(until) {
                state.open_until = Some(until - OPEN_FOR);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(breaker: &Breaker, now: Millis) {
        breaker.admit(now).unwrap().failed(now);
    }

    fn opened(now: Millis) -> Breaker {
        let breaker = Breaker::default();
        for _ in 0..FAILURES {
            fail(&breaker, now);
        }
        assert!(!breaker.is_closed());
        breaker
    }

    #[test]
    fn opens_after_failures_in_a_row_and_lets_one_try_again() {
        let breaker = Breaker::default();
        for n in 1..FAILURES {
            fail(&breaker, i64::from(n));
            assert!(breaker.admit(0).is_some() && breaker.is_closed());
        }
        breaker.admit(0).unwrap().answered();
        for _ in 1..FAILURES {
            fail(&breaker, 10);
        }
        assert!(breaker.is_closed(), "they were not in a row");
        fail(&breaker, 10);
        assert!(!breaker.is_closed());
        assert!(breaker.admit(10).is_none() && breaker.admit(10 + OPEN_FOR - 1).is_none());
        let first = breaker.admit(10 + OPEN_FOR).expect("one may try");
        assert!(breaker.admit(10 + OPEN_FOR).is_none(), "one only");
        let second = breaker.admit(10 + 2 * OPEN_FOR);
        let second = second.expect("should the first never come back");
        drop(first);
        assert!(breaker.admit(10 + 2 * OPEN_FOR).is_none(), "it is the second's turn");
        second.answered();
        assert!(breaker.is_closed() && breaker.admit(0).is_some() && breaker.admit(0).is_some());
    }

    #[test]
    fn a_trial_without_an_outcome_passes_to_the_next_caller() {
        let breaker = opened(0);
        for _ in 0..3 {
            let tries = breaker.admit(OPEN_FOR).expect("nobody has tried yet");
            assert!(breaker.admit(OPEN_FOR).is_none(), "one at a time");
            drop(tries);
            assert!(!breaker.is_closed());
        }
        breaker.admit(OPEN_FOR).unwrap().failed(OPEN_FOR);
        assert!(breaker.admit(2 * OPEN_FOR - 1).is_none() && breaker.admit(2 * OPEN_FOR).is_some());
    }

    #[test]
    fn a_refusal_neither_opens_nor_closes() {
        let refused = || Err::<(), _>(PortError::from(PortFailure::Refused("ai")));
        let breaker = opened(0);
        breaker.admit(OPEN_FOR).unwrap().report(&refused(), OPEN_FOR);
        assert!(!breaker.is_closed());
        breaker.admit(OPEN_FOR).unwrap().report(&Ok(()), OPEN_FOR);
        assert!(breaker.is_closed());
        for _ in 0..2 * FAILURES {
            breaker.admit(0).unwrap().report(&refused(), 0);
        }
        assert!(breaker.is_closed());
        for _ in 0..FAILURES {
            let down = Err::<(), _>(PortError::unavailable("ai", "down"));
            breaker.admit(0).unwrap().report(&down, 0);
        }
        assert!(!breaker.is_closed());
    }
}
