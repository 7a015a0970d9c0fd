//! What others say to the executor of a run, from their side.

use serde::{Deserialize, Serialize};

use super::RunState;
use crate::domain::{
    Millis,
    run::{Run, RunEvent},
};
use crate::ports::{ActorClass, Actors, MeteredActors, Platform, PortError, Ports};
use crate::store::Runs;

/// What the executor of a run can be told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Message {
    /// Take this run on; the executor that already has it keeps its own state.
    Start(RunState),
    /// End this run; the executor that already has it keeps its own state until then.
    Cancel(RunState),
    /// Say what happened after this event.
    Events(u32),
}

/// Its answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    /// The run is stored, and its alarm set.
    Accepted,
    /// To [`Message::Cancel`].
    Cancelled(Box<Cancellation>),
    /// To [`Message::Events`].
    Events(Vec<RunEvent>),
}

/// What became of a wish to cancel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cancellation {
    /// The run, as it is now.
    pub run: Run,
    /// Whether this made it so.
    pub changed: bool,
}

/// Hands a run to its executor.
///
/// # Errors
/// [`crate::ports::PortFailure::Unavailable`]. The executor may or may not have taken it.
pub async fn start<A: Actors>(
    actors: MeteredActors<'_, A>,
    state: &RunState,
) -> Result<(), PortError> {
    ask(actors, &state.run.id, &Message::Start(state.clone())).await.map(|_| ())
}

/// Ends a run. Once this is acknowledged no further attempt begins, and the result of one that is
/// under way is dropped. `intent` is the run as it was accepted.
///
/// # Errors
/// [`crate::ports::PortFailure::Unavailable`]. The executor may or may not have ended it.
pub async fn cancel<A: Actors>(
    actors: MeteredActors<'_, A>,
    intent: RunState,
) -> Result<Cancellation, PortError> {
    let id = intent.run.id.clone();
    match ask(actors, &id, &Message::Cancel(intent)).await? {
        Reply::Cancelled(cancellation) => Ok(*cancellation),
        _ => Err(PortError::unavailable("actor", "an answer to something else")),
    }
}

/// What happened to a run after the event `after`, oldest first. Nothing if its executor does not
/// have it yet.
///
/// # Errors
/// [`crate::ports::PortFailure::Unavailable`].
pub async fn events<A: Actors>(
    actors: MeteredActors<'_, A>,
    id: &str,
    after: u32,
) -> Result<Vec<RunEvent>, PortError> {
    match ask(actors, id, &Message::Events(after)).await? {
        Reply::Events(events) => Ok(events),
        _ => Err(PortError::unavailable("actor", "an answer to something else")),
    }
}

async fn ask<A: Actors>(
    actors: MeteredActors<'_, A>,
    id: &str,
    message: &Message,
) -> Result<Reply, PortError> {
    actors.call(ActorClass::WorkflowExecutor, id, message).await
}

/// A run is overdue when its row is this much behind: an executor that is merely busy gets no visit.
pub const SWEEP_GRACE: Millis = 30_000;
/// Runs in one sweep. The rest follows in the next; each visit is a subrequest of one invocation.
pub const SWEEP_LIMIT: i64 = 100;
/// Pokes the executors of runs that should have moved and have not: those whose object was never
/// reached after the intent was written, and those whose alarm was lost. For a cron trigger.
///
/// # Errors
/// When the overdue runs cannot be read. An executor that cannot be reached waits for the next sweep.
pub async fn sweep<P: Platform>(ports: &Ports<P>) -> Result<usize, PortError> {
    let due_before = ports.now() - SWEEP_GRACE;
    let overdue = Runs::new(ports.database()).overdue(due_before, SWEEP_LIMIT).await?;
    for state in &overdue {
        if let Err(error) = start(ports.actors(), state).await {
            ports.log(&format!("sweep of run {}: {error}", state.run.id));
        }
    }
    Ok(overdue.len())
}
