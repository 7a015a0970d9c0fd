use serde_json::json;

use super::*;
use crate::plan::StepId;

const PATHS: RunPaths = RunPaths {
    start: "/workflows/*/runs",
    show: "/runs/*",
    cancel: "/runs/*/cancel",
    events: "/runs/*/events",
};

fn seen(sent: u64, method: Method, path: &str, status: Option<u16>, body: Value) -> Seen {
    Seen {
        step: StepId(0),
        user: Some(UserId(0)),
        method,
        path: path.to_owned(),
        sent: Duration::from_millis(sent),
        received: Duration::from_millis(sent + 5),
        earliest: 0,
        latest: 0,
        asked: None,
        status,
        body: Some(body),
    }
}

fn start(sent: u64, status: Option<u16>) -> Seen {
    seen(sent, Method::POST, "/workflows/w/runs", status, json!({"id": "r1", "status": "queued"}))
}

fn read(sent: u64, status: u16, body: Value) -> Seen {
    seen(sent, Method::GET, "/runs/r1?x=1", Some(status), body)
}

fn state(status: &str, attempts: [u64; 2]) -> Value {
    let step = |attempts: u64| {
        let status = if attempts == 0 { "pending" } else { "succeeded" };
        json!({"status": status, "attempts": attempts})
    };
    json!({"status": status, "steps": attempts.map(step)})
}

fn violated(finding: Finding) -> (String, Vec<String>) {
    match finding {
        Finding::Violated { actual, differences, .. } => (actual, differences),
        other => panic!("{other:?}"),
    }
}

#[test]
fn answers_are_sorted_by_run_and_strangers_say_nothing() {
    let mut stranger = read(30, 404, Value::Null);
    stranger.user = Some(UserId(1));
    let evidence = Evidence::new(
        &[
            read(40, 200, state("succeeded", [1, 1])),
            stranger,
            start(10, Some(202)),
            start(20, None),
            read(25, 429, Value::Null),
        ],
        &PATHS,
    );
    assert_eq!((evidence.histories.len(), evidence.lost_starts), (1, 1));
    assert_eq!(evidence.histories[0].operations.len(), 2);
    assert_eq!(evidence.to_look_at(), Vec::<usize>::new());
    for check in RunsCheck::all(false) {
        assert_eq!(evidence.judge(*check), Finding::Holds, "{check:?}");
    }
    let crash = Happened {
        at: Duration::from_millis(41),
        what: "target: killed".to_owned(),
        is_crash: true,
        run: String::new(),
    };
    let evidence = Evidence { happened: vec![crash], ..evidence };
    assert_eq!(evidence.to_look_at(), [0], "nobody looked since the crash");
    let nothing = Evidence::new(&[read(40, 200, state("succeeded", [1, 1]))], &PATHS);
    assert!(matches!(nothing.judge(RunsCheck::Legal), Finding::Undecided(_)));
}

#[test]
fn a_failure_shows_the_run_on_one_line_of_time() {
    let call = |step: u64, first, last, at| Call {
        number: step,
        key: Some(format!("\"r1:{step}\"")),
        method: "POST".to_owned(),
        path: format!("/charge/{step}"),
        body: Value::Null.into(),
        deliveries: 1 + u64::from(first != last),
        first,
        last,
        at,
        last_at: at + 300,
    };
    let killed = Happened {
        at: Duration::from_millis(120),
        what: "target: killed".to_owned(),
        is_crash: true,
        run: String::new(),
    };
    let evidence = Evidence {
        calls: vec![call(0, 1, 3, 1_050), call(1, 2, 2, 1_110)],
        each: 2,
        happened: vec![killed],
        origin: 1_000,
        ..Evidence::new(
            &[
                start(10, Some(202)),
                read(60, 200, state("running", [1, 0])),
                read(80, 200, state("running", [1, 0])),
                read(400, 200, state("succeeded", [2, 1])),
            ],
            &PATHS,
        )
    };
    let (actual, timeline) = violated(evidence.judge(RunsCheck::Resumed));
    assert_eq!(actual, "run r1: POST /charge/0 was delivered again after POST /charge/1");
    assert_eq!(
        timeline,
        [
            "    0.010 s  start: acknowledged",
            "    0.050 s  effect of step 0: POST /charge/0",
            "    0.060 s  read: running [succeeded 1, pending 0] (2 times)",
            "    0.110 s  effect of step 1: POST /charge/1",
            "    0.120 s  target: killed",
            "    0.350 s  effect of step 0: POST /charge/0, delivery 2",
            "    0.400 s  read: succeeded [succeeded 2, succeeded 1]",
        ]
    );
    let (actual, _) = violated(evidence.judge(RunsCheck::Legal));
    assert!(
        actual.starts_with("run r1: step 0, succeeded, had 1 attempts, and later 2"),
        "{actual}"
    );
    assert_eq!(evidence.judge(RunsCheck::Once), Finding::Holds);
    let missing = Evidence { each: 3, ..evidence };
    let (actual, _) = violated(missing.judge(RunsCheck::Once));
    assert_eq!(actual, "run r1: it succeeded, and had 2 effects of 3");
}

#[test]
fn a_state_that_there_is_not_is_seen() {
    let body = json!({"status": "asleep", "steps": []});
    let evidence = Evidence::new(&[start(10, Some(202)), read(40, 200, body)], &PATHS);
    let (actual, _) = violated(evidence.judge(RunsCheck::Legal));
    assert_eq!(actual, "run r1: it was in a state that there is not: \"asleep\"");
}

#[test]
fn the_engine_tells_what_it_did() {
    let stream = "id: 1\nevent: run\ndata: {\"id\":1,\"at\":5,\"event\":\"run\",\"status\":\"queued\"}\n\n\
                  id: 2\nevent: step\ndata: {\"id\":2,\"at\":7,\"event\":\"step\",\"step\":0,\"attempt\":2,\"status\":\"running\"}\n\n";
    let expected =
        [(5, "engine: queued".to_owned()), (7, "engine: step 0, attempt 2 running".to_owned())];
    assert_eq!(events(stream), expected);
}

#[test]
fn the_id_of_a_path_stands_where_the_pattern_has_a_star() {
    assert_eq!(id_in("/runs/r1", PATHS.show), Some("r1"));
    assert_eq!(id_in("/runs/r1/cancel", PATHS.cancel), Some("r1"));
    for other in ["/runs", "/runs/r1/events", "/jobs/r1", "runs/r1"] {
        assert_eq!(id_in(other, PATHS.show), None, "{other}");
    }
}
