//! What has to be done every minute. For a cron trigger.

use crate::ai::search;
use crate::backup;
use crate::config::SentryConfig;
use crate::domain::Millis;
use crate::domain::month::Month;
use crate::engine::executor;
use crate::guard::RETENTION;
use crate::ports::{Cause, Clock, Ledger, Meter, NOBODY, Platform, PortError, Share, Tally};
use crate::sentry::{self, Report};
use crate::store::{EVENTS_KEPT, IdempotencyKeys, Subscriptions};

/// Parts that could not be done; the others were.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Failures(pub Vec<Failure>);

/// A part that could not be done.
#[derive(Debug, thiserror::Error)]
#[error("upkeep: {part}: {error}")]
pub struct Failure {
    /// Which, as the log names it.
    pub part: &'static str,
    /// Why.
    pub error: PortError,
}

impl Failures {
    /// The value, and a word on it if there is none.
    fn note<T>(&mut self, part: &'static str, done: Result<T, PortError>) -> Option<T> {
        done.map_err(|error| self.0.push(Failure { part, error })).ok()
    }
}

/// Pokes overdue runs, deletes the idempotency keys that nobody can need (a claim that expired still
/// says for a day what it made), forgets old events of Stripe's, brings search up to date, takes the
/// backup of the day further, and moves usage to the database, its own included. `due` is when the
/// minute began that this is for. Gives how many runs were visited.
///
/// # Errors
/// Every part that failed. None keeps another from being done.
pub async fn every_minute<P: Platform>(platform: &P, due: Millis) -> Result<usize, Failures> {
    let (meter, mut failures) = (Meter::default(), Failures(Vec::new()));
    let swept = failures.note("sweep", executor::sweep(platform, &meter).await);
    let now = platform.clock().now();
    let keys = IdempotencyKeys::new(platform.database(), &meter).clean(now - RETENTION).await;
    failures.note("idempotency keys", keys);
    let events = Subscriptions::new(platform.database(), &meter).clean(now - EVENTS_KEPT).await;
    failures.note("events of Stripe", events);
    failures.note("search", search::catch_up(platform, &meter).await);
    failures.note("backup", backup::advance(platform, &meter, due).await);
    let (account, month) = (NOBODY.to_owned(), Month::of(now));
    let tally = Tally { count: 1, usage: meter.usage() };
    let share = Share { account, month, cause: Cause::Upkeep, tally };
    failures.note("usage", platform.ledger().add(share).await);
    failures.note("usage", platform.ledger().flush().await);
    match swept {
        Some(visited) if failures.0.is_empty() => Ok(visited),
        _ => Err(failures),
    }
}

/// [`every_minute`], with a report of each part that failed.
///
/// # Errors
/// As there. A report that is not taken is in the log.
pub async fn every_minute_reported<P: Platform>(
    platform: &P,
    sentry: Option<&SentryConfig>,
    due: Millis,
) -> Result<usize, Failures> {
    let done = every_minute(platform, due).await;
    let (Some(sentry), Err(failures)) = (sentry, &done) else { return done };
    let meter = Meter::default();
    for Failure { part, error } in &failures.0 {
        let (clock, random, place) = (platform.clock(), platform.random(), "cron");
        let report = Report::new(clock, random, format!("upkeep failed: {part}"), place);
        let report = report.tagged("cause", error.cause.kind());
        if let Err(error) = sentry::send(platform.http(), sentry, &report, &meter).await {
            platform.log(&format!("a report was not taken: {error}"));
        }
    }
    let (account, month) = (NOBODY.to_owned(), Month::of(platform.clock().now()));
    let tally = Tally { count: 1, usage: meter.usage() };
    let share = Share { account, month, cause: Cause::Upkeep, tally };
    if let Err(error) = platform.ledger().add(share).await {
        platform.log(&format!("usage: {error}"));
    }
    done
}
