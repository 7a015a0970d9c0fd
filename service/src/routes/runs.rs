//! Runs of workflows.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{Context, extract::Id, workflows};
use crate::domain::run::Run;
use crate::engine::{executor, machine::RunState};
use crate::guard::{Problem, Scope};
use crate::ports::Platform;

/// `POST /workflows/{id}/runs`
///
/// The intent is in the database before the executor is called, and both before the 202. When the
/// executor cannot be reached the run is accepted all the same: the sweep will find its row.
pub(super) async fn create<P: Platform>(
    context: Context<P>,
    Id(workflow_id): Id,
) -> Result<Response, Problem> {
    let owner = context.caller_with(Scope::Write)?;
    let workflow = workflows::find(&context, owner, &workflow_id).await?;
    let state = RunState::new(context.new_id()?, workflow.id, workflow.steps, context.now());
    let stored = context.runs().insert(owner, &state).await;
    stored.map_err(|error| context.failed(&error))?;
    let started = executor::start(context.app.platform.actors(), &state).await;
    if let Err(error) = context.meter.charge(started) {
        context.app.platform.log(&format!("start of run {}: {error}", state.run.id));
    }
    let location = [(header::LOCATION, format!("/runs/{}", state.run.id))];
    Ok((StatusCode::ACCEPTED, location, Json(state.run)).into_response())
}

/// `GET /runs/{id}`
pub(super) async fn show<P: Platform>(
    context: Context<P>,
    Id(id): Id,
) -> Result<Json<Run>, Problem> {
    let owner = context.caller_with(Scope::Read)?;
    let found = context.runs().get(owner, &id).await;
    found.map_err(|error| context.failed(&error))?.map(Json).ok_or_else(Problem::not_found)
}
