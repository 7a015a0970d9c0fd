//! What the runtime calls.

use axum::{
    body::Body,
    http::{Response, request::Parts},
    response::IntoResponse,
};
use tower_service::Service;
use worker::{Context, Env, HttpRequest, ScheduleContext, ScheduledEvent, event};

use super::{Cloudflare, app, system};
use crate::guard::{ClientAddress, Problem};
use crate::routes::router;
use crate::upkeep;

#[event(fetch)]
async fn fetch(request: HttpRequest, env: Env, context: Context) -> worker::Result<Response<Body>> {
    let mut app = match app(&env) {
        Ok(app) => app,
        Err(error) => {
            system::log(&error.to_string());
            return Ok(Problem::internal().into_response());
        }
    };
    app.platform = app.platform.during(context);
    let (mut parts, body) = request.into_parts();
    if let Some(address) = client_address(&parts) {
        parts.extensions.insert(address);
    }
    let request = axum::http::Request::from_parts(parts, body);
    router(app).call(request).await.map_err(|never| match never {})
}

/// Cloudflare overwrites this header; nothing else about the address can be trusted.
fn client_address(parts: &Parts) -> Option<ClientAddress> {
    let address = parts.headers.get("cf-connecting-ip")?.to_str().ok()?;
    address.parse().ok().map(ClientAddress)
}

#[event(scheduled)]
#[expect(clippy::cast_possible_truncation, reason = "instants are whole and below 2^53")]
async fn scheduled(event: ScheduledEvent, env: Env, _: ScheduleContext) {
    if let Err(error) = upkeep::every_minute(&Cloudflare::new(&env), event.schedule() as i64).await
    {
        system::log(&format!("upkeep: {error}"));
    }
}
