//! Runs: one execution of a workflow, as its owner sees it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Millis,
    usage::Usage,
    workflow::{Step, StepKind},
};

/// Where a run is. The last four never change again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub enum RunStatus {
    /// Stored, not started.
    Queued,
    /// An attempt of a step is under way.
    Running,
    /// Between two attempts of a step, or in a `delay` step.
    Waiting,
    /// Every step succeeded.
    Succeeded,
    /// A step failed for good.
    Failed,
    /// The owner stopped it.
    Cancelled,
    /// It ran out of time.
    TimedOut,
}

impl RunStatus {
    /// Whether it never changes again.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled | Self::TimedOut)
    }

    /// As it is written in JSON and in the database.
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
    /// Identifier.
    pub id: String,
    /// What it runs.
    pub workflow_id: String,
    /// Where it is.
    pub status: RunStatus,
    /// One entry for each step, in order.
    pub steps: Vec<StepReport>,
    /// Creation.
    pub created_at: Millis,
    /// Last change.
    pub updated_at: Millis,
    /// When it became terminal.
    pub finished_at: Option<Millis>,
    /// What the work outside responses cost so far.
    pub usage: Usage,
}

/// What became of a step so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct StepReport {
    /// What it does.
    #[serde(rename = "type")]
    pub kind: StepKind,
    /// Where it is.
    pub status: StepStatus,
    /// Attempts started.
    pub attempts: u32,
    /// What it gave, once it succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Why the last attempt failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Where a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub enum StepStatus {
    /// Not reached yet.
    Pending,
    /// Attempted, not finished.
    Running,
    /// Done.
    Succeeded,
    /// Given up.
    Failed,
    /// Under way when the owner stopped the run: whether it took effect is not known.
    Cancelled,
}

/// Something that happened to a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct RunEvent {
    /// From 1, without gaps.
    pub id: u32,
    /// When.
    pub at: Millis,
    /// What.
    #[serde(flatten)]
    pub change: Change,
}

/// What an event tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub enum Change {
    /// The run was accepted, or ended.
    Run {
        /// Where it is now.
        status: RunStatus,
    },
    /// An attempt of a step began or ended.
    Step {
        /// Which step, from 0.
        step: usize,
        /// Which attempt, from 1.
        attempt: u32,
        /// How it is going. One that failed may be followed by another.
        status: StepStatus,
    },
}

impl Change {
    /// The name of the event, as clients subscribe to it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Run { .. } => "run",
            Self::Step { .. } => "step",
        }
    }

    /// Whether nothing follows.
    pub const fn is_last(self) -> bool {
        matches!(self, Self::Run { status } if status.is_terminal())
    }
}

/// A run in a list: without its steps and their outputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct RunSummary {
    /// Identifier.
    pub id: String,
    /// What it runs.
    pub workflow_id: String,
    /// Where it is.
    pub status: RunStatus,
    /// Creation.
    pub created_at: Millis,
    /// Last change.
    pub updated_at: Millis,
    /// When it became terminal.
    pub finished_at: Option<Millis>,
}

impl StepReport {
    /// A step that was not reached yet.
    pub const fn pending(kind: StepKind) -> Self {
        Self { kind, status: StepStatus::Pending, attempts: 0, output: None, error: None }
    }
}

/// All that is known of a run, as its object stores it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunState {
    /// What its owner sees.
    pub run: Run,
    /// Who that is, and whom its steps act for.
    #[serde(default)]
    pub owner: String,
    /// The steps, as they were when the run was accepted.
    pub definition: Vec<Step>,
    /// All that happened to it, at most `MAX_EVENTS` of the state machine.
    pub events: Vec<RunEvent>,
    /// Grows with every change.
    pub version: i64,
    /// The status that the database row shows.
    pub projected: RunStatus,
    /// When the alarm rings; `None` when there is nothing left to do.
    pub wake_at: Option<Millis>,
}

impl RunState {
    /// A run that was just accepted.
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
        let (projected, wake_at) = (RunStatus::Queued, Some(now));
        Self { run, owner, definition, events, version: 0, projected, wake_at }
    }
}
