//! kill -9 at random moments, while workflows are written and runs are accepted and executed.
//!
//! What the service acknowledged must be there afterwards, and each effect must have arrived under
//! one key for each (run, step), so that a receiver that drops repetitions performs it once. The
//! receiver is a process of its own and survives. A power cut is not tested: what the operating
//! system was given, it keeps.
#![cfg(feature = "service")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::proof::{self, Caller, Dice, Host, bill::Bills, bound, program, setting};
use reqwest::Url;
use serde_json::{Value, json};
use workway::{
    target::{TargetSpec, USAGE_VARIABLE},
    upstream::Ledger,
};

const STEPS: usize = 3;
/// Writers at a time.
const WRITERS: usize = 4;
/// Workflows of one person: four requests each must stay below the budget of 100.
const WORKFLOWS_EACH: usize = 20;
/// A run that has not ended so long after the service is back is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// The upstream stub, as a process of its own.
struct Stub {
    child: Child,
    url: Url,
}

impl Stub {
    fn start() -> Self {
        let mut command = Command::new(program());
        command.args(["lab", "serve", "--upstreams-only", "--port", "0", "--until-stdin-closes"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, url: Url::parse(line.trim()).unwrap() }
    }

    async fn ledger(&self, host: &Host) -> Ledger {
        let url = self.url.join("/_workway/ledger").unwrap();
        let text = host.client.get(url).send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What was acknowledged: a workflow, and its only run if that was, too.
#[derive(Clone, Debug)]
struct Acknowledged {
    owner: String,
    nonce: String,
    workflow: String,
    run: Option<String>,
}

#[derive(Default)]
struct Written {
    acknowledged: Mutex<Vec<Acknowledged>>,
    /// Answers that were neither an acknowledgement nor a broken connection.
    refused: Mutex<Vec<String>>,
    runs: AtomicUsize,
    killed: AtomicBool,
    bills: Bills,
}

/// Writes workflows and starts each once, until the service is gone. Nothing is tried again: what
/// got no answer may or may not exist.
async fn write(caller: Caller, stub: Url, name: String, written: Arc<Written>) {
    for number in 0.. {
        let owner = format!("{name}-{}", number / WORKFLOWS_EACH);
        let nonce = format!("{name}-{number}");
        let steps = (0..STEPS).map(|step| {
            let url = stub.join(&format!("/effect/{nonce}/{step}")).unwrap();
            json!({"type": "http", "config": {"url": url.as_str(), "method": "POST", "body": {"step": step}}})
        });
        let body = json!({"name": nonce, "description": "d", "steps": steps.collect::<Vec<_>>()});
        let answer = caller.post("/workflows", &owner, &body).await;
        written.bills.note(&owner, answer.as_ref());
        let Some(answer) = answer else { return };
        let Some(workflow) = accepted(&written, &answer, 201) else { return };
        let started = caller.post(&format!("/workflows/{workflow}/runs"), &owner, &json!({})).await;
        written.bills.note(&owner, started.as_ref());
        let run = started.and_then(|answer| accepted(&written, &answer, 202));
        let ended = run.is_none();
        if run.is_some() {
            written.runs.fetch_add(1, SeqCst);
        }
        let entry = Acknowledged { owner, nonce, workflow, run };
        written.acknowledged.lock().unwrap().push(entry);
        if ended || written.killed.load(SeqCst) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn accepted(written: &Written, answer: &proof::Answer, status: u16) -> Option<String> {
    if answer.status == status {
        return Some(answer.body["id"].as_str().unwrap().to_owned());
    }
    written.refused.lock().unwrap().push(format!("{answer:?}"));
    None
}

/// Starts it, lets people write, and kills it at a random moment.
async fn live_and_die(
    host: &mut Host,
    stub: &Stub,
    life: u64,
    dice: &mut Dice,
    span: u64,
    bills: &Bills,
) -> Vec<Acknowledged> {
    host.start().await;
    let written = Arc::<Written>::default();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let name = format!("life{life}-{writer}");
            tokio::spawn(write(host.caller(), stub.url.clone(), name, Arc::clone(&written)))
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(10 + dice.below(span))).await;
    written.killed.store(true, SeqCst);
    host.kill().await;
    for writer in writers {
        writer.await.unwrap();
    }
    let refused = written.refused.lock().unwrap();
    assert!(refused.is_empty(), "{refused:#?}");
    bills.extend(&written.bills);
    written.acknowledged.lock().unwrap().clone()
}

/// Waits until the acknowledged runs have ended; how long after `ready` the last one did, by the
/// service's own account. How fast we look is not in it.
async fn wait_for_ends(caller: &Caller, all: &[Acknowledged], ready: Ready) -> Duration {
    let mut open: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for entry in all {
        if let Some(run) = &entry.run {
            open.entry(&entry.owner).or_default().insert(run);
        }
    }
    let mut last = 0;
    loop {
        for (owner, runs) in &mut open {
            for run in listed(caller, owner).await {
                let Some(finished_at) = run["finished_at"].as_i64() else { continue };
                if runs.remove(run["id"].as_str().unwrap()) {
                    assert_eq!(run["status"], "succeeded", "{run}");
                    last = last.max(finished_at);
                }
            }
        }
        open.retain(|_, runs| !runs.is_empty());
        let after = Duration::from_millis(u64::try_from(last - ready.at).unwrap_or(0));
        if open.is_empty() {
            assert!(after < STUCK_AFTER, "a run ended {after:?} after the service was back");
            return after;
        }
        // Looking takes time, too: what has not ended now may have been lost.
        let patience = 2 * STUCK_AFTER;
        assert!(ready.since.elapsed() < patience, "lost or stuck, by owner: {open:?}");
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// When the service was back.
#[derive(Clone, Copy)]
struct Ready {
    since: Instant,
    /// The same in milliseconds since 1970: the service is on this machine.
    at: i64,
}

impl Ready {
    fn now() -> Self {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        Self { since: Instant::now(), at: i64::try_from(at).unwrap() }
    }
}

/// All runs of somebody: they start fewer than fit on a page.
async fn listed(caller: &Caller, owner: &str) -> Vec<Value> {
    let answer = caller.get("/runs?limit=100", owner).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["runs"].as_array().unwrap().clone()
}

/// The keys under which each effect arrived, and how often.
fn by_path(ledger: &Ledger) -> BTreeMap<String, (BTreeSet<String>, u64)> {
    let mut paths: BTreeMap<String, (BTreeSet<String>, u64)> = BTreeMap::new();
    // The service's own calls of models carry no key: they are no steps of runs.
    let of_steps = |effect: &&workway::model::stub::Call| !effect.path.starts_with("/cloudflare/");
    for effect in ledger.effects().iter().filter(of_steps) {
        let (keys, deliveries) = paths.entry(effect.path.clone()).or_default();
        assert!(keys.insert(effect.key.clone().unwrap()));
        *deliveries += effect.deliveries;
    }
    paths
}

fn check_effects(all: &[Acknowledged], ledger: &Ledger) -> (usize, u64) {
    let paths = by_path(ledger);
    for (path, (keys, _)) in &paths {
        assert_eq!(keys.len(), 1, "{path} arrived under several keys: {keys:?}");
    }
    for entry in all {
        let Some(run) = &entry.run else { continue };
        for step in 0..STEPS {
            let path = format!("/effect/{}/{step}", entry.nonce);
            let keys = paths.get(&path).map(|(keys, _)| keys.iter().cloned().collect::<Vec<_>>());
            assert_eq!(keys, Some(vec![format!("\"{run}:{step}\"")]), "{path}");
        }
    }
    (paths.len(), paths.values().map(|(_, deliveries)| deliveries - 1).sum())
}

/// What the service says that runs sent.
async fn outbound_billed(caller: &Caller, all: &[Acknowledged]) -> u64 {
    let owners: BTreeSet<_> = all.iter().map(|entry| &entry.owner).collect();
    let mut billed = 0;
    for owner in owners {
        let usage = caller.get("/usage", owner).await.unwrap().body;
        billed += usage["runs"]["outbound_requests"].as_u64().unwrap();
    }
    billed
}

fn started(all: &[Acknowledged]) -> usize {
    all.iter().filter(|entry| entry.run.is_some()).count()
}

/// At least so many.
fn runs() -> usize {
    usize::try_from(setting("WORKWAY_RUNS", 1_000)).unwrap()
}

#[expect(clippy::print_stdout, reason = "a proof says how much it proved")]
fn say(text: &str) {
    println!("{text}");
}

/// When the usage of an answer is on disk.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Usage {
    /// As the platform does it by itself.
    Default,
    /// In the database, before the answer leaves.
    BeforeAnswer,
}

/// Everything there, for `kills` lives in each of which the service dies within `span` ms.
async fn prove(spec: TargetSpec, usage: Usage, kills: u64, runs: usize, span: u64) {
    let seed = setting("WORKWAY_SEED", 0x5eed);
    say(&format!("seed {seed} (WORKWAY_SEED)"));
    let (stub, mut dice) = (Stub::start(), Dice::new(seed));
    let mut host = Host::new(spec, Some(stub.url.clone()));
    if usage == Usage::BeforeAnswer {
        host = host.with(USAGE_VARIABLE, "on");
    }
    let (mut all, bills) = (Vec::new(), Bills::default());
    let mut lives = 0;
    while lives < kills || started(&all) < runs {
        all.extend(live_and_die(&mut host, &stub, lives, &mut dice, span, &bills).await);
        lives += 1;
    }
    host.start().await;
    let ready = Ready::now();
    host.cron().await;
    let caller = host.caller();
    // Natively an answer's usage is on disk before it leaves, wherever that is.
    let durable = usage == Usage::BeforeAnswer || host.target().control.is_some();
    let audit = bills.audit(&caller, durable).await;
    let last = wait_for_ends(&caller, &all, ready).await;
    for entry in &all {
        let found = caller.get(&format!("/workflows/{}", entry.workflow), &entry.owner).await;
        let found = found.unwrap();
        assert_eq!((found.status, &found.body["name"]), (200, &json!(entry.nonce)), "lost");
    }
    if let Some(control) = &host.target().control {
        // Also what nobody was told of ends: after the sweep's grace, and one cron.
        control.advance(Duration::from_secs(31)).await.unwrap();
        control.cron().await.unwrap();
        let since = Instant::now();
        while !control.rest().await.unwrap().quiet {
            assert!(since.elapsed() < STUCK_AFTER, "{:?}", control.rest().await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let ledger = stub.ledger(&host).await;
    let (effects, repeated) = check_effects(&all, &ledger);
    let delivered = u64::try_from(effects).unwrap() + repeated;
    let billed = outbound_billed(&caller, &all).await;
    // What a service had sent when it died is not billed; it is sent again, and then is.
    let missing = delivered.checked_sub(billed).unwrap();
    assert!(host.target().control.is_none() || missing <= repeated, "{delivered} {billed}");
    say(&format!("{delivered} outbound requests arrived, {billed} are billed to runs"));
    say(&format!(
        "{lives} kills, {} workflows and {} runs acknowledged, {effects} effects ({repeated} \
         deliveries repeated); the last run ended {:.1} s after the last start",
        all.len(),
        started(&all),
        last.as_secs_f64()
    ));
    say(&format!(
        "usage {usage:?}: of {} answered requests {} are not billed; of {} without an answer, which \
         may be, {} are",
        audit.answered, audit.missing, audit.unanswered, audit.beyond
    ));
    say(&format!("acknowledged runs lost, stuck or failed: {}", bound(started(&all))));
    say(&format!("kills that broke something: {}", bound(usize::try_from(lives).unwrap())));
    say("not tested: power loss");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute: scripts/test-long runs it"]
async fn nothing_acknowledged_is_lost_natively() {
    let kills = setting("WORKWAY_KILLS", 30);
    prove(TargetSpec::Embedded, Usage::Default, kills, runs(), 700).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute: scripts/test-long runs it"]
async fn nothing_answered_is_unbilled_natively_with_usage_before_answers() {
    let kills = setting("WORKWAY_KILLS", 30);
    prove(TargetSpec::Embedded, Usage::BeforeAnswer, kills, runs(), 700).await;
}

/// A few kills, for every day.
#[tokio::test(flavor = "multi_thread")]
async fn a_few_kills_lose_nothing_natively() {
    for usage in [Usage::Default, Usage::BeforeAnswer] {
        prove(TargetSpec::Embedded, usage, 2, 20, 300).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes, and needs the Worker's tools: scripts/test-long runs it"]
async fn nothing_acknowledged_is_lost_on_workerd() {
    let kills = setting("WORKWAY_KILLS", 30);
    prove(TargetSpec::Wrangler, Usage::Default, kills, runs(), 8_000).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes, and needs the Worker's tools: scripts/test-long runs it"]
async fn nothing_answered_is_unbilled_on_workerd_with_usage_before_answers() {
    let kills = setting("WORKWAY_KILLS", 30);
    prove(TargetSpec::Wrangler, Usage::BeforeAnswer, kills, runs(), 8_000).await;
}
