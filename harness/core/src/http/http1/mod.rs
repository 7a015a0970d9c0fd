//! HTTP/1.1 on the sockets of the runtime.
//!
//! A load generator must not be the bottleneck, so this is only what a client of an API needs:
//! requests that are bytes before they are due, one write for each, answers parsed in place, and
//! bodies that nobody reads counted instead of kept. Everything here belongs to one thread.

mod answer;
mod connection;

use super::exchange::{Response, SendError, Wanted};
use answer::Answer;
pub(super) use connection::{Condition, Connection};

/// Reads the answer at the front of `bytes` and says how long it is, if it is complete. Its headers
/// and its body are kept if `keeps`.
///
/// # Errors
/// If this is not an answer, or one that is too large.
pub fn read_answer(bytes: &[u8], keeps: bool) -> Result<Option<(Response, usize)>, SendError> {
    let mut answer = Answer::new(false);
    let used = answer.take(bytes, &|_| Wanted { headers: keeps, body: keeps })?;
    Ok(answer.is_done().then(|| (answer.into_response(), used)))
}
