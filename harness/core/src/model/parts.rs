//! The parts of the time of a request.

use std::time::Duration;

/// The parts of an answered operation's time, where they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Until a new connection was there.
    pub connect: Option<Duration>,
    /// From then until it was secure.
    pub tls: Option<Duration>,
    /// From then, or from sending, to the first byte of the answer.
    pub first_byte: Option<Duration>,
    /// From then to the last byte.
    pub body: Option<Duration>,
}
