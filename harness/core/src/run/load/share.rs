//! One thread's part of a load.

use std::{
    rc::Rc,
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use tokio::task::{AbortHandle, JoinError, JoinSet};

use super::{FAIL_FAST, Job, Order, TICK, Window, arrivals, interrupted, users};
use crate::{
    plan::{Connections, Phase, Profile, Until, Users},
    record::{Metrics, Pace, Recorder},
    run::{
        Budget, Sender, clock,
        iteration::Iteration,
        lane::Lane,
        thread::ThreadError,
        values::{Draws, Scope},
    },
    schedule::{Mix, Purpose},
};

/// One thread's part of a load: the iterations whose number leaves `index` when divided by the
/// number of threads, or the users whose number does.
pub(super) struct Share {
    pub(super) order: Order,
    pub(super) index: usize,
    /// Iterations that may run at once.
    pub(super) slots: usize,
    /// Connections that may be open at once, if that is bounded.
    pub(super) connections: Option<usize>,
    pub(super) window: Arc<Window>,
}

/// What one thread hands back.
pub(super) struct Part {
    pub(super) metrics: Metrics,
    pub(super) pace: Pace,
    /// When it stopped to start iterations.
    pub(super) end: Instant,
}

/// A thread at work.
pub(super) struct Crew {
    pub(super) share: Share,
    pub(super) lane: Rc<Lane>,
    mix: Mix,
    pub(super) running: JoinSet<()>,
    pub(super) pace: Pace,
}

impl Share {
    pub(super) async fn run(self) -> Result<Part, ThreadError> {
        let not_started = |why: String| ThreadError::NotStarted(why);
        let mut crew = Crew::new(self).map_err(not_started)?;
        let publishing = crew.publish();
        let busy = Busy::since_now();
        let end = match crew.load().profile.clone() {
            Profile::Users(users) => users::all(&mut crew, users).await,
            _ => arrivals::all(&mut crew).await.map_err(not_started)?,
        };
        crew.pace.busiest = busy.share();
        crew.drain().await;
        publishing.inspect(AbortHandle::abort);
        let Crew { lane, pace, .. } = crew;
        Ok(Part { metrics: lane.finish(clock::now()), pace, end })
    }
}

impl Crew {
    fn new(share: Share) -> Result<Self, String> {
        let Job { plan, load, world, .. } = &share.order.job;
        let budget = Budget::of_one(share.order.threads);
        let sender = Sender::load(&world.url, load, share.slots, share.connections, budget)
            .map_err(|error| error.to_string())?;
        let start = share.order.start.saturating_duration_since(world.origin);
        let window_end = match &load.profile {
            Profile::Users(Users { until: Until::Iterations(_), .. }) => Duration::MAX,
            profile => start.saturating_add(profile.duration().unwrap_or_default()),
        };
        let recorder = Recorder::new(plan.labels.len(), window_end).with_timeline(start);
        let lane = Lane::new(Arc::clone(plan), Arc::clone(world), sender, recorder);
        let lane = Lane { gauge: Arc::clone(&share.window.gauge), ..lane };
        Ok(Self {
            lane: Rc::new(lane),
            mix: Mix::new(world.seed, load.journeys.iter().map(|journey| journey.weight)),
            running: JoinSet::new(),
            pace: Pace::default(),
            share,
        })
    }

    pub(super) fn load(&self) -> &crate::plan::LoadPlan {
        &self.share.order.job.load
    }

    /// What the next user sends requests with.
    pub(super) fn sender(&self) -> Sender {
        match self.load().connections {
            Connections::PerUser => self.lane.sender.for_one_user(),
            Connections::Reuse | Connections::PerOperation => self.lane.sender.clone(),
        }
    }

    /// How journeys are chosen.
    pub(super) fn mix(&self) -> &Mix {
        &self.mix
    }

    /// Which journey iteration `number` is.
    pub(super) fn journey(&self, number: u64) -> usize {
        self.mix.choose(self.share.order.job.first + number)
    }

    /// Whether no more iterations are to start.
    pub(super) fn is_over(&mut self) -> bool {
        let over = self.share.order.is_over(&self.lane);
        self.pace.gave_up = self.share.order.gone.load(Relaxed);
        over
    }

    /// Lets iterations in flight end; those that do not in time are aborted, and their operations
    /// count as unfinished.
    async fn drain(&mut self) {
        let stop = &self.share.order.stop;
        let deadline = clock::after(clock::now(), self.share.order.job.load.drain);
        let running = &mut self.running;
        let all = async {
            while let Some(ended) = running.join_next().await {
                propagate(ended);
            }
        };
        tokio::select! {
            () = all => {}
            () = clock::sleep_until(deadline) => {}
            () = interrupted(stop) => {}
        }
        self.running.shutdown().await;
    }

    /// Shows the metrics now and then, if somebody looks at them.
    fn publish(&self) -> Option<AbortHandle> {
        let judged = self.load().abort_after.is_some();
        let watched = self.share.order.watched;
        if !judged && !watched {
            return None;
        }
        let (lane, window) = (Rc::clone(&self.lane), Arc::clone(&self.share.window));
        let task = tokio::task::spawn_local(async move {
            loop {
                clock::sleep_until(clock::now() + TICK / 2).await;
                if judged {
                    let metrics = lane.recorder.borrow().steps().to_vec();
                    *window.metrics.lock().unwrap_or_else(PoisonError::into_inner) = metrics;
                }
                if watched {
                    let waits = lane.recorder.borrow().waits();
                    *window.waits.lock().unwrap_or_else(PoisonError::into_inner) = waits;
                }
            }
        });
        Some(task.abort_handle())
    }
}

impl Order {
    pub(super) fn is_over(&self, lane: &Lane) -> bool {
        let reach = lane.recorder.borrow().reach();
        if reach.sent >= FAIL_FAST && reach.absent_since == reach.sent {
            self.gone.store(true, Relaxed);
        }
        self.gone.load(Relaxed) || self.hopeless.get().is_some() || self.stop.raised().is_some()
    }

    /// Iteration `number` of the load.
    pub(super) fn iteration(
        &self,
        number: u64,
        lane: &Rc<Lane>,
        sender: Sender,
        measured: bool,
    ) -> Iteration {
        let Job { world, base, first, .. } = &self.job;
        let number = first + number;
        let draws = Draws { purpose: Purpose::Iteration, number };
        let scope = Scope::new(Arc::clone(world), Arc::clone(base), draws, number);
        Iteration { lane: Rc::clone(lane), sender, scope, measured, file: None, phase: Phase::Work }
    }
}

/// A panic in an iteration is a defect: it ends the thread, and so the run.
pub(super) fn propagate(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

/// Measures how much of a core this thread uses.
struct Busy {
    since: Instant,
    used: Duration,
}

impl Busy {
    fn since_now() -> Self {
        Self { since: clock::now(), used: clock::thread_cpu() }
    }

    /// Part of the time since then in which this thread ran, 0 to 1.
    fn share(&self) -> f64 {
        let elapsed = clock::now().saturating_duration_since(self.since);
        let used = clock::thread_cpu().saturating_sub(self.used);
        if elapsed.is_zero() { 0.0 } else { used.div_duration_f64(elapsed).min(1.0) }
    }
}
