//! Hosts the state machine in a single-writer object: loads the state, advances it, saves it, and
//! carries out the effects.

mod client;

use std::time::Duration;

pub use client::{
    Cancellation, SWEEP_GRACE, SWEEP_LIMIT, cancel, events, forget, start, sweep, sweep_before,
};
use client::{Message, Reply};
use futures_util::future::{Either, join_all, select};

use super::{
    ai_step,
    failure::Failure,
    http_step,
    machine::{ATTEMPT_TIMEOUT, AttemptId, Effect, Event},
    provider_step::ProviderStep,
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
use crate::store::{Runs, USAGE_OF_UPDATE_USAGE, last_projection_usage};

/// The longest time that a projection may take. It is half of what an attempt may take: the result
/// of an attempt is saved after the projection beside it ends, and must be saved within its lease.
const PROJECTION_TIMEOUT: Duration = Duration::from_millis(ATTEMPT_TIMEOUT.unsigned_abs() / 2);

/// The account that the usage of some work is added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BilledTo {
    /// The run's own account, because no request waits for the work.
    Run,
    /// The account of the request, which learns of the usage by the reply to its message.
    Request,
}

/// The usage of [`ActorContext::load`] if there is a state.
const LOAD_USAGE: Usage = Usage { rows_read: 1, ..Usage::NONE };
/// Returns the usage of [`ActorContext::save`]: the row of the state, and the alarm if one is set.
const fn save_usage(sets_alarm: bool) -> Usage {
    Usage { rows_written: if sets_alarm { 2 } else { 1 }, ..Usage::NONE }
}

/// Returns the usage that is added to a run's account before it happens, because adding it
/// afterwards would need another save. It comprises the save that writes the account; for a run that
/// ends now, the analytics event, the last projection, and the load and the save that follow on it;
/// and the statement of [`Effect::UpdateUsage`] if it is among the effects.
fn prepaid_usage(effects: &[Effect], ends: Option<RunStatus>, sets_alarm: bool) -> Usage {
    let updates = effects.contains(&Effect::UpdateUsage);
    let updating = if updates { USAGE_OF_UPDATE_USAGE } else { Usage::NONE };
    let ending = ends.map_or(Usage::NONE, |status| {
        ONE_POINT + last_projection_usage(status) + LOAD_USAGE + save_usage(false)
    });
    save_usage(sets_alarm) + updating + ending
}

/// The result of loading the state of a run.
enum Loaded {
    /// The state.
    State(Box<RunState>),
    /// The object has no run.
    Nothing,
    /// The object has a state that cannot be read.
    Unreadable,
}

impl Loaded {
    fn state(self) -> Option<RunState> {
        match self {
            Self::State(state) => Some(*state),
            Self::Nothing | Self::Unreadable => None,
        }
    }
}

/// The executor of one run. It lives for as long as one message or alarm takes.
pub struct Executor<'a, C> {
    ports: ObjectPorts<'a, C>,
    allowed: &'a AllowList,
    oauth: Option<&'a OAuthConfig>,
    models: Models,
}

impl<'a, C: ActorContext> Executor<'a, C> {
    /// Makes an executor on the object that `context` stands for.
    pub fn new(context: &'a C, allowed: &'a AllowList, models: Models) -> Self {
        Self { ports: ObjectPorts::new(context), allowed, oauth: None, models }
    }

    /// Returns this executor with providers for the steps that act for the owner.
    pub fn with_oauth(self, oauth: Option<&'a OAuthConfig>) -> Self {
        Self { oauth, ..self }
    }

    /// Handles a message.
    ///
    /// # Errors
    /// [`PortError`] when the message is malformed or its outcome cannot be stored.
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
            Message::Fail(intent) => self.fail(intent).await.map(|_| Reply::Accepted)?,
            Message::Forget => self.forget().await?,
        };
        serde_json::to_value(reply).map_err(unavailable)
    }

    async fn accept(&self, intent: RunState) -> Result<Reply, PortError> {
        let turn = self.ports.turn().await;
        // A run that is here already is saved again, which sets its alarm again in case the
        // platform has lost it.
        let mut state = match self.load().await? {
            Loaded::State(state) => *state,
            Loaded::Nothing => intent,
            Loaded::Unreadable => {
                drop(turn);
                return self.fail(intent).await.map(|_| Reply::Accepted);
            }
        };
        if state.is_abandoned() {
            state.wake_at = Some(self.now());
        }
        self.save(&state).await?;
        Ok(Reply::Accepted)
    }

    /// Ends a run as failed, because its row or its state cannot be read. Without a readable state
    /// the intent becomes the state, and no step is attempted again: nobody knows what they did.
    async fn fail(&self, intent: RunState) -> Result<Run, PortError> {
        let (state, effects) = {
            let _turn = self.ports.turn().await;
            let state = self.load().await?.state().unwrap_or(intent);
            let was_open = !state.run.status.is_terminal();
            let (state, effects) = state.advance(Event::Unreadable, self.now());
            self.save(&state).await?;
            if was_open {
                self.report_end(&state);
            }
            (state, effects)
        };
        let run = state.run.clone();
        // The run has ended even if its row does not show that yet: the alarm projects it again.
        if let Err(error) = self.run_until_idle(BilledTo::Request, state, effects).await {
            self.ports.log(&format!("executor: {error}"));
        }
        Ok(run)
    }

    async fn cancel(&self, intent: RunState) -> Result<Reply, PortError> {
        let turn = self.ports.turn().await;
        let state = match self.load().await? {
            Loaded::State(state) => *state,
            Loaded::Nothing => intent,
            Loaded::Unreadable => {
                drop(turn);
                let run = self.fail(intent).await?;
                return Ok(Reply::Cancelled(Box::new(Cancellation { run, changed: false })));
            }
        };
        if state.run.status.is_terminal() {
            let cancellation = Cancellation { run: state.run, changed: false };
            return Ok(Reply::Cancelled(Box::new(cancellation)));
        }
        let (state, effects) = state.advance(Event::Cancelled, self.now());
        self.save(&state).await?;
        drop(turn);
        self.report_end(&state);
        let run = state.run.clone();
        // The run is cancelled even if its row does not show that yet: the alarm that was saved
        // with the state projects it again.
        if let Err(error) = self.run_until_idle(BilledTo::Request, state, effects).await {
            self.ports.log(&format!("executor: {error}"));
        }
        Ok(Reply::Cancelled(Box::new(Cancellation { run, changed: true })))
    }

    /// Erases a run that has ended, or whose state nobody can read.
    async fn forget(&self) -> Result<Reply, PortError> {
        let _turn = self.ports.turn().await;
        let goes_on = match self.load().await? {
            Loaded::State(state) => !state.run.status.is_terminal(),
            Loaded::Nothing | Loaded::Unreadable => false,
        };
        if !goes_on {
            self.ports.erase().await?;
        }
        Ok(Reply::Forgotten(!goes_on))
    }

    async fn events(&self, after: u32) -> Result<Reply, PortError> {
        let events = self.load().await?.state().map(|state| state.events).unwrap_or_default();
        Ok(Reply::Events(events.into_iter().filter(|event| event.id > after).collect()))
    }

    /// Handles the alarm, which the platform deletes when its handler starts.
    ///
    /// # Errors
    /// [`PortError`] when the state could not be loaded, or saved with its next alarm. The platform
    /// should then deliver this alarm again. Later errors are logged and not returned: a platform
    /// gives up an alarm that has failed a few times, and the run would be stuck. The alarm that was
    /// saved with the state continues the run instead.
    pub async fn alarm(&self) -> Result<(), PortError> {
        self.ports.meter().add(Usage { actor_requests: 1, ..Usage::default() });
        let Some((state, effects)) = self.apply(BilledTo::Run, vec![Event::Woken]).await? else {
            return Ok(());
        };
        if let Err(error) = self.run_until_idle(BilledTo::Run, state, effects).await {
            self.ports.log(&format!("executor: {error}"));
        }
        Ok(())
    }

    /// Carries out the effects of a saved state, and those that follow from them.
    async fn run_until_idle(
        &self,
        billed_to: BilledTo,
        mut state: RunState,
        mut effects: Vec<Effect>,
    ) -> Result<(), PortError> {
        loop {
            let events = self.carry_out(&state, effects).await;
            if events.is_empty() {
                return Ok(());
            }
            // The state is loaded again, because another message or alarm may have changed the run
            // while the effects were under way.
            let Some(applied) = self.apply(billed_to, events).await? else { return Ok(()) };
            (state, effects) = applied;
        }
    }

    /// Loads the state, applies events and saves it, in one turn of the object. Returns `None` if
    /// the object has no run.
    async fn apply(
        &self,
        billed_to: BilledTo,
        events: Vec<Event>,
    ) -> Result<Option<(RunState, Vec<Effect>)>, PortError> {
        let _turn = self.ports.turn().await;
        let mut state = match self.load().await? {
            Loaded::State(state) => *state,
            Loaded::Nothing => return Ok(None),
            Loaded::Unreadable => {
                // Another alarm would find the same. The sweep finds the row, and sends the intent
                // with which the run can be ended.
                self.ports.log("executor: the state cannot be read");
                return Ok(None);
            }
        };
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
        // The last projection closes the account. It was added to the account beforehand, with the
        // load and the save that follow on it.
        if billed_to == BilledTo::Run && !closed {
            if ended && effects.is_empty() {
                effects.push(Effect::UpdateUsage);
            }
            let ends = (was_open && ended).then_some(state.run.status);
            let prepaid = prepaid_usage(&effects, ends, state.wake_at.is_some());
            state.run.usage += self.ports.meter().take() + prepaid;
            self.ports.meter().prepay(prepaid);
        }
        self.save(&state).await?;
        if was_open && ended {
            self.report_end(&state);
        }
        Ok(Some((state, effects)))
    }

    /// Carries out effects concurrently, so that an attempt does not wait for the projection of
    /// the status `running`, nor the projection for the attempt.
    async fn carry_out(&self, state: &RunState, effects: Vec<Effect>) -> Vec<Event> {
        let work = effects.into_iter().map(|effect| async move {
            match effect {
                Effect::Attempt { attempt, key, step } => {
                    Some(self.attempt(&state.owner, attempt, &key, &step).await)
                }
                Effect::Project => self.project(state).await,
                Effect::UpdateUsage => {
                    self.update_usage(&state.run).await;
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
                ProviderStep { ports, oauth: *oauth, owner }.attempt(step).await
            }
            StepKind::AiSummarize => ai_step::attempt(&self.ports, self.models, owner, step).await,
            // The state machine carries these out itself.
            StepKind::Transform | StepKind::Delay => Err(Failure::NoAttempt),
        };
        Event::AttemptEnded { attempt, result }
    }

    /// Projects the run into its database row. A projection that fails is tried again when the
    /// status next changes, or, after the last change, when the alarm fires.
    async fn project(&self, state: &RunState) -> Option<Event> {
        let runs = Runs::new(self.ports.database());
        match self.within_deadline(runs.project(state)).await {
            Ok(()) => Some(Event::Projected(state.run.status)),
            Err(error) => {
                self.ports.log(&format!("projection of run {}: {error}", state.run.id));
                None
            }
        }
    }

    /// Writes the usage of a run that has ended to its row. If the host dies before, or the database
    /// fails, the bill lacks the last usage of the run, and nothing else is lost.
    async fn update_usage(&self, run: &Run) {
        let runs = Runs::new(self.ports.database());
        if let Err(error) = self.within_deadline(runs.update_usage(run)).await {
            self.ports.log(&format!("usage of run {}: {error}", run.id));
        }
    }

    /// Waits for a statement, at most for [`PROJECTION_TIMEOUT`].
    async fn within_deadline<T>(
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

    /// Writes the analytics event that says how the run ended. It is called after that is stored.
    fn report_end(&self, state: &RunState) {
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

    async fn load(&self) -> Result<Loaded, PortError> {
        let text = self.ports.load().await?;
        Ok(match text.map(|text| serde_json::from_str(&text)) {
            None => Loaded::Nothing,
            Some(Ok(state)) => Loaded::State(state),
            Some(Err(_)) => Loaded::Unreadable,
        })
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
