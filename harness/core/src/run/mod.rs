//! Runs a plan: vars → setup → work → teardown.
//!
//! A scenario runs on a thread of its own with a current-thread runtime; a load adds threads of
//! the same kind, which share nothing but the plan and a stop flag. Every thread keeps its own
//! metrics, and they are added up at the end.

mod burst;
mod compute;
mod control;
mod counterexample;
mod environment;
mod flow;
mod generate;
mod iteration;
mod lane;
mod limits;
mod load;
mod observer;
mod operation;
mod oracle;
pub(crate) mod prepare;
mod progress;
mod sample;
mod scenario;
mod search;
mod server_monitor;
mod stall_detector;
mod stop;
mod thread;
mod usage;
pub(crate) mod values;
pub(crate) mod virtual_users;

pub use crate::model::Signal;
pub use compute::MIN_SECRET;
pub use control::{Command, Operator, Order};
pub use environment::Environment;
pub use limits::RESERVED_DESCRIPTORS;
pub use load::{FAIL_FAST, INTERRUPTED_DRAIN};
pub use prepare::is_secret;
pub use progress::{LoadTick, NoProgress, Progress, ProgressEvent};
pub use scenario::run;
pub use server_monitor::{Monitored, ServerStats};
pub use stop::StopFlag;
pub use usage::{AuditError, AuditRequest, AuditedUsage, UsageAudit};
pub use virtual_users::{TokenError, Tokens};

use crate::{
    http::{Budget, Exchange, Filled, Phases, Prepared, Response, SendError, Sender, unsolicited},
    model::{ErrorKind, clock},
};
