//! What search needs of the database: the table `search_outbox`, and the workflows found.

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

/// Only if the workflow is still as it was when its vector was made.
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

/// What the index says is checked here: it may be behind, and is not asked who may see what.
pub(super) const VISIBLE: Sql = Sql {
    name: "list_visible_workflows",
    text: "SELECT id, name, description, published_at, user_id = ?1 AS owned FROM workflows \
           WHERE id IN (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, \
           ?18, ?19, ?20, ?21) AND (user_id = ?1 OR published_at IS NOT NULL)",
};

/// Search in the database.
pub struct SearchStore<'a, D> {
    database: MeteredDatabase<'a, D>,
}

/// A workflow whose vector is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Outdated {
    /// Which.
    pub workflow_id: String,
    /// How often it changed since its vector was right.
    pub changes: i64,
}

/// What a vector is made of.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Subject {
    /// Its owner.
    pub user_id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// When it became public.
    pub published_at: Option<Millis>,
}

/// A workflow that somebody may see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visible {
    /// Identifier.
    pub id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// When it became public.
    pub published_at: Option<Millis>,
    /// Whether it is theirs: 1 or 0.
    pub owned: i64,
}

impl<'a, D: Database> SearchStore<'a, D> {
    /// Search in `database`.
    pub fn new(database: MeteredDatabase<'a, D>) -> Self {
        Self { database }
    }

    /// Workflows to look after, the longest due first.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn due(&self, now: Millis, limit: i64) -> Result<Vec<Outdated>, PortError> {
        self.database.query(DUE.bind([now.into(), limit.into()])).await?.decode()
    }

    /// Whether a workflow is to be looked after.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn outdated(&self, workflow: &str) -> Result<Option<Outdated>, PortError> {
        let rows = self.database.query(CHANGES.bind([workflow.into()])).await?;
        Ok(rows.decode()?.into_iter().next())
    }

    /// Its vector is right, unless it has changed since.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn done(&self, outdated: &Outdated) -> Result<(), PortError> {
        let params: [Param; 2] = [outdated.workflow_id.as_str().into(), outdated.changes.into()];
        self.database.query(DONE.bind(params)).await.map(|_| ())
    }

    /// Looks after it again at an instant.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn later(&self, workflow: &str, at: Millis) -> Result<(), PortError> {
        let statement = LATER.bind([workflow.into(), at.into()]);
        self.database.query(statement).await.map(|_| ())
    }

    /// What the vector of a workflow is made of, if there still is one.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn subject(&self, workflow: &str) -> Result<Option<Subject>, PortError> {
        let rows = self.database.query(SUBJECT.bind([workflow.into()])).await?;
        Ok(rows.decode()?.into_iter().next())
    }

    /// Those of up to [`MAX_RESULTS`] workflows that `user` may see, in no order.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn visible<'i>(
        &self,
        user: &str,
        ids: impl Iterator<Item = &'i str>,
    ) -> Result<Vec<Visible>, PortError> {
        let ids = ids.map(Param::from).chain(std::iter::repeat(Param::Null)).take(MAX_RESULTS);
        let statement = VISIBLE.bind(std::iter::once(user.into()).chain(ids));
        self.database.query(statement).await?.decode()
    }
}

const _: () = assert!(MAX_RESULTS == 20, "as many as VISIBLE has places");
