//! The handlers that the runtime calls.

use std::{
    rc::Rc,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use axum::{
    Router,
    http::{HeaderName, HeaderValue},
    middleware::map_response,
    response::Response as Answer,
};
use tower_service::Service;
use worker::{
    Context, Env, ScheduleContext, ScheduledEvent, WorkerVersionMetadata, event,
    wasm_bindgen::JsValue,
    web_sys::{Request, Response},
};

use super::{
    Cloudflare, Fetcher, JsClock, JsRandom, app, config, exchange, invocation::during, system,
    variables,
};
use crate::config::{ConfigError, SentryConfig};
use crate::guard::Problem;
use crate::ports::{Meter, MeteredHttp};
use crate::routes::router;
use crate::scheduled;
use crate::sentry::{self, Report};

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> worker::Result<Response> {
    let context = Rc::new(context);
    let mut router = match router_of(&env) {
        Ok(router) => router,
        Err(error) => {
            context.wait_until(unconfigured(env, error));
            return exchange::response(context, Problem::internal()).await;
        }
    };
    let request = exchange::request(request)?;
    let answered = during(&context, router.call(request)).await;
    exchange::response(context, answered.unwrap_or_else(|never| match never {})).await
}

/// Returns the router on `env`. An isolate has one environment, and making the router takes longer
/// than most requests do, so the last one is kept.
fn router_of(env: &Env) -> Result<Router, ConfigError> {
    static LAST: Mutex<Option<(Env, Router)>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    match &*last {
        Some((its, router)) if is_same(its, env) => Ok(router.clone()),
        _ => {
            let router = marked(router(app(env)?), env);
            *last = Some((env.clone(), router.clone()));
            Ok(router)
        }
    }
}

/// The header that names the version of the Worker, where several share the traffic: a client that asks
/// for one by name can see that it answered. The platform ignores names that it does not know.
const VERSION_HEADER: HeaderName = HeaderName::from_static("workway-version");

/// Marks answers with the version, if the environment has the binding `VERSION`.
fn marked(router: Router, env: &Env) -> Router {
    let version = env.get_binding::<WorkerVersionMetadata>("VERSION").map(|version| version.id());
    let version = version.ok().and_then(|id| HeaderValue::from_str(&id).ok());
    let Some(version) = version.filter(|version| !version.is_empty()) else { return router };
    router.layer(map_response(move |mut answer: Answer| {
        answer.headers_mut().insert(VERSION_HEADER, version.clone());
        std::future::ready(answer)
    }))
}

fn is_same(one: &Env, other: &Env) -> bool {
    AsRef::<JsValue>::as_ref(one) == AsRef::<JsValue>::as_ref(other)
}

/// Says what keeps the Worker from working: each time in the log, and once to Sentry for an isolate,
/// as it is the same for each of its requests.
async fn unconfigured(env: Env, error: ConfigError) {
    static REPORTED: AtomicBool = AtomicBool::new(false);
    system::log(&error.to_string());
    let Ok(Some(sentry)) = SentryConfig::from_lookup(&variables(&env)) else { return };
    if REPORTED.swap(true, Relaxed) {
        return;
    }
    let report = Report::new(&JsClock, &JsRandom, "not configured", error.name);
    if let Err(error) =
        sentry::send(MeteredHttp::new(&Fetcher, &Meter::default()), &sentry, &report).await
    {
        system::log(&format!("a report was not taken: {error}"));
    }
}

#[event(scheduled)]
#[expect(clippy::cast_possible_truncation, reason = "instants are whole and below 2^53")]
async fn scheduled(event: ScheduledEvent, env: Env, _: ScheduleContext) {
    let due = event.schedule() as i64;
    let done = match config(&env) {
        Ok(config) => {
            let platform = Cloudflare::new(&env, &config);
            scheduled::every_minute_reported(&platform, &config, due).await
        }
        Err(error) => return unconfigured(env, error).await,
    };
    for failure in done.err().into_iter().flat_map(|failures| failures.0) {
        system::log(&failure.to_string());
    }
}
