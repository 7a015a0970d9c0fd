//! Simulates one run: its object, the handlers under way, and the checks of its invariants.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use proptest::sample::Index;
use serde_json::json;

use super::super::{
    memory::{Memory, OAUTH, PAGE, text},
    *,
};
use crate::domain::Millis;
use crate::engine::machine::MAX_ATTEMPTS;
use crate::ports::{Meter, MeteredActors, MeteredDatabase, Param};
use crate::store::Overdue;

/// A handler of a message or an alarm that is under way.
struct Handler {
    /// The time of the alarm that this handles, if it handles one.
    alarm: Option<Millis>,
    work: Pin<Box<dyn Future<Output = Outcome>>>,
}

/// The outcome of a handler.
#[derive(Clone, Copy)]
enum Outcome {
    Started(bool),
    Cancelled(Option<RunStatus>),
    Events,
    Alarm(bool),
}

/// A run with the object that executes it.
pub(super) struct Simulated {
    pub(super) memory: Arc<Memory>,
    accepted: RunState,
    handlers: Vec<Handler>,
    /// True if the client got 202.
    acknowledged: bool,
    /// True if the owner was told that the run is cancelled.
    cancelled: bool,
    /// True if two handlers were ever under way at the same time.
    met: bool,
    /// The state at the last check.
    seen: Option<RunState>,
    seen_row: (i64, String),
}

impl Simulated {
    /// Creates a run as the route does: it stores the intent, then tells the executor.
    pub(super) fn create(id: String, steps: &[StepKind], now: Millis) -> Self {
        let steps =
            steps.iter().enumerate().map(|(index, kind)| step(*kind, &format!("{id}:{index}")));
        let definition = steps.collect();
        let accepted = RunState::new(id, "ann".into(), "workflow".into(), definition, now);
        let memory = Arc::<Memory>::default();
        memory.inner().now = now;
        memory.inner().interleaved = true;
        let meter = Meter::default();
        memory
            .drive(Runs::new(MeteredDatabase::new(&*memory, &meter)).insert(&accepted))
            .unwrap()
            .unwrap();
        let mut run = Self {
            memory,
            accepted,
            handlers: Vec::new(),
            acknowledged: false,
            cancelled: false,
            met: false,
            seen: None,
            seen_row: (0, "queued".to_owned()),
        };
        run.begin_start();
        run
    }

    fn begin(&mut self, alarm: Option<Millis>, work: impl Future<Output = Outcome> + 'static) {
        self.handlers.push(Handler { alarm, work: Box::pin(work) });
        self.met |= self.handlers.len() > 1;
    }

    pub(super) fn begin_start(&mut self) {
        let memory = Arc::clone(&self.memory);
        let state = self.accepted.clone();
        self.begin(None, async move {
            Outcome::Started(
                start(MeteredActors::new(&*memory, &Meter::default()), &state).await.is_ok(),
            )
        });
    }

    pub(super) fn begin_cancel(&mut self) {
        let memory = Arc::clone(&self.memory);
        let state = self.accepted.clone();
        self.begin(None, async move {
            let cancelled =
                cancel(MeteredActors::new(&*memory, &Meter::default()), state).await.ok();
            Outcome::Cancelled(cancelled.map(|reply| reply.run.status))
        });
    }

    pub(super) fn begin_events(&mut self) {
        let memory = Arc::clone(&self.memory);
        let id = self.accepted.run.id.clone();
        self.begin(None, async move {
            let _ = events(MeteredActors::new(&*memory, &Meter::default()), &id, 0).await;
            Outcome::Events
        });
    }

    /// Fires the alarm as the platform does: one at a time, and it is deleted when its handler
    /// starts.
    pub(super) fn begin_alarm(&mut self, now: Millis, early: bool) {
        let rings = self.handlers.iter().any(|handler| handler.alarm.is_some());
        let due = self.memory.inner().alarm.filter(|at| !rings && (early || *at <= now));
        let Some(at) = due else { return };
        self.memory.inner().alarm = None;
        let memory = Arc::clone(&self.memory);
        self.begin(Some(at), async move {
            let allowed = AllowList::parse("https://upstream.test").unwrap();
            let executor = Executor::new(&*memory, &allowed, Models::default());
            Outcome::Alarm(executor.with_oauth(Some(&OAUTH)).alarm().await.is_ok())
        });
    }

    /// Loses the alarm, as a platform does only in a disaster: an alarm whose handler dies comes
    /// back. Only the sweep repairs this, and only as long as the row is open.
    pub(super) fn lose_alarm(&self) {
        if self.row_is_open() {
            self.memory.inner().alarm = None;
        }
    }

    /// Sweeps: finds the row if it is overdue, and tells the executor.
    pub(super) fn sweep(&mut self, now: Millis) {
        let meter = Meter::default();
        let runs = Runs::new(MeteredDatabase::new(&*self.memory, &meter));
        let overdue = self.memory.drive(runs.overdue(now - SWEEP_GRACE, SWEEP_LIMIT));
        if overdue.is_none() {
            self.die();
        }
        for run in overdue.and_then(Result::ok).into_iter().flatten() {
            assert!(matches!(run, Overdue::Run(_)), "the row is readable");
            self.begin_start();
        }
    }

    /// Lets one of the handlers make this many port calls.
    pub(super) fn go_on(&mut self, handler: Index, calls: usize) {
        for _ in 0..calls {
            if self.handlers.is_empty() {
                return;
            }
            self.poll(handler.index(self.handlers.len()));
        }
    }

    /// Polls all handlers in turn until they have ended.
    pub(super) fn finish(&mut self) {
        for _ in 0..10_000 {
            if self.handlers.is_empty() {
                return;
            }
            for index in (0..self.handlers.len()).rev() {
                if index < self.handlers.len() {
                    self.poll(index);
                }
            }
        }
        panic!("a handler does not end");
    }

    fn poll(&mut self, index: usize) {
        let mut context = Context::from_waker(Waker::noop());
        let polled = self.handlers[index].work.as_mut().poll(&mut context);
        if std::mem::take(&mut self.memory.inner().died) {
            return self.die();
        }
        if let Poll::Ready(outcome) = polled {
            let handler = self.handlers.swap_remove(index);
            self.ended(handler.alarm, outcome);
        }
    }

    /// Ends all handlers, because their host died. An alarm that was being handled comes back.
    fn die(&mut self) {
        for handler in std::mem::take(&mut self.handlers) {
            self.restore(handler.alarm);
        }
    }

    /// Restores an alarm unless its handler has set the next one.
    fn restore(&self, alarm: Option<Millis>) {
        if let Some(at) = alarm {
            self.memory.inner().alarm.get_or_insert(at);
        }
    }

    fn ended(&mut self, alarm: Option<Millis>, outcome: Outcome) {
        match outcome {
            Outcome::Started(acknowledged) => self.acknowledged |= acknowledged,
            Outcome::Cancelled(Some(status)) => {
                assert!(status.is_terminal(), "{status:?}");
                self.cancelled |= status == RunStatus::Cancelled;
            }
            Outcome::Alarm(false) => self.restore(alarm),
            Outcome::Cancelled(None) | Outcome::Events | Outcome::Alarm(true) => {}
        }
    }

    pub(super) fn set_clock(&self, now: Millis) {
        self.memory.inner().now = now;
    }

    pub(super) fn worked_until(&self) -> Millis {
        self.memory.inner().now
    }

    pub(super) fn interleaved(&self) -> bool {
        self.met
    }

    /// Returns true if nothing is left to do.
    pub(super) fn is_quiet(&self) -> bool {
        self.handlers.is_empty() && self.memory.inner().alarm.is_none() && !self.row_is_open()
    }

    fn row_is_open(&self) -> bool {
        ["queued", "running", "waiting"].contains(&text(&self.memory.inner().row[3]))
    }

    fn state(&self) -> Option<RunState> {
        let state = self.memory.inner().state.clone();
        state.map(|state| serde_json::from_str(&state).unwrap())
    }

    pub(super) fn check(&mut self) {
        let state = self.state();
        let told = self.acknowledged || self.cancelled;
        assert!(state.is_some() || !told, "an acknowledged run is absent");
        assert!(state.is_some() || self.seen.is_none(), "a run is gone");
        if let Some(state) = &state {
            self.check_state(state);
            self.check_effects(state);
        }
        self.check_row(state.as_ref());
        self.seen = state;
    }

    fn check_state(&self, state: &RunState) {
        assert!(state.run.steps.iter().all(|step| step.attempts <= MAX_ATTEMPTS), "{state:?}");
        let under_way = !self.handlers.is_empty();
        let woken = self.memory.inner().alarm.is_some() || self.row_is_open() || under_way;
        assert!(state.run.status.is_terminal() || woken, "nobody will wake it: {state:?}");
        let as_told = !self.cancelled || state.run.status == RunStatus::Cancelled;
        assert!(as_told, "its owner was told otherwise: {state:?}");
        self.check_end_said_once(state);
        let Some(seen) = &self.seen else { return };
        assert!(state.version >= seen.version);
        for (now, then) in state.run.steps.iter().zip(&seen.run.steps) {
            assert!(now.attempts >= then.attempts, "attempts only grow");
        }
        if seen.run.status.is_terminal() {
            let as_then = (seen.run.status, &seen.run.steps, seen.run.finished_at);
            assert_eq!((state.run.status, &state.run.steps, state.run.finished_at), as_then);
        }
    }

    /// Checks that at most one analytics event reports the end, and the right one.
    fn check_end_said_once(&self, state: &RunState) {
        let ends = &self.memory.inner().ends;
        assert!(ends.len() <= 1, "it ended more than once: {ends:?}");
        assert!(ends.iter().all(|end| end == state.run.status.name()), "{ends:?} {state:?}");
    }

    /// Checks that every request was recorded as an attempt before, with one key for each step, and that no
    /// page was created twice.
    fn check_effects(&self, state: &RunState) {
        let inner = self.memory.inner();
        let mut asked_google = 0;
        for (index, step) in state.run.steps.iter().enumerate() {
            let kind = self.accepted.definition[index].kind;
            let had = match effect(kind, &format!("{}:{index}", self.accepted.run.id)) {
                Some(key) => inner.effects.get(&key).copied().unwrap_or_default(),
                None => 0,
            };
            let most = if kind.is_repeatable() { step.attempts } else { step.attempts.min(1) };
            if kind == StepKind::GoogleUserinfo {
                asked_google += step.attempts;
            }
            assert!(had <= most, "{index}: {had} of {} attempts: {state:?}", step.attempts);
            let has_effect = effect(kind, "").is_some();
            assert!(step.output.is_none() || !has_effect || had > 0, "a result without its effect");
        }
        let answered = inner.effects.get("google").copied().unwrap_or_default();
        assert!(answered <= asked_google, "{answered} of {asked_google} attempts");
    }

    /// Checks that the row never goes back, and is never ahead of its run.
    fn check_row(&mut self, state: Option<&RunState>) {
        let inner = self.memory.inner();
        let Param::Integer(version) = inner.row[6] else { panic!("{:?}", inner.row) };
        let status = text(&inner.row[3]).to_owned();
        assert!(version >= self.seen_row.0 && version <= state.map_or(0, |state| state.version));
        let final_before = ["succeeded", "failed", "cancelled", "timed_out"];
        let terminal = final_before.contains(&self.seen_row.1.as_str());
        assert!(!terminal || status == self.seen_row.1, "the row was final");
        self.seen_row = (version, status);
    }

    /// Returns the kinds of the steps that were done.
    pub(super) fn done(&self) -> Vec<StepKind> {
        let Some(state) = self.state() else { return Vec::new() };
        let done = self.accepted.definition.iter().zip(&state.run.steps);
        done.filter(|(_, step)| step.output.is_some()).map(|(step, _)| step.kind).collect()
    }

    /// Checks after the faults that the run has ended, that the row shows it, and that nothing is
    /// left to do. Returns the status.
    pub(super) fn check_end(&self) -> RunStatus {
        let Some(state) = self.state() else { panic!("the intent was never taken up") };
        assert!(state.run.status.is_terminal(), "{state:?}");
        assert_eq!(self.seen_row.1, state.run.status.name(), "the row lags: {state:?}");
        assert_eq!(self.memory.inner().alarm, None, "{state:?}");
        let done = state.run.steps.iter().all(|step| step.output.is_some());
        assert!(done || state.run.status != RunStatus::Succeeded, "a step is missing: {state:?}");
        state.run.status
    }
}

/// Returns a step whose effect can be told from that of any other step, as [`effect`] does.
fn step(kind: StepKind, key: &str) -> Step {
    let config = match kind {
        StepKind::Http => json!({"url": "https://upstream.test/", "method": "POST"}),
        StepKind::AiSummarize => json!({"content": key}),
        StepKind::Transform => json!({"value": key}),
        StepKind::Delay => json!({"seconds": 5}),
        StepKind::GoogleUserinfo => json!({}),
        StepKind::NotionCreatePage => {
            json!({"parent": {"page_id": "p"}, "title": format!("{PAGE}{key}")})
        }
    };
    Step { kind, config: config.as_object().unwrap().clone() }
}

/// Returns the key of the effect of a step, if it has one of its own.
fn effect(kind: StepKind, key: &str) -> Option<String> {
    match kind {
        StepKind::Http => Some(format!("\"{key}\"")),
        StepKind::AiSummarize => Some(key.to_owned()),
        StepKind::NotionCreatePage => Some(format!("{PAGE}{key}")),
        StepKind::Transform | StepKind::Delay | StepKind::GoogleUserinfo => None,
    }
}
