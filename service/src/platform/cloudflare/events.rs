//! What the runtime calls.

use axum::{
    body::Body,
    http::{Response, request::Parts},
    response::IntoResponse,
};
use tower_service::Service;
use worker::{Context, Env, HttpRequest, ScheduleContext, ScheduledEvent, event};

use super::{Cloudflare, app, config, system};
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
async fn scheduled(_: ScheduledEvent, env: Env, _: ScheduleContext) {
    let done = match config(&env) {
        Ok(config) => upkeep::every_minute(&Cloudflare::new(&env, &config)).await,
        Err(error) => return system::log(&error.to_string()),
    };
    if let Err(error) = done {
        system::log(&format!("upkeep: {error}"));
    }
}
