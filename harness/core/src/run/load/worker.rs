//! One thread's part of a load.

use std::{
    rc::Rc,
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use tokio::task::{AbortHandle, JoinError, JoinSet};

use super::{FAIL_FAST, Load, LoadRun, TICK, Window, arrivals, interrupted, users};
use crate::{
    http::{Budget, Client, ClientConfig, SendError},
    model::clock,
    plan::{Connections, LoadPlan, Phase, Profile, Until, Users},
    record::{Metrics, Pace, Recorder},
    run::{
        iteration::Iteration,
        request::RequestBuilder,
        thread::ThreadError,
        values::{Draws, Scope},
        worker::{Clients, Worker},
    },
    schedule::{Mix, Purpose},
};

/// One thread's part of a load: the iterations whose number leaves `index` when divided by the
/// number of threads, or the users whose number does.
pub(super) struct WorkerConfig {
    pub(super) run: Arc<LoadRun>,
    pub(super) index: usize,
    /// Iterations that may run at once.
    pub(super) slots: usize,
    /// Connections that may be open at once, if that is bounded.
    pub(super) connections: Option<usize>,
    pub(super) window: Arc<Window>,
}

/// The result of one thread.
pub(super) struct Part {
    pub(super) metrics: Metrics,
    pub(super) pace: Pace,
    /// The time at which it stopped starting iterations.
    pub(super) end: Instant,
}

/// A thread of a load at work.
pub(super) struct LoadWorker {
    pub(super) config: WorkerConfig,
    pub(super) worker: Rc<Worker>,
    clients: Clients,
    mix: Mix,
    pub(super) running: JoinSet<()>,
    pub(super) pace: Pace,
}

impl WorkerConfig {
    pub(super) async fn run(self) -> Result<Part, ThreadError> {
        let mut worker =
            LoadWorker::new(self).map_err(|error| ThreadError::NotStarted(error.to_string()))?;
        let publishing = worker.publish();
        let busy = Busy::since_now();
        let end = match worker.plan().profile.clone() {
            Profile::Users(users) => users::all(&mut worker, users).await,
            _ => arrivals::all(&mut worker)
                .await
                .map_err(|error| ThreadError::NotStarted(format!("no timer: {error}")))?,
        };
        worker.pace.busiest = busy.share();
        worker.drain().await;
        publishing.inspect(AbortHandle::abort);
        let LoadWorker { worker, pace, .. } = worker;
        Ok(Part { metrics: worker.finish(clock::now()), pace, end })
    }
}

impl LoadWorker {
    fn new(config: WorkerConfig) -> Result<Self, SendError> {
        let Load { context, plan, .. } = &config.run.load;
        let target = Client::new(
            &context.url,
            ClientConfig {
                reuse: plan.connections != Connections::PerOperation,
                idle: config.slots,
                open: config.connections,
                budget: Budget::of_one(config.run.threads),
            },
        )?;
        let start = context.offset(config.run.start);
        let window_end = match &plan.profile {
            Profile::Users(Users { until: Until::Iterations(_), .. }) => Duration::MAX,
            profile => start.saturating_add(profile.duration().unwrap_or_default()),
        };
        let recorder = Recorder::new(context.plan.labels.len(), window_end).with_timeline(start);
        let requests = RequestBuilder::load(&context.url, plan);
        let gauge = Arc::clone(&config.window.gauge);
        Ok(Self {
            worker: Rc::new(Worker::new(Arc::clone(context), requests, recorder, gauge)),
            clients: Clients { target, upstream: None },
            mix: Mix::new(context.seed, plan.journeys.iter().map(|journey| journey.weight)),
            running: JoinSet::new(),
            pace: Pace::default(),
            config,
        })
    }

    pub(super) fn plan(&self) -> &LoadPlan {
        &self.config.run.load.plan
    }

    /// Returns what the next user sends requests with.
    pub(super) fn clients(&self) -> Clients {
        match self.plan().connections {
            Connections::PerUser => self.clients.for_one_user(),
            Connections::Reuse | Connections::PerOperation => self.clients.clone(),
        }
    }

    /// Returns the mix by which journeys are chosen.
    pub(super) fn mix(&self) -> &Mix {
        &self.mix
    }

    /// Returns the journey of iteration `number`.
    pub(super) fn journey(&self, number: u64) -> usize {
        self.mix.choose(self.config.run.load.first + number)
    }

    /// Returns whether no more iterations are to start.
    pub(super) fn is_over(&mut self) -> bool {
        let over = self.config.run.is_over(&self.worker);
        self.pace.gave_up = self.config.run.gone.load(Relaxed);
        over
    }

    /// Lets iterations in flight end; those that do not in time are aborted, and their operations
    /// count as unfinished.
    async fn drain(&mut self) {
        let stop = &self.config.run.stop;
        let deadline = clock::after(clock::now(), self.plan().drain);
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
        let judged = self.plan().abort_after.is_some();
        let watched = self.config.run.watched;
        if !judged && !watched {
            return None;
        }
        let (worker, window) = (Rc::clone(&self.worker), Arc::clone(&self.config.window));
        let task = tokio::task::spawn_local(async move {
            loop {
                clock::sleep_until(clock::now() + TICK / 2).await;
                if judged {
                    let metrics = worker.recorder.borrow().steps().to_vec();
                    *window.metrics.lock().unwrap_or_else(PoisonError::into_inner) = metrics;
                }
                if watched {
                    let waits = worker.recorder.borrow().waits();
                    *window.waits.lock().unwrap_or_else(PoisonError::into_inner) = waits;
                }
            }
        });
        Some(task.abort_handle())
    }
}

impl LoadRun {
    /// Says whether no more iterations are to start, as far as this worker knows.
    pub(super) fn is_over(&self, worker: &Worker) -> bool {
        let reach = worker.recorder.borrow().reach();
        if reach.sent >= FAIL_FAST && reach.absent_since == reach.sent {
            self.gone.store(true, Relaxed);
        }
        self.gone.load(Relaxed) || self.aborted_by.get().is_some() || self.stop.raised().is_some()
    }

    /// Returns iteration `number` of the load.
    pub(super) fn iteration(
        &self,
        number: u64,
        worker: &Rc<Worker>,
        clients: Clients,
        measured: bool,
    ) -> Iteration {
        let Load { context, base, first, .. } = &self.load;
        let number = first + number;
        let draws = Draws { purpose: Purpose::Iteration, number };
        let scope = Scope::new(Arc::clone(context), Arc::clone(base), draws, number);
        let worker = Rc::clone(worker);
        Iteration { worker, clients, scope, measured, file: None, phase: Phase::Work }
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
