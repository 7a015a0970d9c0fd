//! Defines runs: a run is one execution of a workflow, as its owner sees it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Millis,
    usage::Usage,
    workflow::{Step, StepKind},
};

/// The number of failed projections after which a run is projected without its outputs. They span
/// half a day, so that an outage of the database costs no outputs; what fails for that long fails
/// because of the run itself.
pub const FULL_PROJECTIONS: u32 = 24;

/// The status of a run. The last four never change again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub enum RunStatus {
    /// The run is stored and has not started.
    Queued,
    /// An attempt of a step is under way.
    Running,
    /// The run is between two attempts of a step, or in a `delay` step.
    Waiting,
    /// Every step succeeded.
    Succeeded,
    /// A step failed for good.
    Failed,
    /// The owner stopped the run.
    Cancelled,
    /// The run took longer than a run may take.
    TimedOut,
}

impl RunStatus {
    /// Returns true if the status never changes again.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled | Self::TimedOut)
    }

    /// Returns the name as JSON and the database write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
        }
    }
}

/// A run as its owner sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct Run {
    /// The identifier of the run.
    pub id: String,
    /// The identifier of the workflow that it executes.
    pub workflow_id: String,
    /// The status of the run.
    pub status: RunStatus,
    /// One entry for each step, in order.
    pub steps: Vec<StepReport>,
    /// The time of creation.
    pub created_at: Millis,
    /// The time of the last change.
    pub updated_at: Millis,
    /// The time at which the status became terminal; null until then.
    pub finished_at: Option<Millis>,
    /// The resources that the run has used outside responses so far.
    pub usage: Usage,
}

/// The progress of one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct StepReport {
    /// The type of the step.
    #[serde(rename = "type")]
    pub kind: StepKind,
    /// The status of the step.
    pub status: StepStatus,
    /// The number of attempts that were started.
    pub attempts: u32,
    /// The output, once the step has succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// The reason why the last attempt failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The status of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub enum StepStatus {
    /// The run has not reached the step.
    Pending,
    /// An attempt has started, and the step has not ended.
    Running,
    /// The step has succeeded.
    Succeeded,
    /// The step has failed for good.
    Failed,
    /// The step was under way when the owner stopped the run. It may have taken effect or not.
    Cancelled,
}

/// An event in the history of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct RunEvent {
    /// The number of the event. They count from 1, without gaps.
    pub id: u32,
    /// The time of the event.
    pub at: Millis,
    /// The change that the event reports.
    #[serde(flatten)]
    pub change: Change,
}

/// The change that an event reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub enum Change {
    /// The run was accepted, or ended.
    Run {
        /// The new status of the run.
        status: RunStatus,
    },
    /// An attempt of a step began or ended.
    Step {
        /// The index of the step, from 0.
        step: usize,
        /// The number of the attempt, from 1.
        attempt: u32,
        /// The status of the attempt. One that failed may be followed by another.
        status: StepStatus,
    },
}

impl Change {
    /// Returns the name of the event, as clients subscribe to it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Run { .. } => "run",
            Self::Step { .. } => "step",
        }
    }

    /// Returns true if no event follows.
    pub const fn is_last(self) -> bool {
        matches!(self, Self::Run { status } if status.is_terminal())
    }
}

/// A run as lists show it, without its steps and their outputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct RunSummary {
    /// The identifier of the run.
    pub id: String,
    /// The identifier of the workflow that it executes.
    pub workflow_id: String,
    /// The status of the run.
    pub status: RunStatus,
    /// The time of creation.
    pub created_at: Millis,
    /// The time of the last change.
    pub updated_at: Millis,
    /// The time at which the status became terminal; null until then.
    pub finished_at: Option<Millis>,
}

impl Run {
    /// Returns this run without the outputs of its steps.
    pub fn without_outputs(mut self) -> Self {
        for step in &mut self.steps {
            step.output = None;
        }
        self
    }
}

impl StepReport {
    /// Makes the report of a step that the run has not reached.
    pub const fn pending(kind: StepKind) -> Self {
        Self { kind, status: StepStatus::Pending, attempts: 0, output: None, error: None }
    }
}

/// The whole state of a run, as its object stores it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunState {
    /// The part that the owner sees.
    pub run: Run,
    /// The owner, for whom the steps act.
    #[serde(default)]
    pub owner: String,
    /// The steps as they were when the run was accepted; none once it has ended.
    pub definition: Vec<Step>,
    /// The history of the run, at most `MAX_EVENTS` of the state machine.
    pub events: Vec<RunEvent>,
    /// The version, which grows with every change of the status.
    pub version: i64,
    /// The status that the database row shows.
    pub projected: RunStatus,
    /// The time of the alarm; `None` when there is nothing left to do.
    pub wake_at: Option<Millis>,
    /// The number of projections that failed since the run ended.
    #[serde(default)]
    pub failed_projections: u32,
}

impl RunState {
    /// Makes the state of a run that has just been accepted.
    pub fn new(
        id: String,
        owner: String,
        workflow_id: String,
        definition: Vec<Step>,
        now: Millis,
    ) -> Self {
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
        let accepted = Change::Run { status: RunStatus::Queued };
        let events = vec![RunEvent { id: 1, at: now, change: accepted }];
        Self {
            run,
            owner,
            definition,
            events,
            version: 0,
            projected: RunStatus::Queued,
            wake_at: Some(now),
            failed_projections: 0,
        }
    }

    /// Returns the run as it is to be projected. It has no outputs if it could not be stored with
    /// them.
    pub fn report(&self) -> Cow<'_, Run> {
        if self.failed_projections < FULL_PROJECTIONS {
            Cow::Borrowed(&self.run)
        } else {
            Cow::Owned(self.run.clone().without_outputs())
        }
    }

    /// Returns true if the run has ended, its row does not show that, and no alarm will project it.
    pub fn is_abandoned(&self) -> bool {
        self.run.status.is_terminal() && self.projected != self.run.status && self.wake_at.is_none()
    }
}
