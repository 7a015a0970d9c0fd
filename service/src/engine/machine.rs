//! The state machine of a run: `(state, event, now) → (state, effects)`. Pure.
//!
//! Whoever hosts it saves the new state, with its alarm, before it carries out an effect. So an
//! attempt is on record before it can be seen outside, and a host that dies wakes up again.

use serde_json::{Value, json};

use super::http_step::MAX_RESPONSE_BYTES;
use crate::domain::{
    Millis,
    ai::MAX_CONTENT,
    run::{Change, RunEvent, RunState, RunStatus, StepStatus},
    template::{self, Outputs},
    workflow::{MAX_STEPS, Step, StepKind},
};

/// Attempts of one step, the first included. With the backoff below they span about ten seconds:
/// enough for a restart of the other side.
pub const MAX_ATTEMPTS: u32 = 5;
/// Pause after the first failed attempt, doubled after each further one.
pub const BACKOFF_BASE: Millis = 500;
/// One attempt may take this long.
pub const ATTEMPT_TIMEOUT: Millis = 10_000;
/// An attempt that has not ended so long after it began died with its host: the timeout, and as
/// much again as saving its result may take.
pub const ATTEMPT_LEASE: Millis = ATTEMPT_TIMEOUT + 2_000;
/// Pause before a finished run is projected again when that failed.
pub const PROJECTION_RETRY: Millis = 1_000;

/// A run may take this long, its pauses included: a week, so that what somebody forgot ends.
pub const RUN_TIMEOUT: Millis = 7 * 24 * 60 * 60 * 1000;
/// Most that the content of a summary quotes, in bytes: more than the summary takes, in its longest
/// encoding.
pub const MAX_QUOTED_BYTES: usize = 4 * MAX_CONTENT;
/// Most events of a run: it is accepted and ends, and so does each attempt of each step. Nothing
/// is dropped; at about 80 bytes each they take 40 KB of the object's row.
pub const MAX_EVENTS: usize = 2 + 2 * MAX_STEPS * MAX_ATTEMPTS as usize;

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The alarm rang, or somebody poked.
    Woken,
    /// An attempt ended.
    AttemptEnded {
        /// Which attempt.
        attempt: AttemptId,
        /// Its output, or why it failed.
        result: Result<Value, Failure>,
    },
    /// The database row shows this status.
    Projected(RunStatus),
    /// The owner does not want it any more.
    Cancelled,
}

/// One attempt of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptId {
    /// Index of the step.
    pub step: usize,
    /// From 1.
    pub number: u32,
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// For the owner.
    pub message: String,
    /// Whether another attempt could succeed.
    pub retry: bool,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Attempt a step, then report [`Event::AttemptEnded`].
    Attempt {
        /// Which.
        attempt: AttemptId,
        /// The same for every attempt of this step, so that a receiver can drop repetitions.
        key: String,
        /// What to do.
        step: Step,
    },
    /// Write [`RunState::run`] to the database row, then report [`Event::Projected`].
    Project,
    /// Write what the run used to the row of one that has ended. The host asks for this, where work
    /// ended later than its run.
    Settle,
}

impl RunState {
    /// Applies an event. An event that comes too late, too early or twice changes nothing.
    pub fn advance(mut self, event: Event, now: Millis) -> (Self, Vec<Effect>) {
        let effects = match event {
            Event::Woken => self.woken(now),
            Event::AttemptEnded { attempt, result } => self.attempt_ended(attempt, result, now),
            Event::Projected(status) => self.projected(status),
            Event::Cancelled => self.cancelled(now),
        };
        (self, effects)
    }

    fn woken(&mut self, now: Millis) -> Vec<Effect> {
        if self.wake_at.is_none_or(|at| now < at) {
            return Vec::new();
        }
        match self.run.status {
            status if status.is_terminal() => {
                self.wake_at = Some(now + PROJECTION_RETRY);
                self.project_if_changed()
            }
            _ if now >= self.deadline() => self.timed_out(now),
            RunStatus::Running => self.attempt_lost(now),
            _ => {
                self.end_delay(now);
                self.go_on(now)
            }
        }
    }

    /// The first step that is not done. There is one as long as the run is not terminal.
    fn current(&self) -> Option<usize> {
        self.run.steps.iter().position(|step| step.status != StepStatus::Succeeded)
    }

    /// Takes steps until one needs time: an attempt, or a pause.
    fn go_on(&mut self, now: Millis) -> Vec<Effect> {
        while let Some(index) = self.current() {
            if now >= self.deadline() {
                return self.timed_out(now);
            }
            let Some(step) = self.definition.get(index).cloned() else { break };
            let number = self.begin(index, now);
            match step.kind {
                StepKind::Http | StepKind::GoogleUserinfo | StepKind::NotionCreatePage => {
                    return match self.filled_in(step) {
                        Ok(step) => self.attempt(AttemptId { step: index, number }, step, now),
                        Err(message) => self.give_up(index, message, now),
                    };
                }
                StepKind::AiSummarize => match self.quoting(step) {
                    Ok(step) => return self.attempt(AttemptId { step: index, number }, step, now),
                    Err(message) => return self.give_up(index, message, now),
                },
                StepKind::Delay => match step.pause() {
                    Ok(pause) => {
                        self.change(RunStatus::Waiting, Some(now + pause), now);
                        // Though the row may say `waiting` already: it also says until when.
                        return vec![Effect::Project];
                    }
                    Err(message) => return self.give_up(index, message, now),
                },
                StepKind::Transform => match self.transform(&step) {
                    Ok(output) => self.succeed(index, output, now),
                    Err(message) => return self.give_up(index, message, now),
                },
            }
        }
        self.finish(RunStatus::Succeeded, now)
    }

    /// Puts the next attempt of a step on record; its number.
    fn begin(&mut self, index: usize, now: Millis) -> u32 {
        let Some(report) = self.run.steps.get_mut(index) else { return 0 };
        report.status = StepStatus::Running;
        report.attempts += 1;
        let attempt = report.attempts;
        self.note(Change::Step { step: index, attempt, status: StepStatus::Running }, now);
        attempt
    }

    fn attempt(&mut self, attempt: AttemptId, step: Step, now: Millis) -> Vec<Effect> {
        let key = format!("{}:{}", self.run.id, attempt.step);
        self.change(RunStatus::Running, Some(now + ATTEMPT_LEASE), now);
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

    /// The step with what its settings quote, if they may quote anything.
    fn filled_in(&self, step: Step) -> Result<Step, String> {
        if !step.kind.quotes() {
            return Ok(step);
        }
        match self.render(&Value::Object(step.config), MAX_RESPONSE_BYTES)? {
            Value::Object(config) => Ok(Step { config, ..step }),
            _ => Err("config is no object".to_owned()),
        }
    }

    /// The step with what its content quotes of earlier outputs in it.
    fn quoting(&self, mut step: Step) -> Result<Step, String> {
        let content = self.render(step.content()?, MAX_QUOTED_BYTES)?;
        // A quotation that is the whole content need not be a text.
        let content = match content {
            Value::String(text) => text,
            other => other.to_string(),
        };
        step.config.insert("content".to_owned(), content.into());
        Ok(step)
    }

    fn render(&self, template: &Value, mut budget: usize) -> Result<Value, String> {
        let outputs: Vec<_> = self.run.steps.iter().map(|step| step.output.as_ref()).collect();
        template::render(template, Outputs(&outputs), &mut budget)
    }

    fn transform(&self, step: &Step) -> Result<Value, String> {
        // What it quotes and what it says itself: together no longer than another output.
        let output = self.render(step.template()?, MAX_RESPONSE_BYTES)?;
        if output.to_string().len() > MAX_RESPONSE_BYTES {
            return Err(format!("the value has more than {MAX_RESPONSE_BYTES} bytes"));
        }
        Ok(output)
    }

    fn succeed(&mut self, index: usize, output: Value, now: Millis) {
        self.end(index, StepStatus::Succeeded, None, now);
        if let Some(report) = self.run.steps.get_mut(index) {
            report.output = Some(output);
        }
    }

    fn give_up(&mut self, index: usize, message: String, now: Millis) -> Vec<Effect> {
        self.end(index, StepStatus::Failed, Some(message), now);
        self.finish(RunStatus::Failed, now)
    }

    /// Ends a step for good.
    fn end(&mut self, index: usize, status: StepStatus, error: Option<String>, now: Millis) {
        if let Some(report) = self.run.steps.get_mut(index) {
            report.status = status;
            report.error = error;
            let attempt = report.attempts;
            self.note(Change::Step { step: index, attempt, status }, now);
        }
    }

    /// Ends the step that is under way, if there is one, together with the run.
    fn interrupt(&mut self, status: StepStatus, message: &str, now: Millis) {
        let under_way = self.run.steps.iter().position(|step| step.status == StepStatus::Running);
        if let Some(index) = under_way {
            self.end(index, status, Some(message.to_owned()), now);
        }
    }

    fn cancelled(&mut self, now: Millis) -> Vec<Effect> {
        if self.run.status.is_terminal() {
            return Vec::new();
        }
        self.interrupt(StepStatus::Cancelled, "the run was cancelled", now);
        self.finish(RunStatus::Cancelled, now)
    }

    fn timed_out(&mut self, now: Millis) -> Vec<Effect> {
        self.interrupt(StepStatus::Failed, "the run ran out of time", now);
        self.finish(RunStatus::TimedOut, now)
    }

    fn deadline(&self) -> Millis {
        self.run.created_at.saturating_add(RUN_TIMEOUT)
    }

    fn note(&mut self, change: Change, at: Millis) {
        let id = u32::try_from(self.events.len()).unwrap_or(u32::MAX).saturating_add(1);
        self.events.push(RunEvent { id, at, change });
    }

    fn attempt_lost(&mut self, now: Millis) -> Vec<Effect> {
        let Some(step) = self.current() else { return self.finish(RunStatus::Succeeded, now) };
        let number = self.run.steps.get(step).map_or(0, |report| report.attempts);
        let message = "the attempt was interrupted; whether it took effect is not known".to_owned();
        let lost = AttemptId { step, number };
        let retry = self.definition.get(step).is_none_or(|step| step.kind.is_repeatable());
        let mut effects = self.attempt_ended(lost, Err(Failure { message, retry }), now);
        // The lease was pause enough.
        if self.run.status == RunStatus::Waiting {
            effects = self.go_on(now);
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
        match result {
            Ok(output) => {
                self.succeed(step, output, now);
                self.go_on(now)
            }
            Err(failure) if failure.retry && attempt.number < MAX_ATTEMPTS => {
                report.error = Some(failure.message);
                let (attempt, status) = (attempt.number, StepStatus::Failed);
                self.note(Change::Step { step, attempt, status }, now);
                let pause = backoff(&self.run.id, AttemptId { step, number: attempt });
                self.change(RunStatus::Waiting, Some(now + pause), now);
                self.project_if_changed()
            }
            Err(failure) => self.give_up(step, failure.message, now),
        }
    }

    fn finish(&mut self, status: RunStatus, now: Millis) -> Vec<Effect> {
        self.run.finished_at = Some(now);
        self.note(Change::Run { status }, now);
        self.change(status, Some(now + PROJECTION_RETRY), now);
        self.project_if_changed()
    }

    fn projected(&mut self, status: RunStatus) -> Vec<Effect> {
        self.projected = status;
        if status.is_terminal() {
            self.wake_at = None;
        }
        Vec::new()
    }

    fn change(&mut self, status: RunStatus, wake_at: Option<Millis>, now: Millis) {
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

/// Exponential, shortened by up to a quarter. The jitter comes from the identifiers alone, so that
/// a replay pauses equally long, and runs that failed together do not return together.
fn backoff(run_id: &str, attempt: AttemptId) -> Millis {
    let full = BACKOFF_BASE << (attempt.number - 1).min(16);
    // FNV-1a: enough to spread, and the same on every platform and version.
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
