//! What has to be done every minute. For a cron trigger.

use crate::backup;
use crate::domain::Millis;
use crate::engine::executor;
use crate::guard::RETENTION;
use crate::ports::{Clock, Meter, Platform, PortError};
use crate::store::IdempotencyKeys;

/// Pokes overdue runs, deletes the idempotency keys that nobody can need (a claim that expired
/// still says for a day what it made), and takes the backup of the day further. `due` is when the
/// minute began that this is for.
///
/// # Errors
/// The first; the rest is done all the same.
pub async fn every_minute<P: Platform>(platform: &P, due: Millis) -> Result<usize, PortError> {
    let swept = executor::sweep(platform).await;
    let meter = Meter::default();
    let before = platform.clock().now() - RETENTION;
    let cleaned = IdempotencyKeys::new(platform.database(), &meter).clean(before).await;
    let backed_up = backup::advance(platform, due).await;
    let swept = swept?;
    cleaned?;
    backed_up.map(|_| swept)
}
