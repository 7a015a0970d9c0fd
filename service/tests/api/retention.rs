//! What is past its time is deleted, and what is not stays.

use std::collections::BTreeMap;

use reqwest::Method;
use rusqlite::Connection;
use serde_json::json;
use workway_service::domain::retention::{ACCOUNT_MONTHS, MIN_RUN_DAYS, RUN_DAYS, RUNS_AT_ONCE};

use super::client::{Api, token, token_after};

const DAY: i64 = 24 * 60 * 60 * 1000;

/// A token for somebody once the clock has been put so many milliseconds forward.
fn token_in(subject: &str, ahead: i64) -> String {
    let begins = (ahead / 1000 - 300).max(0);
    token_after(subject, "read write meter", u64::try_from(begins).unwrap())
}

fn one_step() -> serde_json::Value {
    json!([{"type": "transform", "config": {"value": 1}}])
}

/// The rows of a table of the state.
fn rows(api: &Api, file: &str, table: &str) -> i64 {
    let database = Connection::open(api.state.path().join(file)).unwrap();
    database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_run_is_kept_for_its_time_and_then_nothing_of_it_is_left() {
    let api = Api::start().await;
    let ann = token("ann");
    let workflow = api.workflow(&ann, one_step()).await;
    let run = api.run(&ann, &workflow).await;
    api.finished(&ann, &run).await;
    api.freeze().await;
    // A minute less than its time.
    api.advance(RUN_DAYS * DAY - 60_000).await;
    api.cron().await;
    let later = token_in("ann", RUN_DAYS * DAY);
    assert_eq!(api.get(&format!("/runs/{run}"), &later).await.0, 200);
    assert_eq!(rows(&api, "objects.sqlite", "object_states"), 1);

    api.advance(60_000 + 60_000).await;
    api.cron().await;
    assert_eq!(rows(&api, "database.sqlite", "workflow_runs"), 0);
    assert_eq!(rows(&api, "objects.sqlite", "object_states"), 0);
    for path in [format!("/runs/{run}"), format!("/runs/{run}/events")] {
        assert_eq!(api.send(Method::GET, &path, &later, None).await.status(), 404, "{path}");
    }
    let cancelled = api.send(Method::POST, &format!("/runs/{run}/cancel"), &later, None).await;
    assert_eq!(cancelled.status(), 404);
    let (_, runs) = api.get("/runs", &later).await;
    assert_eq!(runs["runs"], json!([]));
    // What its owner made is still there.
    assert_eq!(api.get(&format!("/workflows/{workflow}"), &later).await.0, 200);
}

/// A run takes the steps of its workflow along. Once it has ended they are kept no longer, twice as they were:
/// an empty request must not store half a megabyte for months.
#[tokio::test]
async fn a_run_that_has_ended_keeps_no_steps() {
    let api = Api::start().await;
    let ann = token("ann");
    let steps = json!([
        {"type": "delay", "config": {"seconds": 1, "note": "x".repeat(240_000)}},
        {"type": "transform", "config": {"value": 1}},
    ]);
    let workflow = api.workflow(&ann, steps).await;
    let sizes = || {
        let sums = [
            (
                "database.sqlite",
                "SELECT sum(length(definition) + length(report)) FROM workflow_runs",
            ),
            ("objects.sqlite", "SELECT sum(length(state)) FROM object_states"),
        ];
        sums.map(|(file, sql)| {
            let database = Connection::open(api.state.path().join(file)).unwrap();
            database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
        })
    };
    let run = api.run(&ann, &workflow).await;
    assert!(sizes().iter().all(|bytes| *bytes > 240_000), "{:?}", sizes());
    assert_eq!(api.finished(&ann, &run).await["status"], "succeeded");
    assert!(sizes().iter().all(|bytes| *bytes < 2_000), "{:?}", sizes());
    // Cancelled while it waits.
    let run = api.run(&ann, &workflow).await;
    let cancelled = api.send(Method::POST, &format!("/runs/{run}/cancel"), &ann, None).await;
    assert_eq!(cancelled.status(), 202);
    assert_eq!(api.finished(&ann, &run).await["status"], "cancelled");
    assert!(sizes().iter().all(|bytes| *bytes < 4_000), "{:?}", sizes());
    // It cannot be cancelled again, and its events are still there.
    let again = api.send(Method::POST, &format!("/runs/{run}/cancel"), &ann, None).await;
    assert_eq!(again.status(), 200);
}

/// A run that waits for a day at each of its steps is not deleted while it goes on, however short runs are
/// kept, and neither is one whose row says wrongly that it has ended.
#[tokio::test]
async fn a_run_that_goes_on_is_not_deleted() {
    let mut api = Api::start().await;
    api.stop().await;
    api.boot_with(&[("RUN_RETENTION_DAYS", &MIN_RUN_DAYS.to_string())]).await;
    let ann = token("ann");
    let steps = json!([{"type": "delay", "config": {"seconds": 86_400}}]);
    let run = api.run(&ann, &api.workflow(&ann, steps).await).await;
    while api.counted("/alarms_rung").await == 0 {
        tokio::task::yield_now().await;
    }
    api.freeze().await;
    let database = Connection::open(api.state.path().join("database.sqlite")).unwrap();
    let says = |status: &str| {
        let sql =
            "UPDATE workflow_runs SET status = ?1, id = replace(id, substr(id, 1, 8), '00000000')";
        database.execute(sql, [status]).unwrap();
    };
    // As old as it can be; no executor has this identifier, so nothing goes on under it.
    says("waiting");
    api.cron().await;
    assert_eq!(rows(&api, "database.sqlite", "workflow_runs"), 1);
    let sql = "UPDATE workflow_runs SET status = 'succeeded', id = ?1";
    database.execute(sql, [&run]).unwrap();
    api.advance((MIN_RUN_DAYS + 1) * DAY - 2 * DAY).await;
    api.cron().await;
    assert_eq!(rows(&api, "database.sqlite", "workflow_runs"), 1);
}

/// One more than a sweep takes is left for the next one.
#[tokio::test]
async fn a_sweep_deletes_so_many_runs_at_once() {
    let api = Api::start().await;
    let ann = token("ann");
    let run = api.run(&ann, &api.workflow(&ann, one_step()).await).await;
    api.finished(&ann, &run).await;
    api.freeze().await;
    let database = Connection::open(api.state.path().join("database.sqlite")).unwrap();
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) \
               INSERT INTO workflow_runs SELECT printf('00000000-0000-7000-8000-%012x', i), workflow_id, \
               user_id, status, definition, report, version, due_at, created_at FROM n, workflow_runs";
    database.execute(sql, [RUNS_AT_ONCE + 1]).unwrap();
    for left in [1 + 1, 1, 1] {
        api.cron().await;
        assert_eq!(rows(&api, "database.sqlite", "workflow_runs"), left);
    }
}

/// The service under steady traffic: a year and more in test-long (`WORKWAY_DAYS`), some months here. The
/// traffic is that of the Scale plan in its shape (each user starts runs every day, with keys) and not in
/// its amount: a few runs stand for 333,000 a day.
#[tokio::test]
async fn steady_traffic_reaches_a_steady_state() {
    const USERS: usize = 3;
    const RUNS_A_DAY: usize = 2;
    let days: i64 = std::env::var("WORKWAY_DAYS").map_or(100, |days| days.parse().unwrap());
    let mut api = Api::start().await;
    api.stop().await;
    api.boot_with(&[("RUN_RETENTION_DAYS", &MIN_RUN_DAYS.to_string())]).await;
    api.freeze().await;
    let mut workflows = Vec::new();
    for user in 0..USERS {
        workflows.push(api.workflow(&token(&format!("user-{user}")), one_step()).await);
    }
    // To midnight.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let mut ahead = DAY - i64::try_from(now.as_millis()).unwrap() % DAY + 5_000;
    api.advance(ahead).await;
    let mut history: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    let mut started = 0;
    for day in 1..=days {
        for (user, workflow) in workflows.iter().enumerate() {
            let someone = token_in(&format!("user-{user}"), ahead);
            for _ in 0..RUNS_A_DAY {
                let path = format!("{}/workflows/{workflow}/runs", api.base);
                let request = api.client.post(path).bearer_auth(&someone).body("{}");
                let request = request.header("content-type", "application/json");
                let answer = request.header("idempotency-key", format!("\"{day}-{started}\""));
                assert_eq!(answer.send().await.unwrap().status(), 202);
                started += 1;
            }
        }
        while api.counted("/alarms_rung").await < started {
            tokio::task::yield_now().await;
        }
        api.cron().await;
        for (file, table) in [
            ("database.sqlite", "workflow_runs"),
            ("objects.sqlite", "object_states"),
            ("objects.sqlite", "alarms"),
            ("database.sqlite", "idempotency_keys"),
            ("database.sqlite", "usage_accounts"),
            ("database.sqlite", "quota_months"),
            ("database.sqlite", "search_outbox"),
            ("cache.sqlite", "entries"),
        ] {
            history.entry(table).or_default().push(rows(&api, file, table));
        }
        api.advance(DAY).await;
        ahead += DAY;
    }
    let users = i64::try_from(USERS).unwrap();
    let months = i64::from(ACCOUNT_MONTHS) + 2;
    for (table, counts) in history {
        let largest = |days: &[i64]| days.iter().max().copied().unwrap_or_default();
        let (before, last) = counts.split_at(counts.len() - 31);
        println!(
            "{table}: at most {} rows, {} in the last 31 days",
            largest(&counts),
            largest(last)
        );
        match table {
            "quota_months" => assert!(largest(&counts) <= users * months, "{counts:?}"),
            "usage_accounts" => assert!(largest(&counts) <= (users * 3 + 3) * months, "{counts:?}"),
            _ => assert!(largest(last) <= largest(before), "{table} grows: {counts:?}"),
        }
    }
}
