//! Connections with other services.

use axum::Json;
use serde::Serialize;

use super::{Context, extract::Named};
use crate::guard::{Problem, Scope};
use crate::identity::{ConnectionView, PersonClient, Provider};
use crate::ports::Platform;

/// All of them: there are at most as many as providers.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub(super) struct ConnectionList {
    connections: Vec<ConnectionView>,
}

/// The result of removing a connection.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub(super) struct Disconnected {
    provider: Provider,
    /// True if the provider revoked the tokens. This service has forgotten them in any case.
    revoked: bool,
}

/// Answers `GET /connections`.
pub(super) async fn list<P: Platform>(
    context: Context<P>,
) -> Result<Json<ConnectionList>, Problem> {
    let person = context.caller_with(Scope::Read)?;
    let shown = PersonClient::new(context.ports.actors(), person).show().await?;
    Ok(Json(ConnectionList { connections: shown.connections }))
}

/// Answers Answers `DELETE /connections/{provider}`: 404 when there is none.
pub(super) async fn delete<P: Platform>(
    context: Context<P>,
    Named(provider): Named,
) -> Result<Json<Disconnected>, Problem> {
    let person = context.caller_with(Scope::Write)?;
    let person = PersonClient::new(context.ports.actors(), person);
    let gone = person.disconnect(provider).await?;
    let revoked = gone.ok_or_else(Problem::not_found)?;
    Ok(Json(Disconnected { provider, revoked }))
}
