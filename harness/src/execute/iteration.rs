//! One iteration: a list of steps, in order.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use http::StatusCode;

use super::{
    ErrorKind, Exchange, Response, SendError, clock,
    lane::Lane,
    operation::Operation,
    prepare::curl,
    sender::{Filled, Sender},
    values::{At, Scope},
};
use crate::{
    cost::USAGE_HEADER,
    judge::expect::{self, Mismatch, Subjects},
    plan::{BurstPlan, CountExpectation, RequestPlan, Step, UntilPlan},
    record::{BODY_EXCERPT, Failure, Outcome, redact},
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
struct Call {
    planned: Instant,
    index: usize,
    timeout: Duration,
}

/// A request that came to an end, with its operation still open.
struct Done<'a> {
    operation: Operation<'a>,
    filled: Option<Filled>,
    received: Instant,
    outcome: Result<Response, SendError>,
}

/// Why a request did not go as expected.
#[derive(Debug)]
enum Miss {
    Mismatch(Mismatch),
    Error(SendError),
}

impl Miss {
    fn halt(&self) -> Halt {
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
            };
        }
        Ok(())
    }

    async fn request(&self, request: &RequestPlan, planned: Instant) -> Result<Instant, Halt> {
        let call = Call { planned, index: 0, timeout: request.timeout };
        let done = self.exchange(request, &call).await;
        let received = done.received;
        let found = self.examine(request, None, 0, &done);
        self.settle(request, done, found).map(|()| received)
    }

    /// Requests are due at the start of the burst, or when the one before them on their place is
    /// done: waiting for a place is what the author asked for, not lateness.
    async fn burst(&self, burst: &BurstPlan, start: Instant) -> Result<Instant, Halt> {
        let next = Cell::new(0);
        let halt = Cell::new(None);
        let matching = RefCell::new(vec![0; burst.counts.len()]);
        let timeout = burst.request.timeout;
        let place = async || {
            let mut planned = start;
            while next.get() < burst.count && halt.get() != Some(Halt::Absent) {
                let index = next.replace(next.get() + 1);
                let call = Call { planned, index, timeout };
                let (received, result) = self.one_of_burst(burst, call, &matching).await;
                planned = received;
                if let Err(reason) = result
                    && halt.get() != Some(Halt::Absent)
                {
                    halt.set(Some(reason));
                }
            }
        };
        join_all((0..burst.concurrency.min(burst.count)).map(|_| place())).await;
        let counted = self.counts(burst, &matching.borrow());
        halt.get().map_or(counted, Err).map(|()| clock::now())
    }

    async fn one_of_burst(
        &self,
        burst: &BurstPlan,
        call: Call,
        matching: &RefCell<Vec<u64>>,
    ) -> (Instant, Result<(), Halt>) {
        let request = &burst.request;
        let done = self.exchange(request, &call).await;
        let received = done.received;
        let names = self.scope.at(call.index);
        if let Ok(response) = &done.outcome {
            for (count, number) in burst.counts.iter().zip(matching.borrow_mut().iter_mut()) {
                *number += u64::from(expect::all(&count.matching, response, &names).is_ok());
            }
        }
        let found = self.examine(request, Some(&burst.counts), call.index, &done);
        (received, self.settle(request, done, found))
    }

    fn counts(&self, burst: &BurstPlan, matching: &[u64]) -> Result<(), Halt> {
        let names = self.scope.at(0);
        let broken: Vec<_> = burst
            .counts
            .iter()
            .zip(matching)
            .filter_map(|(count, number)| expect::check_count(count, *number, &names).err())
            .collect();
        if broken.is_empty() {
            return Ok(());
        }
        if self.measured {
            let id = burst.request.id;
            self.lane.recorder.borrow_mut().broken_count(id);
            for mismatch in broken {
                self.sample(&burst.request, Miss::Mismatch(mismatch), None, None);
            }
        }
        Err(Halt::Failed)
    }

    /// Polls until everything holds. Only the end of the time is a failure, and it is the failure
    /// of the last poll.
    async fn until(&self, until: &UntilPlan, start: Instant) -> Result<Instant, Halt> {
        let request = &until.request;
        let deadline = clock::after(start, until.within);
        let mut planned = start;
        for index in 0.. {
            let left = deadline.saturating_duration_since(clock::now()).max(SHORTEST_POLL);
            let timeout = request.timeout.min(left);
            let done = self.exchange(request, &Call { planned, index, timeout }).await;
            let received = done.received;
            let found = self.examine(request, None, index, &done);
            match &found {
                Err(miss) if received < deadline && miss.may_pass() => done.pending(),
                _ => return self.settle(request, done, found).map(|()| received),
            }
            planned = clock::after(received, until.every).min(deadline);
            clock::sleep_until(planned).await;
        }
        Err(Halt::Failed)
    }

    async fn exchange(&self, request: &RequestPlan, call: &Call) -> Done<'_> {
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
                let exchange = self.sender.send(&filled, call.timeout, shows_body).await;
                let Exchange { sent, received, phases, outcome } = exchange;
                operation.sent(sent);
                operation.phases(phases);
                if let (Some(_), Ok(response)) = (&self.lane.plan.cost, &outcome) {
                    let header = response.headers.get(USAGE_HEADER);
                    let header = header.and_then(|value| value.to_str().ok());
                    self.lane.recorder.borrow_mut().used(request.id, header, self.measured);
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

    /// Whether the expectations hold; if they do, captures are taken.
    fn examine(
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
        .and_then(|()| {
            let subjects = Subjects::new(response);
            request.capture.iter().try_for_each(|capture| {
                let value = expect::capture(capture, &subjects)?;
                self.scope.capture(&capture.name, value);
                Ok(())
            })
        })
        .map_err(Miss::Mismatch)
    }

    /// Closes the operation and keeps the failure, if it is one.
    fn settle(
        &self,
        request: &RequestPlan,
        done: Done<'_>,
        found: Result<(), Miss>,
    ) -> Result<(), Halt> {
        let outcome = outcome(&done.outcome, found.is_ok());
        done.operation.end(done.received, outcome);
        let Err(miss) = found else { return Ok(()) };
        let halt = miss.halt();
        if self.measured && self.lane.recorder.borrow().wants_sample(request.id) {
            self.sample(request, miss, done.filled.as_ref(), done.outcome.as_ref().ok());
        }
        Err(halt)
    }

    fn sample(
        &self,
        request: &RequestPlan,
        miss: Miss,
        filled: Option<&Filled>,
        response: Option<&Response>,
    ) {
        let person =
            request.auth.and_then(|user| self.lane.world.people.person(user, self.scope.iteration));
        let secret = person.map(|person| person.token.as_str());
        let clean = |text: &str| redact(text, secret);
        let (expected, actual, span) = match miss {
            Miss::Mismatch(m) => (m.expected, m.actual, m.span.unwrap_or(request.span)),
            Miss::Error(error) => ("an answer".to_owned(), error.to_string(), request.span),
        };
        let label = &self.lane.plan.labels[request.id.0];
        let shown = filled.and_then(|filled| filled.shown(&self.lane.world.url));
        let failure = Failure {
            at: self.lane.offset(clock::now()),
            step: label.name.clone(),
            phase: label.phase,
            span,
            expected: clean(&expected),
            actual: clean(&actual),
            curl: shown.map(|prepared| clean(&curl(&prepared))).unwrap_or_default(),
            status: response.map(|response| response.status.as_u16()),
            body: response.and_then(|response| excerpt(&response.body, clean)),
        };
        self.lane.recorder.borrow_mut().sample(request.id, failure);
    }
}

impl Done<'_> {
    /// Closes the operation of a poll that goes on: an answer is as good as any.
    fn pending(self) {
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

/// The beginning of a body, without secrets.
fn excerpt(body: &[u8], clean: impl Fn(&str) -> String) -> Option<String> {
    // A token that begins in the excerpt is longer than what is left of it, but not than this.
    const MARGIN: usize = 4096;
    let beginning = &body[..body.len().min(4 * BODY_EXCERPT + MARGIN)];
    let text = clean(&String::from_utf8_lossy(beginning));
    let cut = text.char_indices().nth(BODY_EXCERPT);
    let text = cut.map_or(text.clone(), |(at, _)| format!("{}…", &text[..at]));
    (!text.is_empty()).then_some(text)
}
