//! Reads and writes the table `workflows`.

use serde::{Deserialize, Serialize};

use super::{parse, to_text};
use crate::domain::{
    Millis,
    page::{Page, Position},
    workflow::{Draft, Workflow, WorkflowSummary},
};
use crate::ports::{Database, MeteredDatabase, Param, PortError, Sql, Statement};

pub(super) const INSERT: Sql = Sql {
    name: "insert_workflow",
    text: "INSERT INTO workflows (id, user_id, name, description, steps, created_at, updated_at) \
           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
};

pub(super) const LIST: Sql = Sql {
    name: "list_workflows",
    text: "SELECT id, name, description, published_at, created_at, updated_at \
           FROM workflows WHERE user_id = ?1 AND (created_at, id) < (?2, ?3) \
           ORDER BY created_at DESC, id DESC LIMIT ?4",
};

pub(super) const GET: Sql = Sql {
    name: "get_workflow",
    text: "SELECT id, name, description, steps, published_at, created_at, updated_at \
           FROM workflows WHERE id = ?1 AND user_id = ?2",
};

pub(super) const UPDATE: Sql = Sql {
    name: "update_workflow",
    text: "UPDATE workflows SET name = ?3, description = ?4, steps = ?5, updated_at = ?6 \
           WHERE id = ?1 AND user_id = ?2 \
           RETURNING id, name, description, steps, published_at, created_at, updated_at",
};

/// Publishes a workflow. If it is public already, the first instant stays.
pub(super) const PUBLISH: Sql = Sql {
    name: "publish_workflow",
    text: "UPDATE workflows SET published_at = coalesce(published_at, ?3) \
           WHERE id = ?1 AND user_id = ?2 \
           RETURNING id, name, description, steps, published_at, created_at, updated_at",
};

/// Deletes a workflow. Its runs stay, because they have a copy of the steps.
pub(super) const DELETE: Sql = Sql {
    name: "delete_workflow",
    text: "DELETE FROM workflows WHERE id = ?1 AND user_id = ?2 RETURNING id",
};

pub(super) const CATALOGUE: Sql = Sql {
    name: "list_published_workflows",
    text: "SELECT id, name, description, published_at FROM workflows \
           WHERE published_at IS NOT NULL AND (published_at, id) < (?1, ?2) \
           ORDER BY published_at DESC, id DESC LIMIT ?3",
};

/// Accesses the workflows in the database.
pub struct Workflows<'a, D> {
    database: MeteredDatabase<'a, D>,
}

/// A published workflow as anyone may see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct CatalogueEntry {
    /// The identifier of the workflow.
    pub id: String,
    /// The name of the workflow.
    pub name: String,
    /// The description of the workflow.
    pub description: String,
    /// The time at which it was published.
    pub published_at: Millis,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    name: String,
    description: String,
    steps: String,
    published_at: Option<Millis>,
    created_at: Millis,
    updated_at: Millis,
}

impl Row {
    fn into_workflow(self) -> Result<Workflow, PortError> {
        Ok(Workflow {
            id: self.id,
            name: self.name,
            description: self.description,
            steps: parse(&self.steps)?,
            published_at: self.published_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

impl<'a, D: Database> Workflows<'a, D> {
    /// Accesses the workflows in `database`.
    pub fn new(database: MeteredDatabase<'a, D>) -> Self {
        Self { database }
    }

    /// Stores a new workflow.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn insert(&self, owner: &str, workflow: &Workflow) -> Result<(), PortError> {
        let params: [Param; 7] = [
            workflow.id.as_str().into(),
            owner.into(),
            workflow.name.as_str().into(),
            workflow.description.as_str().into(),
            to_text(&workflow.steps)?.into(),
            workflow.created_at.into(),
            workflow.updated_at.into(),
        ];
        self.database.query(INSERT.bind(params)).await.map(|_| ())
    }

    /// Replaces the name, description and steps of a workflow. Returns it as it is now, or `None` if
    /// there is none.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn update(
        &self,
        owner: &str,
        id: &str,
        draft: &Draft,
        now: Millis,
    ) -> Result<Option<Workflow>, PortError> {
        let params: [Param; 6] = [
            id.into(),
            owner.into(),
            draft.name.as_str().into(),
            draft.description.as_str().into(),
            to_text(&draft.steps)?.into(),
            now.into(),
        ];
        self.one(UPDATE.bind(params)).await
    }

    /// Makes a workflow public if it is not yet. Returns it as it is now, or `None` if there is none.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn publish(
        &self,
        owner: &str,
        id: &str,
        now: Millis,
    ) -> Result<Option<Workflow>, PortError> {
        self.one(PUBLISH.bind([id.into(), owner.into(), now.into()])).await
    }

    /// Deletes a workflow. Returns false if there was none.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn delete(&self, owner: &str, id: &str) -> Result<bool, PortError> {
        let statement = DELETE.bind([id.into(), owner.into()]);
        Ok(!self.database.query(statement).await?.rows.is_empty())
    }

    async fn one(&self, statement: Statement) -> Result<Option<Workflow>, PortError> {
        let rows = self.database.query(statement).await?.decode::<Row>()?;
        rows.into_iter().next().map(Row::into_workflow).transpose()
    }

    /// Lists an owner's workflows without their steps, newest first.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn list(&self, owner: &str, page: &Page) -> Result<Vec<WorkflowSummary>, PortError> {
        let (created_at, id, limit) = keyset(page);
        let statement = LIST.bind([owner.into(), created_at, id, limit]);
        self.database.query(statement).await?.decode()
    }

    /// Returns one workflow of an owner, or `None` if there is none with this identifier.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn get(&self, owner: &str, id: &str) -> Result<Option<Workflow>, PortError> {
        self.one(GET.bind([id.into(), owner.into()])).await
    }

    /// Lists everyone's published workflows, newest first.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn catalogue(&self, page: &Page) -> Result<Vec<CatalogueEntry>, PortError> {
        let (published_at, id, limit) = keyset(page);
        let statement = CATALOGUE.bind([published_at, id, limit]);
        self.database.query(statement).await?.decode()
    }
}

/// Returns the parameters of a keyset page. The first page begins after the largest instant, which
/// comes before every item of a list that is ordered newest first.
pub(super) fn keyset(page: &Page) -> (Param, Param, Param) {
    let start = Position { created_at: crate::ports::MAX_INTEGER, id: String::new() };
    let after = page.after.clone().unwrap_or(start);
    (after.created_at.into(), after.id.into(), i64::from(page.limit).into())
}
