//! An open model: iterations start when the schedule says, whatever became of earlier ones.

use std::{
    convert::Infallible,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::task::{JoinError, JoinSet};

use super::{
    Environment, LoadTick, ProgressEvent, StopFlag, clock,
    iteration::Iteration,
    lane::Lane,
    progress::{self, Gauge},
    sender::Sender,
    thread::{ThreadError, on_own_thread},
    values::{Scope, World},
};
use crate::{
    plan::{Connections, LoadPlan, ScenarioPlan, Step, Values, Work},
    record::{Pace, Reach, StepRecord, float},
    schedule::{Mix, Purpose, Schedule, random},
};

/// A thread whose first operations, this many, all found nobody listening ends the load: the
/// target is not there, and waiting for the plan's end would teach nothing.
pub const FAIL_FAST: u64 = 25;

/// How long operations in flight may still run after a signal. Somebody waits at a keyboard.
pub const INTERRUPTED_DRAIN: Duration = Duration::from_millis(500);

/// From the start of the threads to the first arrival, so that every thread is ready for it.
const LEAD: Duration = Duration::from_millis(20);

/// An arrival counts as punctual up to this long after the end of the plan: those planned just
/// before it wait for the next tick of the timer.
const GRACE: Duration = Duration::from_millis(5);

/// How often a watcher hears of a load.
const TICK: Duration = Duration::from_secs(1);

/// What became of a load.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) steps: Vec<StepRecord>,
    pub(super) reach: Reach,
    pub(super) pace: Pace,
    /// The measured time, without the warm-up.
    pub(super) window: Duration,
    /// Why threads gave no result.
    pub(super) errors: Vec<ThreadError>,
}

/// What every thread of a load is given.
#[derive(Clone)]
struct Order {
    plan: Arc<ScenarioPlan>,
    world: Arc<World>,
    base: Arc<Values>,
    stop: StopFlag,
    /// Set by a thread that finds nobody listening.
    gone: Arc<AtomicBool>,
    /// The first arrival.
    start: Instant,
    threads: u64,
}

/// One thread's part of a load: the arrivals whose number leaves `index` when divided by the
/// number of threads.
struct Share {
    order: Order,
    index: u64,
    /// Iterations that may run at once.
    slots: usize,
    gauge: Arc<Gauge>,
}

/// What one thread hands back.
struct Part {
    steps: Vec<StepRecord>,
    reach: Reach,
    pace: Pace,
    /// When its arrivals ended.
    end: Instant,
}

/// Runs the load of `plan` to its end.
pub(super) async fn run(
    plan: &Arc<ScenarioPlan>,
    load: &LoadPlan,
    world: &Arc<World>,
    base: Arc<Values>,
    environment: &Environment,
) -> Loaded {
    let threads = environment.threads.get().min(load.max_in_flight.max(1));
    let order = Order {
        plan: Arc::clone(plan),
        world: Arc::clone(world),
        base,
        stop: environment.stop.clone(),
        gone: Arc::default(),
        start: clock::now() + LEAD,
        threads: threads as u64,
    };
    let mut gauges = Vec::new();
    let mut parts = JoinSet::new();
    for index in 0..threads {
        let gauge = Arc::<Gauge>::default();
        gauges.push(Arc::clone(&gauge));
        let slots =
            load.max_in_flight / threads + usize::from(index < load.max_in_flight % threads);
        let share = Share { order: order.clone(), index: index as u64, slots, gauge };
        parts.spawn_local(async move {
            on_own_thread(format!("load-{index}"), move || share.run()).await.flatten()
        });
    }
    let start = order.start;
    let total = Schedule::new(&load.profile).duration();
    let (mut loaded, end) = tokio::select! {
        ended = collect(parts, start) => ended,
        never = watch(&gauges, start, total, environment) => match never {},
    };
    loaded.window = end.saturating_duration_since(clock::after(start, load.warmup));
    loaded
}

/// Adds up what the threads hand back, and when the last of them was done with its arrivals.
async fn collect(
    mut parts: JoinSet<Result<Part, ThreadError>>,
    start: Instant,
) -> (Loaded, Instant) {
    let mut loaded = Loaded::default();
    let mut end = start;
    while let Some(part) = parts.join_next().await {
        match part.map_err(|_| ThreadError::Panicked).flatten() {
            Err(error) => loaded.errors.push(error),
            Ok(part) => {
                merge(&mut loaded.steps, &part.steps);
                loaded.reach.merge(&part.reach);
                loaded.pace.merge(&part.pace);
                end = end.max(part.end);
            }
        }
    }
    (loaded, end)
}

/// Adds the books of `part`, step by step.
pub(super) fn merge(steps: &mut Vec<StepRecord>, part: &[StepRecord]) {
    steps.resize_with(steps.len().max(part.len()), StepRecord::default);
    for (sum, step) in steps.iter_mut().zip(part) {
        sum.merge(step);
    }
}

/// Tells the watcher how the load goes on, once per second.
async fn watch(
    gauges: &[Arc<Gauge>],
    start: Instant,
    total: Duration,
    environment: &Environment,
) -> Infallible {
    let mut before = 0;
    let mut next = start;
    loop {
        next += TICK;
        clock::sleep_until(next).await;
        let tick = progress::total(gauges);
        let tick = LoadTick {
            elapsed: clock::now().saturating_duration_since(start),
            total,
            per_second: float(tick.ended - before) / TICK.as_secs_f64(),
            ..tick
        };
        before = tick.ended;
        environment.progress.event(ProgressEvent::Load(tick));
    }
}

impl Share {
    async fn run(self) -> Result<Part, ThreadError> {
        let Order { plan, world, .. } = &self.order;
        let Work::Load(load) = &plan.work else { return Ok(Part::nothing(self.order.start)) };
        let sender = Sender::load(&world.url, load, self.slots)
            .map_err(|error| ThreadError::NotStarted(error.to_string()))?;
        let schedule = Schedule::new(&load.profile);
        let end = clock::after(self.order.start, schedule.duration());
        let window_end = end.saturating_duration_since(world.origin);
        let lane = Lane {
            gauge: Arc::clone(&self.gauge),
            ..Lane::new(Arc::clone(plan), Arc::clone(world), sender, window_end)
        };
        let mut arrivals = Arrivals {
            lane: Rc::new(lane),
            mix: Mix::new(world.seed, load.journeys.iter().map(|journey| journey.weight)),
            running: JoinSet::new(),
            pace: Pace::default(),
            share: &self,
            load,
        };
        let end = arrivals.all(&schedule).await;
        arrivals.drain().await;
        let Arrivals { lane, pace, .. } = arrivals;
        let (steps, reach) = lane.finish(clock::now());
        Ok(Part { steps, reach, pace, end })
    }
}

impl Part {
    fn nothing(end: Instant) -> Self {
        Self { steps: Vec::new(), reach: Reach::default(), pace: Pace::default(), end }
    }
}

/// A thread at work.
struct Arrivals<'a> {
    lane: Rc<Lane>,
    mix: Mix,
    running: JoinSet<()>,
    pace: Pace,
    share: &'a Share,
    load: &'a LoadPlan,
}

impl Arrivals<'_> {
    /// Starts every iteration of this thread when it is due; returns when arrivals ended.
    async fn all(&mut self, schedule: &Schedule) -> Instant {
        let Order { start, threads, .. } = self.share.order;
        let end = clock::after(start, schedule.duration());
        let first = self.share.index;
        self.pace.planned = schedule.len().saturating_sub(first).div_ceil(threads);
        let mut now = clock::now();
        for turn in 0..self.pace.planned {
            let number = first + turn * threads;
            let Some(offset) = schedule.at(number) else { break };
            let planned = start + offset;
            if planned > now {
                now = self.wait(planned).await;
            }
            if self.is_over() {
                return now.min(end);
            }
            self.pace.punctual += u64::from(now <= end + GRACE);
            self.arrive(number, planned, offset >= self.load.warmup);
        }
        end
    }

    /// Returns at `planned` or when the run is stopped, and says what time it is then. Whatever
    /// else is due by that time leaves together with what is due at `planned`.
    async fn wait(&mut self, planned: Instant) -> Instant {
        let stop = &self.share.order.stop;
        if planned <= clock::now() {
            // Behind: answers must be read all the same.
            tokio::task::yield_now().await;
        } else {
            tokio::select! {
                () = clock::sleep_until(planned) => {}
                () = stop.wait() => {}
            }
        }
        clock::now()
    }

    /// Whether no more iterations are to start.
    fn is_over(&mut self) -> bool {
        let order = &self.share.order;
        let reach = self.lane.recorder.borrow().reach();
        if reach.sent >= FAIL_FAST && reach.absent_since == reach.sent {
            order.gone.store(true, Relaxed);
        }
        self.pace.gave_up = order.gone.load(Relaxed);
        self.pace.gave_up || order.stop.raised().is_some()
    }

    /// Starts iteration `number`, or drops it if all slots are taken.
    fn arrive(&mut self, number: u64, planned: Instant, measured: bool) {
        while let Some(ended) = self.running.try_join_next() {
            propagate(ended);
        }
        let journey = self.mix.choose(number);
        let has_slot = self.running.len() < self.share.slots;
        let Some(sender) = self.sender().filter(|_| has_slot) else {
            if measured {
                self.drop_arrival(journey, planned);
            }
            return;
        };
        let Order { world, base, .. } = &self.share.order;
        let random = random(world.seed, Purpose::Iteration, number);
        let scope = Scope::new(Arc::clone(world), Arc::clone(base), random, number);
        let iteration = Iteration { lane: Rc::clone(&self.lane), sender, scope, measured };
        self.running.spawn_local(async move {
            let Work::Load(load) = &iteration.lane.plan.work else { return };
            if let Some(journey) = load.journeys.get(journey) {
                // What failed is in the books.
                let _ = iteration.run(&journey.steps, planned).await;
            }
        });
    }

    /// What the next iteration sends its requests with; `None` if the system has no room for it.
    fn sender(&self) -> Option<Sender> {
        match self.load.connections {
            Connections::PerUser => self.lane.sender.for_one_user().ok(),
            Connections::Reuse | Connections::PerOperation => Some(self.lane.sender.clone()),
        }
    }

    /// A dropped arrival counts on the first request it would have sent.
    fn drop_arrival(&self, journey: usize, planned: Instant) {
        let steps = self.load.journeys.get(journey).map(|journey| journey.steps.as_slice());
        if let Some(request) = steps.unwrap_or_default().iter().find_map(Step::request) {
            let mut recorder = self.lane.recorder.borrow_mut();
            recorder.scheduled(request.id);
            recorder.dropped(request.id, self.lane.offset(planned));
        }
    }

    /// Lets iterations in flight end; those that do not in time are aborted, and their operations
    /// count as unfinished.
    async fn drain(&mut self) {
        let stop = &self.share.order.stop;
        let deadline = clock::after(clock::now(), self.load.drain);
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
}

/// Returns [`INTERRUPTED_DRAIN`] after the stop flag was raised.
pub(super) async fn interrupted(stop: &StopFlag) {
    stop.wait().await;
    clock::sleep_until(clock::now() + INTERRUPTED_DRAIN).await;
}

/// A panic in an iteration is a defect: it ends the thread, and so the run.
fn propagate(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}
