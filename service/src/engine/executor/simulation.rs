//! Random lists of what can happen to a few runs and their platform, under a virtual clock. After
//! each operation the checkers look; at the end the faults stop, and every run must end.
//!
//! A failure prints its seed and the shortest list that proptest finds. `PROPTEST_CASES` sets how
//! many lists are tried. The platform is in memory and nothing waits: a future that is left
//! pending is one whose host died, and is dropped.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::FutureExt;
use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::json;

use super::{
    memory::{Answer, FAULTS, Fault, Memory, text},
    *,
};
use crate::{
    domain::run::RunStatus,
    engine::machine::{ATTEMPT_LEASE, MAX_ATTEMPTS},
};

/// Lists tried when nobody says how many.
const LISTS: u32 = 3_000;
const START: Millis = 1_000_000;
/// After the faults: attempts of every step by lease, and the last projection.
const HEALED_WITHIN: usize = 60;

/// What can happen. Indices wrap around the runs that there are.
#[derive(Clone, Debug)]
enum Op {
    /// Somebody starts a run.
    Create { steps: usize },
    /// Its executor is told of a run again, as by a sweep that raced.
    StartAgain(Index),
    /// Time passes.
    AdvanceTime(Millis),
    /// The alarm of a run rings when it should, late, or though it is not yet time; or twice.
    FireAlarm { run: Index, times: usize, early: bool },
    /// The alarm of a run is lost.
    LoseAlarm(Index),
    /// The cron.
    Sweep,
    /// The next attempts of a run are answered so.
    Answer { run: Index, answers: Vec<Answer> },
    /// The port call so many calls from now, on behalf of a run, fails, or its host dies there.
    Fault { run: Index, calls: usize, fault: Fault },
}

fn op() -> impl Strategy<Value = Op> {
    let run = any::<Index>;
    let answer = prop_oneof![
        Just(Answer::Ok),
        (1..3 * ATTEMPT_LEASE).prop_map(Answer::Late),
        Just(Answer::Busy),
        Just(Answer::Refuse),
        Just(Answer::Hang),
    ];
    let fault = (0..FAULTS.len()).prop_map(|index| FAULTS[index]);
    prop_oneof![
        2 => (0_usize..4).prop_map(|steps| Op::Create { steps }),
        1 => run().prop_map(Op::StartAgain),
        3 => (0..2 * 60_000_i64).prop_map(Op::AdvanceTime),
        6 => (run(), 0_usize..3, any::<bool>())
            .prop_map(|(run, times, early)| Op::FireAlarm { run, times, early }),
        1 => run().prop_map(Op::LoseAlarm),
        2 => Just(Op::Sweep),
        2 => (run(), vec(answer, 1..6)).prop_map(|(run, answers)| Op::Answer { run, answers }),
        3 => (run(), 1_usize..12, fault)
            .prop_map(|(run, calls, fault)| Op::Fault { run, calls, fault }),
    ]
}

/// One run, with the object that executes it.
struct Simulated {
    memory: Memory,
    accepted: RunState,
    /// The client was told 202.
    acknowledged: bool,
    /// As of the last check.
    seen: Option<RunState>,
    seen_row: (i64, String),
}

struct World {
    now: Millis,
    allowed: AllowList,
    runs: Vec<Simulated>,
}

impl World {
    fn new() -> Self {
        let allowed = AllowList::parse("https://upstream.test").unwrap();
        Self { now: START, allowed, runs: Vec::new() }
    }

    fn apply(&mut self, op: &Op) {
        if let Op::Create { steps } = op {
            self.create(*steps);
        }
        if let Op::AdvanceTime(millis) = op {
            self.now += millis;
        }
        self.set_clocks();
        if matches!(op, Op::Sweep) {
            for run in &self.runs {
                run.sweep(self.now);
            }
        }
        if !self.runs.is_empty() {
            self.apply_to_run(op);
        }
        for run in &mut self.runs {
            run.check();
        }
    }

    fn apply_to_run(&self, op: &Op) {
        match op {
            Op::StartAgain(run) => {
                run.get(&self.runs).tell();
            }
            Op::FireAlarm { run, times, early } => {
                for _ in 0..*times {
                    run.get(&self.runs).fire(self.now, *early, &self.allowed);
                }
            }
            Op::LoseAlarm(run) => {
                // A platform loses none whose handler is not running: see `fire`. This is a
                // disaster that only the sweep repairs, as long as the row is open.
                let run = run.get(&self.runs);
                if run.row_is_open() {
                    run.memory.inner().alarm = None;
                }
            }
            Op::Answer { run, answers } => {
                run.get(&self.runs).memory.inner().answers.extend(answers.iter().copied());
            }
            Op::Fault { run, calls, fault } => {
                let mut inner = run.get(&self.runs).memory.inner();
                let call = inner.calls + calls;
                inner.faults.insert(call, *fault);
            }
            Op::Create { .. } | Op::AdvanceTime(_) | Op::Sweep => {}
        }
    }

    /// One time for all: the latest that anybody's work took.
    fn set_clocks(&mut self) {
        self.now = self.runs.iter().fold(self.now, |now, run| now.max(run.memory.now()));
        for run in &self.runs {
            run.memory.inner().now = self.now;
        }
    }

    /// The intent first, then the executor, then the acknowledgement, as the route does.
    fn create(&mut self, steps: usize) {
        let config = json!({"url": "https://upstream.test/", "method": "POST"});
        let config = config.as_object().unwrap().clone();
        let definition = vec![Step { kind: StepKind::Http, config }; steps];
        let id = format!("run{}", self.runs.len());
        let accepted = RunState::new(id, "ann".into(), "workflow".into(), definition, self.now);
        let memory = Memory::default();
        memory.inner().now = self.now;
        let meter = Meter::default();
        Runs::new(&memory, &meter).insert(&accepted).now_or_never().unwrap().unwrap();
        let seen_row = (0, "queued".to_owned());
        let mut run = Simulated { memory, accepted, acknowledged: false, seen: None, seen_row };
        run.acknowledged = run.tell();
        self.runs.push(run);
    }

    /// No more faults: alarms ring in time, the cron comes every minute, the other side answers.
    fn heal(&mut self) {
        for run in &self.runs {
            let mut inner = run.memory.inner();
            inner.faults.clear();
            inner.answers.clear();
        }
        for _ in 0..HEALED_WITHIN {
            self.now += 2_000;
            self.set_clocks();
            for run in &self.runs {
                run.sweep(self.now);
                run.fire(self.now, false, &self.allowed);
            }
            for run in &mut self.runs {
                run.check();
            }
        }
    }
}

impl Simulated {
    fn tell(&self) -> bool {
        start(&self.memory, &self.accepted).now_or_never().is_some_and(|told| told.is_ok())
    }

    /// Rings the alarm as the platform does: it is spent when its handler starts, and comes back
    /// when the handler failed or died, unless that had set the next.
    fn fire(&self, now: Millis, early: bool, allowed: &AllowList) {
        let Some(at) = self.memory.inner().alarm.filter(|at| early || *at <= now) else { return };
        self.memory.inner().alarm = None;
        let rung = Executor::new(&self.memory, allowed, Models::default()).alarm().now_or_never();
        // A handler that was early has spent an alarm that the state still counts on.
        if !matches!(rung, Some(Ok(()))) {
            self.memory.inner().alarm.get_or_insert(at);
        }
    }

    fn sweep(&self, now: Millis) {
        let meter = Meter::default();
        let runs = Runs::new(&self.memory, &meter);
        let overdue = runs.overdue(now - SWEEP_GRACE, SWEEP_LIMIT).now_or_never();
        for _ in overdue.and_then(Result::ok).into_iter().flatten() {
            self.tell();
        }
    }

    fn row_is_open(&self) -> bool {
        ["queued", "running", "waiting"].contains(&text(&self.memory.inner().row[3]))
    }

    fn state(&self) -> Option<RunState> {
        let state = self.memory.inner().state.clone();
        state.map(|state| serde_json::from_str(&state).unwrap())
    }

    fn check(&mut self) {
        let state = self.state();
        assert!(state.is_some() || !self.acknowledged, "an acknowledged run is absent");
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
        let inner = self.memory.inner();
        let open = ["queued", "running", "waiting"].contains(&text(&inner.row[3]));
        let reachable = inner.alarm.is_some() || open;
        assert!(state.run.status.is_terminal() || reachable, "nobody will wake it: {state:?}");
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

    /// What arrived was recorded before, under one key for each step, in order.
    fn check_effects(&self, state: &RunState) {
        let inner = self.memory.inner();
        for (key, deliveries) in &inner.effects {
            let step = key.trim_matches('"').strip_prefix(&format!("{}:", self.accepted.run.id));
            let step: usize = step.unwrap().parse().unwrap();
            let attempts = state.run.steps[step].attempts;
            assert!(*deliveries <= attempts, "{key}: {deliveries} of {attempts} attempts");
        }
        for (index, step) in state.run.steps.iter().enumerate() {
            if step.output.is_some() {
                let key = format!("\"{}:{index}\"", self.accepted.run.id);
                assert!(inner.effects.contains_key(&key), "a result without its effect");
            }
        }
    }

    /// The row never goes back, and is never ahead of its run.
    fn check_row(&mut self, state: Option<&RunState>) {
        let inner = self.memory.inner();
        let crate::ports::Param::Integer(version) = inner.row[6] else { panic!("{:?}", inner.row) };
        let status = text(&inner.row[3]).to_owned();
        assert!(version >= self.seen_row.0 && version <= state.map_or(0, |state| state.version));
        let terminal = ["succeeded", "failed"].contains(&self.seen_row.1.as_str());
        assert!(!terminal || status == self.seen_row.1, "the row was final");
        self.seen_row = (version, status);
    }

    /// After the faults: it has ended, the row says so, and nothing is left to do.
    fn check_end(&self) {
        let Some(state) = self.state() else { panic!("the intent was never taken up") };
        assert!(state.run.status.is_terminal(), "{state:?}");
        assert_eq!(self.seen_row.1, state.run.status.name(), "the row lags: {state:?}");
        assert_eq!(self.memory.inner().alarm, None, "{state:?}");
        if state.run.status == RunStatus::Succeeded {
            let steps = state.run.steps.len();
            assert_eq!(self.memory.inner().effects.len(), steps, "each step had its effect");
        }
    }
}

fn simulate(ops: &[Op]) -> BTreeMap<&'static str, usize> {
    let mut world = World::new();
    for op in ops {
        world.apply(op);
    }
    world.heal();
    for run in &world.runs {
        run.check_end();
    }
    let mut ends = BTreeMap::new();
    for run in &world.runs {
        *ends.entry(run.state().unwrap().run.status.name()).or_default() += 1;
    }
    ends
}

fn lists() -> u32 {
    std::env::var("PROPTEST_CASES").map_or(LISTS, |cases| cases.parse().unwrap())
}

#[test]
fn random_lists_break_nothing_and_every_run_ends_once_the_faults_do() {
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

    let seed = std::env::var("WORKWAY_SEED").map_or_else(|_| 0x5eed, |seed| seed.parse().unwrap());
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&u64::to_le_bytes(seed));
    let config = Config { cases: lists(), failure_persistence: None, ..Config::default() };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let ends = std::cell::RefCell::new(BTreeMap::<_, usize>::new());
    let result = runner.run(&vec(op(), 1..60), |ops| {
        for (end, count) in simulate(&ops) {
            *ends.borrow_mut().entry(end).or_default() += count;
        }
        Ok(())
    });
    let (lists, ends) = (lists(), ends.into_inner());
    println!("seed {seed} (WORKWAY_SEED), {lists} lists (PROPTEST_CASES), runs: {ends:?}");
    result.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    println!("0 in {lists} lists: below {:.3} % at 95 %", 300.0 / f64::from(lists));
    let kinds: BTreeSet<_> = ends.keys().copied().collect();
    assert_eq!(kinds, BTreeSet::from(["failed", "succeeded"]), "both ends were reached");
}
