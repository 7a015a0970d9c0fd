//! A clock that can be set. Everything that knows the time natively knows it from here: requests,
//! tokens, the limiter, expiry, alarms, the sweep. Unless somebody sets it, it is the system's.

use std::{
    future::pending,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::sync::watch;

use crate::domain::Millis;
use crate::ports::Clock;

/// The most that the clock can be put forward at once: further than any lifetime in the service, and
/// far from where instants overflow or leave the integers that JSON keeps exact.
pub(super) const MAX_ADVANCE: Millis = 10 * 366 * 24 * 60 * 60 * 1000;

/// A clock; its clones are the same clock. A new one shows the system's time: what a process set
/// goes with it.
#[derive(Clone, Debug)]
pub struct NativeClock(Arc<watch::Sender<Setting>>);

#[derive(Clone, Copy, Debug, Default)]
struct Setting {
    /// The difference to the system's clock.
    ahead: Millis,
    /// The instant at which it stands, if it does.
    frozen: Option<Millis>,
}

impl Default for NativeClock {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Setting::default())))
    }
}

impl NativeClock {
    /// Puts the clock forward, by at most [`MAX_ADVANCE`]; it never goes back. Whoever sleeps past
    /// the new time wakes up.
    pub(super) fn advance(&self, by: Millis) {
        let by = by.clamp(0, MAX_ADVANCE);
        self.0.send_modify(|setting| match &mut setting.frozen {
            Some(at) => *at += by,
            None => setting.ahead += by,
        });
    }

    /// Stops the clock, or lets it go on from where it stands.
    pub(super) fn freeze(&self, frozen: bool) {
        self.0.send_modify(|setting| match setting.frozen {
            None if frozen => setting.frozen = Some(system_now() + setting.ahead),
            Some(at) if !frozen => {
                *setting = Setting { ahead: at - system_now(), frozen: None };
            }
            _ => {}
        });
    }

    /// Returns whether it stands.
    pub(super) fn is_frozen(&self) -> bool {
        self.0.borrow().frozen.is_some()
    }
}

impl Clock for NativeClock {
    fn now(&self) -> Millis {
        let setting = *self.0.borrow();
        setting.frozen.unwrap_or_else(|| system_now() + setting.ahead)
    }

    async fn sleep(&self, duration: Duration) {
        let mut changes = self.0.subscribe();
        let until = self.now().saturating_add_unsigned(whole_millis(duration));
        loop {
            let frozen = changes.borrow_and_update().frozen.is_some();
            let left = Duration::from_millis((until - self.now()).max(0).unsigned_abs());
            if left.is_zero() {
                return;
            }
            let pass = async {
                if frozen {
                    pending::<()>().await;
                }
                tokio::time::sleep(left).await;
            };
            tokio::select! {
                () = pass => return,
                _ = changes.changed() => {}
            }
        }
    }
}

/// Rounds up, so that nobody wakes early.
fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

fn system_now() -> Millis {
    #[expect(clippy::disallowed_methods, reason = "this is the port")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);
    const HOUR_MILLIS: Millis = 3_600_000;

    /// Polls a sleep once, so that it is under way.
    macro_rules! asleep {
        ($sleep:expr) => {
            assert!(futures_util::poll!($sleep.as_mut()).is_pending())
        };
    }

    #[tokio::test]
    async fn sleepers_wake_when_time_jumps_past_their_instant() {
        let clock = NativeClock::default();
        let before = clock.now();
        let mut sleep = std::pin::pin!(clock.sleep(HOUR));
        asleep!(sleep);
        clock.clone().advance(HOUR_MILLIS / 2);
        asleep!(sleep);
        clock.advance(HOUR_MILLIS / 2);
        sleep.await;
        assert!(clock.now() >= before + HOUR_MILLIS);
    }

    #[tokio::test]
    async fn a_frozen_clock_stands_until_it_is_put_forward_or_let_go() {
        let clock = NativeClock::default();
        clock.freeze(true);
        let at = clock.now();
        let mut sleep = std::pin::pin!(clock.sleep(Duration::from_millis(20)));
        asleep!(sleep);
        tokio::time::sleep(Duration::from_millis(30)).await;
        asleep!(sleep);
        assert_eq!((clock.now(), clock.is_frozen()), (at, true));
        clock.advance(19);
        asleep!(sleep);
        clock.freeze(true);
        assert_eq!(clock.now(), at + 19, "freezing again changes nothing");
        clock.freeze(false);
        sleep.await;
        assert!((at + 20..at + HOUR_MILLIS).contains(&clock.now()), "it goes on where it stood");
    }

    #[tokio::test]
    async fn it_goes_forward_only_and_not_too_far() {
        let clock = NativeClock::default();
        clock.freeze(true);
        let at = clock.now();
        clock.advance(-1);
        assert_eq!(clock.now(), at);
        clock.advance(MAX_ADVANCE);
        assert_eq!(clock.now(), at + MAX_ADVANCE);
        clock.advance(MAX_ADVANCE + 1);
        assert_eq!(clock.now(), at + 2 * MAX_ADVANCE);
        clock.sleep(Duration::ZERO).await;
    }
}
