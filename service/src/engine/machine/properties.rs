//! Tests properties that hold for the state machine whatever happens.

use std::collections::HashMap;

use proptest::{collection::vec, prelude::*};
use serde_json::json;

use super::{
    tests::{START, accepted},
    *,
};

/// An operation on a run. Indices wrap around the number of items there are.
#[derive(Clone, Debug)]
enum Op {
    /// Time passes.
    Pass(Millis),
    /// The alarm fires, at its time or now.
    Ring { at_alarm: bool },
    /// An attempt ends: the last one, or an old one, late or again. An error says whether it is
    /// retryable.
    End { which: prop::sample::Index, result: Result<(), bool> },
    /// The owner cancels the run.
    Cancel,
    /// A projection that was asked for at any time succeeds.
    Projected(prop::sample::Index),
}

fn op() -> impl Strategy<Value = Op> {
    let result = prop_oneof![Just(Ok(())), any::<bool>().prop_map(Err)];
    prop_oneof![
        1 => (0..2 * ATTEMPT_LEASE).prop_map(Op::Pass),
        1 => any::<bool>().prop_map(|at_alarm| Op::Ring { at_alarm }),
        1 => any::<prop::sample::Index>().prop_map(Op::Projected),
        1 => prop::bool::weighted(0.1).prop_map(|cancel| if cancel { Op::Cancel } else { Op::Pass(0) }),
        3 => (any::<prop::sample::Index>(), result)
            .prop_map(|(which, result)| Op::End { which, result }),
    ]
}

/// A host that remembers every effect that it was asked for, and checks the machine at each event.
struct Host {
    state: RunState,
    now: Millis,
    attempts: Vec<AttemptId>,
    projections: Vec<(i64, RunStatus)>,
    /// The version and status of the row. An older version never overwrites a newer one.
    row: (i64, RunStatus),
    keys: HashMap<usize, String>,
}

impl Host {
    fn new(steps: usize) -> Self {
        Self {
            state: accepted(steps),
            now: START,
            attempts: Vec::new(),
            projections: Vec::new(),
            row: (0, RunStatus::Queued),
            keys: HashMap::new(),
        }
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Pass(millis) => self.now += millis,
            Op::Ring { at_alarm } => {
                let alarm = self.state.wake_at.filter(|_| *at_alarm);
                self.now = self.now.max(alarm.unwrap_or(0));
                self.handle(&Event::Woken);
            }
            Op::Cancel => self.handle(&Event::Cancelled),
            Op::End { which, result } if !self.attempts.is_empty() => {
                self.end(*which.get(&self.attempts), *result);
            }
            Op::Projected(which) if !self.projections.is_empty() => {
                let (version, status) = *which.get(&self.projections);
                self.project(version, status);
            }
            Op::End { .. } | Op::Projected(_) => {}
        }
    }

    fn end(&mut self, attempt: AttemptId, result: Result<(), bool>) {
        let result =
            result.map(|()| json!(1)).map_err(|retry| Failure::Status { status: 500, retry });
        self.handle(&Event::AttemptEnded { attempt, result });
    }

    fn project(&mut self, version: i64, status: RunStatus) {
        if version > self.row.0 {
            self.row = (version, status);
        }
        self.handle(&Event::Projected(status));
    }

    fn handle(&mut self, event: &Event) {
        let before = self.state.clone();
        let (state, effects) = before.clone().advance(event.clone(), self.now);
        check(&before, event, &state, &effects, self.now);
        self.state = state;
        for effect in effects {
            match effect {
                Effect::Attempt { attempt, key, .. } => {
                    let known = self.keys.entry(attempt.step).or_insert_with(|| key.clone());
                    assert_eq!(*known, key, "a step has one key");
                    let last = self.attempts.last().map_or((0, 0), |last| (last.step, last.number));
                    assert!((attempt.step, attempt.number) > last, "each attempt is begun once");
                    self.attempts.push(attempt);
                }
                Effect::UpdateUsage => unreachable!("only the host adds this effect"),
                Effect::Project => {
                    self.projections.push((self.state.version, self.state.run.status));
                }
            }
        }
    }

    /// Ends the faults: every attempt succeeds, every projection arrives, and alarms fire in time.
    fn heal(&mut self) {
        for _ in 0..self.state.run.steps.len() + 3 {
            let mut ended = self.attempts.len();
            let projected = self.projections.len();
            self.apply(&Op::Ring { at_alarm: true });
            while let Some(&attempt) = self.attempts.get(ended) {
                ended += 1;
                self.end(attempt, Ok(()));
            }
            for (version, status) in self.projections.split_off(projected) {
                self.project(version, status);
            }
        }
    }
}

fn check(before: &RunState, event: &Event, after: &RunState, effects: &[Effect], now: Millis) {
    let begun = effects.iter().filter(|e| matches!(e, Effect::Attempt { .. })).count();
    assert!(begun <= 1);
    if before.run.status.is_terminal() {
        assert_eq!((&after.run, begun), (&before.run, 0), "terminal is final");
    }
    assert!(after.version >= before.version);
    let changed = after.run.status != before.run.status;
    assert!(!changed || after.version > before.version, "a change has a version of its own");
    assert!(after.run.steps.iter().all(|step| step.attempts <= MAX_ATTEMPTS));
    assert!(after.run.status.is_terminal() || after.wake_at.is_some(), "somebody wakes it");
    if before.run.status == RunStatus::Running && *event == Event::Woken && begun == 1 {
        assert!(before.wake_at.is_some_and(|lease| lease <= now), "one attempt at a time");
    }
    let under_way = after.run.steps.iter().filter(|s| s.status == StepStatus::Running).count();
    assert!(under_way <= 1);
    assert!(after.events.len() <= MAX_EVENTS && after.events.starts_with(&before.events));
    let last = after.events.last().is_some_and(|event| event.change.is_last());
    assert_eq!(last, after.run.status.is_terminal(), "nothing follows the last event");
    assert_eq!(after.run.finished_at.is_some(), after.run.status.is_terminal());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_run_stays_sound_and_ends_once_the_faults_do(
        steps in 1_usize..4,
        ops in vec(op(), 0..60),
    ) {
        let mut host = Host::new(steps);
        for op in &ops {
            host.apply(op);
        }
        host.heal();
        prop_assert!(host.state.run.status.is_terminal(), "{:?}", host.state);
        prop_assert_eq!(host.state.wake_at, None);
        prop_assert_eq!(host.row.1, host.state.run.status);
    }
}
