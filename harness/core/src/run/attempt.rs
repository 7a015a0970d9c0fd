//! The path of a request, top to bottom: it is filled in, sent, checked and recorded.
//!
//! [`Iteration::request`] is the whole of it for a single step. Bursts, polls, models and generated
//! bodies go the same way and differ in what they check.

use std::time::{Duration, Instant};

use http::StatusCode;

use super::{
    iteration::{Halt, Iteration},
    observer::ClockReading,
    values::At,
};
use crate::{
    check::expect::{self, Mismatch, Subjects},
    http::{Exchange, Phases, Request, Response, SendError, Wanted},
    model::{ErrorKind, clock},
    plan::{CountExpectation, RequestPlan},
    record::{Outcome, Parts, Times},
};

/// Says which request of a step is due, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    /// The time at which it should be sent.
    pub(super) at: Instant,
    /// Its place in the burst or poll, from 0.
    pub(super) index: usize,
    /// The time that the target may take for the whole answer.
    pub(super) timeout: Duration,
}

/// One request from the moment it is due until it is recorded. However its future ends, it is
/// accounted for: one that is dropped before it is recorded counts as unfinished.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    iteration: &'a Iteration,
    plan: &'a RequestPlan,
    due: Due,
    /// The time at which it could have been sent, were there a connection.
    ready: Option<Instant>,
    sent: Option<Instant>,
    phases: Phases,
    /// The request as it was sent, unless it could not be filled in.
    request: Option<Request>,
    /// The time at which the whole answer was there, or it was known that there is none.
    pub(super) received: Instant,
    /// The response; until then, an error which says that nothing was sent.
    pub(super) outcome: Result<Response, SendError>,
    recorded: bool,
}

/// The reason why a request did not go as expected.
#[derive(Debug)]
pub(super) enum Miss {
    /// The answer is not the expected one.
    Mismatch(Mismatch),
    /// There is no complete answer.
    Error(SendError),
}

impl Miss {
    pub(super) fn halt(&self) -> Halt {
        match self {
            Self::Error(error) if error.kind.is_absence() => Halt::Absent,
            _ => Halt::Failed,
        }
    }

    /// Says whether asking again can end otherwise.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Mismatch(_) => true,
            Self::Error(error) => !error.kind.is_absence() && error.kind != ErrorKind::NotSent,
        }
    }
}

impl Iteration {
    /// Sends one request and records what came of it; returns when the answer was there.
    pub(super) async fn request(&self, plan: &RequestPlan, at: Instant) -> Result<Instant, Halt> {
        let due = Due { at, index: 0, timeout: plan.timeout };
        let attempt = self.send_request(plan, due).await;
        let checked = attempt.check_and_capture();
        let received = attempt.received;
        attempt.record(checked).map(|()| received)
    }

    /// Fills a request in and sends it. The attempt that comes back is still to be checked and
    /// recorded.
    pub(super) async fn send_request<'a>(&'a self, plan: &'a RequestPlan, due: Due) -> Attempt<'a> {
        let mut attempt = Attempt::begin(self, plan, due);
        let names = self.scope.at(due.index);
        match self.worker.requests.build(plan, &self.scope, &names) {
            Err(error) => {
                attempt.outcome = Err(SendError::new(ErrorKind::NotSent, error.to_string()));
                attempt.received = clock::now();
            }
            Ok(request) => {
                attempt.ready = Some(clock::now());
                let before = self.worker.context.observer.reading();
                let wanted = |status| attempt.wanted(status, &names);
                let client = self.clients.to(plan.to);
                let exchange = client.send(&request, due.timeout, wanted).await;
                attempt.answered(request, exchange, before);
            }
        }
        attempt
    }
}

impl<'a> Attempt<'a> {
    /// Notes that a request is due.
    fn begin(iteration: &'a Iteration, plan: &'a RequestPlan, due: Due) -> Self {
        let worker = &iteration.worker;
        worker.gauge.start();
        if iteration.measured {
            worker.recorder.borrow_mut().scheduled(plan.id);
        }
        Self {
            iteration,
            plan,
            due,
            ready: None,
            sent: None,
            phases: Phases::default(),
            request: None,
            received: due.at,
            outcome: Err(SendError::new(ErrorKind::NotSent, String::new())),
            recorded: false,
        }
    }

    /// Says which parts of an answer with this status are kept: those that are looked at, and the
    /// body if the answer is a failure that is shown with it.
    fn wanted(&self, status: StatusCode, names: &At<'_>) -> Wanted {
        let Iteration { worker, measured, .. } = self.iteration;
        let Wanted { headers, body } = worker.requests.wanted(self.plan.id);
        let shown = || {
            *measured
                && !expect::status_holds(&self.plan.expect, status, names)
                && worker.recorder.borrow().wants_sample(self.plan.id)
        };
        Wanted { headers, body: body || shown() }
    }

    /// Takes what came back.
    fn answered(&mut self, request: Request, exchange: Exchange, before: Option<ClockReading>) {
        let Iteration { worker, measured, .. } = self.iteration;
        let context = &worker.context;
        if context.observer.is_on() && !worker.requests.is_load() {
            let place = (context.target.as_str(), context.origin);
            context.observer.observe(self.plan, &request, &exchange, before, place);
        }
        let Exchange { sent, received, phases, resent, outcome } = exchange;
        if resent > 0 && *measured {
            worker.recorder.borrow_mut().resent(self.plan.id, resent);
        }
        if let (Some(cost), Ok(response)) = (&context.plan.cost, &outcome) {
            let reading = cost.meter.read(&response.headers);
            worker.recorder.borrow_mut().used(self.plan.id, reading, *measured);
        }
        self.request = Some(request);
        self.sent = Some(sent);
        self.phases = phases;
        self.received = received;
        self.outcome = outcome;
    }

    /// Says whether the expectations hold, one answer by itself.
    pub(super) fn check(&self) -> Result<(), Miss> {
        let response = self.response()?;
        expect::check(&self.plan.expect, response, &self.names()).map_err(Miss::Mismatch)
    }

    /// Says whether the expectations hold for one answer of a burst, some of whose expectations are
    /// on the number of answers.
    pub(super) fn check_in_burst(&self, counts: &[CountExpectation]) -> Result<(), Miss> {
        let response = self.response()?;
        expect::check_in_burst(&self.plan.expect, counts, response, &self.names())
            .map_err(Miss::Mismatch)
    }

    /// Says whether the expectations hold; if they do, captures are taken.
    pub(super) fn check_and_capture(&self) -> Result<(), Miss> {
        self.check()?;
        let subjects = Subjects::new(self.response()?);
        for capture in &self.plan.capture {
            let value = expect::capture(capture, &subjects).map_err(Miss::Mismatch)?;
            self.iteration.scope.capture(&capture.name, value);
        }
        Ok(())
    }

    /// Records the attempt with the fate of its claims, and keeps the failure, if it is one.
    pub(super) fn record(mut self, checked: Result<(), Miss>) -> Result<(), Halt> {
        let Self { iteration, plan, .. } = self;
        let request = self.request.as_ref();
        let response = self.outcome.as_ref().ok();
        let mut result = iteration.claim(plan, &plan.claim, request, response, checked);
        for also in response.iter().flat_map(|_| &plan.also) {
            let held = response.map_or(Ok(()), |r| expect::all(&also.expect, r, &self.names()));
            let held = held.map_err(Miss::Mismatch);
            result = result.and(iteration.claim(plan, &also.claim, request, response, held));
        }
        self.end(result.is_ok());
        match result {
            Err(_) if plan.may_be_lost && self.outcome.is_err() => Ok(()),
            result => result,
        }
    }

    /// Records an attempt after which a poll goes on: any answer is as good as another.
    pub(super) fn record_pending(mut self) {
        self.end(true);
    }

    fn names(&self) -> At<'a> {
        self.iteration.scope.at(self.due.index)
    }

    fn response(&self) -> Result<&Response, Miss> {
        self.outcome.as_ref().map_err(|error| Miss::Error(error.clone()))
    }

    /// Closes the attempt, which is as expected if `ok` and answered.
    fn end(&mut self, ok: bool) {
        let (outcome, error) = match &self.outcome {
            Ok(response) => (Outcome::Answered { status: response.status.as_u16(), ok }, None),
            Err(error) => (Outcome::Error(error.kind), Some(error.kind)),
        };
        if error != Some(ErrorKind::NotSent) {
            self.iteration.worker.recorder.borrow_mut().reached(error);
        }
        self.close(self.received, outcome);
    }

    fn close(&mut self, at: Instant, outcome: Outcome) {
        self.recorded = true;
        let Iteration { worker, measured, .. } = self.iteration;
        worker.gauge.end(!matches!(outcome, Outcome::Answered { ok: true, .. }));
        if !measured {
            return;
        }
        let offset = |instant| worker.context.offset(instant);
        let times = Times {
            planned: offset(self.due.at),
            ready: self.ready.map(offset),
            sent: self.sent.map(offset),
            ended: offset(at),
        };
        let mut recorder = worker.recorder.borrow_mut();
        recorder.ended(self.plan.id, times, outcome);
        if matches!(outcome, Outcome::Answered { .. }) {
            recorder.parts(self.plan.id, parts(self.phases, self.sent, at));
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.recorded {
            self.close(clock::now(), Outcome::Unfinished);
        }
    }
}

/// Returns how long the parts took of an exchange that was sent and ended at these instants.
fn parts(phases: Phases, sent: Option<Instant>, ended: Instant) -> Parts {
    let Phases { connected, secured, joined, first_byte } = phases;
    let between =
        |from: Option<Instant>, to: Option<Instant>| Some(to?.saturating_duration_since(from?));
    Parts {
        connect: between(sent, connected),
        tls: between(connected, secured),
        first_byte: between(secured.or(connected).or(joined).or(sent), first_byte),
        body: between(first_byte, Some(ended)),
    }
}
