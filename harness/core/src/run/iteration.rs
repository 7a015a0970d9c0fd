//! One iteration: a list of steps, in order.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    attempt::Due,
    values::Scope,
    worker::{Clients, Worker},
};
use crate::{
    model::clock,
    plan::{Phase, Step, UntilPlan},
};

/// A poll gets at least this long, however near the end of its `until` is: less would turn a
/// busy machine into a failure.
const SHORTEST_POLL: Duration = Duration::from_secs(1);

/// A list of steps to run, and what they know.
#[derive(Debug)]
pub(super) struct Iteration {
    pub(super) worker: Rc<Worker>,
    /// The clients that send requests: the worker's, or those of one user alone.
    pub(super) clients: Clients,
    pub(super) scope: Scope,
    /// Set if the iteration is recorded; a warm-up iteration is not.
    pub(super) measured: bool,
    /// The file that the steps are in, if it is a called one.
    pub(super) file: Option<Arc<str>>,
    /// The part of the scenario that it belongs to.
    pub(super) phase: Phase,
}

/// The reason why a list of steps ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// Something did not go as expected.
    Failed,
    /// Nobody listens at the target, so that no further step can succeed.
    Absent,
}

impl Iteration {
    /// Runs `steps`, the first of which is due at `start`. Each of the others is due when the one
    /// before it is done.
    pub(super) async fn run(&self, steps: &[Step], start: Instant) -> Result<(), Halt> {
        let mut planned = start;
        for step in steps {
            planned = match step {
                Step::Request(request) => self.request(request, planned).await?,
                Step::Burst(burst) => self.burst(burst, planned).await?,
                Step::Until(until) => self.until(until, planned).await?,
                Step::Wait(pause) => {
                    let due = clock::after(planned, *pause);
                    clock::sleep_until(due).await;
                    due
                }
                // Boxed: it may hold this very future, and few iterations have one.
                other => Box::pin(self.other(other, planned)).await?,
            };
        }
        Ok(())
    }

    /// Sends a request again and again until it goes as expected, or the time is over.
    async fn until(&self, until: &UntilPlan, start: Instant) -> Result<Instant, Halt> {
        let request = &until.request;
        let deadline = clock::after(start, until.within);
        let mut at = start;
        for index in 0.. {
            let left = deadline.saturating_duration_since(clock::now()).max(SHORTEST_POLL);
            let timeout = request.timeout.min(left);
            let attempt = self.send_request(request, Due { at, index, timeout }).await;
            let received = attempt.received;
            let checked = attempt.check_and_capture();
            match &checked {
                Err(miss) if received < deadline && miss.may_pass() => attempt.record_pending(),
                _ => return attempt.record(checked).map(|()| received),
            }
            at = clock::after(received, until.every).min(deadline);
            clock::sleep_until(at).await;
        }
        Err(Halt::Failed)
    }
}
