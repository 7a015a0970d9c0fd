//! Observes the target, request by request, for models of it, and reads its clock.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    check::runs::Happened,
    http::{Exchange, Request},
    model::clock,
    plan::{Destination, ModelOf, RequestPlan, ScenarioPlan, Step},
    record::Seen,
};

/// Requests kept for models. They are compared with each other: this many take a second.
pub(super) const MAX_SEEN: usize = 10_000;

/// Bodies past this are not kept: no answer about one run is larger.
const MAX_SEEN_BODY: usize = 64 * 1024;

/// The bound that stands for an unknown clock of the target: far from every instant, and from
/// overflows.
const FAR: i64 = i64::MAX / 4;

/// More requests were sent than are kept for models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{missed} requests past the first {MAX_SEEN} were not kept")]
pub(super) struct Overflow {
    missed: u64,
}

/// Holds the observed requests; nothing is kept unless the plan has a model.
#[derive(Debug)]
pub(crate) struct Observer {
    on: bool,
    bodies: bool,
    state: Mutex<State>,
}

impl Default for Observer {
    fn default() -> Self {
        Self::of(false, false)
    }
}

#[derive(Debug, Default)]
struct State {
    /// The readings, in order; never empty.
    readings: Vec<ClockReading>,
    /// Commands under way that may move the clock: until they are done, nobody knows what it shows.
    moving: usize,
    seen: Vec<Seen>,
    /// Requests that found no room.
    missed: u64,
    /// The actions on the target.
    happened: Vec<Happened>,
}

/// The clock of the target, as it was read once.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClockReading {
    /// It was read after this instant,
    from: Instant,
    /// before this one,
    to: Instant,
    /// and showed this, in milliseconds since 1970.
    shows: i64,
    /// Set if the clock goes.
    goes: bool,
}

impl ClockReading {
    fn earliest(self, at: Instant) -> i64 {
        if self.goes { self.shows + millis(self.to, at) } else { self.shows }
    }

    fn latest(self, at: Instant) -> i64 {
        if self.goes { self.shows + millis(self.from, at) + 1 } else { self.shows }
    }
}

/// Whole milliseconds, rounded down.
fn millis(from: Instant, to: Instant) -> i64 {
    let whole = |millis: u128| i64::try_from(millis).unwrap_or(FAR);
    match to.checked_duration_since(from) {
        Some(time) => whole(time.as_millis()),
        None => -whole(from.duration_since(to).as_nanos().div_ceil(1_000_000)),
    }
}

impl Observer {
    /// Keeps what the models of `plan` look at.
    pub(super) fn new(plan: &ScenarioPlan) -> Self {
        let steps = plan.all_steps();
        let model = |step: &&Step| matches!(step, Step::Model(_));
        let of_bodies = |step: &&Step| match step {
            Step::Model(model) => !matches!(model.of, ModelOf::RateLimit(_)),
            _ => false,
        };
        Self::of(steps.iter().any(model), steps.iter().any(of_bodies))
    }

    fn of(on: bool, bodies: bool) -> Self {
        let now = clock::now();
        let readings =
            vec![ClockReading { from: now, to: now, shows: clock::now_millis(), goes: true }];
        Self { on, bodies, state: Mutex::new(State { readings, ..State::default() }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_on(&self) -> bool {
        self.on
    }

    /// Returns the current knowledge about the clock, if there is any.
    pub(super) fn reading(&self) -> Option<ClockReading> {
        if !self.on {
            return None;
        }
        let state = self.state();
        state.readings.last().copied().filter(|_| state.moving == 0)
    }

    /// Something begins that may move the clock.
    pub(super) fn moves(&self) {
        self.state().moving += 1;
    }

    /// It is done, and the clock was read between two instants. It goes if `goes` says so, and
    /// otherwise as it did before.
    pub(super) fn reads(&self, from: Instant, to: Instant, shows: i64, goes: Option<bool>) {
        let mut state = self.state();
        let goes = goes.or(state.readings.last().map(|reading| reading.goes)).unwrap_or(true);
        state.readings.push(ClockReading { from, to, shows, goes });
        state.moving = state.moving.saturating_sub(1);
    }

    /// Keeps a request that came to an end. `before` is the clock reading of when it was sent, `place` the
    /// base URL of the target and the start of the scenario.
    pub(super) fn observe(
        &self,
        request: &RequestPlan,
        filled: &Request,
        exchange: &Exchange,
        before: Option<ClockReading>,
        place: (&str, Instant),
    ) {
        let (Request::Prepared(prepared), true) = (filled, request.to == Destination::Target)
        else {
            return;
        };
        let Exchange { sent, received, outcome, .. } = exchange;
        if outcome.as_ref().is_err_and(|error| error.kind.is_absence()) {
            // Nobody was there: nothing came of it.
            return;
        }
        let (base, origin) = place;
        let after = self.reading();
        let offset = |at: Instant| at.saturating_duration_since(origin);
        let json = |body: &[u8]| {
            let wanted = self.bodies && body.len() <= MAX_SEEN_BODY;
            serde_json::from_slice(body).ok().filter(|_| wanted)
        };
        let path = prepared.url.as_str();
        let path = path.strip_prefix(base).unwrap_or(path);
        let seen = Seen {
            step: request.id,
            user: request.auth,
            method: request.method.clone(),
            path: path.to_owned(),
            sent: offset(*sent),
            received: offset(*received),
            earliest: before.map_or(-FAR, |reading| reading.earliest(*sent)),
            latest: after.map_or(FAR, |reading| reading.latest(*received)),
            status: outcome.as_ref().ok().map(|response| response.status.as_u16()),
            asked: json(&prepared.body),
            body: outcome.as_ref().ok().and_then(|response| json(&response.body)),
        };
        let mut state = self.state();
        if state.seen.len() < MAX_SEEN {
            state.seen.push(seen);
        } else {
            state.missed += 1;
        }
    }

    /// Something was done to the target, or happened to it.
    pub(super) fn note(&self, happened: Happened) {
        if self.on {
            self.state().happened.push(happened);
        }
    }

    /// Lists the actions on the target so far.
    pub(super) fn happened(&self) -> Vec<Happened> {
        self.state().happened.clone()
    }

    /// Returns when the clock of the target showed this, as far as that is known: a time that it
    /// jumped over counts as the instant of the jump.
    pub(super) fn when(&self, shown: i64) -> Option<Instant> {
        let state = self.state();
        let index = state.readings.iter().rposition(|reading| reading.shows <= shown)?;
        let reading = state.readings[index];
        let since = Duration::from_millis((shown - reading.shows).unsigned_abs());
        let at = if reading.goes { clock::after(reading.to, since) } else { reading.to };
        let next = state.readings.get(index + 1);
        Some(next.map_or(at, |next| at.min(next.from)))
    }

    /// Returns what was kept so far.
    ///
    /// # Errors
    /// If not everything was.
    pub(super) fn seen(&self) -> Result<Vec<Seen>, Overflow> {
        let state = self.state();
        match state.missed {
            0 => Ok(state.seen.clone()),
            missed => Err(Overflow { missed }),
        }
    }
}
