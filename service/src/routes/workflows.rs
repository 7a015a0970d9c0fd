//! An owner's workflows.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{
    Context,
    extract::{Id, ListPage},
};
use crate::ai::search::refresh_later;
use crate::domain::{
    page::Position,
    workflow::{Draft, Workflow, WorkflowSummary},
};
use crate::guard::{Problem, Scope, StrictJson};
use crate::ports::Platform;

/// A page of workflows.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[cfg_attr(not(target_arch = "wasm32"), schemars(rename = "{T}List"))]
pub(super) struct WorkflowList<T> {
    pub(super) workflows: Vec<T>,
    /// The `cursor` of the next page; null on the last one.
    pub(super) next: Option<String>,
}

/// Answers `POST /workflows`.
pub(super) async fn create<P: Platform>(
    context: Context<P>,
    StrictJson(body): StrictJson,
) -> Result<Response, Problem> {
    let owner = context.caller_with(Scope::Write)?;
    let draft = Draft::from_json(&body).map_err(Problem::invalid_input)?;
    let now = context.now();
    let mut workflow = Workflow {
        id: context.new_id()?,
        name: draft.name,
        description: draft.description,
        steps: draft.steps,
        published_at: None,
        created_at: now,
        updated_at: now,
    };
    let stored = context.workflows().insert(owner, &workflow).await;
    if context.made_before(stored)? {
        workflow = find(&context, owner, &workflow.id).await?;
    }
    refresh_later(&context.app.platform, owner, &workflow.id);
    let location = [(header::LOCATION, format!("/workflows/{}", workflow.id))];
    Ok((StatusCode::CREATED, location, Json(workflow)).into_response())
}

/// Answers `GET /workflows`.
pub(super) async fn list<P: Platform>(
    context: Context<P>,
    ListPage(page): ListPage,
) -> Result<Json<WorkflowList<WorkflowSummary>>, Problem> {
    let owner = context.caller_with(Scope::Read)?;
    let workflows = context.workflows().list(owner, &page).await?;
    let position =
        |last: &WorkflowSummary| Position { created_at: last.created_at, id: last.id.clone() };
    let next = page.next(&workflows, position);
    Ok(Json(WorkflowList { workflows, next }))
}

/// Answers `GET /workflows/{id}`.
pub(super) async fn show<P: Platform>(
    context: Context<P>,
    Id(id): Id,
) -> Result<Json<Workflow>, Problem> {
    let owner = context.caller_with(Scope::Read)?;
    find(&context, owner, &id).await.map(Json)
}

/// Answers `PUT /workflows/{id}`: by the rules of `POST`. Runs that were accepted keep the steps
/// they had.
pub(super) async fn update<P: Platform>(
    context: Context<P>,
    Id(id): Id,
    StrictJson(body): StrictJson,
) -> Result<Json<Workflow>, Problem> {
    let owner = context.caller_with(Scope::Write)?;
    let draft = Draft::from_json(&body).map_err(Problem::invalid_input)?;
    let updated = context.workflows().update(owner, &id, &draft, context.now()).await?;
    let updated = updated.ok_or_else(Problem::not_found)?;
    refresh_later(&context.app.platform, owner, &id);
    Ok(Json(updated))
}

/// Answers `DELETE /workflows/{id}`: its runs stay, and go on.
pub(super) async fn delete<P: Platform>(
    context: Context<P>,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    let owner = context.caller_with(Scope::Write)?;
    if !context.workflows().delete(owner, &id).await? {
        return Err(Problem::not_found());
    }
    refresh_later(&context.app.platform, owner, &id);
    Ok(StatusCode::NO_CONTENT)
}

/// Answers `POST /workflows/{id}/publish`: for everyone to see, from now or since it was first
/// published.
pub(super) async fn publish<P: Platform>(
    context: Context<P>,
    Id(id): Id,
) -> Result<Json<Workflow>, Problem> {
    let owner = context.caller_with(Scope::Write)?;
    let published = context.workflows().publish(owner, &id, context.now()).await?;
    let published = published.ok_or_else(Problem::not_found)?;
    refresh_later(&context.app.platform, owner, &id);
    Ok(Json(published))
}

/// Finds a workflow of `owner`.
///
/// # Errors
/// 404 when there is none, or it is somebody else's.
pub(super) async fn find<P: Platform>(
    context: &Context<P>,
    owner: &str,
    id: &str,
) -> Result<Workflow, Problem> {
    context.workflows().get(owner, id).await?.ok_or_else(Problem::not_found)
}
