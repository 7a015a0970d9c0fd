//! What has to be done every minute. For a cron trigger.

use crate::ai::search;
use crate::backup;
use crate::domain::Millis;
use crate::domain::month::Month;
use crate::engine::executor;
use crate::guard::RETENTION;
use crate::ports::{Cause, Clock, Ledger, Meter, NOBODY, Platform, PortError, Share, Tally};
use crate::store::{EVENTS_KEPT, IdempotencyKeys, Subscriptions};

/// Pokes overdue runs, deletes the idempotency keys that nobody can need (a claim that expired still
/// says for a day what it made), forgets old events of Stripe's, brings search up to date, takes the
/// backup of the day further, and moves usage to the database, its own included. `due` is when the
/// minute began that this is for.
///
/// # Errors
/// The first; the rest is done all the same.
pub async fn every_minute<P: Platform>(platform: &P, due: Millis) -> Result<usize, PortError> {
    let meter = Meter::default();
    let swept = executor::sweep(platform, &meter).await;
    let now = platform.clock().now();
    let cleaned = IdempotencyKeys::new(platform.database(), &meter).clean(now - RETENTION).await;
    let subscriptions = Subscriptions::new(platform.database(), &meter);
    let forgotten = subscriptions.clean(now - EVENTS_KEPT).await;
    let caught_up = search::catch_up(platform, &meter).await;
    let backed_up = backup::advance(platform, &meter, due).await.map(|_| ());
    let (account, month) = (NOBODY.to_owned(), Month::of(now));
    let tally = Tally { count: 1, usage: meter.usage() };
    let share = Share { account, month, cause: Cause::Upkeep, tally };
    let billed = platform.ledger().add(share).await;
    let flushed = platform.ledger().flush().await;
    let swept = swept?;
    let done = cleaned.and(forgotten).and(caught_up).and(backed_up).and(billed).and(flushed);
    done.map(|()| swept)
}
