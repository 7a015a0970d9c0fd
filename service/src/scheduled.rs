//! Scheduled tasks: what a cron trigger does every minute.

use crate::ai::search;
use crate::backup;
use crate::config::Config;
use crate::domain::{
    Millis,
    month::Month,
    retention::{ACCOUNT_MONTHS, RunRetention},
};
use crate::engine::executor;
use crate::guard::RETENTION;
use crate::ports::{Cause, Ledger, NOBODY, Platform, PortError, Ports};
use crate::sentry::{self, Report};
use crate::store::{EVENTS_KEPT, IdempotencyKeys, QuotaMonths, Subscriptions, UsageAccounts};

const MINUTE: Millis = 60_000;
const DAY: Millis = 24 * 60 * MINUTE;

/// The tasks that failed. The others were done.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Failures(pub Vec<Failure>);

/// A task that failed.
#[derive(Debug, thiserror::Error)]
#[error("scheduled task failed: {part}: {error}")]
pub struct Failure {
    /// The name of the task in the log.
    pub part: &'static str,
    /// The reason.
    pub error: PortError,
}

impl Failures {
    /// Returns the value, or notes the failure of the task.
    fn note<T>(&mut self, part: &'static str, done: Result<T, PortError>) -> Option<T> {
        done.map_err(|error| self.0.push(Failure { part, error })).ok()
    }
}

/// Runs every task: wakes overdue runs, deletes what is past its retention ([`crate::domain::retention`]), brings
/// search up to date, advances the backup of the day, and moves usage to the database, its own
/// included. `due` is the instant at which the minute began that this is for. Returns how many runs
/// were woken.
///
/// # Errors
/// Every task that failed. A task that fails keeps no other from being done.
pub async fn every_minute<P: Platform>(
    platform: &P,
    kept: RunRetention,
    due: Millis,
) -> Result<usize, Failures> {
    let (ports, mut failures) = (Ports::new(platform.clone()), Failures(Vec::new()));
    let swept = failures.note("sweep", executor::sweep(&ports).await);
    let now = ports.now();
    // A claim that expired still says for a day what its request made.
    let keys = IdempotencyKeys::new(ports.database()).clean(now - RETENTION).await;
    failures.note("idempotency keys", keys);
    let events = Subscriptions::new(ports.database()).clean(now - EVENTS_KEPT).await;
    failures.note("events of Stripe", events);
    failures.note("runs", executor::forget(&ports, kept.expired_before(now)).await);
    if due.rem_euclid(DAY) < MINUTE {
        let first_kept = Month::of(now).before(ACCOUNT_MONTHS);
        failures.note("accounts", UsageAccounts::new(ports.database()).clean(first_kept).await);
        failures.note("quotas", QuotaMonths::new(ports.database()).clean(first_kept).await);
    }
    failures.note("search", search::catch_up(&ports).await);
    failures.note("backup", backup::advance(&ports, due).await);
    failures.note("usage", ports.bill(NOBODY, Cause::ScheduledTasks).await);
    failures.note("usage", ports.ledger().flush().await);
    match swept {
        Some(visited) if failures.0.is_empty() => Ok(visited),
        _ => Err(failures),
    }
}

/// Wakes the runs that an earlier process wrote down, and whose executors it did not tell: a server that has
/// just started calls this. Returns how many runs were woken.
///
/// # Errors
/// When the overdue runs cannot be read, or the usage cannot be written down.
pub async fn at_start<P: Platform>(platform: &P) -> Result<usize, PortError> {
    let ports = Ports::new(platform.clone());
    let woken = executor::sweep_before(&ports, ports.now()).await;
    ports.bill(NOBODY, Cause::ScheduledTasks).await?;
    woken
}

/// Calls [`every_minute`], and reports each task that failed to Sentry.
///
/// # Errors
/// Those of [`every_minute`]. A report that could not be sent is in the log.
pub async fn every_minute_reported<P: Platform>(
    platform: &P,
    config: &Config,
    due: Millis,
) -> Result<usize, Failures> {
    let done = every_minute(platform, config.run_retention, due).await;
    let (Some(sentry), Err(failures)) = (&config.sentry, &done) else { return done };
    let ports = Ports::new(platform.clone());
    for Failure { part, error } in &failures.0 {
        let (clock, random, place) = (ports.clock(), ports.random(), "cron");
        let report = Report::new(clock, random, format!("scheduled task failed: {part}"), place);
        let report = report.tagged("cause", error.cause.kind());
        if let Err(error) = sentry::send(ports.http(), sentry, &report).await {
            ports.log(&format!("a report was not taken: {error}"));
        }
    }
    if let Err(error) = ports.bill(NOBODY, Cause::ScheduledTasks).await {
        ports.log(&format!("usage: {error}"));
    }
    done
}
