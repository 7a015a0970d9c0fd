//! Usage of the resources that the platform bills, and who pays for it.

use std::{
    fmt::Write as _,
    iter::Sum,
    ops::{Add, AddAssign},
};

use serde::{Deserialize, Serialize};

use super::month::Month;

/// Every resource, once: calls the macro `$use` with the names and what each counts. The struct,
/// its sum, the header, the SQL and the columns of analytics follow from this list. New ones go to
/// the end: analytics knows them by position.
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
            /// Nothing.
            pub const NONE: Self = Self { $($name: 0,)* };
            /// The names of the resources.
            pub const NAMES: &[&str] = &[$(stringify!($name)),*];

            /// Lists every resource with its amount, in the order of the fields.
            pub fn amounts(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }

            /// Returns the rest after `other` is taken away; a resource of which `other` has more
            /// is 0.
            #[must_use]
            pub const fn less(self, other: Self) -> Self {
                Self { $($name: self.$name.saturating_sub(other.$name),)* }
            }

            /// Returns `n` times the usage.
            #[must_use]
            pub const fn times(self, n: u64) -> Self {
                Self { $($name: self.$name.saturating_mul(n),)* }
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
    /// Returns an RFC 8941 dictionary: `rows_read=1, rows_written=2`. Resources not used are left
    /// out.
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

impl Add for Usage {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::NONE, Add::add)
    }
}

/// Counts how often something happened, and what that used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct Tally {
    /// The number of times.
    pub count: u64,
    /// The usage of all of them.
    #[serde(flatten)]
    pub usage: Usage,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.count += other.count;
        self.usage += other.usage;
    }
}

/// Names the purpose of work. The work of runs is recorded in the runs, and the rows that hold
/// usage count what writing it used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Answering requests, up to the head of the answer.
    Requests,
    /// Following runs, after the head of the answer.
    Events,
    /// Keeping search up to date for whoever changed a workflow; and what is done each minute, for
    /// everybody.
    ScheduledTasks,
}

impl Cause {
    /// Returns the name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Events => "events",
            Self::ScheduledTasks => "scheduled_tasks",
        }
    }
}

/// Who pays for requests without a caller, and for scheduled tasks: the deployment itself. No
/// caller has an empty name.
pub const NOBODY: &str = "";

/// Assigns a part of the work to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// A caller, or [`NOBODY`].
    pub account: String,
    /// The month in which the work was done.
    pub month: Month,
    /// The purpose of the work.
    pub cause: Cause,
    /// The amount of the work.
    pub tally: Tally,
}
