//! An end for waits that take too long, without a timer for each.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Poll, ready},
    time::Instant,
};

use tokio::time::Sleep;

/// A timer that is handed from one wait to the next. To set a timer and to take it back again, for
/// an answer that comes in time, costs as much as everything else that is noted of the answer; so
/// this one is set anew only when it rings, or would ring too late.
#[derive(Debug)]
pub(crate) struct Alarm(Pin<Box<Sleep>>);

impl Alarm {
    /// An alarm whose first wait ends at `deadline`.
    pub(crate) fn at(deadline: Instant) -> Self {
        Self(Box::pin(tokio::time::sleep_until(deadline.into())))
    }

    /// What `wait` comes to; `None` if it does not until `deadline`.
    pub(crate) async fn guard<F: Future>(
        &mut self,
        deadline: Instant,
        wait: F,
    ) -> Option<F::Output> {
        let mut wait = pin!(wait);
        let deadline = deadline.into();
        if self.0.deadline() > deadline {
            self.0.as_mut().reset(deadline);
        }
        poll_fn(|context| {
            if let Poll::Ready(output) = wait.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            loop {
                ready!(self.0.as_mut().poll(context));
                if self.0.deadline() >= deadline {
                    return Poll::Ready(None);
                }
                // It rang for an earlier wait.
                self.0.as_mut().reset(deadline);
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, ready},
        time::Duration,
    };

    use super::*;
    use crate::model::clock;

    fn after(millis: u64) -> Instant {
        clock::now() + Duration::from_millis(millis)
    }

    #[tokio::test]
    async fn each_wait_has_its_own_deadline() {
        let mut alarm = Alarm::at(after(5));
        assert_eq!(alarm.guard(after(5), ready(1)).await, Some(1));
        // The timer rings for the first wait while the second goes on.
        let later = tokio::time::sleep(Duration::from_millis(30));
        assert_eq!(alarm.guard(after(60_000), later).await, Some(()));
        for deadline in [after(20), after(5), after(10)] {
            assert_eq!(alarm.guard(deadline, pending::<()>()).await, None);
            assert!(clock::now() >= deadline);
        }
        assert_eq!(alarm.guard(clock::now(), ready(2)).await, Some(2));
    }
}
