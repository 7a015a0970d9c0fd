//! Hosts the state machine in a single-writer object: loads, advances, saves, carries out effects.

mod client;

use std::time::Duration;

pub use client::{Cancellation, SWEEP_GRACE, SWEEP_LIMIT, cancel, events, start, sweep};
use client::{Message, Reply};
use futures_util::future::{Either, join_all, select};

use super::{
    ai_step, http_step,
    machine::{ATTEMPT_TIMEOUT, AttemptId, Effect, Event, Failure},
    provider_step::OnBehalf,
};
use crate::config::OAuthConfig;
use crate::domain::{
    ai::Models,
    outbound::AllowList,
    run::{Run, RunState, RunStatus},
    workflow::{Step, StepKind},
};
use crate::ports::{
    self, ActorContext, Clock, ONE_POINT, ObjectPorts, PortError, PortFailure, PortResult, Usage,
};
use crate::store::{Runs, SETTLE_USAGE, last_projection_usage};

/// A projection that takes longer is given up. Half of what an attempt may take: the result of an
/// attempt is not saved before the projection beside it ends, and must not wait past its lease.
const PROJECTION_TIMEOUT: Duration = Duration::from_millis(ATTEMPT_TIMEOUT.unsigned_abs() / 2);

/// Where the cost of the work is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Payer {
    /// In the run's own account: nobody waits for the work.
    Run,
    /// In the answer to the message.
    Request,
}

/// What [`ActorContext::load`] uses where there is a state.
const LOAD_USAGE: Usage = Usage { rows_read: 1, ..Usage::NONE };
/// What [`ActorContext::save`] uses: the row of the state, and the alarm where one is set.
const fn save_usage(sets_alarm: bool) -> Usage {
    Usage { rows_written: if sets_alarm { 2 } else { 1 }, ..Usage::NONE }
}

/// What a run pays for beforehand, because it cannot be written down afterwards without using more:
/// the save that writes its account; for a run that ends by this, the event that says so, the last
/// projection and what follows on it, which sets no alarm; and what `effects` settle.
fn to_come(effects: &[Effect], ends: Option<RunStatus>, sets_alarm: bool) -> Usage {
    let settling = if effects.contains(&Effect::Settle) { SETTLE_USAGE } else { Usage::NONE };
    let ending = ends.map_or(Usage::NONE, |status| {
        ONE_POINT + last_projection_usage(status) + LOAD_USAGE + save_usage(false)
    });
    save_usage(sets_alarm) + settling + ending
}

/// The executor of one run, for as long as one message or alarm takes.
pub struct Executor<'a, C> {
    ports: ObjectPorts<'a, C>,
    allowed: &'a AllowList,
    oauth: Option<&'a OAuthConfig>,
    models: Models,
}

impl<'a, C: ActorContext> Executor<'a, C> {
    /// An executor on the object that `context` stands for.
    pub fn new(context: &'a C, allowed: &'a AllowList, models: Models) -> Self {
        Self { ports: ObjectPorts::new(context), allowed, oauth: None, models }
    }

    /// The same, with providers for the steps that act for the owner.
    pub fn with_oauth(self, oauth: Option<&'a OAuthConfig>) -> Self {
        Self { oauth, ..self }
    }

    /// Handles a message.
    ///
    /// # Errors
    /// When it is not one of ours or cannot be stored.
    pub async fn message(&self, message: serde_json::Value) -> PortResult<serde_json::Value> {
        self.ports.metered(self.reply(message).await)
    }

    async fn reply(&self, message: serde_json::Value) -> Result<serde_json::Value, PortError> {
        let unavailable = |error| PortError::unavailable("actor", error);
        let message = serde_json::from_value(message).map_err(unavailable)?;
        let reply = match message {
            Message::Start(intent) => self.accept(intent).await?,
            Message::Cancel(intent) => self.cancel(intent).await?,
            Message::Events(after) => self.events(after).await?,
        };
        serde_json::to_value(reply).map_err(unavailable)
    }

    async fn accept(&self, intent: RunState) -> Result<Reply, PortError> {
        let _turn = self.ports.turn().await;
        // Saving what is there already sets its alarm again, should the platform have lost it.
        let state = self.load().await?.unwrap_or(intent);
        self.save(&state).await?;
        Ok(Reply::Accepted)
    }

    async fn cancel(&self, intent: RunState) -> Result<Reply, PortError> {
        let cancelled = {
            let _turn = self.ports.turn().await;
            let state = self.load().await?.unwrap_or(intent);
            if state.run.status.is_terminal() {
                return Ok(Reply::Cancelled(Box::new(Cancellation {
                    run: state.run,
                    changed: false,
                })));
            }
            let (state, effects) = state.advance(Event::Cancelled, self.now());
            self.save(&state).await?;
            (state, effects)
        };
        let (state, effects) = cancelled;
        self.analyse(&state);
        let run = state.run.clone();
        // It is cancelled, whether the row shows it yet or not; the alarm stands.
        if let Err(error) = self.run_until_idle(Payer::Request, state, effects).await {
            self.ports.log(&format!("executor: {error}"));
        }
        Ok(Reply::Cancelled(Box::new(Cancellation { run, changed: true })))
    }

    async fn events(&self, after: u32) -> Result<Reply, PortError> {
        let events = self.load().await?.map(|state| state.events).unwrap_or_default();
        Ok(Reply::Events(events.into_iter().filter(|event| event.id > after).collect()))
    }

    /// Handles the alarm, which is spent when its handler starts.
    ///
    /// # Errors
    /// When the state could not be loaded, or saved with its next alarm: this alarm should ring
    /// again. After that it does not fail: a platform that redelivers failed alarms gives up after
    /// a few, and the run would be stuck. The alarm of the last saved state stands instead.
    pub async fn alarm(&self) -> Result<(), PortError> {
        let ring = Usage { actor_requests: 1, ..Usage::default() };
        self.ports.meter().add(ring);
        let Some((state, effects)) = self.change(Payer::Run, vec![Event::Woken]).await? else {
            return Ok(());
        };
        if let Err(error) = self.run_until_idle(Payer::Run, state, effects).await {
            self.ports.log(&format!("executor: {error}"));
        }
        Ok(())
    }

    /// Carries out the effects of a saved state, and those that follow from them.
    async fn run_until_idle(
        &self,
        payer: Payer,
        mut state: RunState,
        mut effects: Vec<Effect>,
    ) -> Result<(), PortError> {
        loop {
            let events = self.carry_out(&state, effects).await;
            if events.is_empty() {
                return Ok(());
            }
            // Others may have changed the run while the effects were under way.
            let Some(changed) = self.change(payer, events).await? else { return Ok(()) };
            (state, effects) = changed;
        }
    }

    /// One turn: loads, applies, saves. Nobody else comes in between. `None`: there is no run.
    async fn change(
        &self,
        payer: Payer,
        events: Vec<Event>,
    ) -> Result<Option<(RunState, Vec<Effect>)>, PortError> {
        let _turn = self.ports.turn().await;
        let Some(mut state) = self.load().await? else { return Ok(None) };
        let was_open = !state.run.status.is_terminal();
        let is_last =
            |event: &Event| matches!(event, Event::Projected(status) if status.is_terminal());
        let closed = events.iter().any(is_last);
        let mut effects = Vec::new();
        for event in events {
            let (next, more) = state.advance(event, self.now());
            state = next;
            effects.extend(more);
        }
        let ended = state.run.status.is_terminal();
        // The account is closed by the last projection, which was paid for with what follows on it.
        if payer == Payer::Run && !closed {
            if ended && effects.is_empty() {
                effects.push(Effect::Settle);
            }
            let ends = (was_open && ended).then_some(state.run.status);
            let to_come = to_come(&effects, ends, state.wake_at.is_some());
            state.run.usage += self.ports.meter().take() + to_come;
            self.ports.meter().prepay(to_come);
        }
        self.save(&state).await?;
        if was_open && ended {
            self.analyse(&state);
        }
        Ok(Some((state, effects)))
    }

    /// Carries effects out side by side: the owner should not wait for the projection of
    /// `running`, nor the step for it.
    async fn carry_out(&self, state: &RunState, effects: Vec<Effect>) -> Vec<Event> {
        let work = effects.into_iter().map(|effect| async move {
            match effect {
                Effect::Attempt { attempt, key, step } => {
                    Some(self.attempt(&state.owner, attempt, &key, &step).await)
                }
                Effect::Project => self.project(state).await,
                Effect::Settle => {
                    self.settle(&state.run).await;
                    None
                }
            }
        });
        join_all(work).await.into_iter().flatten().collect()
    }

    async fn attempt(&self, owner: &str, attempt: AttemptId, key: &str, step: &Step) -> Event {
        let result = match step.kind {
            StepKind::Http => http_step::attempt(self.ports.http(), self.allowed, step, key).await,
            StepKind::GoogleUserinfo | StepKind::NotionCreatePage => {
                let Self { ports, oauth, .. } = self;
                OnBehalf { ports, oauth: *oauth, owner }.attempt(step).await
            }
            StepKind::AiSummarize => ai_step::attempt(&self.ports, self.models, owner, step).await,
            // The machine takes these itself.
            StepKind::Transform | StepKind::Delay => {
                Err(Failure { message: "cannot be attempted".to_owned(), retry: false })
            }
        };
        Event::AttemptEnded { attempt, result }
    }

    /// A projection that fails is tried again when the status next changes, or, after the last
    /// change, when the alarm rings.
    async fn project(&self, state: &RunState) -> Option<Event> {
        let runs = Runs::new(self.ports.database());
        match self.in_time(runs.project(state)).await {
            Ok(()) => Some(Event::Projected(state.run.status)),
            Err(error) => {
                self.ports.log(&format!("projection of run {}: {error}", state.run.id));
                None
            }
        }
    }

    /// A host that dies before, or a database that fails, loses the end of the bill, nothing else.
    async fn settle(&self, run: &Run) {
        let runs = Runs::new(self.ports.database());
        if let Err(error) = self.in_time(runs.settle(run)).await {
            self.ports.log(&format!("usage of run {}: {error}", run.id));
        }
    }

    /// What the database says, if it says so in time.
    async fn in_time<T>(
        &self,
        statement: impl Future<Output = Result<T, PortError>>,
    ) -> Result<T, PortError> {
        let statement = std::pin::pin!(statement);
        let deadline = std::pin::pin!(self.ports.clock().sleep(PROJECTION_TIMEOUT));
        match select(statement, deadline).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => Err(PortFailure::Timeout("database").into()),
        }
    }

    /// Says that the run has ended, once that is stored.
    fn analyse(&self, state: &RunState) {
        let RunState { run, owner, .. } = state;
        let event = ports::Event {
            kind: "run",
            tenant: owner,
            method: "-",
            route: "-",
            status: run.status.name(),
            duration: run.updated_at - run.created_at,
            usage: run.usage,
        };
        if let Err(error) = self.ports.analytics().write(&event) {
            self.ports.log(&error.to_string());
        }
    }

    async fn load(&self) -> Result<Option<RunState>, PortError> {
        let text = self.ports.load().await?;
        text.map(|text| {
            serde_json::from_str(&text).map_err(|error| PortError::unavailable("actor", error))
        })
        .transpose()
    }

    async fn save(&self, state: &RunState) -> Result<(), PortError> {
        let text =
            serde_json::to_string(state).map_err(|error| PortError::unavailable("actor", error))?;
        self.ports.save(&text, state.wake_at).await
    }

    fn now(&self) -> i64 {
        self.ports.now()
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
