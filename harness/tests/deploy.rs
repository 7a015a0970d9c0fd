//! A rehearsal of scripts/deploy: the real wrangler against a fake of Cloudflare's API, the real
//! checks against an edge that splits the traffic as the fake was told. A good version is promoted,
//! bad ones are rolled back. No network. Prints the transcript.
#![cfg(feature = "service")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]

#[path = "deploy/cloudflare.rs"]
mod cloudflare;
#[path = "deploy/edge.rs"]
mod edge;

use std::{path::Path, process::Command};

use cloudflare::{Account, NEW, OLD, Version};
use workway::target::{Target, TargetOptions, TargetSpec};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

async fn service() -> Target {
    workway::tls::install();
    let program = Some(env!("CARGO_BIN_EXE_workway").into());
    TargetSpec::Embedded.start(&TargetOptions { program, ..Default::default() }).await.unwrap()
}

/// What came of a deployment.
struct Deployed {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// `variables` are those of the script.
async fn deploy(account: &Account, service: &Target, variables: &[(&str, &str)]) -> Deployed {
    let mut command = Command::new(repository().join("scripts/deploy"));
    command.args(["staging", &account.edge]);
    command.env("CLOUDFLARE_API_BASE_URL", &account.api);
    command.env("CLOUDFLARE_API_TOKEN", "rehearsal").env("CLOUDFLARE_ACCOUNT_ID", "a".repeat(32));
    command.env("WORKWAY", env!("CARGO_BIN_EXE_workway"));
    // The suite alone is enough requests for each step to meet the new version.
    let check = format!(
        "'{}' run scenarios/smoke/health.yaml scenarios/smoke/validation.yaml --target {} --upstream {}",
        env!("CARGO_BIN_EXE_workway"),
        account.edge,
        service.upstream.as_ref().unwrap(),
    );
    command.env("CHECK", check).env("ROUNDS", "2").current_dir(repository());
    // A few short windows: errors are counts, and found however fast they come.
    command.env("GATE_ARGUMENTS", "--pairs 7 --window 1s --warmup 200ms --max-p95 1000%");
    command.envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let deployed = Deployed {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    };
    let said = deployed.stderr.lines().filter(|line| line.starts_with("deploy: "));
    println!("{}", said.collect::<Vec<_>>().join("\n"));
    for line in account.transcript() {
        println!("  {line}");
    }
    deployed
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

async fn provision(account: &Account) -> Deployed {
    let mut command = Command::new(repository().join("scripts/provision"));
    command.arg("staging").env("CLOUDFLARE_API_BASE_URL", &account.api);
    command.env("CLOUDFLARE_API_TOKEN", "rehearsal").env("CLOUDFLARE_ACCOUNT_ID", "a".repeat(32));
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    Deployed { code: output.status.code(), stdout, stderr }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Worker's tools: scripts/test runs it"]
async fn resources_are_made_once() {
    let service = service().await;
    let account = Account::open(service.url.clone(), Version::Good).await;
    let first = provision(&account).await;
    assert_eq!(first.code, Some(1), "{}", first.stderr);
    let secret = "npx wrangler secret put JWT_SECRET --env staging";
    assert!(first.stdout.lines().any(|line| line == secret), "{}{}", first.stdout, first.stderr);
    let made = account.transcript();
    assert_eq!(made.len(), 5, "a database, two namespaces, a bucket, an index: {made:#?}");

    let secrets = std::fs::read_to_string(repository().join(".github/secrets.txt")).unwrap();
    for name in secrets.lines().filter(|line| !line.starts_with('#')) {
        account.set_secret(name);
    }
    let second = provision(&account).await;
    assert_eq!((second.code, second.stdout.as_str()), (Some(0), ""), "{}", second.stderr);
    assert!(second.stderr.contains("has all it needs"), "{}", second.stderr);
    assert_eq!(account.transcript(), made);
    service.stop().await;
}
