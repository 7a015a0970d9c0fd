//! Detects that the harness itself stood still: stopped by a signal, or by a machine that slept. A
//! load notices by its own lag; steps one after another do not.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use crate::model::clock;

/// The interval between two readings of the clock.
const LOOK: Duration = Duration::from_millis(250);
/// The delay that proves a stall: no scheduler of a machine that is merely busy is so late.
const STANDSTILL: Duration = Duration::from_secs(2);

/// Looks at the clock again and again.
#[derive(Debug)]
pub(super) struct StallDetector {
    looked: Cell<Instant>,
    longest: Cell<Duration>,
}

impl StallDetector {
    pub(super) fn new() -> Self {
        Self { looked: Cell::new(clock::now()), longest: Cell::new(Duration::ZERO) }
    }

    /// Looks for ever.
    pub(super) async fn watch(&self) {
        loop {
            clock::sleep_until(clock::after(clock::now(), LOOK)).await;
            self.look();
        }
    }

    fn look(&self) {
        let now = clock::now();
        let since = now.saturating_duration_since(self.looked.replace(now));
        self.longest.set(self.longest.get().max(since));
    }

    /// A remark on it, if there was one.
    pub(super) fn remark(&self) -> Option<String> {
        self.look();
        let longest = self.longest.get();
        (longest >= STANDSTILL).then(|| {
            format!(
                "the harness stood still for {:.1} s: deadlines may have passed meanwhile, and a \
                 failure may be its own",
                longest.as_secs_f64()
            )
        })
    }
}
