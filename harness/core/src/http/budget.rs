//! A bound on what is kept of answers at the same time.

use std::{cell::Cell, rc::Rc};

use super::exchange::SendError;
use crate::model::ErrorKind;

/// Bytes of bodies that all threads of a load keep at once, of answers that are not complete. It is
/// four of the longest bodies, and 32 kB for each of a thousand users; without it, a target whose
/// bodies never end could take a user's memory many times over.
pub(crate) const MAX_KEPT: usize = 32 * 1024 * 1024;

/// One thread's part of that.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Rc<Cell<usize>>);

/// What one answer holds of it, until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    budget: Budget,
    bytes: usize,
}

impl Budget {
    /// The part of one of `threads` threads.
    pub(crate) fn of_one(threads: usize) -> Self {
        Self(Rc::new(Cell::new(MAX_KEPT / threads.max(1))))
    }

    /// For an answer of which nothing is kept yet.
    pub(crate) fn hold(&self) -> Held {
        Held { budget: self.clone(), bytes: 0 }
    }
}

impl Held {
    /// The answer now keeps `bytes`.
    ///
    /// # Errors
    /// If that is more than there is, with what all others keep.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), SendError> {
        let more = bytes.saturating_sub(self.bytes);
        let Some(left) = self.budget.0.get().checked_sub(more) else {
            let detail = format!(
                "the answers that are read at once are longer than {MAX_KEPT} bytes together: look \
                 at less of the bodies, or lower `max_in_flight`"
            );
            return Err(SendError { kind: ErrorKind::Exhausted, detail });
        };
        self.budget.0.set(left);
        self.bytes += more;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.0.set(self.budget.0.get() + self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_and_one_past_it() {
        let budget = Budget::of_one(2);
        let mut first = budget.hold();
        let mut second = budget.hold();
        first.grow(100).unwrap();
        first.grow(90).unwrap();
        second.grow(MAX_KEPT / 2 - 100).unwrap();
        assert_eq!(first.grow(101).unwrap_err().kind, ErrorKind::Exhausted);
        drop(second);
        first.grow(MAX_KEPT / 2).unwrap();
        assert!(budget.hold().grow(1).is_err());
        drop(first);
        budget.hold().grow(MAX_KEPT / 2).unwrap();
    }
}
