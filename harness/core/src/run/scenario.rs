//! One scenario, from its variables to its teardown.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Command, Environment, ProgressEvent, Sender, clock,
    compute::Computer,
    iteration::Iteration,
    lane::Lane,
    limits,
    load::{self, Job, interrupted},
    search,
    stall_detector::StallDetector,
    thread::{ThreadError, on_own_thread},
    usage_audit::settle,
    values::{Draws, Scope, World},
    virtual_users::VirtualUsers,
};
use crate::{
    plan::{Destination, LoadPlan, Phase, Profile, ScenarioPlan, Step, Until, Users, Values, Work},
    record::{self, Metrics, PhaseEnd, Recorder, ScenarioRecord, StepRecord},
    schedule::{Purpose, Schedule},
    upstream::{self, Arrivals},
};

/// How long a teardown may take after a signal. It should clean up, and somebody waits.
const INTERRUPTED_TEARDOWN: Duration = Duration::from_secs(1);

/// Runs `plan` and says what happened. The teardown runs whatever happened before it.
pub async fn run(plan: &ScenarioPlan, environment: &Environment) -> ScenarioRecord {
    environment.progress.event(ProgressEvent::Started(plan));
    let conductor = ScenarioRunner {
        plan: Arc::new(plan.clone()),
        environment: environment.clone(),
        record: ScenarioRecord::default(),
    };
    let labels = plan.labels.len();
    let result = on_own_thread("scenario".to_owned(), move || conductor.conduct()).await;
    let mut record = result.unwrap_or_else(|error| {
        let mut record = ScenarioRecord::default();
        note(&mut record, error);
        record
    });
    record.steps.resize_with(labels, StepRecord::default);
    record.stopped = environment.stop.raised();
    environment.progress.event(ProgressEvent::Finished(plan, &record));
    record
}

struct ScenarioRunner {
    plan: Arc<ScenarioPlan>,
    environment: Environment,
    record: ScenarioRecord,
}

/// What phases share.
struct Stage {
    world: Arc<World>,
    sender: Sender,
    /// Variables and what was captured so far.
    values: Arc<Values>,
    /// What the stub had seen before; only where usage is measured, and the stub can be asked.
    before: Option<Arrivals>,
}

impl ScenarioRunner {
    async fn conduct(mut self) -> ScenarioRecord {
        let origin = clock::now();
        if self.environment.stop.raised().is_some() {
            return self.record;
        }
        if let Work::Load(load) = &self.plan.work
            && let Err(short) = limits::descriptors(limits::connections(load))
        {
            self.record.starved = Some(short);
            return self.record;
        }
        match self.stage(origin).await {
            Err(problem) => self.record.problems.push(problem),
            Ok(mut stage) => {
                self.setup(&mut stage).await;
                if self.record.setup == PhaseEnd::Done {
                    self.work(&mut stage).await;
                    self.audit(&mut stage).await;
                }
                self.teardown(&mut stage).await;
                self.settle(&stage).await;
            }
        }
        self.record.elapsed = clock::now().saturating_duration_since(origin);
        self.record
    }

    /// Tokens and variables: everything that needs no request.
    async fn stage(&self, origin: Instant) -> Result<Stage, String> {
        let needed = match &self.plan.work {
            // Each body that is made is sent by the next person.
            Work::Once(_) if self.generates() => usize::MAX,
            Work::Once(_) => 1,
            Work::Load(load) => {
                usize::try_from(iterations(load, self.environment.seed)).unwrap_or(usize::MAX)
            }
        };
        let people = VirtualUsers::prepare(&self.plan, &*self.environment.tokens, needed)?;
        let world = World::new(&self.environment, people, origin).of_plan(&self.plan);
        world.moving(Some(true), async { Ok(()) }).await?;
        let world = Arc::new(world);
        let sender = Sender::once().map_err(|error| error.to_string())?;
        let scope = Scope::new(Arc::clone(&world), Arc::default(), sequence(0), 0);
        let needs_time = self.plan.vars.iter().any(|(_, value)| value.needs_time());
        let now = if needs_time { world.now().await? } else { 0 };
        for (name, value) in &self.plan.vars {
            let computer = Computer { plan: &self.plan, scope: &scope, now };
            let value =
                computer.compute(value).map_err(|problem| format!("vars.{name}: {problem}"))?;
            scope.capture(name, value);
        }
        let values = scope.values();
        let before = if self.plan.cost.is_some() { self.arrived().await } else { None };
        Ok(Stage { world, sender, values, before })
    }

    /// What the stub has seen so far, if there is one that can be asked.
    async fn arrived(&self) -> Option<Arrivals> {
        let stub = self.environment.upstream.as_ref()?;
        upstream::arrivals(stub).await.ok()
    }

    fn generates(&self) -> bool {
        self.plan.all_steps().iter().any(|step| matches!(step, Step::Generate(_)))
    }

    async fn setup(&mut self, stage: &mut Stage) {
        let plan = Arc::clone(&self.plan);
        let stop = self.environment.stop.clone();
        self.record.setup = self.phase(stage, &plan.setup, Phase::Setup, interrupted(&stop)).await;
        if stop.raised().is_some() && self.record.setup == PhaseEnd::Done {
            self.record.setup = PhaseEnd::Skipped;
        }
    }

    async fn work(&mut self, stage: &mut Stage) {
        let plan = Arc::clone(&self.plan);
        match &plan.work {
            Work::Once(steps) => {
                let stop = self.environment.stop.clone();
                let start = clock::now();
                self.record.work = self.phase(stage, steps, Phase::Work, interrupted(&stop)).await;
                self.record.window = clock::now().saturating_duration_since(start);
            }
            Work::Load(load) => self.load(load, stage).await,
        }
    }

    async fn load(&mut self, load: &LoadPlan, stage: &Stage) {
        let job = Job {
            plan: Arc::clone(&self.plan),
            load: Arc::new(load.clone()),
            world: Arc::clone(&stage.world),
            base: Arc::clone(&stage.values),
            first: 0,
        };
        let before = self.arrived().await;
        let done = match &load.profile {
            Profile::Search(search) => search::run(job, *search, &self.environment).await,
            _ => load::run(job, &self.environment).await,
        };
        if let (Some(before), Some(after)) = (before, self.arrived().await) {
            self.record.upstream = Some(after.since(before));
        }
        self.absorb(&done.metrics);
        self.record.pace = Some(done.pace);
        self.record.window = done.window;
        self.record.timeline = done.metrics.timeline;
        self.record.hopeless = done.hopeless;
        self.record.levels = done.levels;
        self.record.problems.extend(done.problem);
        self.record.server = done.server;
        self.record.work = PhaseEnd::Done;
        for error in done.errors {
            note(&mut self.record, error);
        }
    }

    /// Each audit is made, whatever became of the others.
    async fn audit(&mut self, stage: &mut Stage) {
        let plan = Arc::clone(&self.plan);
        for step in &plan.audit {
            let stop = self.environment.stop.clone();
            let steps = std::slice::from_ref(step);
            let end = self.phase(stage, steps, Phase::Audit, interrupted(&stop)).await;
            if self.record.audit != PhaseEnd::Failed {
                self.record.audit = end;
            }
        }
    }

    /// What all that used, and whether the service says the same.
    async fn settle(&mut self, stage: &Stage) {
        if let Some(cost) = &self.plan.cost
            && self.environment.stop.raised().is_none()
        {
            let Stage { world, before, .. } = stage;
            let usage = settle(&self.plan, cost, &self.record, world, *before).await;
            self.record.usage = Some(usage);
        }
    }

    async fn teardown(&mut self, stage: &mut Stage) {
        let plan = Arc::clone(&self.plan);
        let stop = self.environment.stop.clone();
        let bound = async {
            stop.wait().await;
            clock::sleep_until(clock::now() + INTERRUPTED_TEARDOWN).await;
        };
        self.record.teardown = self.phase(stage, &plan.teardown, Phase::Teardown, bound).await;
        self.recover().await;
    }

    /// Undoes what outlives a scenario: its faults, a stopped clock, a dead target.
    async fn recover(&mut self) {
        let plan = Arc::clone(&self.plan);
        let steps = plan.all_steps();
        if let Some(operator) = &self.environment.operator
            && steps.iter().any(|step| matches!(step, Step::Control(_)))
            && let Err(problem) = operator.give(Command::Recover).await
        {
            self.record.problems.push(format!("the target cannot be put right again: {problem}"));
        }
        let to_stub = |step: &&Step| step.request().is_some_and(|r| r.to == Destination::Upstream);
        if let Some(upstream) = &self.environment.upstream
            && steps.iter().any(to_stub)
            && let Err(problem) = upstream::clear_faults(upstream).await
        {
            self.record.problems.push(format!("the faults of the stub remain: {problem}"));
        }
    }

    /// Runs `steps` once, unless `bound` is over first.
    async fn phase(
        &mut self,
        stage: &mut Stage,
        steps: &[Step],
        phase: Phase,
        bound: impl Future<Output = ()>,
    ) -> PhaseEnd {
        if steps.is_empty() {
            return PhaseEnd::Done;
        }
        let (plan, world) = (Arc::clone(&self.plan), Arc::clone(&stage.world));
        let draws = sequence(1 + phase as u64);
        let scope = Scope::new(Arc::clone(&world), Arc::clone(&stage.values), draws, 0);
        let recorder = Recorder::new(plan.labels.len(), Duration::MAX);
        let lane = Lane::new(plan, world, stage.sender.clone(), recorder);
        let sender = stage.sender.clone();
        let lane = lane.into();
        let iteration = Iteration { lane, sender, scope, measured: true, file: None, phase };
        let stall_detector = StallDetector::new();
        let end = tokio::select! {
            biased;
            result = iteration.run(steps, clock::now()) => match result {
                Ok(()) => PhaseEnd::Done,
                Err(_) => PhaseEnd::Failed,
            },
            () = bound => PhaseEnd::Skipped,
            () = stall_detector.watch() => PhaseEnd::Skipped,
        };
        self.record.remarks.extend(stall_detector.remark());
        stage.values = iteration.scope.values();
        let metrics = iteration.lane.finish(clock::now());
        self.absorb(&metrics);
        end
    }

    /// Adds the metrics of what came after everything that is in the record.
    fn absorb(&mut self, metrics: &Metrics) {
        record::merge(&mut self.record.steps, &metrics.steps);
        record::merge_claims(&mut self.record.claims, &metrics.claims);
        self.record.failures.extend(metrics.failures.iter().cloned());
        self.record.undecided.extend(metrics.undecided.iter().cloned());
        self.record.remarks.extend(metrics.remarks.iter().cloned());
        self.record.reach.then(&metrics.reach);
        self.record.used.add(&metrics.used);
    }
}

/// At least as many iterations as a load has, as far as that is known.
fn iterations(load: &LoadPlan, seed: u64) -> u64 {
    match &load.profile {
        Profile::Users(Users { until: Until::Iterations(count), .. }) => *count,
        Profile::Users(_) | Profile::Search(_) => u64::MAX,
        profile => Schedule::new(profile, seed).at_most(),
    }
}

/// The random sequence of a part of the scenario that runs once.
fn sequence(part: u64) -> Draws {
    Draws { purpose: Purpose::Scenario, number: part }
}

fn note(record: &mut ScenarioRecord, error: ThreadError) {
    match error {
        ThreadError::NotStarted(why) => record.starved = Some(why),
        ThreadError::Panicked => record.defect = Some("a thread panicked".to_owned()),
    }
}
