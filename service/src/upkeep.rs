//! What has to be done every minute. For a cron trigger.

use crate::ai::search;
use crate::engine::executor;
use crate::guard::RETENTION;
use crate::ports::{Clock, Meter, Platform, PortError};
use crate::store::{EVENTS_KEPT, IdempotencyKeys, Subscriptions};

/// Pokes overdue runs, and deletes the idempotency keys that nobody can need: a claim that expired
/// still says for a day what it made. Forgets old events of Stripe's, and brings search up to date.
///
/// # Errors
/// The first; the rest is done all the same.
pub async fn every_minute<P: Platform>(platform: &P) -> Result<usize, PortError> {
    let swept = executor::sweep(platform).await;
    let meter = Meter::default();
    let before = platform.clock().now() - RETENTION;
    let cleaned = IdempotencyKeys::new(platform.database(), &meter).clean(before).await;
    let subscriptions = Subscriptions::new(platform.database(), &meter);
    let forgotten = subscriptions.clean(platform.clock().now() - EVENTS_KEPT).await;
    let caught_up = search::catch_up(platform).await;
    let swept = swept?;
    cleaned.and(forgotten).and(caught_up).map(|()| swept)
}
