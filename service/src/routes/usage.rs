//! The usage of a caller.

use axum::Json;
use serde::Serialize;

use super::Context;
use crate::domain::{Millis, month::Month};
use crate::guard::{Problem, Scope};
use crate::ports::{Cause, Ledger, Platform, Tally, Usage};
use crate::store::UsageAccounts;

/// A calendar month.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub(super) struct UsageReport {
    /// `2026-11`, in UTC.
    pub(super) month: String,
    /// Its first instant.
    pub(super) from: Millis,
    /// The usage of answering requests: the sum of their `Workway-Usage`.
    pub(super) requests: Tally,
    /// The usage of the runs accepted in this month beside that: the sum of their `usage`.
    runs: Tally,
    /// The usage beside both.
    background: Background,
    /// All of it.
    pub(super) total: Usage,
}

/// Work that no answer and no run reports.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
struct Background {
    /// Following runs, after the head of the answer: `count` times their objects were asked.
    events: Tally,
    /// Writing usage down, `count` times.
    metering: Tally,
    /// Making changed workflows findable, after the answer: `count` times.
    search: Tally,
}

/// Answers `GET /usage`: this calendar month, without this very request.
pub(super) async fn show<P: Platform>(context: Context<P>) -> Result<Json<UsageReport>, Problem> {
    this_month(&context).await.map(Json)
}

/// Returns what the caller has used this calendar month, without this very request.
pub(super) async fn this_month<P: Platform>(context: &Context<P>) -> Result<UsageReport, Problem> {
    let owner = context.caller_with(Scope::Read)?;
    let month = Month::of(context.now());
    let accounts = UsageAccounts::new(context.ports.database());
    let runs = accounts.of_runs(owner, month).await?;
    // In this order: what moves in between is missing once, rather than counted twice.
    let account = accounts.of_account(owner, month).await?;
    let pending = context.ports.ledger().pending(owner, month).await?;
    let of = |cause| {
        let mut tally = account.causes.get(&cause).copied().unwrap_or_default();
        tally += pending.get(&cause).copied().unwrap_or_default();
        tally
    };
    let (requests, events) = (of(Cause::Requests), of(Cause::Events));
    let (metering, search) = (account.metering, of(Cause::ScheduledTasks));
    let background = Background { events, metering, search };
    let parts = [requests, runs, events, metering, search];
    let total = parts.into_iter().map(|tally| tally.usage).sum();
    let (month, from) = (month.name(), month.start());
    Ok(UsageReport { month, from, requests, runs, background, total })
}
