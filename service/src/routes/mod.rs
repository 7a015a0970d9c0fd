//! The routes. [`ROUTES`] is their table of contents.

mod ai;
mod billing;
mod catalogue;
mod connections;
mod context;
mod cookies;
mod costs;
mod events;
mod extract;
mod health;
mod oauth;
mod openapi;
mod runs;
mod sessions;
mod table;
mod usage;
mod workflows;

use axum::{Router, middleware::from_fn_with_state};

pub use catalogue::SHARED_MAX_AGE;
pub use context::Context;
pub use events::{POLL_DEADLINE, POLL_EVERY, STREAM_LIFETIME};
pub use health::{CHECK_DEADLINE, REPORT_AGE};
#[cfg(not(target_arch = "wasm32"))]
pub use openapi::document;
pub use table::{Access, Method, Operation, ROUTES, Route, Takes};

use crate::app::App;
use crate::guard::{Problem, authenticate, idempotent, limit_by_address, observe};
use crate::ports::Platform;

/// Returns the API: the routes of [`ROUTES`], each behind the guards that its access asks for.
pub fn router<P: Platform>(app: App<P>) -> Router {
    let (mut open, mut public, mut private) = (Router::new(), Router::new(), Router::new());
    for route in ROUTES {
        let mut handler = table::handler::<P>(route);
        if matches!(
            route.takes,
            Takes::IdempotencyKey | Takes::DraftWithKey | Takes::CheckoutWithKey
        ) {
            handler = handler.layer(from_fn_with_state(app.clone(), idempotent::<P>));
        }
        match route.access {
            Access::Open | Access::Signed => open = open.route(route.path, handler),
            Access::Anyone => public = public.route(route.path, handler),
            Access::Caller(_) => private = private.route(route.path, handler),
        }
    }
    let public = public.route_layer(from_fn_with_state(app.clone(), limit_by_address::<P>));
    let private = private.route_layer(from_fn_with_state(app.clone(), authenticate::<P>));
    open.merge(public)
        .merge(private)
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(from_fn_with_state(app.clone(), observe::<P>))
        .with_state(app)
}
