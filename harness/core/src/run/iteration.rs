//! One iteration: a list of steps, in order.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use http::StatusCode;

use super::{
    ErrorKind, Exchange, Filled, Response, SendError, Sender, clock,
    lane::Lane,
    operation::Operation,
    values::{At, Scope},
};
use crate::{
    check::expect::{self, Mismatch, Subjects},
    plan::{CountExpectation, Phase, RequestPlan, Step, UntilPlan},
    record::Outcome,
};

/// A poll gets at least this long, however near the end of its `until` is: less would turn a
/// busy machine into a failure.
const SHORTEST_POLL: Duration = Duration::from_secs(1);

/// A list of steps to run, and what they know.
#[derive(Debug)]
pub(super) struct Iteration {
    pub(super) lane: Rc<Lane>,
    /// The lane's, or one of this user's own.
    pub(super) sender: Sender,
    pub(super) scope: Scope,
    /// Whether it is recorded; a warm-up iteration is not.
    pub(super) measured: bool,
    /// The file that the steps are in, if it is a called one.
    pub(super) file: Option<Arc<str>>,
    /// The part of the scenario that it belongs to.
    pub(super) phase: Phase,
}

/// Why a list of steps ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// Something did not go as expected.
    Failed,
    /// Nobody listens at the target: going on is pointless.
    Absent,
}

/// Which request of a step, and when it was due.
pub(super) struct Call {
    pub(super) planned: Instant,
    pub(super) index: usize,
    pub(super) timeout: Duration,
}

/// A request that came to an end, with its operation still open.
pub(super) struct Done<'a> {
    operation: Operation<'a>,
    pub(super) filled: Option<Filled>,
    pub(super) received: Instant,
    pub(super) outcome: Result<Response, SendError>,
}

/// Why a request did not go as expected.
#[derive(Debug)]
pub(super) enum Miss {
    Mismatch(Mismatch),
    Error(SendError),
}

impl Miss {
    pub(super) fn halt(&self) -> Halt {
        match self {
            Self::Error(error) if error.kind.is_absence() => Halt::Absent,
            _ => Halt::Failed,
        }
    }

    /// Whether asking again can end otherwise.
    fn may_pass(&self) -> bool {
        match self {
            Self::Mismatch(_) => true,
            Self::Error(error) => !error.kind.is_absence() && error.kind != ErrorKind::NotSent,
        }
    }
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

    async fn request(&self, request: &RequestPlan, planned: Instant) -> Result<Instant, Halt> {
        let call = Call { planned, index: 0, timeout: request.timeout };
        let done = self.exchange(request, &call).await;
        let received = done.received;
        let found = self.examine_and_capture(request, 0, &done);
        self.settle(request, 0, done, found).map(|()| received)
    }

    async fn until(&self, until: &UntilPlan, start: Instant) -> Result<Instant, Halt> {
        let request = &until.request;
        let deadline = clock::after(start, until.within);
        let mut planned = start;
        for index in 0.. {
            let left = deadline.saturating_duration_since(clock::now()).max(SHORTEST_POLL);
            let timeout = request.timeout.min(left);
            let done = self.exchange(request, &Call { planned, index, timeout }).await;
            let received = done.received;
            let found = self.examine_and_capture(request, index, &done);
            match &found {
                Err(miss) if received < deadline && miss.may_pass() => done.pending(),
                _ => return self.settle(request, index, done, found).map(|()| received),
            }
            planned = clock::after(received, until.every).min(deadline);
            clock::sleep_until(planned).await;
        }
        Err(Halt::Failed)
    }

    pub(super) async fn exchange(&self, request: &RequestPlan, call: &Call) -> Done<'_> {
        let mut operation = Operation::begin(&self.lane, request.id, call.planned, self.measured);
        let names = self.scope.at(call.index);
        match self.sender.fill(request, &self.scope, &names) {
            Err(detail) => {
                let outcome = Err(SendError { kind: ErrorKind::NotSent, detail });
                Done { operation, filled: None, received: clock::now(), outcome }
            }
            Ok(filled) => {
                operation.ready(clock::now());
                let shows_body = |status| self.shows_body(request, status, &names);
                let world = &self.lane.world;
                let dial = world.watch.dial();
                let exchange = self.sender.send(&filled, call.timeout, shows_body).await;
                if world.watch.is_on() {
                    let place = (world.target.as_str(), world.origin);
                    world.watch.see(request, &filled, &exchange, dial, place);
                }
                let Exchange { sent, received, phases, outcome } = exchange;
                operation.sent(sent);
                operation.phases(phases);
                if let (Some(cost), Ok(response)) = (&self.lane.plan.cost, &outcome) {
                    let reading = cost.meter.read(&response.headers);
                    self.lane.recorder.borrow_mut().used(request.id, reading, self.measured);
                }
                Done { operation, filled: Some(filled), received, outcome }
            }
        }
    }

    /// Whether an answer with this status is a failure that is shown with its body.
    fn shows_body(&self, request: &RequestPlan, status: StatusCode, names: &At<'_>) -> bool {
        self.measured
            && !expect::status_holds(&request.expect, status, names)
            && self.lane.recorder.borrow().wants_sample(request.id)
    }

    /// Whether the expectations hold.
    pub(super) fn examine(
        &self,
        request: &RequestPlan,
        counts: Option<&[CountExpectation]>,
        index: usize,
        done: &Done<'_>,
    ) -> Result<(), Miss> {
        let response = done.outcome.as_ref().map_err(|error| Miss::Error(error.clone()))?;
        let names = self.scope.at(index);
        match counts {
            Some(counts) => expect::check_in_burst(&request.expect, counts, response, &names),
            None => expect::check(&request.expect, response, &names),
        }
        .map_err(Miss::Mismatch)
    }

    /// As [`Self::examine`]; if they hold, captures are taken.
    fn examine_and_capture(
        &self,
        request: &RequestPlan,
        index: usize,
        done: &Done<'_>,
    ) -> Result<(), Miss> {
        self.examine(request, None, index, done)?;
        let Ok(response) = &done.outcome else { return Ok(()) };
        let subjects = Subjects::new(response);
        for capture in &request.capture {
            let value = expect::capture(capture, &subjects).map_err(Miss::Mismatch)?;
            self.scope.capture(&capture.name, value);
        }
        Ok(())
    }

    /// Closes the operation, notes what became of its claims, and keeps the failure, if it is one.
    pub(super) fn settle(
        &self,
        request: &RequestPlan,
        index: usize,
        done: Done<'_>,
        found: Result<(), Miss>,
    ) -> Result<(), Halt> {
        let Done { operation, filled, received, outcome: answer } = done;
        let response = answer.as_ref().ok();
        let mut result = self.claim(request, &request.claim, filled.as_ref(), response, found);
        for also in response.iter().flat_map(|_| &request.also) {
            let names = self.scope.at(index);
            let held = response.map_or(Ok(()), |r| expect::all(&also.expect, r, &names));
            let held = held.map_err(Miss::Mismatch);
            let claimed = self.claim(request, &also.claim, filled.as_ref(), response, held);
            result = result.and(claimed);
        }
        operation.end(received, outcome(&answer, result.is_ok()));
        match result {
            Err(_) if request.may_be_lost && answer.is_err() => Ok(()),
            result => result,
        }
    }
}

impl Done<'_> {
    /// Closes the operation of a poll that goes on: an answer is as good as any.
    pub(super) fn pending(self) {
        let outcome = outcome(&self.outcome, true);
        self.operation.end(self.received, outcome);
    }
}

fn outcome(outcome: &Result<Response, SendError>, ok: bool) -> Outcome {
    match outcome {
        Ok(response) => Outcome::Answered { status: response.status.as_u16(), ok },
        Err(error) => Outcome::Error(error.kind),
    }
}
