//! What the runtime calls.

use std::{
    rc::Rc,
    sync::{Mutex, PoisonError},
};

use axum::Router;
use tower_service::Service;
use worker::{
    Context, Env, ScheduleContext, ScheduledEvent, event,
    wasm_bindgen::JsValue,
    web_sys::{Request, Response},
};

use super::{Cloudflare, app, config, exchange, invocation::during, system};
use crate::config::ConfigError;
use crate::guard::Problem;
use crate::routes::router;
use crate::upkeep;

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> worker::Result<Response> {
    let context = Rc::new(context);
    let mut router = match router_of(&env) {
        Ok(router) => router,
        Err(error) => {
            system::log(&error.to_string());
            return exchange::response(context, Problem::internal()).await;
        }
    };
    let request = exchange::request(request)?;
    let answered = during(&context, router.call(request)).await;
    exchange::response(context, answered.unwrap_or_else(|never| match never {})).await
}

/// The router on `env`. An isolate has one environment, and making the router takes longer than
/// most requests do, so the last one is kept.
fn router_of(env: &Env) -> Result<Router, ConfigError> {
    static LAST: Mutex<Option<(Env, Router)>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    match &*last {
        Some((its, router)) if is_same(its, env) => Ok(router.clone()),
        _ => {
            let router = router(app(env)?);
            *last = Some((env.clone(), router.clone()));
            Ok(router)
        }
    }
}

fn is_same(one: &Env, other: &Env) -> bool {
    AsRef::<JsValue>::as_ref(one) == AsRef::<JsValue>::as_ref(other)
}

#[event(scheduled)]
#[expect(clippy::cast_possible_truncation, reason = "instants are whole and below 2^53")]
async fn scheduled(event: ScheduledEvent, env: Env, _: ScheduleContext) {
    let due = event.schedule() as i64;
    let done = match config(&env) {
        Ok(config) => upkeep::every_minute(&Cloudflare::new(&env, &config), due).await,
        Err(error) => return system::log(&error.to_string()),
    };
    if let Err(error) = done {
        system::log(&format!("upkeep: {error}"));
    }
}
