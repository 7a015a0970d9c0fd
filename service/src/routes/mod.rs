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

use std::sync::Arc;

use axum::{
    Router,
    middleware::from_fn_with_state,
    routing::{MethodFilter, MethodRouter, on},
};

pub use catalogue::SHARED_MAX_AGE;
pub use context::Context;
pub use events::{POLL_DEADLINE, POLL_EVERY, STREAM_LIFETIME};
pub use health::{CHECK_DEADLINE, HealthMemo, REPORT_AGE};
#[cfg(not(target_arch = "wasm32"))]
pub use openapi::document;
pub use table::{Access, Method, Operation, ROUTES, Route, Takes};

use crate::config::Config;
use crate::guard::{FlushTimer, Problem, authenticate, limit_by_address, observe, once};
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
    /// When usage moves to the database. Lives as long as the process or isolate.
    pub flushes: Arc<FlushTimer>,
}

/// The API: the routes of [`ROUTES`], each behind the guards that its access asks for.
pub fn router<P: Platform>(app: App<P>) -> Router {
    let (mut open, mut public, mut private) = (Router::new(), Router::new(), Router::new());
    for route in ROUTES {
        let mut handler = handler::<P>(route);
        if matches!(route.takes, Takes::Once | Takes::DraftOnce | Takes::CheckoutOnce) {
            handler = handler.layer(from_fn_with_state(app.clone(), once::<P>));
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

fn handler<P: Platform>(route: &Route) -> MethodRouter<App<P>> {
    let method = match route.method {
        Method::Get => MethodFilter::GET,
        Method::Post => MethodFilter::POST,
        Method::Put => MethodFilter::PUT,
        Method::Delete => MethodFilter::DELETE,
    };
    match route.operation {
        Operation::GetHealth => on(method, health::health::<P>),
        Operation::GetLiveness => on(method, health::live),
        Operation::GetOpenapi => on(method, openapi::show),
        Operation::ListPublishedWorkflows => on(method, catalogue::list::<P>),
        Operation::CreateWorkflow => on(method, workflows::create::<P>),
        Operation::ListWorkflows => on(method, workflows::list::<P>),
        Operation::GetWorkflow => on(method, workflows::show::<P>),
        Operation::UpdateWorkflow => on(method, workflows::update::<P>),
        Operation::DeleteWorkflow => on(method, workflows::delete::<P>),
        Operation::PublishWorkflow => on(method, workflows::publish::<P>),
        Operation::StartRun => on(method, runs::create::<P>),
        Operation::ListRunsOfWorkflow => on(method, runs::list_of_workflow::<P>),
        Operation::ListRuns => on(method, runs::list::<P>),
        Operation::GetRun => on(method, runs::show::<P>),
        Operation::CancelRun => on(method, runs::cancel::<P>),
        Operation::FollowRun => on(method, events::stream::<P>),
        Operation::GetUsage => on(method, usage::show::<P>),
        Operation::GetCosts => on(method, costs::show::<P>),
        Operation::AuthorizeProvider => on(method, oauth::authorize::<P>),
        Operation::ReturnFromProvider => on(method, oauth::callback::<P>),
        Operation::RefreshSession => on(method, sessions::refresh::<P>),
        Operation::EndSession => on(method, sessions::logout::<P>),
        Operation::GetMe => on(method, sessions::me::<P>),
        Operation::ListConnections => on(method, connections::list::<P>),
        Operation::DeleteConnection => on(method, connections::delete::<P>),
        Operation::Summarize => on(method, ai::summarize::<P>),
        Operation::Search => on(method, ai::search::<P>),
        Operation::CreateCheckout => on(method, billing::checkout::<P>),
        Operation::GetPlan => on(method, billing::plan::<P>),
        Operation::ReceiveStripeEvent => on(method, billing::webhook::<P>),
    }
}
