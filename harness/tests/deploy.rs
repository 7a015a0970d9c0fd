//! A rehearsal of scripts/deploy: the real wrangler against a fake of Cloudflare's API, the real
//! checks against an edge that splits the traffic as the fake was told. A good version is promoted,
//! bad ones are rolled back. No network. Prints the transcript.
#![cfg(feature = "service")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod cloudflare;
mod edge;
mod first;
mod resources;
mod worker;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use cloudflare::{Account, NEW, OLD, Version};
use tempfile::TempDir;
use workway::{
    target::{Target, TargetOptions, TargetSpec},
    token::LOCAL_SECRET,
};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

async fn service() -> Target {
    workway::http::tls::install();
    let program = Some(env!("CARGO_BIN_EXE_workway").into());
    TargetSpec::Embedded.start(&TargetOptions { program, ..Default::default() }).await.unwrap()
}

/// What came of a script.
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs a script of the repository at `root` with what reaches the account, and `variables`.
async fn script(
    root: &Path,
    account: &Account,
    script: &[&str],
    variables: &[(&str, &str)],
) -> Said {
    let mut command = Command::new(root.join("scripts").join(script[0]));
    command.args(&script[1..]).current_dir(root);
    command.env("CLOUDFLARE_API_BASE_URL", &account.api);
    command.env("CLOUDFLARE_API_TOKEN", "rehearsal").env("CLOUDFLARE_ACCOUNT_ID", "a".repeat(32));
    command.env("WORKWAY", env!("CARGO_BIN_EXE_workway"));
    command.env("WORKWAY_JWT_SECRET", LOCAL_SECRET).envs(variables.iter().copied());
    said(tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap())
}

fn said(output: Output) -> Said {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    Said { code: output.status.code(), stdout, stderr }
}

/// Checks that are enough requests for each step to meet the new version, and that take seconds.
fn quick(account: &Account, service: &Target) -> String {
    format!(
        "'{}' run scenarios/smoke/health.yaml scenarios/smoke/validation.yaml --target {} --upstream {}",
        env!("CARGO_BIN_EXE_workway"),
        account.edge,
        service.upstream.as_ref().unwrap(),
    )
}

/// `variables` are those of the script, over quick checks.
async fn deploy(account: &Account, service: &Target, variables: &[(&str, &str)]) -> Said {
    let check = quick(account, service);
    // A few short windows: errors are counts, and found however fast they come.
    let gate = "--pairs 7 --window 1s --warmup 200ms --max-p95 1000%";
    let base = [("CHECK", check.as_str()), ("ROUNDS", "2"), ("GATE_ARGUMENTS", gate)];
    let all = [&base, variables].concat();
    let deployed = script(repository(), account, &["deploy", "staging", &account.edge], &all).await;
    show(account, &deployed);
    deployed
}

fn show(account: &Account, deployed: &Said) {
    let said = deployed.stderr.lines().filter(|line| line.starts_with("deploy: "));
    println!("{}", said.collect::<Vec<_>>().join("\n"));
    for line in account.transcript() {
        println!("  {line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Worker's tools: scripts/test runs it"]
async fn a_good_version_is_promoted_step_by_step() {
    let service = service().await;
    let account = Account::open(service.url.clone(), Version::Good).await;
    // Long enough for p95. A machine that is too busy to generate the load cannot decide; it finds
    // nothing bad, either.
    let gate = "--pairs 7 --window 5s --warmup 200ms --max-p95 1000%";
    let variables = [("UNDECIDED", "go"), ("GATE_ARGUMENTS", gate)];
    let deployed = deploy(&account, &service, &variables).await;
    assert_eq!(deployed.code, Some(0), "{}", deployed.stderr);
    assert_eq!(deployed.stdout.trim(), NEW);
    let steps = [
        vec![(OLD, 100), (NEW, 0)],
        vec![(NEW, 10), (OLD, 90)],
        vec![(NEW, 50), (OLD, 50)],
        vec![(NEW, 100)],
    ];
    assert_eq!(account.splits(), steps.map(cloudflare::split));
    assert!(account.named_new() > 0, "the gate never met the new version");
    assert!(account.met_new() > 0, "the checks never met the new version");
    assert!(deployed.stderr.contains("deploy: gate: "), "{}", deployed.stderr);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Worker's tools: scripts/test runs it"]
async fn a_bad_version_is_rolled_back() {
    let service = service().await;
    for bad in [Version::Broken, Version::Wrong] {
        let account = Account::open(service.url.clone(), bad).await;
        // The checks alone find it.
        let deployed = deploy(&account, &service, &[("GATE", "off")]).await;
        assert_eq!(deployed.code, Some(1), "{bad:?}: {}", deployed.stderr);
        assert!(deployed.stderr.contains("rolled back"), "{}", deployed.stderr);
        assert_eq!(account.splits().last().unwrap(), &cloudflare::split(vec![(OLD, 100)]));
        assert!(deployed.stdout.is_empty());
        assert_eq!(account.named_new(), 0);
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Worker's tools: scripts/test runs it"]
async fn a_version_that_only_the_gate_finds_bad_never_has_traffic() {
    let service = service().await;
    let account = Account::open(service.url.clone(), Version::Flaky).await;
    let deployed = deploy(&account, &service, &[]).await;
    assert_eq!(deployed.code, Some(1), "{}", deployed.stderr);
    assert!(deployed.stderr.contains("rolled back"), "{}", deployed.stderr);
    let splits = [vec![(OLD, 100), (NEW, 0)], vec![(OLD, 100)]];
    assert_eq!(account.splits(), splits.map(cloudflare::split));
    assert!(account.named_new() > 0 && account.met_new() == 0);
    assert!(deployed.stdout.is_empty());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Worker's tools: scripts/test runs it"]
async fn an_upload_that_fails_changes_nothing() {
    let service = service().await;
    let account = Account::open(service.url.clone(), Version::Refused).await;
    let deployed = deploy(&account, &service, &[]).await;
    assert_eq!(deployed.code, Some(1));
    assert!(deployed.stderr.contains("nothing has changed"), "{}", deployed.stderr);
    assert!(account.splits().is_empty());
    service.stop().await;
}

/// A `workway` whose gate ends with `code`.
fn gate_that_ends_with(code: i32) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("workway");
    let real = env!("CARGO_BIN_EXE_workway");
    let text = format!("#!/bin/sh\n[ \"$1\" != gate ] || exit {code}\nexec '{real}' \"$@\"\n");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    (folder, path)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Worker's tools: scripts/test-long runs it"]
async fn what_the_gate_says_decides() {
    let service = service().await;
    for (code, undecided, promoted) in [(0, "stop", true), (8, "stop", false), (8, "go", true)] {
        let account = Account::open(service.url.clone(), Version::Good).await;
        let (_folder, program) = gate_that_ends_with(code);
        let program = program.to_str().unwrap();
        let variables = [("WORKWAY", program), ("UNDECIDED", undecided), ("STEPS", "100")];
        let deployed = deploy(&account, &service, &variables).await;
        let expected = i32::from(!promoted);
        assert_eq!(deployed.code, Some(expected), "{code} {undecided}: {}", deployed.stderr);
        let last = if promoted { NEW } else { OLD };
        assert_eq!(account.splits().last().unwrap(), &cloudflare::split(vec![(last, 100)]));
        if !promoted {
            assert!(deployed.stderr.contains("could not decide"), "{}", deployed.stderr);
            assert_eq!(account.met_new(), 0, "an undecided version had traffic");
        }
    }
    service.stop().await;
}

/// All of scenarios/smoke, as by default: what it asks of a deployment, a deployment can do.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Worker's tools: scripts/test runs it"]
async fn the_default_check_passes_a_good_version_and_runs_a_workflow() {
    let service = service().await;
    let account = Account::open(service.url.clone(), Version::Good).await;
    let variables = [("GATE", "off"), ("ROUNDS", "1"), ("STEPS", "100")];
    let arguments = ["deploy", "staging", &account.edge];
    let deployed = script(repository(), &account, &arguments, &variables).await;
    show(&account, &deployed);
    assert_eq!(deployed.code, Some(0), "{}", deployed.stderr);
    assert_eq!(deployed.stdout.trim(), NEW);
    let passed = |name: &str| deployed.stderr.contains(&format!("PASS smoke/{name} "));
    for name in ["health", "validation", "run"] {
        assert!(passed(name), "{name}: {}", deployed.stderr);
    }
    // The stub is not there: the deployment calls the real ones.
    assert!(!passed("workflow"), "{}", deployed.stderr);
    service.stop().await;
}

const MIGRATIONS_TABLE: &str = "CREATE TABLE d1_migrations(id INTEGER PRIMARY KEY, name TEXT UNIQUE, \
                                applied_at TIMESTAMP DEFAULT 0 NOT NULL);";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Worker's tools: scripts/test-long runs it"]
async fn a_database_that_is_not_that_of_the_commit_stops_before_anything_is_uploaded() {
    let service = service().await;
    let mut names: Vec<_> = fs::read_dir(repository().join("service/migrations"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let applied = |names: &[String]| {
        let rows =
            names.iter().map(|name| format!("INSERT INTO d1_migrations (name) VALUES ('{name}');"));
        format!("{MIGRATIONS_TABLE}{}", rows.collect::<String>())
    };
    let cases = [
        (applied(&["9999_of_tomorrow.sql".to_owned()]), "9999_of_tomorrow.sql"),
        // Somebody wrote down what was never done.
        (applied(&names), "table workflows is missing"),
    ];
    for (sql, says) in cases {
        let account = Account::open(service.url.clone(), Version::Good).await;
        account.execute(sql).await;
        let deployed = deploy(&account, &service, &[("GATE", "off")]).await;
        assert_eq!(deployed.code, Some(1), "{}", deployed.stderr);
        assert!(deployed.stderr.contains(says), "{}", deployed.stderr);
        assert!(deployed.stderr.contains("nothing is deployed"), "{}", deployed.stderr);
        assert!(account.splits().is_empty() && account.transcript().is_empty());
    }
    service.stop().await;
}
