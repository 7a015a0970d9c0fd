//! Sends requests and reads answers, with the time of each part.

mod alarm;
mod budget;
mod client;
mod http1;
mod phases;
mod place;
mod secure;
mod sender;
pub mod tls;
pub(crate) mod unsolicited;

use crate::{
    model::{ErrorKind, Stage, causes, classify, clock},
    run::{Environment, prepare, values, virtual_users},
};

pub(crate) use budget::Budget;
pub use client::{Client, Exchange, MAX_BODY, Prepared, Response, SendError};
pub use http1::{Rehearsal, read_answer};
pub use phases::Phases;
pub(crate) use sender::{Filled, Sender};
