//! Defines the state machine of a run, a pure function: `(state, event, now) → (state, effects)`.
//!
//! The host saves the new state, with its alarm, before it carries out an effect. So an attempt is
//! recorded before it can have an effect elsewhere, and the alarm continues the run if the host dies.

use serde_json::{Value, json};

pub use super::failure::Failure;
use crate::domain::MAX_INTEGER;
use crate::domain::{
    Millis,
    ai::MAX_CONTENT,
    output::{self, MAX_OUTPUT_BYTES},
    run::{Change, RunEvent, RunState, RunStatus, StepStatus},
    template::{self, Outputs},
    workflow::{MAX_STEPS, MAX_STEPS_BYTES, Step, StepError, StepKind},
};
use crate::ports::MAX_VALUE_BYTES;

/// The largest number of attempts of one step, the first included. With the backoff below they span
/// about ten seconds, which is enough for a restart of the other side.
pub const MAX_ATTEMPTS: u32 = 5;
/// The pause after the first failed attempt. It doubles after each further one.
pub const BACKOFF_BASE: Millis = 500;
/// The longest time that one attempt may take.
pub const ATTEMPT_TIMEOUT: Millis = 10_000;
/// The time after which an attempt that has not ended counts as interrupted, because its host must
/// have died: the timeout, and two seconds to save the result.
pub const ATTEMPT_LEASE: Millis = ATTEMPT_TIMEOUT + 2_000;
/// The pause before a finished run is projected again if that failed. It doubles after each further
/// failure, up to [`MAX_PROJECTION_PAUSE`].
pub const PROJECTION_RETRY: Millis = 1_000;
/// The longest pause between two projections of a finished run.
pub const MAX_PROJECTION_PAUSE: Millis = 60 * 60 * 1000;
/// The number of failed projections after which the alarm is no longer set. The sweep, which needs
/// the database itself, wakes the run again if its row is open.
pub const MAX_PROJECTIONS: u32 = 48;

/// The longest time that a run may take, its pauses included. It is a week, so that runs that nobody
/// looks after end.
pub const RUN_TIMEOUT: Millis = 7 * 24 * 60 * 60 * 1000;
/// The largest number of bytes that references may insert into the content of a summary. It is the
/// size of the longest content in its longest encoding.
pub const MAX_REFERENCED_BYTES: usize = 4 * MAX_CONTENT;
/// The largest number of events of a run: a first and a last one, and two for each attempt of each
/// step. No event is dropped; at about 80 bytes each they take 40 KB of the object's row.
pub const MAX_EVENTS: usize = 2 + 2 * MAX_STEPS * MAX_ATTEMPTS as usize;
/// The largest number of characters of the message of a failed step. A message can quote a URL or a
/// template, which can be as long as the whole workflow.
pub const MAX_MESSAGE: usize = 1_000;

/// Upper bounds of what else is in a state, in bytes: of an event, of the report of a step without
/// its output and message, and of the other members.
const EVENT_BYTES: usize = 100;
const REPORT_BYTES: usize = 120;
const OTHER_BYTES: usize = 4_000;
/// The largest state fits into one value of the database. A character needs up to six bytes as JSON.
/// One step at most has a message, because a failure for good ends the run.
const _: () = assert!(
    MAX_STEPS * (MAX_OUTPUT_BYTES + REPORT_BYTES)
        + MAX_STEPS_BYTES
        + MAX_EVENTS * EVENT_BYTES
        + 6 * MAX_MESSAGE
        + OTHER_BYTES
        <= MAX_VALUE_BYTES
);

/// An event that the machine reacts to.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The alarm fired.
    Woken,
    /// An attempt ended.
    AttemptEnded {
        /// The attempt.
        attempt: AttemptId,
        /// The output, or the reason why the attempt failed.
        result: Result<Value, Failure>,
    },
    /// The database row shows this status.
    Projected(RunStatus),
    /// The owner cancels the run.
    Cancelled,
    /// The stored state of the run, or its row, cannot be read.
    Unreadable,
}

/// Identifies one attempt of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptId {
    /// The index of the step.
    pub step: usize,
    /// The number of the attempt, from 1.
    pub number: u32,
}

/// An effect that the host is to carry out.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Attempt a step, then report [`Event::AttemptEnded`].
    Attempt {
        /// The attempt.
        attempt: AttemptId,
        /// The idempotency key, which is the same for every attempt of this step, so that a
        /// receiver can drop repetitions.
        key: String,
        /// The step, with its references replaced by values.
        step: Step,
    },
    /// Write [`RunState::run`] to the database row, then report [`Event::Projected`].
    Project,
    /// Write the usage of a run that has ended to its row. The host adds this effect when work ended
    /// later than its run.
    UpdateUsage,
}

impl RunState {
    /// Applies an event. An event that comes too late, too early or twice changes nothing.
    pub fn advance(mut self, event: Event, now: Millis) -> (Self, Vec<Effect>) {
        let effects = match event {
            Event::Woken => self.woken(now),
            Event::AttemptEnded { attempt, result } => self.attempt_ended(attempt, result, now),
            Event::Projected(status) => self.projected(status),
            Event::Cancelled => self.cancelled(now),
            Event::Unreadable => self.unreadable(now),
        };
        (self, effects)
    }

    fn woken(&mut self, now: Millis) -> Vec<Effect> {
        if self.wake_at.is_none_or(|at| now < at) {
            return Vec::new();
        }
        match self.run.status {
            status if status.is_terminal() => self.project_again(now),
            _ if now >= self.deadline() => self.timed_out(now),
            RunStatus::Running => self.attempt_lost(now),
            _ => {
                self.end_delay(now);
                self.run_steps(now)
            }
        }
    }

    /// Projects a finished run again, because the last projection failed or its host died.
    fn project_again(&mut self, now: Millis) -> Vec<Effect> {
        self.failed_projections = self.failed_projections.saturating_add(1);
        let pause = PROJECTION_RETRY << self.failed_projections.min(16);
        self.wake_at = (self.failed_projections < MAX_PROJECTIONS)
            .then_some(now + pause.min(MAX_PROJECTION_PAUSE));
        self.project_if_changed()
    }

    /// Ends the run as failed, because what is stored of it cannot be read.
    fn unreadable(&mut self, now: Millis) -> Vec<Effect> {
        if !self.run.status.is_terminal() {
            self.interrupt(StepStatus::Failed, &Failure::Unreadable, now);
            self.finish(RunStatus::Failed, now);
        }
        // The version of the row is not known. No version comes after this one, which is fine for a
        // run that has ended.
        self.version = MAX_INTEGER;
        vec![Effect::Project]
    }

    /// Returns the index of the first step that has not succeeded. There is one as long as the run
    /// is not terminal.
    fn current(&self) -> Option<usize> {
        self.run.steps.iter().position(|step| step.status != StepStatus::Succeeded)
    }

    /// Runs steps until one takes time: an attempt, or a pause.
    fn run_steps(&mut self, now: Millis) -> Vec<Effect> {
        while let Some(index) = self.current() {
            if now >= self.deadline() {
                return self.timed_out(now);
            }
            let Some(step) = self.definition.get(index).cloned() else { break };
            let number = self.begin(index, now);
            match step.kind {
                StepKind::Http
                | StepKind::GoogleUserinfo
                | StepKind::NotionCreatePage
                | StepKind::AiSummarize => {
                    return match self.rendered(step) {
                        Ok(step) => self.attempt(AttemptId { step: index, number }, step, now),
                        Err(failure) => self.fail(index, &failure, now),
                    };
                }
                StepKind::Delay => match step.pause() {
                    Ok(pause) => {
                        self.set_status(RunStatus::Waiting, Some(now + pause), now);
                        // The row is projected even if it shows `waiting` already, because it also
                        // shows until when.
                        return vec![Effect::Project];
                    }
                    Err(error) => return self.fail(index, &error.into(), now),
                },
                StepKind::Transform => match self.transform(&step) {
                    Ok(output) => self.succeed(index, output, now),
                    Err(failure) => return self.fail(index, &failure, now),
                },
            }
        }
        self.finish(RunStatus::Succeeded, now)
    }

    /// Records the next attempt of a step and returns its number.
    fn begin(&mut self, index: usize, now: Millis) -> u32 {
        let Some(report) = self.run.steps.get_mut(index) else { return 0 };
        report.status = StepStatus::Running;
        report.attempts += 1;
        let attempt = report.attempts;
        self.record(Change::Step { step: index, attempt, status: StepStatus::Running }, now);
        attempt
    }

    fn attempt(&mut self, attempt: AttemptId, step: Step, now: Millis) -> Vec<Effect> {
        let key = format!("{}:{}", self.run.id, attempt.step);
        self.set_status(RunStatus::Running, Some(now + ATTEMPT_LEASE), now);
        let mut effects = vec![Effect::Attempt { attempt, key, step }];
        effects.extend(self.project_if_changed());
        effects
    }

    /// Ends the pause that the run is in, if it is in one.
    fn end_delay(&mut self, now: Millis) {
        let Some(index) = self.current() else { return };
        let begun = self.run.steps.get(index).is_some_and(|r| r.status == StepStatus::Running);
        if let Some(step) = self.definition.get(index)
            && begun
            && step.kind == StepKind::Delay
        {
            let seconds = step.config.get("seconds").cloned().unwrap_or_default();
            self.succeed(index, json!({ "seconds": seconds }), now);
        }
    }

    /// Returns the step with its references replaced by values.
    fn rendered(&self, mut step: Step) -> Result<Step, Failure> {
        if step.kind.config_is_template() {
            let mut budget = MAX_OUTPUT_BYTES;
            for value in step.config.values_mut() {
                *value = self.render(value, &mut budget)?;
            }
        }
        if step.kind == StepKind::AiSummarize {
            // A reference that is the whole content may stand for something else than a text.
            let content = match self.render(step.content()?, &mut { MAX_REFERENCED_BYTES })? {
                Value::String(text) => text,
                other => other.to_string(),
            };
            step.config.insert("content".to_owned(), content.into());
        }
        Ok(step)
    }

    fn render(&self, template: &Value, budget: &mut usize) -> Result<Value, StepError> {
        let outputs: Vec<_> = self.run.steps.iter().map(|step| step.output.as_ref()).collect();
        Ok(template::render(template, Outputs(&outputs), budget)?)
    }

    fn transform(&self, step: &Step) -> Result<Value, Failure> {
        let output = self.render(step.template()?, &mut { MAX_OUTPUT_BYTES })?;
        // The budget bounds the values that are inserted; this bounds the template's own text, too.
        output::check(&output)?;
        Ok(output)
    }

    fn succeed(&mut self, index: usize, output: Value, now: Millis) {
        self.end(index, StepStatus::Succeeded, None, now);
        if let Some(report) = self.run.steps.get_mut(index) {
            report.output = Some(output);
        }
    }

    /// Ends a step that failed for good, and with it the run.
    fn fail(&mut self, index: usize, failure: &Failure, now: Millis) -> Vec<Effect> {
        self.end(index, StepStatus::Failed, Some(failure), now);
        self.finish(RunStatus::Failed, now)
    }

    /// Ends a step for good.
    fn end(&mut self, index: usize, status: StepStatus, failure: Option<&Failure>, now: Millis) {
        if let Some(report) = self.run.steps.get_mut(index) {
            report.status = status;
            report.error = failure.map(message);
            let attempt = report.attempts;
            self.record(Change::Step { step: index, attempt, status }, now);
        }
    }

    /// Ends the step that is under way, if there is one, together with the run.
    fn interrupt(&mut self, status: StepStatus, failure: &Failure, now: Millis) {
        let under_way = self.run.steps.iter().position(|step| step.status == StepStatus::Running);
        if let Some(index) = under_way {
            self.end(index, status, Some(failure), now);
        }
    }

    fn cancelled(&mut self, now: Millis) -> Vec<Effect> {
        if self.run.status.is_terminal() {
            return Vec::new();
        }
        self.interrupt(StepStatus::Cancelled, &Failure::RunCancelled, now);
        self.finish(RunStatus::Cancelled, now)
    }

    fn timed_out(&mut self, now: Millis) -> Vec<Effect> {
        self.interrupt(StepStatus::Failed, &Failure::RunTimedOut, now);
        self.finish(RunStatus::TimedOut, now)
    }

    fn deadline(&self) -> Millis {
        self.run.created_at.saturating_add(RUN_TIMEOUT)
    }

    fn record(&mut self, change: Change, at: Millis) {
        let id = u32::try_from(self.events.len()).unwrap_or(u32::MAX).saturating_add(1);
        self.events.push(RunEvent { id, at, change });
    }

    fn attempt_lost(&mut self, now: Millis) -> Vec<Effect> {
        let Some(step) = self.current() else { return self.finish(RunStatus::Succeeded, now) };
        let number = self.run.steps.get(step).map_or(0, |report| report.attempts);
        let lost = AttemptId { step, number };
        let retry = self.definition.get(step).is_none_or(|step| step.kind.is_repeatable());
        let mut effects = self.attempt_ended(lost, Err(Failure::Interrupted { retry }), now);
        // No further pause is needed: the lease has been longer than any backoff.
        if self.run.status == RunStatus::Waiting {
            effects = self.run_steps(now);
        }
        effects
    }

    fn attempt_ended(
        &mut self,
        attempt: AttemptId,
        result: Result<Value, Failure>,
        now: Millis,
    ) -> Vec<Effect> {
        let expected =
            self.run.status == RunStatus::Running && self.current() == Some(attempt.step);
        let report = self.run.steps.get_mut(attempt.step).filter(|_| expected);
        let Some(report) = report.filter(|report| report.attempts == attempt.number) else {
            return Vec::new();
        };
        let step = attempt.step;
        let result = result.and_then(|output| {
            output::check(&output)?;
            Ok(output)
        });
        match result {
            Ok(output) => {
                self.succeed(step, output, now);
                self.run_steps(now)
            }
            Err(failure) if failure.is_retryable() && attempt.number < MAX_ATTEMPTS => {
                report.error = Some(message(&failure));
                let status = StepStatus::Failed;
                self.record(Change::Step { step, attempt: attempt.number, status }, now);
                let pause = backoff(&self.run.id, attempt);
                self.set_status(RunStatus::Waiting, Some(now + pause), now);
                self.project_if_changed()
            }
            Err(failure) => self.fail(step, &failure, now),
        }
    }

    fn finish(&mut self, status: RunStatus, now: Millis) -> Vec<Effect> {
        self.run.finished_at = Some(now);
        // No step is attempted any more, and a run is kept for long: see `domain::retention`.
        self.definition = Vec::new();
        self.record(Change::Run { status }, now);
        self.set_status(status, Some(now + PROJECTION_RETRY), now);
        self.project_if_changed()
    }

    fn projected(&mut self, status: RunStatus) -> Vec<Effect> {
        self.projected = status;
        if status.is_terminal() {
            self.wake_at = None;
        }
        Vec::new()
    }

    fn set_status(&mut self, status: RunStatus, wake_at: Option<Millis>, now: Millis) {
        self.run.status = status;
        self.run.updated_at = now;
        let deadline = if status.is_terminal() { Millis::MAX } else { self.deadline() };
        self.wake_at = wake_at.map(|at| at.min(deadline));
        self.version += 1;
    }

    fn project_if_changed(&self) -> Vec<Effect> {
        if self.projected == self.run.status { Vec::new() } else { vec![Effect::Project] }
    }
}

fn message(failure: &Failure) -> String {
    failure.to_string().chars().take(MAX_MESSAGE).collect()
}

/// Returns the pause after an attempt: exponential, and shortened by up to a quarter. The jitter is
/// computed from the identifiers alone, so that a replay pauses equally long, and so that runs that
/// failed together do not try again together.
fn backoff(run_id: &str, attempt: AttemptId) -> Millis {
    let full = BACKOFF_BASE << (attempt.number - 1).min(16);
    // The hash is FNV-1a. It spreads well enough, and is the same on every platform and version.
    let hash = run_id
        .bytes()
        .chain(attempt.step.to_le_bytes())
        .chain(attempt.number.to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    let jitter = Millis::try_from(hash % 256).unwrap_or(0);
    full - full * jitter / 1024
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod properties;
#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests;
