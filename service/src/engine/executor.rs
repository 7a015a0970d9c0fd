//! Hosts the state machine in a single-writer object: loads, advances, saves, carries out effects.

use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use serde::{Deserialize, Serialize};

use super::{
    http_step,
    machine::{ATTEMPT_TIMEOUT, AttemptId, Effect, Event, RunState},
};
use crate::domain::{
    Millis,
    outbound::AllowList,
    workflow::{Step, StepKind},
};
use crate::ports::{
    ActorClass, ActorContext, Actors, Clock, Meter, Metered, Platform, PortError, PortFailure,
    PortResult, Usage, call_actor, used,
};
use crate::store::Runs;

/// What the executor of a run can be told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Message {
    /// Take this run on; the executor that already has it keeps its own state.
    Start(RunState),
}

/// Its answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    /// The run is stored, and its alarm set.
    Accepted,
}

/// Hands a run to its executor.
///
/// # Errors
/// [`PortError`]. The executor may or may not have taken it.
pub async fn start<A: Actors>(actors: &A, state: &RunState) -> PortResult<()> {
    let message = Message::Start(state.clone());
    let name = &state.run.id;
    let reply = call_actor::<_, _, Reply>(actors, ActorClass::WorkflowExecutor, name, &message);
    Ok(reply.await?.map(|Reply::Accepted| ()))
}

/// A run is overdue when its row is this much behind: an executor that is merely busy gets no visit.
const SWEEP_GRACE: Millis = 30_000;
/// Runs in one sweep. The rest follows in the next; each visit is a subrequest of one invocation.
const SWEEP_LIMIT: i64 = 100;
/// A projection that takes longer is given up. Half of what an attempt may take: the result of an
/// attempt is not saved before the projection beside it ends, and must not wait past its lease.
const PROJECTION_TIMEOUT: Duration = Duration::from_millis(ATTEMPT_TIMEOUT.unsigned_abs() / 2);

/// Pokes the executors of runs that should have moved and have not: those whose object was never
/// reached after the intent was written, and those whose alarm was lost. For a cron trigger.
///
/// # Errors
/// When the overdue runs cannot be read. An executor that cannot be reached waits for the next sweep.
pub async fn sweep<P: Platform>(platform: &P) -> Result<usize, PortError> {
    let meter = Meter::default();
    let due_before = platform.clock().now() - SWEEP_GRACE;
    let overdue = Runs::new(platform.database(), &meter).overdue(due_before, SWEEP_LIMIT).await?;
    for state in &overdue {
        if let Err(error) = start(platform.actors(), state).await {
            platform.log(&format!("sweep of run {}: {error}", state.run.id));
        }
    }
    Ok(overdue.len())
}

/// The executor of one run, for as long as one message or alarm takes.
pub struct Executor<'a, C> {
    context: &'a C,
    allowed: &'a AllowList,
    meter: Meter,
}

impl<'a, C: ActorContext> Executor<'a, C> {
    /// An executor on the object that `context` stands for.
    pub fn new(context: &'a C, allowed: &'a AllowList) -> Self {
        Self { context, allowed, meter: Meter::default() }
    }

    /// Handles a message.
    ///
    /// # Errors
    /// When it is not one of ours or cannot be stored.
    pub async fn message(&self, message: serde_json::Value) -> PortResult<serde_json::Value> {
        let reply = self.reply(message).await;
        used(reply.map(Metered::free), self.meter.usage())
    }

    async fn reply(&self, message: serde_json::Value) -> Result<serde_json::Value, PortError> {
        let unavailable = |error| PortError::unavailable("actor", error);
        let Message::Start(state) =
            serde_json::from_value(message).map_err(|e: serde_json::Error| unavailable(e))?;
        // Saving what is there already sets its alarm again, should the platform have lost it.
        let state = self.load().await?.unwrap_or(state);
        self.save(&state).await?;
        serde_json::to_value(Reply::Accepted).map_err(unavailable)
    }

    /// Handles the alarm, which is spent when its handler starts.
    ///
    /// # Errors
    /// When the state could not be loaded, or saved with its next alarm: this alarm should ring
    /// again. After that it does not fail: a platform that redelivers failed alarms gives up after
    /// a few, and the run would be stuck. The alarm of the last saved state stands instead.
    pub async fn alarm(&self) -> Result<(), PortError> {
        let ring = Usage { actor_requests: 1, ..Usage::default() };
        self.meter.add(ring);
        let Some(state) = self.load().await? else { return Ok(()) };
        let before = state.run.usage;
        let (mut state, effects) = state.advance(Event::Woken, self.now());
        state.run.usage += self.meter.usage();
        self.save(&state).await?;
        if let Err(error) = self.run_until_idle(before, state, effects).await {
            self.context.log(&format!("executor: {error}"));
        }
        Ok(())
    }

    /// Carries out the effects of a saved state, and those that follow from them. `before` is what
    /// the run had used when the alarm rang.
    async fn run_until_idle(
        &self,
        before: Usage,
        mut state: RunState,
        mut effects: Vec<Effect>,
    ) -> Result<(), PortError> {
        loop {
            let events = self.carry_out(&state, effects).await;
            if events.is_empty() {
                return Ok(());
            }
            // Others may have changed the run while the effects were under way.
            let Some(current) = self.load().await? else { return Ok(()) };
            state = current;
            effects = Vec::new();
            for event in events {
                let (next, more) = state.advance(event, self.now());
                state = next;
                effects.extend(more);
            }
            state.run.usage = before;
            state.run.usage += self.meter.usage();
            self.save(&state).await?;
        }
    }

    /// Carries effects out side by side: the owner should not wait for the projection of
    /// `running`, nor the step for it.
    async fn carry_out(&self, state: &RunState, effects: Vec<Effect>) -> Vec<Event> {
        let work = effects.into_iter().map(|effect| async move {
            match effect {
                Effect::Attempt { attempt, key, step } => {
                    Some(self.attempt(attempt, &key, &step).await)
                }
                Effect::Project => self.project(state).await,
            }
        });
        join_all(work).await.into_iter().flatten().collect()
    }

    async fn attempt(&self, attempt: AttemptId, key: &str, step: &Step) -> Event {
        let result = match step.kind {
            StepKind::Http => {
                http_step::attempt(self.context.http(), self.allowed, step, key, &self.meter).await
            }
        };
        Event::AttemptEnded { attempt, result }
    }

    /// A projection that fails is tried again when the status next changes, or, after the last
    /// change, when the alarm rings.
    async fn project(&self, state: &RunState) -> Option<Event> {
        let runs = Runs::new(self.context.database(), &self.meter);
        let write = std::pin::pin!(runs.project(state));
        let deadline = std::pin::pin!(self.context.clock().sleep(PROJECTION_TIMEOUT));
        let written = match select(write, deadline).await {
            Either::Left((written, _)) => written,
            Either::Right(_) => Err(PortFailure::Timeout("database").into()),
        };
        match written {
            Ok(()) => Some(Event::Projected(state.run.status)),
            Err(error) => {
                self.context.log(&format!("projection of run {}: {error}", state.run.id));
                None
            }
        }
    }

    async fn load(&self) -> Result<Option<RunState>, PortError> {
        let text = self.meter.charge(self.context.load().await)?;
        text.map(|text| {
            serde_json::from_str(&text).map_err(|error| PortError::unavailable("actor", error))
        })
        .transpose()
    }

    async fn save(&self, state: &RunState) -> Result<(), PortError> {
        let text =
            serde_json::to_string(state).map_err(|error| PortError::unavailable("actor", error))?;
        self.meter.charge(self.context.save(&text, state.wake_at).await)
    }

    fn now(&self) -> i64 {
        self.context.clock().now()
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod memory;
#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod simulation;
#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests;
