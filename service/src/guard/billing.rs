//! Who pays for what a request uses.
//!
//! What an answer says in `Workway-Usage` is in the ledger before the answer leaves. Natively that
//! is on disk: after a crash the difference between the answers and `GET /usage` comes from the
//! requests that got no answer. On Workers the ledger is the isolate's memory, and moves to the
//! database [`FLUSH_DELAY`] after its first share, when the answers have left: an isolate that dies
//! loses what was answered since, at most that long, in the user's favour. `USAGE_BEFORE_ANSWER`
//! loses nothing there: what a caller's request used is in the database before the answer leaves. That
//! is one statement for each request: for a million requests 1.00 USD, where the requests themselves
//! cost 0.30, and a round trip to the database more. The row counts the statement.

use std::{
    pin::pin,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use futures_util::future::{Either, select};

use super::Caller;
use crate::domain::{Millis, month::Month};
use crate::ports::{Cause, Clock, Database, Ledger, Meter, NOBODY, Platform, Share, Tally, Usage};
use crate::routes::App;
use crate::store::{ADD_USAGE, add_usage};

/// From the first share that is not in the database to the write. Longer saves rows: one for each
/// caller in so much time. Workers give a request thirty seconds after its answer.
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
    /// Whether a flush must be asked for: none is on its way.
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
/// the next upkeep: it is worth no write of its own.
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

/// Who pays for a request: nobody, until the caller is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Payer(Arc<OnceLock<Caller>>);

impl Payer {
    /// From now on it is this caller.
    pub(super) fn set(&self, caller: Caller) {
        // There is one caller to a request.
        let _ = self.0.set(caller);
    }

    pub(super) fn caller(&self) -> Option<&Caller> {
        self.0.get()
    }
}

/// The account of one request. One that is dropped, because its client has gone, is billed for what
/// was used until then.
pub(super) struct Bill<P: Platform> {
    app: App<P>,
    pub(super) meter: Meter,
    pub(super) payer: Payer,
    closed: bool,
}

impl<P: Platform> Bill<P> {
    pub(super) fn open(app: App<P>) -> Self {
        Self { app, meter: Meter::default(), payer: Payer::default(), closed: false }
    }

    /// Who pays, as the ledger and analytics know them.
    pub(super) fn account(&self) -> &str {
        self.payer.caller().map_or(NOBODY, |caller| &caller.subject)
    }

    /// Bills it. What a caller pays is in the ledger afterwards; without one nobody waits for that.
    pub(super) async fn close(mut self) {
        self.closed = self.payer.caller().is_some();
        if self.closed {
            bill(&self.app, self.account(), Cause::Requests, self.meter.usage()).await;
        }
    }
}

impl<P: Platform> Drop for Bill<P> {
    fn drop(&mut self) {
        if !self.closed {
            let (app, usage) = (self.app.clone(), self.meter.usage());
            let account = self.account().to_owned();
            self.app.platform.wait_until(async move {
                bill(&app, &account, Cause::Requests, usage).await;
            });
        }
    }
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

    #[cfg(not(target_arch = "wasm32"))]
    #[tokio::test]
    async fn a_request_that_is_dropped_is_billed_for_what_it_used_until_then() {
        let state = tempfile::tempdir().unwrap();
        let secret = |name: &str| (name == "JWT_SECRET").then(|| "s".repeat(32));
        let config = Arc::new(crate::config::Config::from_lookup(secret).unwrap());
        let platform = crate::platform::native::Native::open(state.path(), Arc::clone(&config));
        let platform = platform.await.unwrap();
        let (health, flushes) = (Arc::default(), Arc::default());
        let app = App { platform: platform.clone(), config, health, flushes };
        let bill = Bill::open(app);
        let (subject, scope) = ("ann".to_owned(), String::new());
        bill.payer.set(Caller { subject, session: None, scope });
        bill.meter.add(Usage { rows_read: 3, ..Usage::NONE });
        drop(bill);
        let month = Month::of(platform.clock().now());
        for _ in 0..1_000 {
            let pending = platform.ledger().pending("ann", month).await.unwrap();
            if let Some(tally) = pending.get(&Cause::Requests) {
                return assert_eq!((tally.count, tally.usage.rows_read), (1, 3));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("nobody was billed");
    }
}
