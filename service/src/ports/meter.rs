//! Meters, which add up what port calls use.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::{PortError, PortResult, Usage};

/// A value, and the usage of the call that returned it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metered<T> {
    /// The value.
    pub value: T,
    /// The usage of the call.
    pub usage: Usage,
}

impl<T> Metered<T> {
    /// Returns a value that cost nothing.
    pub fn free(value: T) -> Self {
        Self { value, usage: Usage::default() }
    }

    /// Applies `f` to the value, and keeps the cost.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Metered<U> {
        Metered { value: f(self.value), usage: self.usage }
    }
}

/// Returns the outcome of a call that used this much more, whatever became of it.
///
/// # Errors
/// The call's.
pub fn used<T>(outcome: PortResult<T>, usage: Usage) -> PortResult<T> {
    match outcome {
        Ok(mut metered) => {
            metered.usage += usage;
            Ok(metered)
        }
        Err(mut error) => {
            *error.usage += usage;
            Err(error)
        }
    }
}

/// Adds up the usage of one request, one alarm, or one piece of background work. [`super::Ports`] and
/// [`super::ObjectPorts`] own one, and add what each of their calls used.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Mutex<Account>>);

#[derive(Clone, Copy, Debug, Default)]
struct Account {
    used: Usage,
    /// Usage that was accounted for beforehand.
    prepaid: Usage,
}

impl Meter {
    /// Keeps the cost of a call, whatever became of it, and hands its value or error on.
    ///
    /// # Errors
    /// The call's.
    pub fn charge<T>(&self, outcome: PortResult<T>) -> Result<T, PortError> {
        match outcome {
            Ok(metered) => {
                self.add(metered.usage);
                Ok(metered.value)
            }
            Err(error) => {
                self.add(*error.usage);
                Err(error)
            }
        }
    }

    /// Returns the outcome of work with all that it used, for whoever asked for the work to pay. What a
    /// failed call used is on the meter already, so it counts once.
    ///
    /// # Errors
    /// That of `outcome`.
    pub fn metered<T>(&self, outcome: Result<T, PortError>) -> PortResult<T> {
        let usage = self.usage();
        match outcome {
            Ok(value) => Ok(Metered { value, usage }),
            Err(error) => Err(PortError { usage: Box::new(usage), ..error }),
        }
    }

    /// Adds to the cost what was not paid for beforehand.
    pub fn add(&self, usage: Usage) {
        let mut account = self.account();
        let prepaid = account.prepaid;
        account.used += usage.less(prepaid);
        account.prepaid = prepaid.less(usage);
    }

    /// Marks this much of the usage that is still to come as accounted for already.
    pub fn prepay(&self, usage: Usage) {
        self.account().prepaid += usage;
    }

    /// Returns what was used since the last call of this method.
    pub fn take(&self) -> Usage {
        std::mem::take(&mut self.account().used)
    }

    /// Returns what was used so far.
    pub fn usage(&self) -> Usage {
        self.account().used
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_and_prints_as_a_dictionary() {
        let meter = Meter::default();
        assert_eq!(meter.usage().dictionary(), "");
        let read = Usage { rows_read: 3, ..Usage::default() };
        assert_eq!(meter.charge(Ok(Metered { value: 'x', usage: read })), Ok('x'));
        let failed = PortError::unavailable("database", "gone");
        let cost = Usage { rows_written: 2, ..read };
        assert!(meter.charge(used::<()>(Err(failed), cost)).is_err());
        assert_eq!(meter.usage().dictionary(), "rows_read=6, rows_written=2");
    }

    #[test]
    fn what_a_failed_call_used_is_passed_on_once() {
        let meter = Meter::default();
        let cost = Usage { rows_read: 3, ..Usage::default() };
        let failed = used::<()>(Err(PortError::unavailable("database", "gone")), cost);
        let failed = meter.metered(meter.charge(failed)).unwrap_err();
        assert_eq!((*failed.usage, meter.usage()), (cost, cost));
    }

    #[test]
    fn what_was_paid_beforehand_is_not_charged_again() {
        let meter = Meter::default();
        let rows = |rows_read, rows_written| Usage { rows_read, rows_written, ..Usage::NONE };
        meter.prepay(rows(3, 1));
        let used = [(1, 0), (1, 2), (4, 1)].map(|(read, written)| {
            meter.add(rows(read, written));
            meter.take()
        });
        assert_eq!(used, [rows(0, 0), rows(0, 1), rows(3, 1)]);
    }
}
