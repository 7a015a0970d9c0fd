//! A bill that `workway cost` makes of a recorded run on workerd, beside one that is made by hand.
//!
//! What is independent of the service's own metering: `by_hand/meter.mjs` is put around the Worker
//! and reads the platform's own counts, D1's `meta` of each statement first of all; the calls of
//! models and of steps come from the stub's ledger; tokens follow from the texts below by the
//! stub's rule; and the prices and allotments are written out here, from Cloudflare's pricing
//! pages. What no run measures (CPU time, time of objects in memory, lines of log) is assumed as
//! `fixtures/tiers.toml` says.
#![cfg(feature = "service")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]
#![allow(clippy::cast_precision_loss, clippy::disallowed_methods, reason = "a test")]

use std::{
    collections::BTreeMap,
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::proof::program;
use reqwest::{Client, Url};
use serde::Deserialize;
use serde_json::Value;
use workway::{
    model::stub::Arrivals,
    target::{TargetOptions, TargetSpec},
    upstream::Ledger,
};
use workway_service::domain::ai::INSTRUCTION;

/// Everybody's text: each person's first question of it asks a model, the others are known.
const KNOWN: &str =
    "A report that everybody reads, about what was done this week and what was not.";
/// A text that nobody has asked of before; `${{ uuid }}` has 36 characters.
const NEW: &str = "A report that nobody has read yet, number ${{ uuid }}.";
const NAME: &str = "Nightly job";
const DESCRIPTION: &str = "Made to be billed.";
const PEOPLE: u64 = 15;
const ITERATIONS: u64 = 60;
/// Requests of an iteration, and how many of them are AI operations: a tenth, as in the tier, so
/// that the month is the run, so many times.
const REQUESTS: u64 = 20;
const AI_OPERATIONS: u64 = 2;
/// Of the tier `enterprise`, whose allotments weigh least.
const MONTH: f64 = 100e6;
/// How far the two may be apart.
const ALLOWED: f64 = 0.01;
/// The variable that says that the test has its folder.
const IN_FOLDER: &str = "WORKWAY_BY_HAND_IN_FOLDER";

fn scenario() -> String {
    format!(
        r#"scenario: cost/by-hand
users: {{ crowd: {{ count: {PEOPLE} }} }}
setup:
  - request: {{ name: begin, post: /_meter/start, expect: {{ status: 204 }} }}
load:
  profile: {{ users: {{ count: 3, iterations: {ITERATIONS} }} }}
  journeys:
    all:
      steps:
        - request:
            name: create
            post: /workflows
            auth: crowd
            json:
              name: {NAME}
              description: {DESCRIPTION}
              steps: [{{ type: http, config: {{ url: "${{{{ upstream }}}}/billed", method: POST }} }}]
            expect: {{ status: 201 }}
            capture: {{ workflow: $.id }}
        - request: {{ name: start, post: "/workflows/${{{{ workflow }}}}/runs", auth: crowd, expect: {{ status: 202 }} }}
        - repeat:
            times: 8
            steps:
              - request: {{ name: show, get: "/workflows/${{{{ workflow }}}}", auth: crowd, expect: {{ status: 200 }} }}
              - request: {{ name: list, get: /workflows, auth: crowd, expect: {{ status: 200 }} }}
        - request: {{ name: new, post: /ai/summarize, auth: crowd, json: {{ content: "{NEW}" }}, expect: {{ status: 200 }} }}
        - request: {{ name: known, post: /ai/summarize, auth: crowd, json: {{ content: "{KNOWN}" }}, expect: {{ status: 200 }} }}
teardown:
  # Usage is written down within ten seconds after an answer.
  - wait: {{ for: 15s, clock: real }}
  - request: {{ name: end, post: /_meter/stop, expect: {{ status: 204 }} }}
thresholds: [error_rate <= 0%]
cost: {{ ai: [new, known] }}
"#
    )
}

/// What the meter around the Worker says.
#[derive(Deserialize)]
struct Meter {
    d1: BTreeMap<String, Statements>,
    object_statements: u64,
    object_rows_read: u64,
    object_rows_written: u64,
    alarms_set: u64,
    kv_reads: u64,
    kv_writes: u64,
    kv_deletes: u64,
    object_calls: u64,
    alarms_rung: u64,
    points: u64,
    unread: u64,
}

#[derive(Deserialize)]
struct Statements {
    count: u64,
    rows_read: u64,
    rows_written: u64,
}

/// A folder in which `wrangler dev` finds the Worker with the meter around it.
fn around(repository: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (repository.join("service"), folder.path().join("service"));
    fs::create_dir(&to).unwrap();
    for name in ["build", "migrations", "node_modules"] {
        symlink(from.join(name), to.join(name)).unwrap();
    }
    fs::write(to.join("meter.mjs"), include_str!("by_hand/meter.mjs")).unwrap();
    let config = fs::read_to_string(from.join("wrangler.toml")).unwrap();
    let own = "main = \"build/index.js\"";
    assert!(config.contains(own), "wrangler.toml names the Worker otherwise");
    fs::write(to.join("wrangler.toml"), config.replace(own, "main = \"meter.mjs\"")).unwrap();
    folder
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn workway(arguments: &[&str]) -> Output {
    Command::new(program()).args(arguments).output().unwrap()
}

async fn get<T: for<'de> Deserialize<'de>>(client: &Client, base: &Url, path: &str) -> T {
    let answer = client.get(base.join(path).unwrap()).send().await.unwrap();
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

/// What was measured, by the names of a bill.
struct Measured {
    amounts: BTreeMap<&'static str, f64>,
    /// Neurons for the tokens of models.
    neurons: f64,
}

/// About what the stub's tokenizer makes of a text.
fn tokens(text: &str) -> f64 {
    text.len().div_ceil(4) as f64
}

/// Neurons for a summary by `llama-3.1-8b-instruct-fp8-fast`: 4,119 for a million tokens read,
/// 34,868 for a million written. The stub answers with the first twelve words.
fn summary_neurons(content: &str) -> f64 {
    let words: Vec<_> = content.split_whitespace().take(12).collect();
    let answer = format!("In short: {}", words.join(" "));
    ((tokens(INSTRUCTION) + tokens(content)) * 4_119.0 + tokens(&answer) * 34_868.0) / 1e6
}

fn measured(meter: &Meter, ledger: &Ledger, outbound: u64) -> Measured {
    assert_eq!(meter.unread, 0, "statements whose meta nobody read");
    assert!(meter.object_statements > 0 && meter.alarms_rung > 0, "objects were not metered");
    println!("{:>6} {:>7} {:>8}  statement", "count", "read", "written");
    for (sql, Statements { count, rows_read, rows_written }) in &meter.d1 {
        let sql: String = sql.split_whitespace().collect::<Vec<_>>().join(" ");
        let shown: String = sql.chars().take(90).collect();
        println!("{count:>6} {rows_read:>7} {rows_written:>8}  {shown}");
    }
    let rows_read: u64 = meter.d1.values().map(|s| s.rows_read).sum();
    let rows_written: u64 = meter.d1.values().map(|s| s.rows_written).sum();
    let amounts = [
        ("rows_read", rows_read + meter.object_rows_read),
        // To set an alarm is billed as one row.
        ("rows_written", rows_written + meter.object_rows_written + meter.alarms_set),
        ("kv_reads", meter.kv_reads),
        ("kv_writes", meter.kv_writes),
        ("kv_deletes", meter.kv_deletes),
        ("actor_requests", meter.object_calls + meter.alarms_rung),
        ("analytics_points", meter.points),
        ("outbound_requests", outbound),
    ];
    let calls = |part: &str| ledger.effects().iter().filter(|c| c.path.contains(part)).count();
    let (summaries, embeddings) =
        (calls("/@cf/meta/llama-3.1-8b-instruct-fp8-fast"), calls("/@cf/baai/"));
    assert_eq!(summaries as u64, ITERATIONS + PEOPLE, "each person asks of the known text once");
    assert_eq!(embeddings as u64, ITERATIONS, "each workflow is made findable");
    assert_eq!(calls("/billed") as u64, ITERATIONS, "each run has its effect");
    let new = NEW.replace("${{ uuid }}", &"x".repeat(36));
    // bge-base-en-v1.5: 6,058 for a million tokens.
    let embedding = tokens(&format!("{NAME}\n{DESCRIPTION}")) * 6_058.0 / 1e6;
    let neurons = ITERATIONS as f64 * (summary_neurons(&new) + embedding)
        + PEOPLE as f64 * summary_neurons(KNOWN);
    let amounts = amounts.into_iter().map(|(name, amount)| (name, amount as f64)).collect();
    Measured { amounts, neurons }
}

/// Dollars for the log of a month with one event for each request: until 30 November 2026 by events,
/// then by volume, where an event has 4.84 KB and is kept for 7 days of 30.
fn logs(book: &str) -> f64 {
    let gigabytes = MONTH * 4_840.0 / 1e9;
    match book {
        "cloudflare-2026-11" => (MONTH - 20e6) * 0.60 / 1e6,
        _ => (gigabytes - 50.0) * 0.25 + (gigabytes * 7.0 / 30.0 - 12.0) * 0.10,
    }
}

/// Workers Paid, by hand: five dollars, and what a month uses beyond what it includes.
fn bill(measured: &Measured, book: &str) -> f64 {
    let times = MONTH / (ITERATIONS * REQUESTS) as f64;
    let month = |name: &str| measured.amounts[name] * times;
    let beyond = |amount: f64, included: f64, usd_per_million: f64| {
        (amount - included).max(0.0) * usd_per_million / 1e6
    };
    let objects = month("actor_requests");
    // Ten thousand neurons a day are included, at 0.011 dollars a thousand.
    let neurons = (measured.neurons * times - 300_000.0).max(0.0);
    5.0 + beyond(MONTH, 10e6, 0.30)
        + beyond(7.0 * MONTH, 30e6, 0.02)
        + beyond(month("rows_read"), 25e9, 0.001)
        + beyond(month("rows_written"), 50e6, 1.00)
        + beyond(month("kv_reads"), 10e6, 0.50)
        + beyond(month("kv_writes"), 1e6, 5.00)
        + beyond(month("kv_deletes"), 1e6, 5.00)
        + beyond(objects, 1e6, 0.15)
        + beyond(0.128 * objects, 400e3, 12.50)
        + beyond(month("analytics_points"), 10e6, 0.25)
        + logs(book)
        + neurons * 0.011 / 1e3
}

/// The enterprise month of a recorded run, in a bill of this day.
fn projected(report: &Path, date: &str) -> Value {
    let report = report.to_str().unwrap();
    let asked = ["cost", report, "--tier", "enterprise", "--date", date, "--format", "json"];
    let output = workway(&asked);
    assert!(output.status.success(), "{output:?}");
    let costs: Value = serde_json::from_slice(&output.stdout).unwrap();
    costs["books"][0]["tiers"][0].clone()
}

fn number(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

fn compare(month: &Value, measured: &Measured, book: &str) {
    let times = MONTH / (ITERATIONS * REQUESTS) as f64;
    let mut wrong = Vec::new();
    let mut one = |name: &str, by_hand: f64, reported: f64| {
        // Nothing of both is no difference.
        let off = if by_hand + reported > 0.0 { reported / by_hand - 1.0 } else { 0.0 };
        println!(
            "{name:>18}: by hand {by_hand:>16.2}, reported {reported:>16.2}, {:+.3} %",
            off * 100.0
        );
        if off.abs() > ALLOWED {
            wrong.push(name.to_owned());
        }
    };
    let lines = month["lines"].as_array().unwrap();
    for (name, amount) in &measured.amounts {
        let line = lines.iter().find(|line| line["resource"] == *name);
        one(name, amount * times, line.map_or(0.0, |line| number(&line["amount"])));
    }
    one("USD a month", bill(measured, book), number(&month["usd"]));
    assert!(wrong.is_empty(), "more than 1 % apart: {wrong:?}");
}

/// Runs the test below in a process of its own, whose current directory is [`around`]: the target
/// looks for the Worker from there upwards, and the tests of one process share that directory.
fn in_folder() {
    let repository = repository();
    if env::var_os("WORKWAY_BUILT").is_none() {
        let built = Command::new(repository.join("scripts/build-worker")).status().unwrap();
        assert!(built.success());
    }
    let folder = around(&repository);
    let output = Command::new(env::current_exe().unwrap())
        .args(["by_hand::a_recorded_run_on_workerd_costs_what_a_bill_by_hand_says", "--exact"])
        .args(["--ignored", "--nocapture"])
        .env(IN_FOLDER, "yes")
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Worker's tools: scripts/test runs it"]
async fn a_recorded_run_on_workerd_costs_what_a_bill_by_hand_says() {
    assert_eq!((AI_OPERATIONS, REQUESTS), (2, 20), "a tenth, and as many as the journey has");
    if env::var_os(IN_FOLDER).is_none() {
        return in_folder();
    }
    let folder = env::current_dir().unwrap();
    workway::http::tls::install();
    let options =
        TargetOptions { program: Some(program()), built: true, ..TargetOptions::default() };
    let target = TargetSpec::Wrangler.start(&options).await.unwrap();
    let stub = target.upstream.clone().unwrap();
    let path = folder.join("by-hand.yaml");
    fs::write(&path, scenario()).unwrap();
    let out = folder.join("run");
    let asked = [path.to_str().unwrap(), "--target", target.url.as_str(), "--upstream"];
    let asked = [&["run"], &asked[..], &[stub.as_str(), "--out", out.to_str().unwrap()]].concat();
    let asked: Vec<String> = asked.into_iter().map(str::to_owned).collect();
    let run = tokio::task::spawn_blocking(move || {
        workway(&asked.iter().map(String::as_str).collect::<Vec<_>>())
    });
    let run = run.await.unwrap();
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stderr));

    let client = Client::builder().no_proxy().build().unwrap();
    let meter: Meter = get(&client, &target.url, "/_meter").await;
    let ledger: Ledger = get(&client, &stub, "/_workway/ledger").await;
    let arrived: Arrivals = get(&client, &stub, "/_workway/arrivals").await;
    target.stop().await;
    let measured = measured(&meter, &ledger, arrived.all);
    for (date, book) in [("2026-11-30", "cloudflare-2026-11"), ("2026-12-01", "cloudflare-2026-12")]
    {
        println!("a bill of {date}, by {book}");
        compare(&projected(&out, date), &measured, book);
    }
}
