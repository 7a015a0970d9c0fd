//! Tests runs on a host that fails before or after each port call, by an error or by dying.

use std::sync::Arc;

use serde_json::{Map, json};

use super::{
    memory::{FAULTS, Fault, Memory, text},
    *,
};
use crate::{
    config::Config,
    domain::Millis,
    platform::native::Native,
    ports::{Meter, MeteredActors, MeteredDatabase, Ports, Sql},
};

const START: Millis = 1_000_000;
/// The interval of the sweeps.
const SWEEP_EVERY: Millis = 60_000;

/// Hands the run to its executor and returns true if that acknowledged it.
fn tell(memory: &Memory, state: &RunState) -> bool {
    memory
        .drive(start(MeteredActors::new(memory, &Meter::default()), state))
        .is_some_and(|told| told.is_ok())
}

/// A run of `http` steps from its start to its end.
struct Scenario {
    memory: Memory,
    allowed: AllowList,
    steps: usize,
}

impl Scenario {
    fn new(steps: usize, faults: &[(usize, Fault)]) -> Self {
        let memory = Memory::default();
        let allowed = AllowList::parse("https://upstream.test").unwrap();
        memory.inner().now = START;
        let config = json!({"url": "https://upstream.test/", "method": "POST"});
        let config: Map<_, _> = config.as_object().unwrap().clone();
        let definition = vec![Step { kind: StepKind::Http, config }; steps];
        let state = RunState::new("run".into(), "ann".into(), "workflow".into(), definition, START);
        let meter = Meter::default();
        memory
            .drive(Runs::new(MeteredDatabase::new(&memory, &meter)).insert(&state))
            .unwrap()
            .unwrap();
        memory.inner().calls = 0;
        memory.inner().faults = faults.iter().copied().collect();

        let acknowledged = tell(&memory, &state);
        let stored = memory.inner().state.is_some() && memory.inner().alarm.is_some();
        assert!(stored || !acknowledged, "an acknowledged start is never lost");
        let scenario = Self { memory, allowed, steps };
        if acknowledged {
            scenario.ring_until_idle();
            assert_eq!(scenario.row_status(), "succeeded", "its alarms are enough");
        }
        scenario
    }

    /// Fires alarms as the platform does: one that failed, or whose host died, fires again unless
    /// its handler has set the next one.
    fn ring_until_idle(&self) {
        for _ in 0..50 {
            let alarm = self.memory.inner().alarm.take();
            let Some(at) = alarm else { return };
            let now = self.memory.now().max(at);
            self.memory.inner().now = now;
            let executor = Executor::new(&self.memory, &self.allowed, Models::default());
            let rung = self.memory.drive(executor.alarm());
            if !matches!(rung, Some(Ok(()))) {
                self.memory.inner().alarm.get_or_insert(at);
            }
        }
        panic!("the alarm fires for ever");
    }

    fn finish(&self) {
        for _ in 0..5 {
            self.memory.inner().now += SWEEP_EVERY;
            let before = self.memory.now() - SWEEP_GRACE;
            let meter = Meter::default();
            let runs = Runs::new(MeteredDatabase::new(&self.memory, &meter));
            let overdue = self.memory.drive(runs.overdue(before, 1));
            for run in overdue.and_then(Result::ok).into_iter().flatten() {
                let _ = self
                    .memory
                    .drive(client::recover(MeteredActors::new(&self.memory, &meter), run));
            }
            self.ring_until_idle();
        }
    }

    fn row_status(&self) -> String {
        text(&self.memory.inner().row[3]).to_owned()
    }

    fn check(&self, faults: &[(usize, Fault)]) {
        self.finish();
        let inner = self.memory.inner();
        let state: RunState = serde_json::from_str(inner.state.as_ref().unwrap()).unwrap();
        assert_eq!(state.run.status, RunStatus::Succeeded, "{faults:?}");
        assert_eq!((text(&inner.row[3]), inner.alarm), ("succeeded", None), "{faults:?}");
        let keys: Vec<_> = inner.effects.keys().cloned().collect();
        let expected: Vec<_> = (0..self.steps).map(|step| format!("\"run:{step}\"")).collect();
        assert_eq!(keys, expected, "each effect, once by its key");
        assert!(["succeeded"].repeat(inner.ends.len()) == inner.ends, "{:?}", inner.ends);
        assert!(inner.ends.len() <= 1, "it ends once: {:?}", inner.ends);
        let repeated: u32 = inner.effects.values().map(|times| times - 1).sum();
        assert!(repeated as usize <= faults.len(), "{faults:?}: {:?}", inner.effects);
    }
}

/// Returns the number of port calls of a run without faults.
fn calls(steps: usize) -> usize {
    let scenario = Scenario::new(steps, &[]);
    let calls = scenario.memory.inner().calls;
    assert_eq!(scenario.memory.inner().ends, ["succeeded"]);
    scenario.check(&[]);
    calls
}

#[test]
fn a_fault_at_any_call_neither_loses_the_run_nor_repeats_an_effect_under_another_key() {
    let steps = 5;
    let calls = calls(steps);
    // The start makes a load and a save; each step makes the attempt, a load and a save. The others
    // are the first change, the projection of `running`, the end, its event and its projection.
    assert!(calls > 3 * steps + 6, "{calls}");
    for call in 1..=calls {
        for fault in FAULTS {
            let faults = [(call, fault)];
            Scenario::new(steps, &faults).check(&faults);
        }
    }
    let faults = calls * FAULTS.len();
    println!(
        "{steps} steps, {calls} port calls, {faults} faults: before and after, error and death"
    );
}

#[test]
fn two_faults_lose_nothing_and_repeat_nothing_under_another_key() {
    let steps = 3;
    // A fault makes the run longer, and the second one may hit its recovery.
    let calls = calls(steps) + 4;
    for first in 1..calls {
        for second in first + 1..=calls {
            for (one, other) in FAULTS.into_iter().flat_map(|one| FAULTS.map(|other| (one, other)))
            {
                let faults = [(first, one), (second, other)];
                Scenario::new(steps, &faults).check(&faults);
            }
        }
    }
}

#[test]
fn an_alarm_that_could_not_be_handled_asks_for_another() {
    // Calls 1 and 2 are the load and the save of the start.
    for call in [3, 4] {
        let scenario = Scenario::new(3, &[(call, Fault::ErrorBefore)]);
        assert_eq!(scenario.row_status(), "succeeded", "without the sweep: call {call}");
    }
}

/// Returns a run that was accepted and whose alarm has not fired yet.
fn accepted() -> Scenario {
    let scenario = Scenario {
        memory: Memory::default(),
        allowed: AllowList::parse("https://upstream.test").unwrap(),
        steps: 1,
    };
    scenario.memory.inner().now = START;
    let config = json!({"url": "https://upstream.test/", "method": "POST"});
    let step = Step { kind: StepKind::Http, config: config.as_object().unwrap().clone() };
    let state = RunState::new("run".into(), "ann".into(), "workflow".into(), vec![step], START);
    let meter = Meter::default();
    let runs = Runs::new(MeteredDatabase::new(&scenario.memory, &meter));
    scenario.memory.drive(runs.insert(&state)).unwrap().unwrap();
    assert!(tell(&scenario.memory, &state));
    scenario
}

#[test]
fn a_run_whose_state_cannot_be_read_ends_as_failed() {
    let nested = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for unreadable in ["", "{", "{}", &nested] {
        let scenario = accepted();
        scenario.memory.inner().state = Some(unreadable.to_owned());
        scenario.ring_until_idle();
        assert_eq!(scenario.memory.inner().alarm, None, "the alarm does not fire for ever");
        scenario.finish();
        assert_eq!(scenario.row_status(), "failed", "{unreadable:.10}");
        let inner = scenario.memory.inner();
        assert!(inner.effects.is_empty());
        assert_eq!(inner.ends, ["failed"]);
    }
}

#[test]
fn a_run_whose_state_cannot_be_read_can_be_cancelled() {
    let scenario = accepted();
    scenario.memory.inner().state = Some("{".to_owned());
    let intent = RunState::new("run".into(), "ann".into(), "workflow".into(), Vec::new(), START);
    let meter = Meter::default();
    let actors = MeteredActors::new(&scenario.memory, &meter);
    let reply = scenario.memory.drive(cancel(actors, intent)).unwrap().unwrap();
    assert_eq!((reply.run.status, reply.changed), (RunStatus::Failed, false));
    assert_eq!(scenario.row_status(), "failed");
}

#[test]
fn a_run_whose_row_cannot_be_read_ends_as_failed() {
    let nested = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for unreadable in ["", "{", "{}", &nested] {
        for column in [4, 5] {
            for version in [0, 7] {
                let scenario = accepted();
                {
                    let mut inner = scenario.memory.inner();
                    inner.row[column] = unreadable.into();
                    inner.row[6] = version.into();
                    inner.alarm = None;
                }
                scenario.finish();
                assert_eq!(scenario.row_status(), "failed", "{column} {unreadable:.10}");
                let report = text(&scenario.memory.inner().row[5]).to_owned();
                let run: Run = serde_json::from_str(&report).unwrap();
                assert_eq!((run.id.as_str(), run.workflow_id.as_str()), ("run", "workflow"));
            }
        }
    }
}

/// Checks natively that a row that cannot be read keeps no other run from being recovered.
#[tokio::test]
async fn a_sweep_goes_on_past_a_row_that_cannot_be_read() {
    const BREAK: Sql =
        Sql { name: "break", text: "UPDATE workflow_runs SET report = ?2 WHERE id = ?1" };
    let directory = tempfile::tempdir().unwrap();
    let secret = |name: &str| (name == "JWT_SECRET").then(|| "s".repeat(32));
    let config = Arc::new(Config::from_lookup(secret).unwrap());
    let platform = Native::open(directory.path(), config).await.unwrap();
    let ports = Ports::new(platform.clone());
    let runs = Runs::new(ports.database());
    let long_ago = ports.clock().now() - 2 * SWEEP_GRACE;
    // The first one is the oldest, which the sweep reads first.
    for (id, age) in [("broken", 1), ("orphaned", 0)] {
        let step = Step { kind: StepKind::Http, config: Map::new() };
        let accepted_at = long_ago - age;
        let state =
            RunState::new(id.into(), "ann".into(), "workflow".into(), vec![step], accepted_at);
        runs.insert(&state).await.unwrap();
    }
    let nested = format!("{}{}", "[".repeat(125), "]".repeat(125));
    let report = format!(r#"{{"id":"broken","steps":[{{"output":{{"body":{nested}}}}}]}}"#);
    ports.database().query(BREAK.bind(["broken".into(), report.into()])).await.unwrap();
    assert!(runs.get("ann", "broken").await.is_err());

    assert_eq!(sweep(&ports).await.unwrap(), 2);
    for (id, error) in [("broken", None), ("orphaned", Some("config.url is required"))] {
        let mut run = None;
        for _ in 0..500 {
            run = runs.get("ann", id).await.unwrap_or_default();
            if run.as_ref().is_some_and(|run| run.status == RunStatus::Failed) {
                break;
            }
            ports.clock().sleep(Duration::from_millis(10)).await;
        }
        let run = run.unwrap();
        assert_eq!(run.status, RunStatus::Failed, "{id}");
        assert_eq!(run.steps.first().and_then(|step| step.error.as_deref()), error);
    }
    assert_eq!(sweep(&ports).await.unwrap(), 0, "nothing is left to do");
}

#[test]
fn a_run_whose_projections_were_given_up_is_projected_by_the_sweep() {
    let scenario = accepted();
    scenario.ring_until_idle();
    let mut state: RunState =
        serde_json::from_str(scenario.memory.inner().state.as_ref().unwrap()).unwrap();
    state.projected = RunStatus::Queued;
    state.wake_at = None;
    {
        let mut inner = scenario.memory.inner();
        inner.state = Some(serde_json::to_string(&state).unwrap());
        inner.row[3] = "queued".into();
        inner.row[6] = 0.into();
        inner.row[7] = START.into();
    }
    scenario.finish();
    assert_eq!(scenario.row_status(), "succeeded");
}

#[test]
fn a_start_that_comes_again_keeps_the_run_as_it_is() {
    let scenario = Scenario::new(3, &[]);
    let ended = scenario.memory.inner().state.clone().unwrap();
    let state: RunState = serde_json::from_str(&ended).unwrap();
    let run = state.run;
    let again =
        RunState::new(run.id, "ann".into(), run.workflow_id, state.definition, run.created_at);
    assert!(tell(&scenario.memory, &again));
    scenario.ring_until_idle();
    assert_eq!(scenario.memory.inner().state.as_ref(), Some(&ended));
    scenario.check(&[]);
}

#[test]
fn a_cancel_that_was_acknowledged_stands_whatever_fails() {
    let config = json!({"url": "https://upstream.test/", "method": "POST"});
    let config = config.as_object().unwrap().clone();
    for told in [true, false] {
        for (call, fault) in (1..=6).flat_map(|call| FAULTS.map(|fault| (call, fault))) {
            let scenario =
                Scenario { memory: Memory::default(), allowed: AllowList::default(), steps: 1 };
            scenario.memory.inner().now = START;
            let definition = vec![Step { kind: StepKind::Http, config: config.clone() }];
            let intent =
                RunState::new("run".into(), "ann".into(), "workflow".into(), definition, START);
            let meter = Meter::default();
            let runs = Runs::new(MeteredDatabase::new(&scenario.memory, &meter));
            scenario.memory.drive(runs.insert(&intent)).unwrap().unwrap();
            assert!(!told || tell(&scenario.memory, &intent));
            scenario.memory.inner().calls = 0;
            scenario.memory.inner().faults = [(call, fault)].into();
            let cancelled = scenario.memory.drive(cancel(
                MeteredActors::new(&scenario.memory, &Meter::default()),
                intent.clone(),
            ));
            let acknowledged = matches!(&cancelled, Some(Ok(reply)) if reply.changed);
            scenario.memory.inner().faults.clear();
            if acknowledged {
                scenario.finish();
                assert_eq!(scenario.row_status(), "cancelled", "{told} {call} {fault:?}");
                assert!(scenario.memory.inner().effects.is_empty());
            }
            let again = scenario
                .memory
                .drive(cancel(MeteredActors::new(&scenario.memory, &Meter::default()), intent));
            let again = again.unwrap().unwrap();
            assert_eq!(again.run.status, RunStatus::Cancelled);
            assert!(!(acknowledged && again.changed), "it is final");
        }
    }
}
