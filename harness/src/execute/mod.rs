//! Runs a plan: vars → setup → work → teardown.
//!
//! A scenario runs on a thread of its own with a current-thread runtime; a load adds threads of
//! the same kind, which share nothing but the plan and a stop flag. Every thread keeps its own
//! books, and they are added up at the end.

mod alarm;
mod budget;
mod burst;
mod client;
pub mod clock;
mod compute;
mod conduct;
mod counterexample;
mod environment;
mod error;
mod flow;
mod generate;
mod http1;
mod iteration;
mod lane;
mod limits;
mod load;
mod model;
mod operation;
mod operator;
mod people;
mod phases;
mod place;
mod prepare;
mod progress;
mod sample;
mod search;
mod secure;
mod sender;
mod settle;
mod standstill;
mod stop;
mod thread;
mod unasked;
mod values;
mod vitals;
mod watch;

pub use client::{Client, Exchange, MAX_BODY, Prepared, Response, SendError};
pub use compute::MIN_SECRET;
pub use conduct::run;
pub use environment::Environment;
pub use error::ErrorKind;
pub(crate) use error::causes;
pub use http1::{Rehearsal, read_answer};
pub use limits::RESERVED_DESCRIPTORS;
pub use load::{FAIL_FAST, INTERRUPTED_DRAIN};
pub use operator::{Command, Operator, Order};
pub use people::{TokenError, Tokens};
pub use phases::Phases;
pub(crate) use prepare::is_secret;
pub use progress::{LoadTick, NoProgress, Progress, ProgressEvent};
pub use stop::{Signal, StopFlag};
pub use vitals::{Patient, Vitals};
