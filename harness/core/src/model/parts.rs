//! The parts of the time of a request.

use std::time::Duration;

/// The parts of an answered operation's time, where they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// The time until a new connection was there.
    pub connect: Option<Duration>,
    /// The time from then until it was secure.
    pub tls: Option<Duration>,
    /// The time from then, or from sending, to the first byte of the answer.
    pub first_byte: Option<Duration>,
    /// The time from then to the last byte.
    pub body: Option<Duration>,
}
