//! Reads and writes the table `search_outbox`, and reads the workflows that a search has found.

use serde::{Deserialize, Serialize};

use crate::domain::{Millis, ai::MAX_RESULTS};
use crate::ports::{Database, MeteredDatabase, Param, PortError, Sql};

pub(super) const DUE: Sql = Sql {
    name: "list_search_outbox",
    text: "SELECT workflow_id, changes FROM search_outbox WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2",
};

pub(super) const CHANGES: Sql = Sql {
    name: "get_search_outbox",
    text: "SELECT workflow_id, changes FROM search_outbox WHERE workflow_id = ?1",
};

/// Clears an entry, but only if the workflow has not changed since its vector was made.
pub(super) const DONE: Sql = Sql {
    name: "clear_search_outbox",
    text: "DELETE FROM search_outbox WHERE workflow_id = ?1 AND changes = ?2",
};

pub(super) const LATER: Sql = Sql {
    name: "postpone_search_outbox",
    text: "UPDATE search_outbox SET due_at = ?2 WHERE workflow_id = ?1",
};

pub(super) const SUBJECT: Sql = Sql {
    name: "get_search_subject",
    text: "SELECT user_id, name, description, published_at FROM workflows WHERE id = ?1",
};

/// Selects the workflows that a user may see. The index may lag behind the table, so this statement
/// and not the index decides who sees what.
pub(super) const VISIBLE: Sql = Sql {
    name: "list_visible_workflows",
    text: "SELECT id, name, description, published_at, user_id = ?1 AS owned FROM workflows \
           WHERE id IN (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, \
           ?18, ?19, ?20, ?21) AND (user_id = ?1 OR published_at IS NOT NULL)",
};

/// Accesses the search outbox and the workflows in the database.
pub struct SearchStore<'a, D> {
    database: MeteredDatabase<'a, D>,
}

/// A workflow whose vector is out of date.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct OutdatedVector {
    /// The identifier of the workflow.
    pub workflow_id: String,
    /// The number of changes since the vector was up to date.
    pub changes: i64,
}

/// The content of a workflow from which its vector is made.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SearchDocument {
    /// The owner of the workflow.
    pub user_id: String,
    /// The name of the workflow.
    pub name: String,
    /// The description of the workflow.
    pub description: String,
    /// The time at which it became public, if it did.
    pub published_at: Option<Millis>,
}

/// A workflow that a user may see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisibleWorkflow {
    /// The identifier of the workflow.
    pub id: String,
    /// The name of the workflow.
    pub name: String,
    /// The description of the workflow.
    pub description: String,
    /// The time at which it became public, if it did.
    pub published_at: Option<Millis>,
    /// The number 1 if the user owns it, and 0 if not.
    pub owned: i64,
}

impl<'a, D: Database> SearchStore<'a, D> {
    /// Accesses search in `database`.
    pub fn new(database: MeteredDatabase<'a, D>) -> Self {
        Self { database }
    }

    /// Lists the workflows whose vectors are to be updated, the longest due first.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn due(&self, now: Millis, limit: i64) -> Result<Vec<OutdatedVector>, PortError> {
        self.database.query(DUE.bind([now.into(), limit.into()])).await?.decode()
    }

    /// Returns the entry of a workflow if its vector is out of date.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn outdated(&self, workflow: &str) -> Result<Option<OutdatedVector>, PortError> {
        let rows = self.database.query(CHANGES.bind([workflow.into()])).await?;
        Ok(rows.decode()?.into_iter().next())
    }

    /// Clears the entry of a workflow whose vector is up to date, unless it has changed since.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn done(&self, outdated: &OutdatedVector) -> Result<(), PortError> {
        let params: [Param; 2] = [outdated.workflow_id.as_str().into(), outdated.changes.into()];
        self.database.query(DONE.bind(params)).await.map(|_| ())
    }

    /// Postpones the update of a workflow's vector to an instant.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn later(&self, workflow: &str, at: Millis) -> Result<(), PortError> {
        let statement = LATER.bind([workflow.into(), at.into()]);
        self.database.query(statement).await.map(|_| ())
    }

    /// Returns the content of a workflow, or `None` if it was deleted.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn document(&self, workflow: &str) -> Result<Option<SearchDocument>, PortError> {
        let rows = self.database.query(SUBJECT.bind([workflow.into()])).await?;
        Ok(rows.decode()?.into_iter().next())
    }

    /// Returns those of up to [`MAX_RESULTS`] workflows that `user` may see, in no order.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn visible<'i>(
        &self,
        user: &str,
        ids: impl Iterator<Item = &'i str>,
    ) -> Result<Vec<VisibleWorkflow>, PortError> {
        // The statement has a fixed number of places. `NULL` fills the rest, and equals no identifier.
        let ids = ids.map(Param::from).chain(std::iter::repeat(Param::Null)).take(MAX_RESULTS);
        let statement = VISIBLE.bind(std::iter::once(user.into()).chain(ids));
        self.database.query(statement).await?.decode()
    }
}

const _: () = assert!(MAX_RESULTS == 20, "as many as VISIBLE has places");
