//! The routes. [`router`] is their table of contents.

mod catalogue;
mod context;
mod events;
mod extract;
mod health;
mod runs;
mod workflows;

use std::sync::Arc;

use axum::{
    Router,
    middleware::from_fn_with_state,
    routing::{get, post},
};

pub use context::Context;
pub use health::HealthMemo;

use crate::config::Config;
use crate::guard::{Problem, authenticate, limit_by_address, observe, once};
use crate::ports::Platform;

/// What every handler can reach.
#[derive(Clone, Debug)]
pub struct App<P> {
    /// The outside world.
    pub platform: P,
    /// What differs between deployments.
    pub config: Arc<Config>,
    /// The last health report. Lives as long as the process or isolate.
    pub health: Arc<HealthMemo>,
}

/// The API.
pub fn router<P: Platform>(app: App<P>) -> Router {
    let health = Router::new()
        .route("/health", get(health::health::<P>))
        .route("/health/live", get(health::live));

    let public = Router::new()
        .route("/api/workflows", get(catalogue::list::<P>))
        .route_layer(from_fn_with_state(app.clone(), limit_by_address::<P>));

    let create = post(workflows::create::<P>).layer(from_fn_with_state(app.clone(), once::<P>));
    let start = post(runs::create::<P>).layer(from_fn_with_state(app.clone(), once::<P>));
    let private = Router::new()
        .route("/workflows", create.get(workflows::list::<P>))
        .route("/workflows/{id}", {
            get(workflows::show::<P>).put(workflows::update::<P>).delete(workflows::delete::<P>)
        })
        .route("/workflows/{id}/publish", post(workflows::publish::<P>))
        .route("/workflows/{id}/runs", start.get(runs::list_of_workflow::<P>))
        .route("/runs", get(runs::list::<P>))
        .route("/runs/{id}", get(runs::show::<P>))
        .route("/runs/{id}/cancel", post(runs::cancel::<P>))
        .route("/runs/{id}/events", get(events::stream::<P>))
        .route_layer(from_fn_with_state(app.clone(), authenticate::<P>));

    health
        .merge(public)
        .merge(private)
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(from_fn_with_state(app.clone(), observe::<P>))
        .with_state(app)
}
