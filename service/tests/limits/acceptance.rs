//! Workflows and runs that are accepted while ports fail and hosts die: at every call of the routes,
//! before it took effect and after. The client comes again with its Idempotency-Key until it hears
//! that it was done. What the run does then is in `engine/executor/tests.rs`.

use std::time::Duration;

use serde_json::{Value, json};
use workway_service::{domain::retention::RunRetention, guard::CLAIM_TIMEOUT};

use super::{
    faulty::{BREAKS, Break},
    one,
    world::World,
};

/// What is sent.
#[derive(Clone)]
struct Wish {
    path: String,
    subject: String,
    body: Value,
}

/// More than any two faults need.
const MOST_TRIES: usize = 6;

impl Wish {
    /// Sends it once; nothing when the host dies.
    async fn ask(&self, world: &World, breaks: Option<(usize, Break)>) -> Option<(u16, Value)> {
        let token = format!("Bearer {}", world.token(&self.subject));
        let headers = [("authorization", token.as_str()), ("idempotency-key", "\"key\"")];
        world.platform.calls.begin(breaks);
        let asked = world.ask("POST", &self.path, &headers, Some(self.body.clone()));
        tokio::select! {
            answer = asked.answer() => Some(answer),
            () = world.platform.calls.died() => None,
        }
    }

    /// Sends it until it is done: the first tries meet these faults. What was made, and whether time
    /// had to pass.
    async fn insist(&self, world: &World, faults: &[(usize, Break)]) -> (String, bool) {
        let mut waited = false;
        for number in 0..MOST_TRIES {
            match self.ask(world, faults.get(number).copied()).await {
                Some((201 | 202, made)) => {
                    return (made["id"].as_str().unwrap().to_owned(), waited);
                }
                Some((503, _)) => {}
                // Whoever holds the key has died.
                Some((409, _)) | None => {
                    world.platform.clock.advance(CLAIM_TIMEOUT);
                    waited = true;
                }
                Some(other) => panic!("{}: {faults:?}: {other:?}", self.path),
            }
        }
        panic!("{}: {faults:?}: not done after {MOST_TRIES} tries", self.path);
    }
}

fn create(subject: &str) -> Wish {
    let body = json!({"name": "n", "description": "d", "steps": [one()]});
    Wish { path: "/workflows".to_owned(), subject: subject.to_owned(), body }
}

async fn start(world: &World, subject: &str) -> Wish {
    let workflow = world.workflow(subject, one()).await;
    let path = format!("/workflows/{workflow}/runs");
    Wish { path, subject: subject.to_owned(), body: json!({}) }
}

fn count(world: &World, sql: &str, subject: &str) -> i64 {
    let file = world.state.path().join("database.sqlite");
    let connection = rusqlite::Connection::open(file).unwrap();
    connection.query_row(sql, [subject], |row| row.get(0)).unwrap()
}

/// It is there, once; and who comes again with the key gets the same.
async fn check(world: &World, wish: &Wish, made: &str, faults: &[(usize, Break)]) {
    let again = wish.insist(world, &[]).await.0;
    assert_eq!(again, made, "{faults:?}");
    let (table, other) = match wish.path.as_str() {
        "/workflows" => ("workflows", "workflow_runs"),
        _ => ("workflow_runs", "workflows"),
    };
    let rows = |table| format!("SELECT count(*) FROM {table} WHERE user_id = ?1");
    assert_eq!(count(world, &rows(table), &wish.subject), 1, "{faults:?}");
    if other == "workflow_runs" {
        return;
    }
    let kept = "SELECT count(*) FROM workflow_runs WHERE user_id = ?1 AND due_at > 0";
    assert_eq!(count(world, kept, &wish.subject), 1, "the sweep would find it: {faults:?}");
    let taken = "SELECT sum(runs) FROM quota_months WHERE user_id = ?1";
    let taken = count(world, taken, &wish.subject);
    // An answer that was lost may have taken a place; none is ever had for nothing.
    let most = 1 + i64::try_from(faults.len()).unwrap();
    assert!((1..=most).contains(&taken), "{taken} places for a run: {faults:?}");
}

/// The run ends, by the alarm of its object or because the sweep comes.
async fn ends(world: &World, subject: &str, run: &str, faults: &[(usize, Break)]) {
    for _ in 0..400 {
        let (status, run) = world.get(&format!("/runs/{run}"), subject).await;
        assert_eq!(status, 200, "{faults:?}");
        if run["status"] == "succeeded" {
            return;
        }
        world.platform.clock.advance(100);
        let now = workway_service::ports::Clock::now(&world.platform.clock);
        workway_service::scheduled::every_minute(&world.platform, RunRetention::default(), now)
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{faults:?}: run {run} does not end");
}

/// The calls of both wishes when nothing is wrong.
async fn calls(world: &World) -> [usize; 2] {
    create("nobody").insist(world, &[]).await;
    let creating = world.platform.calls.made();
    start(world, "somebody").await.insist(world, &[]).await;
    let starting = world.platform.calls.made();
    for (made, statements) in [
        (&creating, &["claim_idempotency_key", "insert_workflow", "complete_idempotency_key"][..]),
        (
            &starting,
            &[
                "claim_idempotency_key",
                "take_run",
                "insert_run",
                "object",
                "complete_idempotency_key",
            ],
        ),
    ] {
        let all = statements.iter().all(|name| made.iter().any(|made| made == name));
        assert!(all, "{statements:?} of {made:?}");
    }
    [creating.len(), starting.len()]
}

#[tokio::test]
async fn what_is_accepted_is_there_once_whatever_breaks_on_the_way() {
    let world = World::start().await;
    let [creating, starting] = calls(&world).await;
    let mut cases = 0;
    for call in 1..=creating.max(starting) {
        for breaks in BREAKS {
            let faults = [(call, breaks)];
            let subject = format!("{call}-{breaks:?}");
            let wish = create(&format!("maker-{subject}"));
            let (made, _) = wish.insist(&world, &faults).await;
            check(&world, &wish, &made, &faults).await;
            // Objects keep the system's time: their alarms are not late only while the clock here
            // shows that, too.
            let world = World::start().await;
            let wish = start(&world, &subject).await;
            let (run, waited) = wish.insist(&world, &faults).await;
            if !waited {
                ends(&world, &subject, &run, &faults).await;
            }
            check(&world, &wish, &run, &faults).await;
            cases += 2;
        }
    }
    println!(
        "{creating} and {starting} calls of ports, {cases} faults: before and after, error and death"
    );
}

/// The second hits what the client, or the service, does about the first.
#[tokio::test]
async fn nor_do_two_faults_one_after_the_other() {
    let world = World::start().await;
    let [creating, starting] = calls(&world).await;
    let mut cases = 0;
    // What comes again finds what is there, and gives its place in the quota back: some calls more.
    for (first, second) in
        (1..=starting).flat_map(|first| (1..=starting + 2).map(move |second| (first, second)))
    {
        for (one, other) in
            BREAKS.iter().flat_map(|one| BREAKS.iter().map(move |other| (*one, *other)))
        {
            let faults = [(first, one), (second, other)];
            let subject = format!("{first}-{one:?}-{second}-{other:?}");
            let wish = start(&world, &subject).await;
            let (run, _) = wish.insist(&world, &faults).await;
            check(&world, &wish, &run, &faults).await;
            cases += 1;
            if first <= creating && second <= creating + 1 {
                let wish = create(&format!("maker-{subject}"));
                let (made, _) = wish.insist(&world, &faults).await;
                check(&world, &wish, &made, &faults).await;
                cases += 1;
            }
        }
    }
    println!("{cases} pairs of faults");
}
