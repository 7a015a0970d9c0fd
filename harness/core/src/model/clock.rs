//! The clock that everything is measured with.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Now, on the monotonic clock.
#[expect(clippy::disallowed_methods, reason = "the one place where the engine reads the clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// Returns the time of the system's clock in milliseconds since 1970.
pub fn now_millis() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "tokens and timelines are for the real world's clock"
    )]
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.ok().and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or_default()
}

/// Returns at `instant`, at once if it has passed. The timer ticks once per millisecond, so it may
/// be up to that much later.
pub async fn sleep_until(instant: Instant) {
    if instant > now() {
        tokio::time::sleep_until(instant.into()).await;
    }
}

/// Returns how long this thread has run on a core.
pub fn thread_cpu() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(used).unwrap_or_default()
}

/// `instant` and this much more; what is past the clock's range is as good as never.
pub fn after(instant: Instant, pause: Duration) -> Instant {
    const NEVER: Duration = Duration::from_hours(24 * 365);
    instant.checked_add(pause).unwrap_or_else(|| instant + NEVER)
}
