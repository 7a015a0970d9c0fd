//! Many requests at once with one `Idempotency-Key` make one thing.
#![cfg(feature = "service")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};

use crate::proof::{Caller, Host, bound};
use futures_util::{StreamExt as _, future::join_all, stream};
use reqwest::Method;
use serde_json::json;
use workway::target::TargetSpec;

/// One person for each, who stays below the budget of 100 requests.
const KEYS: usize = 100;
const AT_ONCE: usize = 50;
/// Keys under way at the same time.
const ABREAST: usize = 2;

/// Statuses of the answers to one key, and what is there afterwards.
async fn race(caller: &Caller, person: usize) -> BTreeMap<u16, usize> {
    let subject = format!("person-{person}");
    let steps = json!([{"type": "transform", "config": {"value": 1}}]);
    let body = json!({"name": "once", "description": "d", "steps": steps});
    let headers = [("idempotency-key", "\"the same for all\"")];
    let post = || caller.send_with(Method::POST, "/workflows", &subject, Some(&body), &headers);
    let answers = join_all((0..AT_ONCE).map(|_| post())).await;
    let mut made = BTreeSet::new();
    let mut statuses = BTreeMap::new();
    for answer in answers {
        let answer = answer.unwrap();
        *statuses.entry(answer.status).or_default() += 1;
        match answer.status {
            201 => made.insert(answer.body.to_string()),
            // Somebody else is at it.
            409 => false,
            _ => panic!("{answer:?}"),
        };
    }
    // Whoever was told to come back gets the answer of the one who made it.
    let later = post().await.unwrap();
    made.insert(later.body.to_string());
    assert_eq!((later.status, made.len()), (201, 1), "{made:?}");
    let listed = caller.get("/workflows", &subject).await.unwrap();
    let listed = listed.body["workflows"].as_array().unwrap().clone();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["id"], later.body["id"]);
    statuses
}

#[expect(clippy::print_stdout, reason = "a proof says how much it proved")]
async fn prove(spec: TargetSpec) {
    let mut host = Host::new(spec, None);
    host.start().await;
    let caller = host.caller();
    let races = stream::iter(0..KEYS).map(|person| race(&caller, person));
    let races: Vec<_> = races.buffer_unordered(ABREAST).collect().await;
    let mut statuses = BTreeMap::<_, usize>::new();
    for (status, count) in races.into_iter().flatten() {
        *statuses.entry(status).or_default() += count;
    }
    println!("{KEYS} keys, {AT_ONCE} requests each at once: {KEYS} things made; {statuses:?}");
    println!("keys that made more or fewer: {}", bound(KEYS));
    assert!(statuses[&201] >= KEYS, "{statuses:?}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_requests_with_one_key_make_one_thing_natively() {
    prove(TargetSpec::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Worker's tools: scripts/test runs it"]
async fn fifty_requests_with_one_key_make_one_thing_on_workerd() {
    prove(TargetSpec::Wrangler).await;
}
