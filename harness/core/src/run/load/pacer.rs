//! Waking up in time.

use std::{io, time::Instant};

use rustix::{
    fd::OwnedFd,
    time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    },
};
use tokio::io::unix::AsyncFd;

use crate::{model::clock, plan::Pacing};

/// Wakes a thread up when an arrival is due.
pub(super) enum Pacer {
    /// A timer of the runtime, which ticks once per millisecond.
    Tick,
    /// A timer of the system.
    Exact(AsyncFd<OwnedFd>),
}

impl Pacer {
    #[expect(deprecated, reason = "the replacement is unsafe, and an OwnedFd keeps its descriptor")]
    pub(super) fn new(pacing: Pacing) -> io::Result<Self> {
        Ok(match pacing {
            Pacing::Tick => Self::Tick,
            Pacing::Exact => {
                let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
                let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
                Self::Exact(AsyncFd::new(timer)?)
            }
        })
    }

    /// Returns at `instant` or a little later.
    pub(super) async fn until(&self, instant: Instant) {
        match self {
            Self::Exact(timer) if exact(timer, instant).await.is_ok() => {}
            _ => clock::sleep_until(instant).await,
        }
    }
}

async fn exact(timer: &AsyncFd<OwnedFd>, instant: Instant) -> io::Result<()> {
    loop {
        let left = instant.saturating_duration_since(clock::now());
        if left.is_zero() {
            return Ok(());
        }
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let it_value = Timespec::try_from(left).map_err(io::Error::other)?;
        let once = Itimerspec { it_interval: zero, it_value };
        timerfd_settime(timer.get_ref(), TimerfdTimerFlags::empty(), &once)?;
        // Nothing is read: setting the timer again clears it.
        timer.readable().await?.clear_ready();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn nobody_is_woken_up_too_early() {
        for pacing in [Pacing::Tick, Pacing::Exact] {
            let pacer = Pacer::new(pacing).unwrap();
            for micros in [0, 1, 300, 2_000, 2_500] {
                let due = clock::now() + Duration::from_micros(micros);
                pacer.until(due).await;
                assert!(clock::now() >= due, "{pacing:?} {micros}");
            }
        }
    }
}
