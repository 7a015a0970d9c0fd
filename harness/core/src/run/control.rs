//! Controls the target by other means than requests.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

/// Something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Say what its clock shows.
    Clock,
    /// Put its clock forward.
    Advance(Duration),
    /// Stop its clock, or let it go on.
    Freeze(bool),
    /// Fire its cron.
    Cron,
    /// End it as a crash would.
    Kill,
    /// Kill it, unless that was done, and start it again on the same state.
    Restart,
    /// Undo what outlives a scenario: start it if it is dead, let its clock go on.
    Recover,
}

/// Says why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Whoever operated the target has ended.
    #[error("nobody operates the target any more")]
    Gone,
    /// The target was not started here, so that nobody operates it.
    #[error("the harness does not hold the target")]
    NotHeld,
    /// Whoever operates the target could not do it, for this reason.
    #[error("{0}")]
    Failed(String),
}

/// A command, and where its outcome goes.
#[derive(Debug)]
pub struct Order {
    /// The command.
    pub command: Command,
    /// The channel for the outcome: the reading of the target's clock afterwards, in milliseconds
    /// since 1970, or the reason why the command was not carried out.
    pub outcome: oneshot::Sender<Result<i64, CommandError>>,
}

/// Gives commands to whoever holds the target. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Operator {
    orders: mpsc::UnboundedSender<Order>,
    /// Set if the clock of the target can be read and moved.
    pub has_clock: bool,
}

impl Operator {
    /// An operator, and the orders that it gives.
    pub fn new(has_clock: bool) -> (Self, mpsc::UnboundedReceiver<Order>) {
        let (orders, received) = mpsc::unbounded_channel();
        (Self { orders, has_clock }, received)
    }

    /// Has something done.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn give(&self, command: Command) -> Result<i64, CommandError> {
        let (outcome, done) = oneshot::channel();
        self.orders.send(Order { command, outcome }).map_err(|_| CommandError::Gone)?;
        done.await.map_err(|_| CommandError::Gone)?
    }
}
