//! Sends messages to the executors of runs, and sweeps up runs whose executor has been lost.

use futures_util::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};

use super::RunState;
use crate::domain::{
    Millis,
    retention::RUNS_AT_ONCE,
    run::{Run, RunEvent},
};
use crate::ports::{ActorClass, Actors, MeteredActors, Platform, PortError, Ports};
use crate::store::{Overdue, Runs};

/// A message to the executor of a run.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Message {
    /// Start this run. An executor that already has it keeps its own state.
    Start(RunState),
    /// Cancel this run. An executor that already has it cancels its own state.
    Cancel(RunState),
    /// List the events after the one with this number.
    Events(u32),
    /// End this run as failed, because its row cannot be read. An executor that already has the run
    /// ends its own state.
    Fail(RunState),
    /// Erase this run, which has ended and is no longer kept.
    Forget,
}

/// A reply of the executor of a run.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    /// The run is stored, and its alarm set.
    Accepted,
    /// The outcome of [`Message::Forget`]: true if nothing is left of the run.
    Forgotten(bool),
    /// The outcome of [`Message::Cancel`].
    Cancelled(Box<Cancellation>),
    /// The events that [`Message::Events`] asked for.
    Events(Vec<RunEvent>),
}

/// The outcome of a request to cancel a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cancellation {
    /// The run as it is now.
    pub run: Run,
    /// True if this request ended the run; false if it had ended before.
    pub changed: bool,
}

/// Starts a run: hands it to its executor.
///
/// # Errors
/// [`crate::ports::PortFailure::Unavailable`]. The executor may or may not have taken it.
pub async fn start<A: Actors>(
    actors: MeteredActors<'_, A>,
    state: &RunState,
) -> Result<(), PortError> {
    send(actors, &state.run.id, &Message::Start(state.clone())).await.map(|_| ())
}

/// Ends a run as failed, because its row cannot be read. `intent` has the members that can be read.
async fn fail<A: Actors>(actors: MeteredActors<'_, A>, intent: RunState) -> Result<(), PortError> {
    let id = intent.run.id.clone();
    send(actors, &id, &Message::Fail(intent)).await.map(|_| ())
}

/// Wakes the executor of an overdue run, or has it end the run if the row cannot be read.
pub(super) async fn recover<A: Actors>(
    actors: MeteredActors<'_, A>,
    overdue: Overdue,
) -> Result<(), PortError> {
    match overdue {
        Overdue::Run(state) => start(actors, &state).await,
        Overdue::Unreadable(intent) => fail(actors, *intent).await,
    }
}

/// Cancels a run. Once this is acknowledged no further attempt begins, and the result of one that is
/// under way is dropped. `intent` is the run as it was accepted.
///
/// # Errors
/// [`crate::ports::PortFailure::Unavailable`]. The executor may or may not have ended it.
pub async fn cancel<A: Actors>(
    actors: MeteredActors<'_, A>,
    intent: RunState,
) -> Result<Cancellation, PortError> {
    let id = intent.run.id.clone();
    match send(actors, &id, &Message::Cancel(intent)).await? {
        Reply::Cancelled(cancellation) => Ok(*cancellation),
        _ => Err(PortError::unavailable("actor", "an answer to something else")),
    }
}

/// Returns the events of a run after the one with the number `after`, oldest first. There are none
/// if its executor does not have the run yet.
///
/// # Errors
/// [`crate::ports::PortFailure::Unavailable`].
pub async fn events<A: Actors>(
    actors: MeteredActors<'_, A>,
    id: &str,
    after: u32,
) -> Result<Vec<RunEvent>, PortError> {
    match send(actors, id, &Message::Events(after)).await? {
        Reply::Events(events) => Ok(events),
        _ => Err(PortError::unavailable("actor", "an answer to something else")),
    }
}

async fn send<A: Actors>(
    actors: MeteredActors<'_, A>,
    id: &str,
    message: &Message,
) -> Result<Reply, PortError> {
    actors.call(ActorClass::WorkflowExecutor, id, message).await
}

/// Deletes runs that were accepted before `instant` and have ended: first the state of each in its object,
/// then their rows. One that cannot be deleted is tried again by the next sweep. Returns how many were
/// deleted.
///
/// # Errors
/// When the rows cannot be read or deleted.
pub async fn forget<P: Platform>(ports: &Ports<P>, instant: Millis) -> Result<usize, PortError> {
    let runs = Runs::new(ports.database());
    let expired = runs.expired(instant, RUNS_AT_ONCE).await?;
    let mut forgotten = Vec::with_capacity(expired.len());
    let asked = expired.into_iter().map(async |id| {
        let reply = send(ports.actors(), &id, &Message::Forget).await;
        (id, reply)
    });
    let mut asked = stream::iter(asked).buffer_unordered(FORGETTING);
    while let Some((id, reply)) = asked.next().await {
        match reply {
            Ok(Reply::Forgotten(true)) => forgotten.push(id),
            Ok(_) => ports.log(&format!(
                "retention: run {id} goes on, though its row says that it has ended"
            )),
            Err(error) => ports.log(&format!("retention of run {id}: {error}")),
        }
    }
    if !forgotten.is_empty() {
        runs.delete(&forgotten).await?;
    }
    Ok(forgotten.len())
}

/// The number of objects that are asked at once to forget their run.
const FORGETTING: usize = 20;

/// The time after which a run that has not moved is overdue, in milliseconds. It is long enough that
/// an executor that is merely busy is left alone.
pub const SWEEP_GRACE: Millis = 30_000;
/// The largest number of runs of one sweep. The next sweep takes the rest. Each message to an
/// executor is a subrequest, and a Worker's invocation has a limited number of them.
pub const SWEEP_LIMIT: i64 = 100;
/// Wakes the executors of overdue runs: of those whose object was never reached after the intent was
/// written, and of those whose alarm was lost. A run whose row cannot be read ends as failed. A cron
/// trigger calls this every minute.
///
/// # Errors
/// When the overdue runs cannot be read. An executor that cannot be reached waits for the next sweep.
pub async fn sweep<P: Platform>(ports: &Ports<P>) -> Result<usize, PortError> {
    sweep_before(ports, ports.now() - SWEEP_GRACE).await
}

/// Wakes the executors of runs that were due before an instant, as [`sweep`] does: a server that has just
/// started calls it without a grace, since whatever an earlier process had begun has ended with it.
///
/// # Errors
/// Those of [`sweep`].
pub async fn sweep_before<P: Platform>(
    ports: &Ports<P>,
    due_before: Millis,
) -> Result<usize, PortError> {
    let overdue = Runs::new(ports.database()).overdue(due_before, SWEEP_LIMIT).await?;
    let visited = overdue.len();
    for run in overdue {
        let id = run.id().to_owned();
        if let Overdue::Unreadable(_) = &run {
            ports.log(&format!("sweep of run {id}: its row cannot be read"));
        }
        if let Err(error) = recover(ports.actors(), run).await {
            ports.log(&format!("sweep of run {id}: {error}"));
        }
    }
    Ok(visited)
}
