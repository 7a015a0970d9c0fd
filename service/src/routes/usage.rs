//! What a caller used.

use axum::Json;
use serde::Serialize;

use super::Context;
use crate::domain::{Millis, month::Month};
use crate::guard::{Problem, Scope};
use crate::ports::{Platform, Usage};
use crate::store::{Tally, UsageMonths};

/// A calendar month.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub(super) struct UsageReport {
    /// `2026-11`, in UTC.
    month: String,
    /// Its first instant.
    from: Millis,
    /// What answering requests used: the sum of their `Workway-Usage`.
    requests: Tally,
    /// What the runs accepted in this month used beside that: the sum of their `usage`.
    runs: Tally,
    /// Both.
    total: Usage,
}

/// `GET /usage`: this calendar month, without this very request.
pub(super) async fn show<P: Platform>(context: Context<P>) -> Result<Json<UsageReport>, Problem> {
    let owner = context.caller_with(Scope::Read)?;
    let month = Month::of(context.now());
    let months = UsageMonths::new(context.app.platform.database(), &context.meter);
    let runs = months.of_runs(owner, month).await.map_err(|error| context.failed(&error))?;
    let written = months.of_requests(owner, month).await;
    let mut requests = written.map_err(|error| context.failed(&error))?;
    let pending = context.app.ledger.pending(owner, month);
    requests.count += pending.count;
    requests.usage += pending.usage;
    let mut total = requests.usage;
    total += runs.usage;
    let (month, from) = (month.name(), month.start());
    Ok(Json(UsageReport { month, from, requests, runs, total }))
}
