//! Simulates a few runs and their platform under random lists of operations. The clock is virtual
//! and also goes back. Handlers of one object interleave at every port call. Checks run after each
//! operation; at the end the faults stop, and every run must end.
//!
//! A failure prints its seed and the shortest list that proptest finds. `PROPTEST_CASES` sets the
//! number of lists. The platform is in memory and nothing waits for time.

mod run;

use std::collections::{BTreeMap, BTreeSet};

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};
use run::Simulated;

use super::memory::{Answer, FAULTS, Fault};
use crate::{
    domain::{Millis, workflow::StepKind},
    engine::machine::ATTEMPT_LEASE,
};

/// The number of lists when `PROPTEST_CASES` is not set.
const LISTS: u32 = 3_000;
const START: Millis = 1_000_000_000;
/// The most that the clock goes back at once.
const BACK: Millis = 3_600_000;
/// The number of rounds after the faults in which every run ends. It allows for an expired lease of
/// every attempt of every step, and for the last projection.
const HEALED_WITHIN: usize = 60;

/// An operation. Indices wrap around the number of runs there are.
#[derive(Clone, Debug)]
enum Op {
    /// A client starts a run of these steps.
    Create { steps: Vec<StepKind> },
    /// The executor of a run gets its start again, as from a sweep that raced with the client.
    StartAgain(Index),
    /// The owner cancels a run.
    Cancel(Index),
    /// A client reads the events of a run.
    Follow(Index),
    /// One handler of a run makes this many port calls.
    GoOn { run: Index, handler: Index, calls: usize },
    /// All handlers of a run end.
    Finish(Index),
    /// Time passes, or the clock is set back.
    MoveClock(Millis),
    /// The alarm of a run fires if it is due, or even before that.
    FireAlarm { run: Index, early: bool },
    /// The alarm of a run is lost.
    LoseAlarm(Index),
    /// The cron trigger sweeps.
    Sweep,
    /// The next attempts of a run get these answers.
    Answer { run: Index, answers: Vec<Answer> },
    /// A later port call of a run has a fault. `calls` counts from the next call.
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
        2 => vec(select(&StepKind::ALL), 0..4).prop_map(|steps| Op::Create { steps }),
        1 => run().prop_map(Op::StartAgain),
        1 => run().prop_map(Op::Cancel),
        1 => run().prop_map(Op::Follow),
        8 => (run(), run(), 1_usize..8)
            .prop_map(|(run, handler, calls)| Op::GoOn { run, handler, calls }),
        4 => run().prop_map(Op::Finish),
        3 => (0..2 * 60_000_i64).prop_map(Op::MoveClock),
        1 => (-BACK..0).prop_map(Op::MoveClock),
        6 => (run(), any::<bool>()).prop_map(|(run, early)| Op::FireAlarm { run, early }),
        1 => run().prop_map(Op::LoseAlarm),
        2 => Just(Op::Sweep),
        2 => (run(), vec(answer, 1..6)).prop_map(|(run, answers)| Op::Answer { run, answers }),
        3 => (run(), 1_usize..12, fault)
            .prop_map(|(run, calls, fault)| Op::Fault { run, calls, fault }),
    ]
}

/// All runs, which share one clock.
struct World {
    now: Millis,
    /// The latest time that the clock has shown.
    latest: Millis,
    runs: Vec<Simulated>,
}

impl World {
    fn new() -> Self {
        Self { now: START, latest: START, runs: Vec::new() }
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Create { steps } => {
                let id = format!("run{}", self.runs.len());
                self.runs.push(Simulated::create(id, steps, self.now));
            }
            Op::MoveClock(by) => self.now += by,
            Op::Sweep => {
                for run in &mut self.runs {
                    run.sweep(self.now);
                }
            }
            _ if self.runs.is_empty() => {}
            _ => self.apply_to_run(op),
        }
        self.check();
    }

    fn apply_to_run(&mut self, op: &Op) {
        match op.clone() {
            Op::StartAgain(run) => self.run(run).begin_start(),
            Op::Cancel(run) => self.run(run).begin_cancel(),
            Op::Follow(run) => self.run(run).begin_events(),
            Op::GoOn { run, handler, calls } => self.run(run).go_on(handler, calls),
            Op::Finish(run) => self.run(run).finish(),
            Op::FireAlarm { run, early } => {
                let now = self.now;
                self.run(run).begin_alarm(now, early);
            }
            Op::LoseAlarm(run) => self.run(run).lose_alarm(),
            Op::Answer { run, answers } => {
                self.run(run).memory.inner().answers.extend(answers);
            }
            Op::Fault { run, calls, fault } => {
                let mut inner = self.run(run).memory.inner();
                let call = inner.calls + calls;
                inner.faults.insert(call, fault);
            }
            Op::Create { .. } | Op::MoveClock(_) | Op::Sweep => {}
        }
    }

    fn run(&mut self, index: Index) -> &mut Simulated {
        let index = index.index(self.runs.len());
        &mut self.runs[index]
    }

    /// Sets the clock of every run to the latest time that any of them reached, and runs the checks.
    fn check(&mut self) {
        self.now = self.runs.iter().fold(self.now, |now, run| now.max(run.worked_until()));
        self.latest = self.latest.max(self.now);
        for run in &mut self.runs {
            run.set_clock(self.now);
            run.check();
        }
    }

    /// Ends the faults: the clock is right, alarms fire in time, the cron trigger sweeps, the other
    /// side answers, and handlers end.
    fn heal(&mut self) {
        self.now = self.latest;
        for run in &mut self.runs {
            let mut inner = run.memory.inner();
            inner.faults.clear();
            inner.answers.clear();
        }
        for _ in 0..HEALED_WITHIN {
            self.now += 2_000;
            self.check();
            let now = self.now;
            for run in &mut self.runs {
                run.sweep(now);
                run.begin_alarm(now, false);
                run.finish();
            }
            self.check();
            if self.runs.iter().all(Simulated::is_quiet) {
                return;
            }
        }
    }
}

fn simulate(ops: &[Op]) -> BTreeMap<&'static str, usize> {
    let mut world = World::new();
    for op in ops {
        world.apply(op);
    }
    world.heal();
    let mut ends = BTreeMap::new();
    for run in &world.runs {
        *ends.entry(run.check_end().name()).or_default() += 1;
        for kind in run.done() {
            *ends.entry(kind.name()).or_default() += 1;
        }
        if run.interleaved() {
            *ends.entry("interleaved").or_default() += 1;
        }
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
    let result = runner.run(&vec(op(), 1..80), |ops| {
        for (end, count) in simulate(&ops) {
            *ends.borrow_mut().entry(end).or_default() += count;
        }
        Ok(())
    });
    let lists = lists();
    let ends = ends.into_inner();
    println!("seed {seed} (WORKWAY_SEED), {lists} lists (PROPTEST_CASES), runs: {ends:?}");
    result.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    println!("0 in {lists} lists: below {:.3} % at 95 %", 300.0 / f64::from(lists));
    let reached: BTreeSet<_> = ends.keys().copied().collect();
    let mut all = BTreeSet::from(["cancelled", "failed", "interleaved", "succeeded"]);
    all.extend(StepKind::ALL.map(StepKind::name));
    assert_eq!(reached, all, "every end was reached, every step was done, and handlers met");
}
