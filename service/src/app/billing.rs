//! Bills usage to accounts.
//!
//! The usage that an answer reports in `Workway-Usage` is in the ledger before the answer leaves. Natively that
//! is on disk: after a crash the difference between the answers and `GET /usage` comes from the
//! requests that got no answer. On Workers the ledger is the isolate's memory, and moves to the
//! database [`FLUSH_DELAY`] after its first share, when the answers have left: an isolate that dies
//! loses what was answered since, at most that long, in the user's favour. `USAGE_BEFORE_ANSWER`
//! loses nothing there: what a caller's request used is in the database before the answer leaves. That
//! is one statement for each request: for a million requests 1.00 USD, where the requests themselves
//! cost 0.30, and a round trip to the database more. The row counts the statement.

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::{Either, select};

use super::App;
use crate::domain::{Millis, month::Month};
use crate::ports::{Cause, Clock, Database, Ledger, NOBODY, Platform, Share, Tally, Usage};
use crate::store::{ADD_USAGE, add_usage};

/// Time from the first share that is not in the database to the write. A longer one saves rows: one for
/// each caller in that time. Workers give a request thirty seconds after its answer.
pub const FLUSH_DELAY: Duration = Duration::from_secs(10);
/// A flush that has not begun after this long was lost together with the request that asked for it.
const FLUSH_LOST: Millis = 30_000;

/// An answer waits so long for its usage to be written, at most: the work is done, and a database that
/// hangs must not keep it. Many times what a statement takes.
pub const WRITE_DEADLINE: Duration = Duration::from_secs(5);

/// Says when a flush has to be asked for. Plain data: it may outlive the request that made it.
#[derive(Debug, Default)]
pub struct FlushTimer(Mutex<Option<Millis>>);

impl FlushTimer {
    /// Returns whether a flush must be asked for, because none is on its way.
    fn ask(&self, now: Millis) -> bool {
        let mut asked_at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = asked_at.is_none_or(|at| now - at > FLUSH_LOST);
        if due {
            *asked_at = Some(now);
        }
        due
    }

    fn begun(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Puts a share of the work into the ledger, and sees to it that it gets to the database; or writes it
/// there now, if the deployment wants that of answers. Nobody's goes there when a caller's does, or at
/// the next run of the scheduled tasks: it is worth no write of its own.
pub async fn bill<P: Platform>(app: &App<P>, account: &str, cause: Cause, usage: Usage) {
    let now = app.platform.clock().now();
    let tally = Tally { count: 1, usage };
    let share = Share { account: account.to_owned(), month: Month::of(now), cause, tally };
    let of_an_answer = cause == Cause::Requests && account != NOBODY;
    if app.config.usage_before_answer && of_an_answer && write(app, &share).await {
        return;
    }
    if let Err(error) = app.platform.ledger().add(share).await {
        app.platform.log(&format!("usage: {error}"));
    }
    if account != NOBODY && app.flushes.ask(now) {
        let (owned, flushes) = (app.platform.clone(), Arc::clone(&app.flushes));
        app.platform.wait_until(async move {
            owned.clock().sleep(FLUSH_DELAY).await;
            flushes.begun();
            if let Err(error) = owned.ledger().flush().await {
                owned.log(&format!("usage: {error}"));
            }
        });
    }
}

/// Writes a share to the database now. `false`: it is not there, and somebody else has to keep it.
/// What may be there, because no answer came, counts as written: nobody pays twice.
async fn write<P: Platform>(app: &App<P>, share: &Share) -> bool {
    let write = async { app.platform.database().query(add_usage(share)?).await };
    let deadline = app.platform.clock().sleep(WRITE_DEADLINE);
    let (problem, written) = match select(pin!(write), pin!(deadline)).await {
        Either::Left((Ok(rows), _)) if rows.usage == ADD_USAGE => return true,
        Either::Left((Ok(rows), _)) => {
            (format!("a row took {:?}, billed is another", rows.usage), true)
        }
        Either::Left((Err(error), _)) => (error.to_string(), false),
        Either::Right(_) => ("no answer in time, so a share may be lost".to_owned(), true),
    };
    app.platform.log(&format!("usage: {problem}"));
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_flush_is_asked_for_until_it_begins_or_is_lost() {
        let timer = FlushTimer::default();
        let asked = [0, 1, FLUSH_LOST, FLUSH_LOST + 1, FLUSH_LOST + 2].map(|now| timer.ask(now));
        assert_eq!(asked, [true, false, false, true, false]);
        timer.begun();
        assert!(timer.ask(FLUSH_LOST + 3), "the next one");
    }
}
