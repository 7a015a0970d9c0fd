//! An exchange: a request, what came back, and when.

use std::{
    io,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::model::{ErrorKind, Stage, classify};

/// The largest response body that is read; more is an error. Far above any answer of an API, far
/// below what a hostile target could make the harness hold.
pub const MAX_BODY: usize = 8 * 1024 * 1024;

/// A complete answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status code.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// The body, at most [`MAX_BODY`] bytes.
    pub body: Bytes,
}

/// Says which parts of an answer the caller will look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Whether the headers are kept.
    pub(crate) headers: bool,
    /// Whether the body is kept; else it is only counted.
    pub(crate) body: bool,
}

impl Wanted {
    /// Keeps the whole answer.
    pub(crate) const ALL: Self = Self { headers: true, body: true };
}

/// A request and what came back.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// Before the first byte was sent; connecting, if needed, comes after it.
    pub(crate) sent: Instant,
    /// After the last byte of the answer, or when it was known that there is none.
    pub(crate) received: Instant,
    /// The instants between, as far as they are known.
    pub(crate) phases: Phases,
    /// How many times the request was sent again, because the target proved that it had not
    /// processed it.
    pub(crate) resent: u32,
    /// The answer.
    pub(crate) outcome: Result<Response, SendError>,
}

/// Says when the parts of an exchange were done, as far as that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Phases {
    /// A connection had to be made, and was there at this instant.
    pub(crate) connected: Option<Instant>,
    /// It had to be made secure, and was at this instant.
    pub(crate) secured: Option<Instant>,
    /// The request had to wait for a connection that others were making, until this instant.
    pub(crate) joined: Option<Instant>,
    /// The first byte of the answer came.
    pub(crate) first_byte: Option<Instant>,
}

/// Follows an exchange while it goes on.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) phases: Phases,
    /// Attempts so far that the target proved not to have processed.
    pub(super) refused: u32,
    /// Attempts so far of which nothing was written.
    pub(super) unsent: u32,
    /// Whether the final head of the answer has come.
    pub(super) has_head: bool,
}

/// Why there is no complete answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {detail}")]
pub struct SendError {
    /// The kind, counted in reports.
    pub kind: ErrorKind,
    /// All causes, outermost first.
    pub detail: String,
}

/// A request that got no answer on its connection.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) error: SendError,
    pub(super) trace: Trace,
}

/// Says what the target may have had of a request that got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trace {
    /// Nothing of it was written.
    Unsent,
    /// The protocol proves that the target has not processed it.
    Refused,
    /// The target may have processed it.
    Unknown,
}

impl SendError {
    pub(crate) fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    /// An error of the system, with the kind that it has at this point of an exchange.
    pub(super) fn system(error: &io::Error, stage: Stage) -> Self {
        Self::new(classify(error, stage), error.to_string())
    }

    /// The body has no end, or one that is too far away.
    pub(super) fn too_large() -> Self {
        Self::new(ErrorKind::TooLarge, format!("the body is longer than {MAX_BODY} bytes"))
    }

    /// The whole answer did not come within `timeout`. A target that has sent its head did answer:
    /// an endless stream of events is not a target that is silent.
    pub(super) fn late(timeout: Duration, has_head: bool) -> Self {
        if has_head {
            let detail = format!("the answer began, but did not end within {timeout:?}");
            return Self::new(ErrorKind::BodyTimeout, detail);
        }
        Self::new(ErrorKind::Timeout, format!("no complete answer within {timeout:?}"))
    }

    /// The target said something on a connection on which nothing was asked.
    pub(super) fn unsolicited() -> Self {
        Self::new(ErrorKind::Malformed, "the target spoke before it was asked")
    }
}

impl From<SendError> for Broken {
    fn from(error: SendError) -> Self {
        Self { error, trace: Trace::Unknown }
    }
}
