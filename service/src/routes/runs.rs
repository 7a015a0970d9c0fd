//! Runs of workflows.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{
    Context,
    extract::{Id, ListPage},
    workflows,
};
use crate::domain::{
    month::Month,
    page::{Page, Position},
    plan::Metric,
    run::{Run, RunState, RunStatus, RunSummary},
};
use crate::engine::executor;
use crate::guard::{Problem, Scope};
use crate::ports::Platform;
use crate::store::QuotaMonths;

/// A page of runs.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub(super) struct RunList {
    runs: Vec<RunSummary>,
    /// The `cursor` of the next page; null on the last one.
    next: Option<String>,
}

impl RunList {
    fn new(runs: Vec<RunSummary>, page: &Page) -> Self {
        let position =
            |last: &RunSummary| Position { created_at: last.created_at, id: last.id.clone() };
        let next = page.next(&runs, position);
        Self { runs, next }
    }
}

/// Answers `GET /runs`.
pub(super) async fn list<P: Platform>(
    context: Context<P>,
    ListPage(page): ListPage,
) -> Result<Json<RunList>, Problem> {
    let owner = context.caller_with(Scope::Read)?;
    let runs = context.runs().list(owner, &page).await?;
    Ok(Json(RunList::new(runs, &page)))
}

/// Answers `GET /workflows/{id}/runs`: also of a workflow that was deleted since. One that never
/// was, or is somebody else's, has none: 404 when there is neither a workflow nor a run.
pub(super) async fn list_of_workflow<P: Platform>(
    context: Context<P>,
    Id(workflow_id): Id,
    ListPage(page): ListPage,
) -> Result<Json<RunList>, Problem> {
    let owner = context.caller_with(Scope::Read)?;
    let runs = context.runs().list_of_workflow(owner, &workflow_id, &page).await?;
    if runs.is_empty() {
        workflows::find(&context, owner, &workflow_id).await?;
    }
    Ok(Json(RunList::new(runs, &page)))
}

/// Answers `POST /workflows/{id}/runs`.
///
/// The intent is in the database before the executor is called, and both before the 202. When the
/// executor cannot be reached the run is accepted all the same: the sweep will find its row.
pub(super) async fn create<P: Platform>(
    context: Context<P>,
    Id(workflow_id): Id,
) -> Result<Response, Problem> {
    let owner = context.caller_with(Scope::Write)?;
    let workflow = workflows::find(&context, owner, &workflow_id).await?;
    let (id, owner_of_it) = (context.new_id()?, owner.to_owned());
    let state = RunState::new(id, owner_of_it, workflow.id, workflow.steps, context.now());
    let state = accept(&context, owner, state).await?;
    if let Err(error) = executor::start(context.ports.actors(), &state).await {
        context.ports.log(&format!("start of run {}: {error}", state.run.id));
    }
    let location = [(header::LOCATION, format!("/runs/{}", state.run.id))];
    Ok((StatusCode::ACCEPTED, location, Json(state.run)).into_response())
}

/// Writes a run down, within the month's quota: as it is there already, if an earlier attempt at this
/// request did that.
///
/// The quota is taken first: should the outcome of writing be unknown, the caller
/// has one run less this month, and never one more.
async fn accept<P: Platform>(
    context: &Context<P>,
    owner: &str,
    state: RunState,
) -> Result<RunState, Problem> {
    let month = Month::of(state.run.created_at);
    let months = QuotaMonths::new(context.ports.database());
    let quotas = &context.app.config.billing.quotas;
    if !months.take(owner, state.run.created_at, Metric::Runs, quotas).await? {
        let accepted = context.runs().intent(owner, &state.run.id).await?;
        return accepted.ok_or_else(|| Problem::over_quota(Metric::Runs.title()));
    }
    let stored = context.runs().insert(&state).await;
    if !context.made_before(stored)? {
        return Ok(state);
    }
    // It has its place in the quota already.
    months.give_back(owner, month, Metric::Runs).await?;
    context.runs().intent(owner, &state.run.id).await?.ok_or_else(Problem::not_found)
}

/// Answers `GET /runs/{id}`.
pub(super) async fn show<P: Platform>(
    context: Context<P>,
    Id(id): Id,
) -> Result<Json<Run>, Problem> {
    let owner = context.caller_with(Scope::Read)?;
    context.runs().get(owner, &id).await?.map(Json).ok_or_else(Problem::not_found)
}

/// Answers `POST /runs/{id}/cancel`: 202 when this ended the run, 200 when it was cancelled before.
///
/// The executor decides. The row may follow a moment later, and says the same in the end.
pub(super) async fn cancel<P: Platform>(
    context: Context<P>,
    Id(id): Id,
) -> Result<Response, Problem> {
    let owner = context.caller_with(Scope::Write)?;
    let found = context.runs().intent(owner, &id).await?;
    let intent = found.ok_or_else(Problem::not_found)?;
    let cancelled = executor::cancel(context.ports.actors(), intent).await?;
    match cancelled.run.status {
        RunStatus::Cancelled if cancelled.changed => {
            Ok((StatusCode::ACCEPTED, Json(cancelled.run)).into_response())
        }
        RunStatus::Cancelled => Ok(Json(cancelled.run).into_response()),
        status => Err(Problem::conflict(format!("the run has ended already: {}", status.name()))),
    }
}
