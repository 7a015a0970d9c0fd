//! The table `workflow_runs`: intents, and the projection of what executors know.

use serde::Deserialize;

use super::{parse, to_text, workflows::keyset};
use crate::domain::{
    Millis,
    page::Page,
    run::{Run, RunState, RunStatus, RunSummary},
    workflow::Step,
};
use crate::ports::{Database, MeteredDatabase, Param, PortError, Sql, Usage};

pub(super) const INSERT: Sql = Sql {
    name: "insert_run",
    text: "INSERT INTO workflow_runs \
           (id, workflow_id, user_id, status, definition, report, version, due_at, created_at) \
           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
};

pub(super) const GET: Sql = Sql {
    name: "get_run",
    text: "SELECT report FROM workflow_runs WHERE id = ?1 AND user_id = ?2",
};

pub(super) const INTENT: Sql = Sql {
    name: "get_run_intent",
    text: "SELECT user_id, definition, report FROM workflow_runs WHERE id = ?1 AND user_id = ?2",
};

/// Without the outputs, which can be long.
pub(super) const LIST: Sql = Sql {
    name: "list_runs",
    text: "SELECT id, workflow_id, status, created_at, report ->> '$.updated_at' AS updated_at, \
           report ->> '$.finished_at' AS finished_at FROM workflow_runs \
           WHERE user_id = ?1 AND (created_at, id) < (?2, ?3) \
           ORDER BY created_at DESC, id DESC LIMIT ?4",
};

pub(super) const LIST_OF_WORKFLOW: Sql = Sql {
    name: "list_runs_of_workflow",
    text: "SELECT id, workflow_id, status, created_at, report ->> '$.updated_at' AS updated_at, \
           report ->> '$.finished_at' AS finished_at FROM workflow_runs \
           WHERE workflow_id = ?1 AND user_id = ?2 AND (created_at, id) < (?3, ?4) \
           ORDER BY created_at DESC, id DESC LIMIT ?5",
};

/// An older version never overwrites a newer one.
pub(super) const PROJECT: Sql = Sql {
    name: "project_run",
    text: "UPDATE workflow_runs SET status = ?2, report = ?3, version = ?4, due_at = ?5 \
           WHERE id = ?1 AND version < ?4",
};

/// What the last projection of a run uses, the one that says how it ended. It depends on nothing but
/// that: the row and, for a failure, its entry in `idx_workflow_runs_status`.
pub const fn last_projection_usage(status: RunStatus) -> Usage {
    let entries = if matches!(status, RunStatus::Failed) { 1 } else { 0 };
    Usage { rows_read: 1, rows_written: 1 + entries, ..Usage::NONE }
}

pub(super) const SETTLE: Sql = Sql {
    name: "settle_run",
    text: "UPDATE workflow_runs SET report = json_set(report, '$.usage', json(?2)) WHERE id = ?1",
};
/// What that statement uses.
pub const SETTLE_USAGE: Usage = Usage { rows_read: 1, rows_written: 1, ..Usage::NONE };

pub(super) const OVERDUE: Sql = Sql {
    name: "list_overdue_runs",
    text: "SELECT user_id, definition, report FROM workflow_runs \
           WHERE status IN ('queued', 'running', 'waiting') AND due_at < ?1 \
           ORDER BY due_at LIMIT ?2",
};

/// Runs in the database.
pub struct Runs<'a, D> {
    database: MeteredDatabase<'a, D>,
}

#[derive(Deserialize)]
struct Report {
    report: String,
}

#[derive(Deserialize)]
struct Intent {
    user_id: String,
    definition: String,
    report: String,
}

impl Intent {
    /// The run as it was accepted. An executor that already has it ignores this.
    fn into_state(self) -> Result<RunState, PortError> {
        let run: Run = parse(&self.report)?;
        let definition: Vec<Step> = parse(&self.definition)?;
        let Run { id, workflow_id, created_at, .. } = run;
        Ok(RunState::new(id, self.user_id, workflow_id, definition, created_at))
    }
}

impl<'a, D: Database> Runs<'a, D> {
    /// Runs in `database`.
    pub fn new(database: MeteredDatabase<'a, D>) -> Self {
        Self { database }
    }

    /// Records the intent to run, before anyone acts on it.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn insert(&self, state: &RunState) -> Result<(), PortError> {
        let run_ = &state.run;
        let params: [Param; 9] = [
            run_.id.as_str().into(),
            run_.workflow_id.as_str().into(),
            state.owner.as_str().into(),
            run_.status.name().into(),
            to_text(&state.definition)?.into(),
            to_text(run_)?.into(),
            state.version.into(),
            due_at(state).into(),
            run_.created_at.into(),
        ];
        self.database.query(INSERT.bind(params)).await.map(|_| ())
    }

    /// One run of an owner.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn get(&self, owner: &str, id: &str) -> Result<Option<Run>, PortError> {
        let statement = GET.bind([id.into(), owner.into()]);
        let rows = self.database.query(statement).await?.decode::<Report>()?;
        rows.into_iter().next().map(|row| parse(&row.report)).transpose()
    }

    /// A run of an owner as it was accepted, for an executor that may never have heard of it.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn intent(&self, owner: &str, id: &str) -> Result<Option<RunState>, PortError> {
        let statement = INTENT.bind([id.into(), owner.into()]);
        let rows = self.database.query(statement).await?.decode::<Intent>()?;
        rows.into_iter().next().map(Intent::into_state).transpose()
    }

    /// An owner's runs, newest first.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn list(&self, owner: &str, page: &Page) -> Result<Vec<RunSummary>, PortError> {
        let (created_at, id, limit) = keyset(page);
        let statement = LIST.bind([owner.into(), created_at, id, limit]);
        self.database.query(statement).await?.decode()
    }

    /// An owner's runs of one workflow, newest first.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn list_of_workflow(
        &self,
        owner: &str,
        workflow_id: &str,
        page: &Page,
    ) -> Result<Vec<RunSummary>, PortError> {
        let (created_at, id, limit) = keyset(page);
        let params = [workflow_id.into(), owner.into(), created_at, id, limit];
        self.database.query(LIST_OF_WORKFLOW.bind(params)).await?.decode()
    }

    /// Brings the row up to the executor's state.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn project(&self, state: &RunState) -> Result<(), PortError> {
        let params: [Param; 5] = [
            state.run.id.as_str().into(),
            state.run.status.name().into(),
            to_text(&state.run)?.into(),
            state.version.into(),
            due_at(state).into(),
        ];
        self.database.query(PROJECT.bind(params)).await.map(|_| ())
    }

    /// Brings what a run used up to date, in the row of one that has ended.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn settle(&self, ended: &Run) -> Result<(), PortError> {
        let usage = to_text(&ended.usage)?;
        let statement = SETTLE.bind([ended.id.as_str().into(), usage.into()]);
        self.database.query(statement).await.map(|_| ())
    }

    /// Runs that should have moved before `instant` and have not, the oldest first.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn overdue(&self, instant: Millis, limit: i64) -> Result<Vec<RunState>, PortError> {
        let statement = OVERDUE.bind([instant.into(), limit.into()]);
        let rows = self.database.query(statement).await?.decode::<Intent>()?;
        rows.into_iter().map(Intent::into_state).collect()
    }
}

/// When somebody should look after a run: at its alarm, or when it last changed.
fn due_at(state: &RunState) -> Millis {
    state.wake_at.unwrap_or(state.run.updated_at)
}
