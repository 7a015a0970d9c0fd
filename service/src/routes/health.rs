//! Health.

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::future::{Either, join, select};
use serde::Serialize;

use super::Context;
use crate::app::health::{Checks, Report, Status};
use crate::domain::Millis;
use crate::ports::{Clock, Platform, Ports};
use crate::store;

/// A report is used again for this long, so that asking often costs nothing.
pub const REPORT_AGE: Millis = 5_000;
/// A dependency that takes longer is down for the purposes of this report.
pub const CHECK_DEADLINE: Duration = Duration::from_secs(2);

/// Answers `GET /health/live`: the process answers. No I/O.
pub(super) async fn live() -> impl IntoResponse {
    #[derive(Serialize)]
    struct Live {
        status: &'static str,
    }
    ([(header::CACHE_CONTROL, "no-store")], Json(Live { status: "live" }))
}

/// Answers `GET /health`: whether the dependencies answer; 503 when one does not.
pub(super) async fn health<P: Platform>(context: Context<P>) -> Response {
    let now = context.now();
    let memo = &context.app.health;
    let recent = memo.read().filter(|report| (0..REPORT_AGE).contains(&(now - report.timestamp)));
    let report = match recent {
        Some(report) => report,
        None => memo.replace(check(&context.ports, now).await),
    };
    let status = match report.status {
        Status::Healthy => StatusCode::OK,
        Status::Degraded => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = (status, Json(report)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn check<P: Platform>(ports: &Ports<P>, now: Millis) -> Report {
    let clock = ports.clock();
    let database = answers(clock, async { store::ping(ports.database()).await.is_ok() });
    let cache = answers(clock, async { ports.cache().get("health").await.is_ok() });
    let (database, cache) = join(database, cache).await;
    // Asking a model would cost each time: what is known of the last calls has to do.
    let ai = ports.ai().map(|_| ports.breaker().is_closed());
    let well = database && cache && ai != Some(false);
    let status = if well { Status::Healthy } else { Status::Degraded };
    Report { status, checks: Checks { database, ai, cache }, timestamp: now }
}

async fn answers<C: Clock>(clock: &C, check: impl Future<Output = bool> + Send) -> bool {
    let (check, deadline) = (std::pin::pin!(check), std::pin::pin!(clock.sleep(CHECK_DEADLINE)));
    match select(check, deadline).await {
        Either::Left((answered, _)) => answered,
        Either::Right(_) => false,
    }
}
