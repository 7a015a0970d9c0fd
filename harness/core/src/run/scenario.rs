//! One scenario, from its variables to its teardown.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Command, CommandError, Environment, ProgressEvent,
    compute::{Computer, MAX_VARS_BYTES, ValueError},
    context::RunContext,
    iteration::Iteration,
    limits,
    load::{self, Load, interrupted},
    request::RequestBuilder,
    search,
    stall_detector::StallDetector,
    thread::{ThreadError, on_own_thread},
    usage,
    values::{Draws, Scope},
    virtual_users::{VirtualUserError, VirtualUsers},
    worker::{Clients, Worker},
};
use crate::{
    http::{Client, ClientConfig, SendError},
    model::{clock, stub::Arrivals},
    plan::{Destination, LoadPlan, Phase, Profile, ScenarioPlan, Step, Until, Users, Values, Work},
    record::{self, Metrics, PhaseEnd, Recorder, ScenarioRecord, StepRecord},
    schedule::{Purpose, Schedule},
};

/// The time that a teardown may take after a signal. It should have time to clean up, but somebody
/// waits for the end.
const INTERRUPTED_TEARDOWN: Duration = Duration::from_secs(1);

/// Runs `plan` and says what happened. The teardown runs whatever happened before it.
pub async fn run(plan: &ScenarioPlan, environment: &Environment) -> ScenarioRecord {
    environment.progress.event(ProgressEvent::Started(plan));
    let runner = ScenarioRunner {
        plan: Arc::new(plan.clone()),
        environment: environment.clone(),
        record: ScenarioRecord::default(),
    };
    let labels = plan.labels.len();
    let result = on_own_thread("scenario".to_owned(), move || runner.run()).await;
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

/// Holds the state that the phases of a scenario share.
struct Prepared {
    context: Arc<RunContext>,
    clients: Clients,
    /// Variables and what was captured so far.
    values: Arc<Values>,
    /// The arrivals at the stub before; only where usage is measured, and the stub can be asked.
    before: Option<Arrivals>,
}

/// The reasons why a scenario cannot begin.
#[derive(Debug, thiserror::Error)]
enum PrepareError {
    #[error(transparent)]
    VirtualUser(#[from] VirtualUserError),
    #[error(transparent)]
    Client(#[from] SendError),
    #[error("vars.{name}: {problem}")]
    Variable { name: String, problem: ValueError },
    /// The clock of the target cannot be read or set going.
    #[error(transparent)]
    Clock(CommandError),
}

impl ScenarioRunner {
    async fn run(mut self) -> ScenarioRecord {
        let origin = clock::now();
        if self.environment.stop.raised().is_some() {
            return self.record;
        }
        if let Work::Load(load) = &self.plan.work
            && let Err(short) = limits::descriptors(limits::connections(load))
        {
            self.record.starved = Some(short.to_string());
            return self.record;
        }
        match self.prepare(origin).await {
            Err(problem) => self.record.problems.push(problem.to_string()),
            Ok(mut prepared) => {
                self.setup(&mut prepared).await;
                if self.record.setup == PhaseEnd::Done {
                    self.work(&mut prepared).await;
                    self.audit(&mut prepared).await;
                }
                self.teardown(&mut prepared).await;
                self.settle(&prepared).await;
            }
        }
        self.record.elapsed = clock::now().saturating_duration_since(origin);
        self.record
    }

    /// Prepares tokens, variables and clients: everything that needs no request.
    async fn prepare(&self, origin: Instant) -> Result<Prepared, PrepareError> {
        let needed = match &self.plan.work {
            // Each body that is made is sent by the next person.
            Work::Once(_) if self.generates() => usize::MAX,
            Work::Once(_) => 1,
            Work::Load(load) => {
                usize::try_from(iterations(load, self.environment.seed)).unwrap_or(usize::MAX)
            }
        };
        let virtual_users = VirtualUsers::prepare(&self.plan, &*self.environment.tokens, needed)?;
        let plan = Arc::clone(&self.plan);
        let context = Arc::new(RunContext::new(plan, &self.environment, virtual_users, origin));
        context.moving(Some(true), async { Ok(()) }).await.map_err(PrepareError::Clock)?;
        let clients = self.clients()?;
        let scope = Scope::new(Arc::clone(&context), Arc::default(), sequence(0), 0);
        let needs_time = self.plan.vars.iter().any(|(_, value)| value.needs_time());
        let now = if needs_time { context.now().await.map_err(PrepareError::Clock)? } else { 0 };
        let mut size = 0;
        for (name, value) in &self.plan.vars {
            let computer = Computer { plan: &self.plan, scope: &scope, now };
            let wrong = |problem| PrepareError::Variable { name: name.clone(), problem };
            let value = computer.compute(value).map_err(wrong)?;
            size += value.size();
            if size > MAX_VARS_BYTES {
                return Err(wrong(ValueError::TooMuch));
            }
            scope.capture(name, value);
        }
        let values = scope.values();
        let before = if self.plan.cost.is_some() { self.arrived().await } else { None };
        Ok(Prepared { context, clients, values, before })
    }

    /// Returns the clients of what runs once.
    fn clients(&self) -> Result<Clients, SendError> {
        let client = |url| Client::new(url, ClientConfig::for_steps());
        let upstream = self.environment.upstream.as_ref().map(client).transpose()?;
        Ok(Clients { target: client(&self.environment.target)?, upstream })
    }

    /// Returns the arrivals at the stub so far, if there is one that can be asked.
    async fn arrived(&self) -> Option<Arrivals> {
        let stub = self.environment.stub.as_ref()?;
        stub.arrivals().await.ok()
    }

    fn generates(&self) -> bool {
        self.plan.all_steps().iter().any(|step| matches!(step, Step::Generate(_)))
    }

    async fn setup(&mut self, prepared: &mut Prepared) {
        let plan = Arc::clone(&self.plan);
        let stop = self.environment.stop.clone();
        self.record.setup =
            self.phase(prepared, &plan.setup, Phase::Setup, interrupted(&stop)).await;
        if stop.raised().is_some() && self.record.setup == PhaseEnd::Done {
            self.record.setup = PhaseEnd::Skipped;
        }
    }

    async fn work(&mut self, prepared: &mut Prepared) {
        let plan = Arc::clone(&self.plan);
        match &plan.work {
            Work::Once(steps) => {
                let stop = self.environment.stop.clone();
                let start = clock::now();
                self.record.work =
                    self.phase(prepared, steps, Phase::Work, interrupted(&stop)).await;
                self.record.window = clock::now().saturating_duration_since(start);
            }
            Work::Load(load) => self.load(load, prepared).await,
        }
    }

    async fn load(&mut self, load: &LoadPlan, prepared: &Prepared) {
        let load = Load {
            context: Arc::clone(&prepared.context),
            plan: Arc::new(load.clone()),
            base: Arc::clone(&prepared.values),
            first: 0,
        };
        let before = self.arrived().await;
        let done = match load.plan.profile {
            Profile::Search(search) => search::run(load, search, &self.environment).await,
            _ => load::run(load, &self.environment).await,
        };
        if let (Some(before), Some(after)) = (before, self.arrived().await) {
            self.record.upstream = Some(after.since(before));
        }
        self.absorb(&done.metrics);
        self.record.pace = Some(done.pace);
        self.record.window = done.window;
        self.record.timeline = done.metrics.timeline;
        self.record.hopeless = done.aborted_by;
        self.record.levels = done.levels;
        self.record.problems.extend(done.problem);
        self.record.server = done.server;
        self.record.work = PhaseEnd::Done;
        for error in done.errors {
            note(&mut self.record, error);
        }
    }

    /// Each audit is made, whatever became of the others.
    async fn audit(&mut self, prepared: &mut Prepared) {
        let plan = Arc::clone(&self.plan);
        for step in &plan.audit {
            let stop = self.environment.stop.clone();
            let steps = std::slice::from_ref(step);
            let end = self.phase(prepared, steps, Phase::Audit, interrupted(&stop)).await;
            if self.record.audit != PhaseEnd::Failed {
                self.record.audit = end;
            }
        }
    }

    /// Computes the usage of the scenario, and compares it with what the service says.
    async fn settle(&mut self, prepared: &Prepared) {
        if let Some(cost) = &self.plan.cost
            && self.environment.stop.raised().is_none()
        {
            let Prepared { context, before, .. } = prepared;
            let around = (&**context, &self.environment);
            let usage = usage::gather(&self.plan, cost, &self.record, around, *before).await;
            self.record.usage = Some(usage);
        }
    }

    async fn teardown(&mut self, prepared: &mut Prepared) {
        let plan = Arc::clone(&self.plan);
        let stop = self.environment.stop.clone();
        let bound = async {
            stop.wait().await;
            clock::sleep_until(clock::now() + INTERRUPTED_TEARDOWN).await;
        };
        self.record.teardown = self.phase(prepared, &plan.teardown, Phase::Teardown, bound).await;
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
        if let Some(stub) = &self.environment.stub
            && steps.iter().any(to_stub)
            && let Err(problem) = stub.clear_faults().await
        {
            self.record.problems.push(format!("the faults of the stub remain: {problem}"));
        }
    }

    /// Runs `steps` once, unless `bound` is over first.
    async fn phase(
        &mut self,
        prepared: &mut Prepared,
        steps: &[Step],
        phase: Phase,
        bound: impl Future<Output = ()>,
    ) -> PhaseEnd {
        if steps.is_empty() {
            return PhaseEnd::Done;
        }
        let Prepared { context, clients, values, .. } = prepared;
        let draws = sequence(1 + phase as u64);
        let scope = Scope::new(Arc::clone(context), Arc::clone(values), draws, 0);
        let recorder = Recorder::new(self.plan.labels.len(), Duration::MAX);
        let context = Arc::clone(context);
        let worker = Worker::new(context, RequestBuilder::Once, recorder, Arc::default()).into();
        let clients = clients.clone();
        let iteration = Iteration { worker, clients, scope, measured: true, file: None, phase };
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
        prepared.values = iteration.scope.values();
        let metrics = iteration.worker.finish(clock::now());
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

/// Returns an upper bound of the number of iterations of a load, as far as that is known.
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
