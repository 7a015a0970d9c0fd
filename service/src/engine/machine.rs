//! The state machine of a run: `(state, event, now) → (state, effects)`. Pure.
//!
//! Whoever hosts it saves the new state, with its alarm, before it carries out an effect. So an
//! attempt is on record before it can be seen outside, and a host that dies wakes up again.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{
    Millis,
    run::{Run, RunStatus, StepReport, StepStatus},
    workflow::Step,
};
use crate::ports::Usage;

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

/// All that is known of a run, as its object stores it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunState {
    /// What its owner sees.
    pub run: Run,
    /// The steps, as they were when the run was accepted.
    pub definition: Vec<Step>,
    /// Grows with every change.
    pub version: i64,
    /// The status that the database row shows.
    pub projected: RunStatus,
    /// When the alarm rings; `None` when there is nothing left to do.
    pub wake_at: Option<Millis>,
}

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
}

impl RunState {
    /// A run that was just accepted.
    pub fn new(id: String, workflow_id: String, definition: Vec<Step>, now: Millis) -> Self {
        let run = Run {
            id,
            workflow_id,
            status: RunStatus::Queued,
            steps: definition.iter().map(|step| StepReport::pending(step.kind)).collect(),
            created_at: now,
            updated_at: now,
            finished_at: None,
            usage: Usage::default(),
        };
        Self { run, definition, version: 0, projected: RunStatus::Queued, wake_at: Some(now) }
    }

    /// Applies an event. An event that comes too late, too early or twice changes nothing.
    pub fn advance(mut self, event: Event, now: Millis) -> (Self, Vec<Effect>) {
        let effects = match event {
            Event::Woken => self.woken(now),
            Event::AttemptEnded { attempt, result } => self.attempt_ended(attempt, result, now),
            Event::Projected(status) => self.projected(status),
        };
        (self, effects)
    }

    fn woken(&mut self, now: Millis) -> Vec<Effect> {
        if self.wake_at.is_none_or(|at| now < at) {
            return Vec::new();
        }
        match self.run.status {
            RunStatus::Queued | RunStatus::Waiting => self.begin_attempt(now),
            RunStatus::Running => self.attempt_lost(now),
            _ => {
                self.wake_at = Some(now + PROJECTION_RETRY);
                self.project_if_changed()
            }
        }
    }

    /// The first step that is not done. There is one as long as the run is not terminal.
    fn current(&self) -> Option<usize> {
        self.run.steps.iter().position(|step| step.status != StepStatus::Succeeded)
    }

    fn begin_attempt(&mut self, now: Millis) -> Vec<Effect> {
        let Some(index) = self.current() else { return self.finish(RunStatus::Succeeded, now) };
        let (Some(report), Some(step)) =
            (self.run.steps.get_mut(index), self.definition.get(index))
        else {
            return self.finish(RunStatus::Failed, now);
        };
        report.status = StepStatus::Running;
        report.attempts += 1;
        let attempt = AttemptId { step: index, number: report.attempts };
        let key = format!("{}:{index}", self.run.id);
        let effect = Effect::Attempt { attempt, key, step: step.clone() };
        self.change(RunStatus::Running, Some(now + ATTEMPT_LEASE), now);
        let mut effects = vec![effect];
        effects.extend(self.project_if_changed());
        effects
    }

    fn attempt_lost(&mut self, now: Millis) -> Vec<Effect> {
        let Some(step) = self.current() else { return self.finish(RunStatus::Succeeded, now) };
        let number = self.run.steps.get(step).map_or(0, |report| report.attempts);
        let message = "the attempt was interrupted; whether it took effect is not known".to_owned();
        let lost = AttemptId { step, number };
        let mut effects = self.attempt_ended(lost, Err(Failure { message, retry: true }), now);
        // The lease was pause enough.
        if self.run.status == RunStatus::Waiting {
            effects = self.begin_attempt(now);
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
        match result {
            Ok(output) => {
                report.status = StepStatus::Succeeded;
                report.output = Some(output);
                report.error = None;
                self.begin_attempt(now)
            }
            Err(failure) => {
                report.error = Some(failure.message);
                if failure.retry && attempt.number < MAX_ATTEMPTS {
                    let pause = backoff(&self.run.id, attempt);
                    self.change(RunStatus::Waiting, Some(now + pause), now);
                    self.project_if_changed()
                } else {
                    report.status = StepStatus::Failed;
                    self.finish(RunStatus::Failed, now)
                }
            }
        }
    }

    fn finish(&mut self, status: RunStatus, now: Millis) -> Vec<Effect> {
        self.run.finished_at = Some(now);
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
        self.wake_at = wake_at;
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
