//! A clock that can be set. Everything that knows the time natively knows it from here: requests,
//! tokens, the limiter, expiry, alarms, the sweep. Unless somebody sets it, it is the system's, except that
//! it never goes back.

use std::{
    future::pending,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
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

/// The system's clock without its steps back, in milliseconds since the epoch. A window, an expiry or an
/// alarm of a moment ago must not lie in the future because somebody has corrected the machine's time; it
/// then goes on from where it was, at the pace of time.
static STEADY: Steady = Steady(AtomicI64::new(Millis::MIN));

/// The largest difference so far between the system's clock and one that only counts, in milliseconds.
struct Steady(AtomicI64);

impl Steady {
    /// Returns the time when the system's clock shows `wall`, and `counted` have passed since some instant.
    fn at(&self, wall: Millis, counted: Millis) -> Millis {
        let ahead = wall - counted;
        counted + self.0.fetch_max(ahead, Relaxed).max(ahead)
    }
}

fn system_now() -> Millis {
    static START: LazyLock<Instant> = LazyLock::new(start);
    let counted = START.elapsed();
    #[expect(clippy::disallowed_methods, reason = "this is the port")]
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = |time: Duration| Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX);
    STEADY.at(millis(wall), millis(counted))
}

fn start() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "this is the port")]
    Instant::now()
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

    #[test]
    fn a_step_back_of_the_system_is_not_followed_and_a_step_forward_is() {
        let steady = Steady(AtomicI64::new(Millis::MIN));
        let readings = [
            // The system's clock, the time that has passed, and what is shown.
            (1_000_000, 0, 1_000_000),
            (1_000_010, 10, 1_000_010),
            (400_020, 20, 1_000_020),
            (400_030, 30, 1_000_030),
            (1_000_035, 40, 1_000_040),
            (4_600_050, 50, 4_600_050),
            (1_000_060, 60, 4_600_060),
            (4_600_070, 70, 4_600_070),
        ];
        for (wall, counted, shown) in readings {
            assert_eq!(steady.at(wall, counted), shown, "{wall} after {counted}");
        }
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
