//! What requests used, added up by user and month on its way to the database.
//!
//! A write for each request would cost more than most requests do: a row written is billed like
//! a thousand rows read. So amounts are added up in memory and written together a few seconds
//! later, after the response. A host that dies loses what it had not written yet: at most
//! [`FLUSH_DELAY`] of requests, in the user's favour.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::domain::{Millis, month::Month};
use crate::ports::{Clock, Meter, Platform, Usage};
use crate::store::{Tally, UsageMonths};

/// From the first request that is not written yet to the write.
pub const FLUSH_DELAY: Duration = Duration::from_secs(10);
/// A flush that has not begun after this long was lost together with the request that began it.
const FLUSH_LOST: Millis = 30_000;

/// Amounts that are not in the database yet. Plain data: it may outlive the request that made it.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    pending: HashMap<(String, Month), Tally>,
    /// When the flush was asked for that is to come.
    asked_at: Option<Millis>,
}

impl Ledger {
    /// What is pending of a user's month.
    pub fn pending(&self, user: &str, month: Month) -> Tally {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.pending.get(&(user.to_owned(), month)).copied().unwrap_or_default()
    }

    /// Adds; whether a flush must be asked for.
    fn add(&self, user: &str, month: Month, tally: Tally, now: Millis) -> bool {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = inner.pending.entry((user.to_owned(), month)).or_default();
        entry.count += tally.count;
        entry.usage += tally.usage;
        let due = inner.asked_at.is_none_or(|at| now - at > FLUSH_LOST);
        if due {
            inner.asked_at = Some(now);
        }
        due
    }

    fn take(&self) -> HashMap<(String, Month), Tally> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.asked_at = None;
        std::mem::take(&mut inner.pending)
    }

    /// Writes what is pending. What cannot be written stays pending.
    pub async fn flush<P: Platform>(&self, platform: &P) {
        let meter = Meter::default();
        for ((user, month), tally) in self.take() {
            let months = UsageMonths::new(platform.database(), &meter);
            if let Err(error) = months.add(&user, month, &tally).await {
                platform.log(&format!("usage: {error}"));
                self.add(&user, month, tally, Millis::MIN / 2);
            }
        }
    }
}

/// Counts a request of `user`, and sees to it that it is written.
pub(super) fn count<P: Platform>(ledger: &Arc<Ledger>, platform: &P, user: &str, usage: Usage) {
    let now = platform.clock().now();
    if ledger.add(user, Month::of(now), Tally { count: 1, usage }, now) {
        let (ledger, owned) = (Arc::clone(ledger), platform.clone());
        platform.wait_until(async move {
            owned.clock().sleep(FLUSH_DELAY).await;
            ledger.flush(&owned).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_flush_is_asked_for_until_it_begins_or_is_lost() {
        let ledger = Ledger::default();
        let month = Month::of(0);
        let tally = Tally { count: 1, usage: Usage { rows_read: 2, ..Usage::default() } };
        let asked = [0, 1, FLUSH_LOST, FLUSH_LOST + 1, FLUSH_LOST + 2]
            .map(|now| ledger.add("ann", month, tally, now));
        assert_eq!(asked, [true, false, false, true, false]);
        let pending = ledger.pending("ann", month);
        assert_eq!((pending.count, pending.usage.rows_read), (5, 10));
        assert_eq!(ledger.pending("bob", month), Tally::default());
        assert_eq!(ledger.take().len(), 1);
        assert!(ledger.add("ann", month, tally, 0), "the next one");
    }
}
