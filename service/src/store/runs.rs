//! Reads and writes the table `workflow_runs`. A row is first the intent to run, and then the
//! projection of the state that the run's executor holds.

use serde::Deserialize;

use super::{parse, to_text, workflows::keyset};
use crate::domain::{
    Millis, id,
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

/// Lists runs without their steps, whose outputs can be long.
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

/// Projects a run. An older version never overwrites a newer one. The steps of a run that has ended are
/// of no use, and can have 250 KB.
pub(super) const PROJECT: Sql = Sql {
    name: "project_run",
    text: "UPDATE workflow_runs SET status = ?2, report = ?3, version = ?4, due_at = ?5, \
           definition = CASE WHEN ?2 IN ('queued', 'running', 'waiting') THEN definition ELSE '[]' END \
           WHERE id = ?1 AND version < ?4",
};

/// Returns the usage of the last projection of a run, which stores how it ended. The usage depends
/// on the status only: it is the row and, for a failure, its entry in `idx_workflow_runs_status`.
pub const fn last_projection_usage(status: RunStatus) -> Usage {
    let entries = if matches!(status, RunStatus::Failed) { 1 } else { 0 };
    Usage { rows_read: 1, rows_written: 1 + entries, ..Usage::NONE }
}

pub(super) const UPDATE_USAGE: Sql = Sql {
    name: "update_run_usage",
    text: "UPDATE workflow_runs SET report = json_set(report, '$.usage', json(?2)) WHERE id = ?1",
};
/// The usage of the statement `update_run_usage`.
pub const USAGE_OF_UPDATE_USAGE: Usage = Usage { rows_read: 1, rows_written: 1, ..Usage::NONE };

pub(super) const OVERDUE: Sql = Sql {
    name: "list_overdue_runs",
    text: "SELECT id, workflow_id, user_id, created_at, definition, report FROM workflow_runs \
           WHERE status IN ('queued', 'running', 'waiting') AND due_at < ?1 \
           ORDER BY due_at LIMIT ?2",
};

/// Identifiers sort by the time at which they were made, so the oldest runs stand first in the index of
/// the primary key.
pub(super) const EXPIRED: Sql = Sql {
    name: "list_expired_runs",
    text: "SELECT id FROM workflow_runs WHERE id < ?1 \
           AND status IN ('succeeded', 'failed', 'cancelled', 'timed_out') ORDER BY id LIMIT ?2",
};

pub(super) const DELETE: Sql = Sql {
    name: "delete_runs",
    text: "DELETE FROM workflow_runs WHERE id IN (SELECT value FROM json_each(?1)) \
           AND status IN ('succeeded', 'failed', 'cancelled', 'timed_out')",
};

/// A run that should have moved and has not.
#[derive(Clone, Debug, PartialEq)]
pub enum Overdue {
    /// The run as it was accepted.
    Run(Box<RunState>),
    /// The row cannot be read. The state has no steps, but the identifiers and the time of creation,
    /// which have columns of their own.
    Unreadable(Box<RunState>),
}

impl Overdue {
    /// Returns the identifier of the run.
    pub fn id(&self) -> &str {
        match self {
            Self::Run(state) | Self::Unreadable(state) => &state.run.id,
        }
    }
}

/// Accesses the runs in the database.
pub struct Runs<'a, D> {
    database: MeteredDatabase<'a, D>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
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

#[derive(Deserialize)]
struct OverdueRow {
    id: String,
    workflow_id: String,
    created_at: Millis,
    #[serde(flatten)]
    intent: Intent,
}

impl OverdueRow {
    /// Reads the row. One that cannot be read keeps no other from being read.
    fn into_overdue(self) -> Overdue {
        let Self { id, workflow_id, created_at, intent } = self;
        let owner = intent.user_id.clone();
        if let Ok(state) = intent.into_state() {
            return Overdue::Run(Box::new(state));
        }
        let state = RunState::new(id, owner, workflow_id, Vec::new(), created_at);
        Overdue::Unreadable(Box::new(state))
    }
}

impl Intent {
    /// Returns the run as it was accepted. An executor that already has the run ignores it.
    fn into_state(self) -> Result<RunState, PortError> {
        let run: Run = parse(&self.report)?;
        let definition: Vec<Step> = parse(&self.definition)?;
        let Run { id, workflow_id, created_at, .. } = run;
        Ok(RunState::new(id, self.user_id, workflow_id, definition, created_at))
    }
}

impl<'a, D: Database> Runs<'a, D> {
    /// Accesses the runs in `database`.
    pub fn new(database: MeteredDatabase<'a, D>) -> Self {
        Self { database }
    }

    /// Inserts the intent to run, before anything acts on it.
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

    /// Returns one run of an owner, or `None` if there is none with this identifier.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn get(&self, owner: &str, id: &str) -> Result<Option<Run>, PortError> {
        let statement = GET.bind([id.into(), owner.into()]);
        let rows = self.database.query(statement).await?.decode::<Report>()?;
        rows.into_iter().next().map(|row| parse(&row.report)).transpose()
    }

    /// Returns a run of an owner as it was accepted, for an executor that may not have it.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn intent(&self, owner: &str, id: &str) -> Result<Option<RunState>, PortError> {
        let statement = INTENT.bind([id.into(), owner.into()]);
        let rows = self.database.query(statement).await?.decode::<Intent>()?;
        rows.into_iter().next().map(Intent::into_state).transpose()
    }

    /// Lists an owner's runs, newest first.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn list(&self, owner: &str, page: &Page) -> Result<Vec<RunSummary>, PortError> {
        let (created_at, id, limit) = keyset(page);
        let statement = LIST.bind([owner.into(), created_at, id, limit]);
        self.database.query(statement).await?.decode()
    }

    /// Lists an owner's runs of one workflow, newest first.
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

    /// Updates the row to the executor's state.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn project(&self, state: &RunState) -> Result<(), PortError> {
        let params: [Param; 5] = [
            state.run.id.as_str().into(),
            state.run.status.name().into(),
            to_text(&*state.report())?.into(),
            state.version.into(),
            due_at(state).into(),
        ];
        self.database.query(PROJECT.bind(params)).await.map(|_| ())
    }

    /// Updates the usage in the row of a run that has ended.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn update_usage(&self, ended: &Run) -> Result<(), PortError> {
        let usage = to_text(&ended.usage)?;
        let statement = UPDATE_USAGE.bind([ended.id.as_str().into(), usage.into()]);
        self.database.query(statement).await.map(|_| ())
    }

    /// Lists runs that were accepted before `instant` and have ended, the oldest first.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn expired(&self, instant: Millis, limit: i64) -> Result<Vec<String>, PortError> {
        let first_kept = id::new(instant, [0; id::ENTROPY]);
        let statement = EXPIRED.bind([first_kept.into(), limit.into()]);
        let rows = self.database.query(statement).await?.decode::<Named>()?;
        Ok(rows.into_iter().map(|row| row.id).collect())
    }

    /// Deletes the rows of runs that have ended.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn delete(&self, ids: &[String]) -> Result<(), PortError> {
        self.database.query(DELETE.bind([to_text(&ids)?.into()])).await.map(|_| ())
    }

    /// Lists the runs that should have moved before `instant` and have not, the oldest first.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn overdue(&self, instant: Millis, limit: i64) -> Result<Vec<Overdue>, PortError> {
        let statement = OVERDUE.bind([instant.into(), limit.into()]);
        let rows = self.database.query(statement).await?.decode::<OverdueRow>()?;
        Ok(rows.into_iter().map(OverdueRow::into_overdue).collect())
    }
}

/// Returns the time at which a sweep may find the run: that of its alarm, or of its last change.
fn due_at(state: &RunState) -> Millis {
    state.wake_at.unwrap_or(state.run.updated_at)
}
