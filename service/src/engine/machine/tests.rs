//! Tests the transitions of the state machine.

use serde_json::json;

use super::*;
use crate::domain::{
    json::MAX_DEPTH,
    run::{FULL_PROJECTIONS, StepReport},
    workflow::StepKind,
};

pub(super) const START: Millis = 1_000_000;

pub(super) fn accepted(steps: usize) -> RunState {
    let step = Step { kind: StepKind::Http, config: serde_json::Map::new() };
    RunState::new("run".into(), "ann".into(), "workflow".into(), vec![step; steps], START)
}

/// Returns a run of `steps` whose first attempt began at [`START`] and whose row shows that.
fn running(steps: usize) -> RunState {
    let (state, _) = accepted(steps).advance(Event::Woken, START);
    state.advance(Event::Projected(RunStatus::Running), START).0
}

fn ended(step: usize, number: u32, result: Result<Value, Failure>) -> Event {
    Event::AttemptEnded { attempt: AttemptId { step, number }, result }
}

fn failure(retry: bool) -> Result<Value, Failure> {
    Err(Failure::Status { status: 500, retry })
}

fn attempt(step: usize, number: u32) -> Effect {
    Effect::Attempt {
        attempt: AttemptId { step, number },
        key: format!("run:{step}"),
        step: Step { kind: StepKind::Http, config: serde_json::Map::new() },
    }
}

/// Wakes the run at the time of its alarm.
fn wake(state: RunState) -> (RunState, Vec<Effect>, Millis) {
    let at = state.wake_at.unwrap();
    let (state, effects) = state.advance(Event::Woken, at);
    (state, effects, at)
}

#[test]
fn the_first_alarm_starts_the_first_step() {
    let state = accepted(2);
    assert_eq!((state.run.status, state.wake_at), (RunStatus::Queued, Some(START)));
    let (state, effects, _) = wake(state);
    assert_eq!(effects, [attempt(0, 1), Effect::Project]);
    assert_eq!((state.run.status, state.version), (RunStatus::Running, 1));
    assert_eq!((state.run.steps[0].status, state.run.steps[0].attempts), (StepStatus::Running, 1));
    assert_eq!(state.wake_at, Some(START + ATTEMPT_LEASE));
}

#[test]
fn a_step_that_succeeds_starts_the_next_and_the_last_one_ends_the_run() {
    let (state, effects) = running(2).advance(ended(0, 1, Ok(json!(1))), START + 5);
    assert_eq!(effects, [attempt(1, 1)], "the row shows `running` already");
    assert_eq!(state.run.steps[0].output, Some(json!(1)));
    assert_eq!(state.wake_at, Some(START + 5 + ATTEMPT_LEASE));
    let (state, effects) = state.advance(ended(1, 1, Ok(json!(2))), START + 9);
    assert_eq!(effects, [Effect::Project]);
    assert_eq!((state.run.status, state.run.finished_at), (RunStatus::Succeeded, Some(START + 9)));
    assert_eq!(state.wake_at, Some(START + 9 + PROJECTION_RETRY));
}

#[test]
fn a_run_without_steps_succeeds_at_once() {
    let (state, effects, _) = wake(accepted(0));
    assert_eq!((state.run.status, effects), (RunStatus::Succeeded, vec![Effect::Project]));
}

#[test]
fn retries_back_off_until_the_attempts_are_used_up() {
    let mut state = running(1);
    let mut now = START;
    for number in 1..MAX_ATTEMPTS {
        let (waiting, effects) = state.advance(ended(0, number, failure(true)), now);
        assert_eq!((waiting.run.status, effects), (RunStatus::Waiting, vec![Effect::Project]));
        assert_eq!(waiting.run.steps[0].error.as_deref(), Some("answered with status 500"));
        let pause = waiting.wake_at.unwrap() - now;
        let full = BACKOFF_BASE << (number - 1);
        assert!((full * 3 / 4..=full).contains(&pause), "{number}: {pause}");
        let projected = waiting.advance(Event::Projected(RunStatus::Waiting), now).0;
        let (next, effects, at) = wake(projected);
        assert_eq!(effects, [attempt(0, number + 1), Effect::Project]);
        state = next.advance(Event::Projected(RunStatus::Running), at).0;
        now = at;
    }
    let (state, _) = state.advance(ended(0, MAX_ATTEMPTS, failure(true)), now);
    assert_eq!(
        (state.run.status, state.run.steps[0].status),
        (RunStatus::Failed, StepStatus::Failed)
    );
    assert_eq!(state.run.steps[0].attempts, MAX_ATTEMPTS);
}

#[test]
fn a_failure_for_good_ends_the_run_and_leaves_the_next_step_alone() {
    let (state, effects) = running(2).advance(ended(0, 1, failure(false)), START);
    assert_eq!((state.run.status, effects), (RunStatus::Failed, vec![Effect::Project]));
    assert_eq!(state.run.steps[1], StepReport::pending(StepKind::Http));
    assert_eq!(state.run.finished_at, Some(START));
}

#[test]
fn an_event_that_is_late_early_or_repeated_changes_nothing() {
    let second = running(2).advance(ended(0, 1, Ok(json!(1))), START).0;
    let waiting = running(1).advance(ended(0, 1, failure(true)), START).0;
    let retried = wake(waiting.clone()).0;
    let done = running(1).advance(ended(0, 1, Ok(json!(1))), START).0;
    for (state, event) in [
        (accepted(1), ended(0, 1, Ok(json!(1)))),
        (accepted(1), ended(0, 0, Ok(json!(1)))),
        (running(1), ended(0, 2, Ok(json!(1)))),
        (running(1), ended(1, 1, Ok(json!(1)))),
        (running(1), ended(9, 1, Ok(json!(1)))),
        (second, ended(0, 1, failure(false))),
        (waiting.clone(), ended(0, 1, Ok(json!(1)))),
        (retried, ended(0, 1, Ok(json!(1)))),
        (done.clone(), ended(0, 1, failure(false))),
    ] {
        assert_eq!(state.clone().advance(event.clone(), START), (state, vec![]), "{event:?}");
    }
    for state in [accepted(1), running(1), waiting, done] {
        let early = state.wake_at.unwrap() - 1;
        assert_eq!(state.clone().advance(Event::Woken, early), (state, vec![]));
    }
}

#[test]
fn an_expired_lease_counts_as_an_attempt_with_the_same_key() {
    let mut state = running(1);
    for number in 1..MAX_ATTEMPTS {
        let (next, effects, at) = wake(state);
        assert_eq!(effects, [attempt(0, number + 1)]);
        assert_eq!((next.run.status, next.wake_at), (RunStatus::Running, Some(at + ATTEMPT_LEASE)));
        let error = next.run.steps[0].error.as_deref().unwrap();
        assert_eq!(error, "the attempt was interrupted; whether it took effect is not known");
        state = next;
    }
    let (state, effects, _) = wake(state);
    assert_eq!((state.run.status, effects), (RunStatus::Failed, vec![Effect::Project]));
}

#[test]
fn a_finished_run_is_projected_until_the_row_shows_it() {
    let mut state = running(1).advance(ended(0, 1, Ok(json!(1))), START).0;
    let finished = state.run.clone();
    for failed in 1..4 {
        let (next, effects, at) = wake(state);
        assert_eq!(effects, [Effect::Project]);
        assert_eq!(next.wake_at, Some(at + (PROJECTION_RETRY << failed)));
        state = next;
    }
    let (state, _) = state.advance(Event::Projected(RunStatus::Succeeded), START);
    assert_eq!((state.wake_at, &state.run), (None, &finished));
    assert_eq!(state.clone().advance(Event::Woken, Millis::MAX), (state, vec![]));
}

#[test]
fn projections_back_off_drop_the_outputs_and_end() {
    let mut state = running(1).advance(ended(0, 1, Ok(json!(1))), START).0;
    let began = state.wake_at.unwrap();
    for failed in 1..=MAX_PROJECTIONS {
        let has_output = state.report().steps[0].output.is_some();
        assert_eq!(has_output, failed <= FULL_PROJECTIONS, "{failed}");
        let (next, effects, at) = wake(state);
        assert_eq!(effects, [Effect::Project], "{failed}");
        assert!(next.wake_at.is_none_or(|next| next - at <= MAX_PROJECTION_PAUSE));
        assert_eq!(next.wake_at.is_none(), failed == MAX_PROJECTIONS, "{failed}");
        if failed == FULL_PROJECTIONS {
            assert!(at - began > 12 * 60 * 60 * 1000, "an outage of half a day costs no outputs");
        }
        state = next;
    }
    assert!(state.is_abandoned());
    assert!(state.run.steps[0].output.is_some(), "the object keeps the outputs");
}

#[test]
fn an_output_at_the_limits_and_one_past_them() {
    let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    for (output, status) in [
        (json!("\u{0}".repeat((MAX_OUTPUT_BYTES - 2) / 6)), RunStatus::Succeeded),
        (json!("\u{0}".repeat((MAX_OUTPUT_BYTES - 2) / 6 + 1)), RunStatus::Failed),
        (nested(MAX_DEPTH), RunStatus::Succeeded),
        (nested(MAX_DEPTH + 1), RunStatus::Failed),
        (nested(125), RunStatus::Failed),
    ] {
        let (state, _) = running(1).advance(ended(0, 1, Ok(output)), START);
        assert_eq!(state.run.status, status, "{:?}", state.run.steps[0].error);
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<RunState>(&text).unwrap(), state, "it is read again");
    }
}

#[test]
fn the_largest_state_fits_into_a_value_of_the_database() {
    // The settings fill what the other members of the steps leave.
    let config = |bytes: usize| json!({"url": "x".repeat(bytes)});
    let empty = serde_json::to_string(&vec![step(StepKind::Http, &config(0)); MAX_STEPS]).unwrap();
    let room = (MAX_STEPS_BYTES - empty.len()) / MAX_STEPS;
    let mut state = run_of(vec![step(StepKind::Http, &config(room)); MAX_STEPS]);
    state.owner = "\u{0}".repeat(96);
    let largest = json!("\u{0}".repeat((MAX_OUTPUT_BYTES - 2) / 6));
    let (mut now, mut most) = (START, 0);
    for index in 0..MAX_STEPS {
        for number in 1..=MAX_ATTEMPTS {
            now = now.max(state.wake_at.unwrap());
            if number > 1 || index == 0 {
                state = state.advance(Event::Woken, now).0;
            }
            let last = index + 1 == MAX_STEPS;
            let result = match number {
                MAX_ATTEMPTS if last => Err(Failure::Unreachable("\u{0}".repeat(100_000))),
                MAX_ATTEMPTS => Ok(largest.clone()),
                _ => failure(true),
            };
            state = state.advance(ended(index, number, result), now).0;
            // It is largest before it ends, with its steps.
            most = most.max(serde_json::to_string(&state).unwrap().len());
        }
    }
    assert_eq!((state.run.status, state.events.len()), (RunStatus::Failed, MAX_EVENTS));
    let limit = MAX_VALUE_BYTES - MAX_OUTPUT_BYTES;
    assert!(most <= limit && most > limit * 9 / 10, "{most}");
    let text = serde_json::to_string(&state).unwrap();
    assert_eq!(serde_json::from_str::<RunState>(&text).unwrap(), state);
}

#[test]
fn a_message_at_the_limit_and_one_past_it() {
    for length in [MAX_MESSAGE, MAX_MESSAGE + 1] {
        let failure = Err(Failure::Unreachable("é".repeat(length)));
        let (state, _) = running(1).advance(ended(0, 1, failure), START);
        let error = state.run.steps[0].error.as_deref().unwrap();
        assert_eq!(error.chars().count(), MAX_MESSAGE);
    }
}

#[test]
fn a_run_that_cannot_be_read_again_ends_as_failed_whatever_its_row_shows() {
    let (state, effects) = running(2).advance(Event::Unreadable, START + 1);
    assert_eq!((state.run.status, effects), (RunStatus::Failed, vec![Effect::Project]));
    assert_eq!(state.version, MAX_INTEGER);
    assert_eq!(state.run.steps[0].error.as_deref(), Some("the run could not be read again"));
    let ended = running(1).advance(ended(0, 1, Ok(json!(1))), START).0;
    let (again, effects) = ended.clone().advance(Event::Unreadable, START + 1);
    assert_eq!((&again.run, effects), (&ended.run, vec![Effect::Project]), "terminal is final");
}

#[test]
fn the_jitter_differs_between_runs_and_is_the_same_in_a_replay() {
    let pause = |run: &str| backoff(run, AttemptId { step: 0, number: 3 });
    let pauses: Vec<_> = (0..100).map(|n| pause(&format!("run-{n}"))).collect();
    assert!(pauses.iter().collect::<std::collections::HashSet<_>>().len() > 30);
    assert_eq!(pause("run-1"), pauses[1]);
    let full = BACKOFF_BASE << 2;
    assert!(pauses.iter().all(|pause| (full * 3 / 4..=full).contains(pause)));
}

fn step(kind: StepKind, config: &Value) -> Step {
    Step { kind, config: config.as_object().unwrap().clone() }
}

fn run_of(definition: Vec<Step>) -> RunState {
    RunState::new("run".into(), "ann".into(), "workflow".into(), definition, START)
}

fn http() -> Step {
    step(StepKind::Http, &json!({}))
}

#[test]
fn a_delay_waits_without_an_effect_and_the_row_shows_until_when() {
    let pause = || step(StepKind::Delay, &json!({"seconds": 60}));
    let (state, effects, _) = wake(run_of(vec![pause(), pause()]));
    assert_eq!((state.run.status, effects), (RunStatus::Waiting, vec![Effect::Project]));
    assert_eq!(state.wake_at, Some(START + 60_000));
    let state = state.advance(Event::Projected(RunStatus::Waiting), START).0;
    let (state, effects, now) = wake(state);
    assert_eq!((now, effects), (START + 60_000, vec![Effect::Project]), "though it waits again");
    assert_eq!(state.run.steps[0].output, Some(json!({"seconds": 60})));
    let (state, _, now) = wake(state);
    assert_eq!((state.run.status, now), (RunStatus::Succeeded, START + 120_000));
}

#[test]
fn a_transform_refers_to_outputs_and_takes_no_time() {
    let transform = step(StepKind::Transform, &json!({"value": "<{{ steps[0].output.body }}>"}));
    let (state, _, _) = wake(run_of(vec![http(), transform.clone(), transform]));
    let (state, effects) = state.advance(ended(0, 1, Ok(json!({"body": "x"}))), START + 5);
    assert_eq!((state.run.status, effects), (RunStatus::Succeeded, vec![Effect::Project]));
    assert_eq!(state.run.steps[2].output, Some(json!("<x>")));
    assert_eq!((state.run.steps[2].attempts, state.run.finished_at), (1, Some(START + 5)));
}

#[test]
fn an_output_of_a_transform_at_the_limit_and_one_past_it() {
    // Two bytes are the quotes of a JSON string.
    for (length, status) in
        [(MAX_OUTPUT_BYTES - 2, RunStatus::Succeeded), (MAX_OUTPUT_BYTES - 1, RunStatus::Failed)]
    {
        let value = json!({"value": "x".repeat(length)});
        let (state, _, _) = wake(run_of(vec![step(StepKind::Transform, &value)]));
        assert_eq!(state.run.status, status, "{length}");
    }
}

#[test]
fn the_content_of_a_summary_at_the_limit_and_one_past_it() {
    const OUTPUTS: usize = 4;
    let references = "{{ steps[0].output }}{{ steps[1].output }}\
                      {{ steps[2].output }}{{ steps[3].output }}";
    let mut definition = vec![http(); OUTPUTS];
    definition.push(step(StepKind::AiSummarize, &json!({"content": references})));
    for (more, status) in [(0, RunStatus::Running), (1, RunStatus::Failed)] {
        // Two bytes are the quotes of a JSON string.
        let text = |more| Ok(json!("x".repeat(MAX_REFERENCED_BYTES / OUTPUTS - 2 + more)));
        let (mut state, _, _) = wake(run_of(definition.clone()));
        for index in 0..OUTPUTS {
            let more = if index + 1 == OUTPUTS { more } else { 0 };
            state = state.advance(ended(index, 1, text(more)), START + 1).0;
        }
        assert_eq!(state.run.status, status, "{more}");
    }
}

#[test]
fn cancel_ends_the_run_and_the_late_result_is_ignored() {
    let (state, effects) = running(2).advance(Event::Cancelled, START + 1);
    assert_eq!((state.run.status, effects), (RunStatus::Cancelled, vec![Effect::Project]));
    assert_eq!(state.run.steps[0].status, StepStatus::Cancelled);
    assert_eq!(state.run.steps[1], StepReport::pending(StepKind::Http));
    for late in [ended(0, 1, Ok(json!(1))), ended(0, 1, failure(true)), Event::Cancelled] {
        assert_eq!(state.clone().advance(late, START + 2), (state.clone(), vec![]));
    }
    let (state, effects, _) = wake(state);
    assert_eq!((state.run.status, effects), (RunStatus::Cancelled, vec![Effect::Project]));
}

#[test]
fn a_run_ends_at_its_deadline_and_not_before() {
    let deadline = START + RUN_TIMEOUT;
    for (now, status) in [(deadline - 1, RunStatus::Running), (deadline, RunStatus::TimedOut)] {
        let (state, _) = accepted(1).advance(Event::Woken, now);
        assert_eq!(state.run.status, status, "{now}");
    }
    let (under_way, _) = accepted(1).advance(Event::Woken, deadline - 1);
    assert_eq!(under_way.wake_at, Some(deadline), "before the lease");
    let (state, _, _) = wake(under_way);
    assert_eq!(state.run.status, RunStatus::TimedOut);
    assert_eq!(state.run.steps[0].error.as_deref(), Some("the run ran out of time"));
    let late = ended(0, 1, Ok(json!(1)));
    assert_eq!(state.clone().advance(late, deadline), (state, vec![]));
}

#[test]
fn the_longest_run_has_the_most_events_and_none_is_missing() {
    let mut state = accepted(MAX_STEPS);
    let mut now = START;
    for index in 0..MAX_STEPS {
        for number in 1..=MAX_ATTEMPTS {
            now = now.max(state.wake_at.unwrap());
            if number > 1 || index == 0 {
                state = state.advance(Event::Woken, now).0;
            }
            let result = if number == MAX_ATTEMPTS { Ok(json!(1)) } else { failure(true) };
            state = state.advance(ended(index, number, result), now).0;
        }
    }
    assert_eq!(state.run.status, RunStatus::Succeeded);
    assert_eq!(state.events.len(), MAX_EVENTS);
    assert!(state.events.iter().zip(1..).all(|(event, id)| event.id == id));
    assert!(state.events[MAX_EVENTS - 1].change.is_last());
}
