use proptest::prelude::*;

use super::{
    effects::{Effect, once, resumed},
    legal::{durable, transitions},
    linear::{Order, order},
    *,
};

/// Steps of a simulated run.
const STEPS: usize = 3;

/// What a right executor does to one run: what happens, in order.
#[derive(Clone, Copy, Debug)]
enum Turn {
    /// The run goes on by itself.
    Advance,
    /// Somebody asks, so long before and after the instant of the answer.
    Read(u64, u64),
    /// Somebody stops it; maybe the answer is lost.
    Cancel(u64, u64, bool),
    /// An attempt is delivered again: its host died.
    Again,
}

fn turn() -> impl Strategy<Value = Turn> {
    let early_late = || (0..40u64, 0..40u64);
    prop_oneof![
        8 => Just(Turn::Advance),
        8 => early_late().prop_map(|(early, late)| Turn::Read(early, late)),
        1 => (early_late(), any::<bool>())
            .prop_map(|((early, late), lost)| Turn::Cancel(early, late, lost)),
        1 => Just(Turn::Again),
    ]
}

/// A right executor, as somebody might write one.
struct Executor {
    progress: Progress,
    now: u64,
    delivered: u64,
    history: History,
    effects: Vec<Effect>,
}

impl Executor {
    fn run(turns: &[Turn]) -> Self {
        let pending = StepProgress { status: "pending".into(), attempts: 0 };
        let steps = vec![pending; STEPS];
        let mut executor = Self {
            progress: Progress { status: Status::Queued, steps },
            now: 100,
            delivered: 0,
            history: History { run: "r".into(), operations: Vec::new() },
            effects: Vec::new(),
        };
        executor.answer(5, 5, What::Started);
        for turn in turns {
            executor.now += 10;
            match turn {
                Turn::Advance => executor.advance(),
                Turn::Read(early, late) => {
                    executor.answer(*early, *late, What::Read(executor.progress.clone()));
                }
                Turn::Cancel(early, late, lost) => executor.cancel(*early, *late, *lost),
                Turn::Again => executor.again(),
            }
        }
        executor.now += 100;
        executor.answer(0, 0, What::Read(executor.progress.clone()));
        executor.history.operations.sort_by_key(|operation| operation.sent);
        executor
    }

    fn answer(&mut self, early: u64, late: u64, what: What) {
        let at = Duration::from_millis;
        // Nothing is asked before the start was acknowledged.
        let sent = at((self.now - early).max(if what == What::Started { 0 } else { 106 }));
        let received = (what != What::MayCancel).then(|| at(self.now + late).max(sent));
        self.history.operations.push(Operation { sent, received, what });
    }

    fn step(&self) -> usize {
        self.progress.steps.iter().position(|step| step.status != "succeeded").unwrap_or(STEPS)
    }

    fn advance(&mut self) {
        let index = self.step();
        match self.progress.status {
            Status::Queued | Status::Waiting => {
                self.progress.status = Status::Running;
                self.progress.steps[index] = StepProgress { status: "running".into(), attempts: 1 };
                self.deliver(index);
            }
            Status::Running => {
                self.progress.steps[index].status = "succeeded".into();
                let last = index + 1 == STEPS;
                self.progress.status = if last { Status::Succeeded } else { Status::Waiting };
            }
            _ => {}
        }
    }

    fn deliver(&mut self, step: usize) {
        self.delivered += 1;
        let number = self.delivered;
        let key = Some(format!("r:{step}"));
        if let Some(effect) = self.effects.iter_mut().find(|effect| effect.key == key) {
            effect.last = number;
            return;
        }
        let target = format!("POST /{step}");
        self.effects.push(Effect { key, target, first: number, last: number });
    }

    fn again(&mut self) {
        if self.progress.status == Status::Running {
            let step = self.step();
            self.progress.steps[step].attempts += 1;
            self.deliver(step);
        }
    }

    fn cancel(&mut self, early: u64, late: u64, lost: bool) {
        let what = match self.progress.status {
            Status::Cancelled => What::CancelledBefore,
            status if status.is_final() => What::Ended,
            _ => {
                let step = self.step();
                if self.progress.status == Status::Running {
                    self.progress.steps[step].status = "cancelled".into();
                }
                self.progress.status = Status::Cancelled;
                What::Cancelled
            }
        };
        self.answer(early, late, if lost { What::MayCancel } else { what });
    }

    fn is_right(&self) -> bool {
        let (histories, effects) = (std::slice::from_ref(&self.history), &self.effects);
        transitions(&self.history).is_none()
            && durable(&self.history).is_none()
            && order(&self.history) == Order::Found
            && once(histories, effects, STEPS, 0).is_ok()
            && resumed(histories, effects).is_ok()
    }

    fn status(&self) -> Status {
        self.progress.status
    }

    /// Somebody asks long after everything else, and sees this.
    fn later(&mut self, what: What) {
        self.now += 1000;
        self.answer(0, 0, what);
    }
}

fn seen(status: Status) -> What {
    What::Read(Progress { status, steps: Vec::new() })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_right_executor_is_never_blamed(turns in prop::collection::vec(turn(), 0..40)) {
        let executor = Executor::run(&turns);
        prop_assert!(executor.is_right(), "{:?} {:?}", executor.history, executor.effects);
    }

    #[test]
    fn a_run_that_is_lost_is_seen(turns in prop::collection::vec(turn(), 0..40)) {
        let mut executor = Executor::run(&turns);
        executor.later(What::Absent);
        prop_assert!(durable(&executor.history).is_some());
        prop_assert_eq!(order(&executor.history), Order::None);
    }

    #[test]
    fn a_run_that_goes_back_is_seen(turns in prop::collection::vec(turn(), 1..40)) {
        let mut executor = Executor::run(&turns);
        prop_assume!(executor.status() != Status::Queued);
        executor.later(seen(Status::Queued));
        prop_assert!(transitions(&executor.history).is_some());
        prop_assert_eq!(order(&executor.history), Order::None);
    }

    #[test]
    fn an_end_that_changes_is_seen(
        turns in prop::collection::vec(turn(), 12..40), other in 0..Status::ALL.len(),
    ) {
        let mut executor = Executor::run(&turns);
        let other = Status::ALL[other];
        prop_assume!(executor.status().is_final() && executor.status() != other);
        executor.later(seen(other));
        prop_assert!(transitions(&executor.history).is_some());
        prop_assert_eq!(order(&executor.history), Order::None);
    }

    #[test]
    fn a_cancellation_that_does_not_last_is_seen(turns in prop::collection::vec(turn(), 0..8)) {
        let mut executor = Executor::run(&turns);
        prop_assume!(!executor.status().is_final());
        executor.later(What::Cancelled);
        executor.later(seen(Status::Running));
        prop_assert_eq!(order(&executor.history), Order::None);
    }

    #[test]
    fn an_effect_twice_is_seen(turns in prop::collection::vec(turn(), 4..40)) {
        let executor = Executor::run(&turns);
        prop_assume!(!executor.effects.is_empty());
        let histories = std::slice::from_ref(&executor.history);
        let mut effects = executor.effects.clone();
        let mut again = effects[..1].to_vec();
        again[0].key = Some("r:0-again".into());
        effects.extend(again);
        prop_assert!(once(histories, &effects, STEPS, 0).is_err());
    }

    #[test]
    fn a_restart_from_the_beginning_is_seen(turns in prop::collection::vec(turn(), 8..40)) {
        let mut executor = Executor::run(&turns);
        prop_assume!(executor.effects.len() > 1);
        executor.deliver(0);
        let histories = std::slice::from_ref(&executor.history);
        prop_assert!(resumed(histories, &executor.effects).is_err());
        prop_assert!(once(histories, &executor.effects, STEPS, 0).is_ok());
    }
}

#[test]
fn effects_that_are_missing_or_of_nobody_are_seen() {
    let succeeds = [Turn::Advance, Turn::Advance].repeat(STEPS);
    let executor = Executor::run(&succeeds);
    assert_eq!(executor.status(), Status::Succeeded);
    let histories = std::slice::from_ref(&executor.history);
    assert!(once(histories, &executor.effects[1..], STEPS, 0).is_err());
    let of = |key: Option<&str>| {
        let stranger =
            Effect { key: key.map(str::to_owned), target: "POST /0".into(), first: 9, last: 9 };
        [executor.effects.clone(), vec![stranger]].concat()
    };
    assert!(once(histories, &of(None), STEPS, 1).is_err(), "a key is always there");
    assert!(once(histories, &of(Some("other:0")), STEPS, 0).is_err());
    assert!(once(histories, &of(Some("other:0")), STEPS, 1).is_ok(), "a start was not answered");
}

#[test]
fn too_many_orders_are_given_up() {
    let at = Duration::from_millis;
    let during = |what| Operation { sent: at(10), received: Some(at(20)), what };
    let started = Operation { sent: at(0), received: Some(at(1)), what: What::Started };
    let reads = [Status::Running, Status::Waiting].map(|status| during(seen(status)));
    let mut operations = vec![started];
    operations.extend(reads.iter().cycle().take(40).cloned());
    let mut history = History { run: "r".into(), operations };
    assert_eq!(order(&history), Order::Found);
    history.operations.push(during(What::Absent));
    assert_eq!(order(&history), Order::TooMany);
}
