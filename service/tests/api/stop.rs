//! How the server stops, and what it finds when it starts again.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use reqwest::Method;
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpListener, sync::Semaphore};
use wiremock::{Mock, ResponseTemplate, matchers::path_regex};
use workway_service::platform::native::{MAX_RINGING, ServeError, Server, StateError};

use super::{
    client::{Api, token},
    stand_in::{CHECKOUT, VARS},
    wire::{connect, hear},
};

/// The databases of a state.
const DATABASES: [&str; 5] =
    ["database.sqlite", "cache.sqlite", "sessions.sqlite", "vectors.sqlite", "objects.sqlite"];

/// Until the request has reached the router.
async fn arrived(api: &Api, requests: u64) {
    while api.counted("/requests").await < requests {
        tokio::task::yield_now().await;
    }
}

/// What is under way is finished; who does not finish in time is cut off, or stopping would take
/// as long as the slowest client likes.
#[tokio::test]
async fn requests_under_way_are_finished_and_those_that_never_end_are_cut_off() {
    let mut api = Api::start().await;
    api.freeze().await;
    let steps = json!([{"type": "transform", "config": {"value": 1}}]);
    let body = json!({"name": "n", "description": "d", "steps": steps}).to_string();
    let mut streams = Vec::new();
    for (number, subject) in ["finishes", "never"].into_iter().enumerate() {
        let mut stream = connect(&api).await;
        let head = format!(
            "POST /workflows HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            token(subject),
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        arrived(&api, number as u64 + 1).await;
        streams.push(stream);
    }
    let stopped = api.stop();
    let finished = async {
        streams[0].write_all(body.as_bytes()).await.unwrap();
        hear(&mut streams[0]).await
    };
    let ((), heard) = futures_util::future::join(stopped, finished).await;
    assert_eq!(heard.statuses, [201], "{heard:?}");
    assert!(heard.closed);
    api.boot().await;
    assert_eq!(
        api.get("/workflows", &token("finishes")).await.1["workflows"].as_array().unwrap().len(),
        1
    );
}

/// A handler has its own deadline to end, and stopping does not cut it off before. Stripe takes seven
/// seconds here: longer than stopping once waited.
#[tokio::test]
async fn a_slow_handler_is_not_cut_off() {
    let mut api = Api::start_with(VARS).await;
    let session = json!({"id": "cs_1", "url": "https://checkout.stripe.test/cs_1"});
    let slow = ResponseTemplate::new(200).set_body_json(session).set_delay(Duration::from_secs(7));
    Mock::given(path_regex(CHECKOUT)).respond_with(slow).mount(&api.upstream).await;
    let (client, url) = (api.client.clone(), format!("{}/billing/checkout", api.base));
    let request = client.post(url).bearer_auth(token("ann"));
    let request = request.header("content-type", "application/json").body(r#"{"plan": "growth"}"#);
    let asked = tokio::spawn(request.send());
    arrived(&api, 1).await;
    api.stop().await;
    assert_eq!(asked.await.unwrap().unwrap().status(), 201);
}

/// A stream of events would hold up stopping until its client leaves.
#[tokio::test]
async fn a_stream_of_events_ends_with_the_server() {
    let mut api = Api::start().await;
    let ann = token("ann");
    let steps = json!([{"type": "delay", "config": {"seconds": 3600}}]);
    let workflow = api.workflow(&ann, steps).await;
    let (_, run) = api.post(&format!("/workflows/{workflow}/runs"), &ann, json!({})).await;
    let path = format!("/runs/{}/events", run["id"].as_str().unwrap());
    let mut stream = api.send(Method::GET, &path, &ann, None).await;
    assert!(stream.chunk().await.unwrap().is_some());
    api.stop().await;
    while let Some(part) = stream.chunk().await.unwrap() {
        assert!(part.ends_with(b"\n\n"), "{part:?}");
    }
}

fn log(api: &Api, database: &str) -> PathBuf {
    api.state.path().join(format!("{database}-wal"))
}

/// Nothing depends on a log once the server has stopped in order, and nobody else may read the state.
#[tokio::test]
async fn a_clean_stop_leaves_whole_databases_that_only_the_owner_can_read() {
    let mut api = Api::start().await;
    let ann = token("ann");
    api.workflow(&ann, json!([{"type": "transform", "config": {"value": 1}}])).await;
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o077;
    for entry in fs::read_dir(api.state.path()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(path.clone()), 0, "{}", path.display());
    }
    api.stop().await;
    for database in DATABASES {
        let _ = fs::remove_file(log(&api, database));
    }
    api.boot().await;
    let (_, workflows) = api.get("/workflows", &ann).await;
    assert_eq!(workflows["workflows"].as_array().unwrap().len(), 1);
}

async fn open(state: &std::path::Path, api: &Api) -> Result<(), ServeError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Server::open(listener, state, api.config_with(&[])).await.map(drop)
}

/// Takes a copy of the state, as a kill at this moment would leave it.
fn killed(api: &Api) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(api.state.path()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
    }
    copy
}

/// What was acknowledged last stands in the log of a database: SQLite goes on without a log, or without
/// the end of one, and says nothing.
#[tokio::test]
async fn a_log_that_is_lost_or_damaged_after_a_kill_is_seen() {
    let api = Api::start().await;
    let ann = token("ann");
    api.workflow(&ann, json!([{"type": "transform", "config": {"value": 1}}])).await;
    let state = killed(&api);
    open(state.path(), &api).await.unwrap();

    let state = killed(&api);
    fs::remove_file(state.path().join("database.sqlite-wal")).unwrap();
    let error = open(state.path(), &api).await.unwrap_err();
    assert!(matches!(error, ServeError::State(StateError::LogLost(..))), "{error}");
    fs::remove_file(state.path().join("lock")).unwrap();
    open(state.path(), &api).await.unwrap();

    let state = killed(&api);
    let path = state.path().join("database.sqlite-wal");
    let mut bytes = fs::read(&path).unwrap();
    bytes[5000] ^= 0x10;
    fs::write(&path, bytes).unwrap();
    let error = open(state.path(), &api).await.unwrap_err();
    assert!(matches!(error, ServeError::State(StateError::LogDamaged { frame: 2, .. })), "{error}");
}

#[tokio::test]
async fn a_database_of_somebody_else_is_not_touched() {
    for (version, expected) in [(0, "has tables"), (3, "is missing or another"), (99, "newer")] {
        let api = Api::start().await;
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("database.sqlite");
        let foreign = rusqlite::Connection::open(&path).unwrap();
        foreign.execute_batch("CREATE TABLE theirs (a)").unwrap();
        foreign.pragma_update(None, "user_version", version).unwrap();
        drop(foreign);
        let error = open(state.path(), &api).await.unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("database.sqlite"), "{error}");
        let tables = "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'sqlite%'";
        let database = rusqlite::Connection::open(path).unwrap();
        let count: i64 = database.query_row(tables, [], |row| row.get(0)).unwrap();
        assert_eq!(count, 1, "{version}");
    }
}

/// A database whose file was deleted takes everything and keeps nothing.
#[tokio::test]
async fn a_server_whose_state_was_deleted_stops() {
    for gone in ["", "lock", "objects.sqlite"] {
        let mut api = Api::start().await;
        let path = api.state.path().join(gone);
        if gone.is_empty() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        let error = api.ended().await.unwrap_err();
        assert!(matches!(error, StateError::Gone(_)), "{gone}: {error}");
    }
}

/// A process may die after it has written a run down, and before it has told the run's executor. The next
/// one finds the run when it starts, and not by the next sweep but one.
#[tokio::test]
async fn a_run_that_no_executor_heard_of_starts_with_the_server() {
    let mut api = Api::start().await;
    let ann = token("ann");
    let steps = json!([{"type": "transform", "config": {"value": 1}}]);
    let run = api.run(&ann, &api.workflow(&ann, steps).await).await;
    api.finished(&ann, &run).await;
    api.stop().await;

    let database = rusqlite::Connection::open(api.state.path().join("database.sqlite")).unwrap();
    // As it is before its executor has heard of it, under an identifier that no executor has.
    let lost = format!("{}{}", &run[..run.len() - 1], if run.ends_with('0') { '1' } else { '0' });
    database
        .execute(
            "INSERT INTO workflow_runs SELECT ?2, workflow_id, user_id, 'queued', definition, \
             json_set(report, '$.id', ?2, '$.status', 'queued', '$.finished_at', NULL, \
             '$.steps[0].status', 'pending', '$.steps[0].attempts', 0, '$.steps[0].output', NULL), \
             0, created_at, created_at FROM workflow_runs WHERE id = ?1",
            [&run, &lost],
        )
        .unwrap();
    drop(database);
    api.boot().await;
    // Alarms ring, and no sweep is asked for.
    assert_eq!(api.finished(&ann, &lost).await["status"], "succeeded");
    assert_eq!(api.counted("/sweeps").await, 0);
}

/// Alarms that are due at once, as after a pause of the machine, take no more descriptors than there are.
#[tokio::test]
async fn a_thousand_runs_that_wake_together_take_turns() {
    const RUNS: usize = MAX_RINGING + 100;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let gate = Arc::new(Semaphore::new(0));
    tokio::spawn({
        let (open, most, gate) = (Arc::clone(&open), Arc::clone(&most), Arc::clone(&gate));
        async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                most.fetch_max(open.fetch_add(1, SeqCst) + 1, SeqCst);
                let (open, gate) = (Arc::clone(&open), Arc::clone(&gate));
                tokio::spawn(async move {
                    let (mut reading, mut writing) = stream.split();
                    let mut nowhere = tokio::io::sink();
                    tokio::select! {
                        // It gives up, and tries again.
                        _ = tokio::io::copy(&mut reading, &mut nowhere) => {}
                        _ = gate.acquire() => {
                            let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
                            let _ = writing.write_all(answer).await;
                        }
                    }
                    open.fetch_sub(1, SeqCst);
                });
            }
        }
    });
    let api = Api::start_allowing(&origin).await;
    api.freeze().await;
    let steps = json!([
        {"type": "delay", "config": {"seconds": 60}},
        {"type": "http", "config": {"url": format!("{origin}/")}},
    ]);
    let mut waiting = Vec::new();
    // Each has a limit of requests a minute.
    for user in 0..RUNS.div_ceil(50) {
        let someone = token(&format!("user-{user}"));
        let workflow = api.workflow(&someone, steps.clone()).await;
        for _ in 0..50.min(RUNS - waiting.len()) {
            waiting.push((someone.clone(), api.run(&someone, &workflow).await));
        }
    }
    // All of them sleep.
    while api.counted("/alarms_rung").await < RUNS as u64 {
        tokio::task::yield_now().await;
    }
    api.advance(60_000).await;
    while most.load(SeqCst) < MAX_RINGING {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Were there no bound, the others would come now.
    tokio::time::sleep(Duration::from_millis(500)).await;
    gate.add_permits(RUNS);
    api.clock(json!({"frozen": false})).await;
    for (someone, run) in waiting {
        assert_eq!(api.finished(&someone, &run).await["status"], "succeeded");
    }
    assert_eq!(most.load(SeqCst), MAX_RINGING);
}
