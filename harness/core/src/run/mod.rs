//! Runs a plan: vars → setup → work → teardown.
//!
//! A scenario runs on a thread of its own with a current-thread runtime; a load adds threads of
//! the same kind, which share nothing but the plan and a stop flag. Every thread keeps its own
//! metrics, and they are added up at the end.

mod attempt;
mod burst;
mod compute;
mod context;
mod control;
mod counterexample;
mod curl;
mod environment;
mod flow;
mod generate;
mod iteration;
mod limits;
mod load;
mod observer;
mod oracle;
mod progress;
mod rehearsal;
mod request;
mod sample;
mod scenario;
mod search;
mod server_monitor;
mod stall_detector;
mod stop;
mod thread;
mod usage;
mod values;
mod virtual_users;
mod worker;

pub use crate::model::Signal;
pub use compute::MIN_SECRET;
pub use control::{Command, CommandError, Operator, Order};
pub use environment::Environment;
pub use limits::{RESERVED_DESCRIPTORS, raise_descriptors};
pub use load::{FAIL_FAST, INTERRUPTED_DRAIN};
pub use progress::{LoadTick, NoProgress, Progress, ProgressEvent};
pub use rehearsal::{Rehearsal, RehearsalError};
pub use scenario::run;
pub use server_monitor::{Monitored, ServerStats};
pub use stop::StopFlag;
pub use usage::{AuditError, AuditRequest, AuditedUsage, UsageAudit};
pub use virtual_users::{TokenError, Tokens};

#[cfg(test)]
mod tests;
