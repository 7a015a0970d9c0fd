//! What port calls use of the resources that the platform bills.

use std::{
    fmt::Write as _,
    ops::AddAssign,
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::{PortError, PortResult};

/// Amounts used, by resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Rows that statements had to look at, in D1 and in objects.
    pub rows_read: u64,
    /// Rows and index entries written, in D1 and in objects; setting an alarm is one.
    pub rows_written: u64,
    /// KV values read.
    pub kv_reads: u64,
    /// Calls of single-writer objects, alarms included.
    pub actor_requests: u64,
    /// Outbound HTTP requests.
    pub outbound_requests: u64,
}

impl Usage {
    /// As an RFC 8941 dictionary: `rows_read=1, rows_written=2`. Resources not used are left out.
    pub fn dictionary(&self) -> String {
        let members = [
            ("rows_read", self.rows_read),
            ("rows_written", self.rows_written),
            ("kv_reads", self.kv_reads),
            ("actor_requests", self.actor_requests),
            ("outbound_requests", self.outbound_requests),
        ];
        let mut out = String::new();
        for (name, amount) in members.into_iter().filter(|(_, amount)| *amount > 0) {
            let separator = if out.is_empty() { "" } else { ", " };
            // Writing to a String cannot fail.
            let _ = write!(out, "{separator}{name}={amount}");
        }
        out
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.rows_read += other.rows_read;
        self.rows_written += other.rows_written;
        self.kv_reads += other.kv_reads;
        self.actor_requests += other.actor_requests;
        self.outbound_requests += other.outbound_requests;
    }
}

/// A value and what it cost to get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metered<T> {
    /// The value.
    pub value: T,
    /// What it cost.
    pub usage: Usage,
}

impl<T> Metered<T> {
    /// A value that cost nothing.
    pub fn free(value: T) -> Self {
        Self { value, usage: Usage::default() }
    }

    /// The same cost for what `f` makes of the value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Metered<U> {
        Metered { value: f(self.value), usage: self.usage }
    }
}

/// The outcome of a call that used this much more, whatever became of it.
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
            error.usage += usage;
            Err(error)
        }
    }
}

/// Adds up the usage of one request or one alarm.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Mutex<Usage>>);

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
                self.add(error.usage);
                Err(error)
            }
        }
    }

    /// Adds to the cost.
    pub fn add(&self, usage: Usage) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += usage;
    }

    /// What was used since it was last taken.
    pub fn take(&self) -> Usage {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was used so far.
    pub fn usage(&self) -> Usage {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
}
