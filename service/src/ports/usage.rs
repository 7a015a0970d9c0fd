//! What port calls use of the resources that the platform bills.

use std::{
    fmt::Write as _,
    ops::AddAssign,
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::{PortError, PortResult};

/// Every resource, once: calls the macro `$use` with the names and what each counts.
macro_rules! resources {
    ($use:ident) => {
        $use! {
            /// Rows that statements had to look at, in D1 and in objects.
            rows_read,
            /// Rows and index entries written, in D1 and in objects; setting an alarm is one.
            rows_written,
            /// KV values read, absent ones too.
            kv_reads,
            /// KV values written.
            kv_writes,
            /// KV values deleted.
            kv_deletes,
            /// Calls of single-writer objects, alarms included.
            actor_requests,
            /// Outbound HTTP requests.
            outbound_requests,
            /// Tokens that AI models read.
            ai_input_tokens,
            /// Tokens that AI models wrote.
            ai_output_tokens,
            /// Thousandths of a neuron, the unit in which Workers AI bills its models.
            ai_millineurons,
            /// Dimensions of the vectors that searches looked at.
            vector_dimensions_queried,
            /// Dimensions of vectors written.
            vector_dimensions_written,
            /// Analytics data points written.
            analytics_points,
            /// Objects written or listed in object storage (R2's class A).
            object_writes,
            /// Objects read from object storage (R2's class B).
            object_reads,
        }
    };
}
pub(crate) use resources;

macro_rules! define {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Amounts used, by resource.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        #[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
        pub struct Usage {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Usage {
            /// Every resource with its amount, in the order of the fields.
            pub fn amounts(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }

        impl AddAssign for Usage {
            fn add_assign(&mut self, other: Self) {
                $(self.$name += other.$name;)*
            }
        }
    };
}
resources!(define);

impl Usage {
    /// As an RFC 8941 dictionary: `rows_read=1, rows_written=2`. Resources not used are left out.
    pub fn dictionary(&self) -> String {
        let mut out = String::new();
        for (name, amount) in self.amounts().filter(|(_, amount)| *amount > 0) {
            let separator = if out.is_empty() { "" } else { ", " };
            // Writing to a String cannot fail.
            let _ = write!(out, "{separator}{name}={amount}");
        }
        out
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
            *error.usage += usage;
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
                self.add(*error.usage);
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
