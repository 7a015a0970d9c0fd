//! The account of a request: what it used, and who pays.

use std::sync::{Arc, OnceLock};

use super::Caller;
use crate::app::{App, bill};
use crate::ports::{Cause, NOBODY, Platform, Ports};

/// The caller who pays for a request. There is none until the request is authenticated.
#[derive(Clone, Debug, Default)]
pub(super) struct Payer(Arc<OnceLock<Caller>>);

impl Payer {
    /// Sets the caller. The first one stays.
    pub(super) fn set(&self, caller: Caller) {
        // There is one caller to a request.
        let _ = self.0.set(caller);
    }

    pub(super) fn caller(&self) -> Option<&Caller> {
        self.0.get()
    }
}

/// The bill of one request: its ports, with their meter, and who pays. A request that is dropped, because
/// its client has gone, is billed for what was used until then.
pub(super) struct Bill<P: Platform> {
    app: App<P>,
    pub(super) ports: Ports<P>,
    pub(super) payer: Payer,
    closed: bool,
}

impl<P: Platform> Bill<P> {
    pub(super) fn open(app: App<P>) -> Self {
        let ports = Ports::new(app.platform.clone());
        Self { app, ports, payer: Payer::default(), closed: false }
    }

    /// Returns the account that pays, as the ledger and analytics know it.
    pub(super) fn account(&self) -> &str {
        self.payer.caller().map_or(NOBODY, |caller| &caller.subject)
    }

    /// Bills the request. If there is a caller, the usage is in the ledger when this returns; otherwise
    /// that happens later.
    pub(super) async fn close(mut self) {
        self.closed = self.payer.caller().is_some();
        if self.closed {
            bill(&self.app, self.account(), Cause::Requests, self.ports.usage()).await;
        }
    }
}

impl<P: Platform> Drop for Bill<P> {
    fn drop(&mut self) {
        if !self.closed {
            let (app, usage) = (self.app.clone(), self.ports.usage());
            let account = self.account().to_owned();
            self.app.platform.wait_until(async move {
                bill(&app, &account, Cause::Requests, usage).await;
            });
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::month::Month;
    use crate::ports::{Clock, Ledger, Usage};

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
        bill.ports.meter().add(Usage { rows_read: 3, ..Usage::NONE });
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
