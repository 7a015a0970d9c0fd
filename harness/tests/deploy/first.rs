//! From an account with nothing in it to a Worker that answers; and what cannot come step by step.

use std::os::unix::fs::symlink;

use super::resources::Index;
use super::*;

async fn provision(root: &Path, account: &Account) -> Said {
    script(root, account, &["provision", "staging"], &[]).await
}

/// The repository, with a service/wrangler.toml that may be written.
fn copy() -> TempDir {
    let (copy, original) = (tempfile::tempdir().unwrap(), repository());
    for name in ["scripts", "scenarios", "fixtures", ".github", ".git", "Cargo.toml"] {
        symlink(original.join(name), copy.path().join(name)).unwrap();
    }
    let service = copy.path().join("service");
    fs::create_dir(&service).unwrap();
    for name in ["migrations", "node_modules", "build", "src"] {
        symlink(original.join("service").join(name), service.join(name)).unwrap();
    }
    fs::copy(original.join("service/wrangler.toml"), service.join("wrangler.toml")).unwrap();
    copy
}

/// Does what provision says is left to do; the number of things that were done.
async fn obey(root: &Path, account: &Account, todo: &str) -> usize {
    let config = root.join("service/wrangler.toml");
    for line in todo.lines() {
        if let Some(rest) = line.strip_prefix("put the id of ") {
            let (new, old) = rest.split_once(": ").unwrap().1.split_once(" (it says ").unwrap();
            let text = fs::read_to_string(&config).unwrap();
            let changed = text.replace(old.trim_end_matches(')'), new);
            assert_ne!(changed, text, "{line}");
            fs::write(&config, changed).unwrap();
        } else if let Some(arguments) = line.strip_prefix("npx wrangler ") {
            let command = format!(
                "cd service && . ../scripts/env && echo '{LOCAL_SECRET}' | wrangler {arguments}"
            );
            let mut bash = Command::new("bash");
            bash.args(["-c", &command]).current_dir(root).env("CI", "1");
            bash.env("CLOUDFLARE_API_BASE_URL", &account.api);
            bash.env("CLOUDFLARE_API_TOKEN", "rehearsal");
            bash.env("CLOUDFLARE_ACCOUNT_ID", "a".repeat(32));
            let done = tokio::task::spawn_blocking(move || bash.output().unwrap()).await.unwrap();
            let done = said(done);
            assert_eq!(done.code, Some(0), "{line}: {}{}", done.stdout, done.stderr);
        } else {
            panic!("what is this? {line}");
        }
    }
    todo.lines().count()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Worker's tools: scripts/test runs it"]
async fn an_empty_account_becomes_a_deployment_that_is_deployed_to_as_any_other() {
    let service = service().await;
    let account = Account::empty(service.url.clone(), Version::Good).await;
    let copy = copy();
    let root = copy.path();
    let check = quick(&account, &service);
    let variables = [("CHECK", check.as_str()), ("ROUNDS", "2"), ("GATE", "off")];
    let deploy = ["deploy", "staging", account.edge.as_str()];

    let early = script(root, &account, &deploy, &variables).await;
    assert_eq!(early.code, Some(1), "{}", early.stderr);
    assert!(early.stderr.contains("JWT_SECRET") && early.stderr.contains("scripts/provision"));

    let first = provision(root, &account).await;
    assert_eq!(first.code, Some(1), "{}", first.stderr);
    let done = obey(root, &account, &first.stdout).await;
    assert_eq!(done, 4, "three ids and a secret: {}", first.stdout);
    let second = provision(root, &account).await;
    assert_eq!((second.code, second.stdout.as_str()), (Some(0), ""), "{}", second.stderr);

    // One that fails its checks has the traffic all the same: that is said, and another may follow.
    let failing = [("CHECK", "false"), ("ROUNDS", "1"), ("GATE", "off")];
    let failed = script(root, &account, &deploy, &failing).await;
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    assert!(failed.stderr.contains("has all the traffic, and check 1 failed"), "{}", failed.stderr);
    assert_eq!(account.splits().last().unwrap(), &cloudflare::split(vec![(OLD, 100)]));

    let next = script(root, &account, &deploy, &variables).await;
    show(&account, &next);
    assert_eq!(next.code, Some(0), "{}", next.stderr);
    assert_eq!(next.stdout.trim(), NEW);
    assert_eq!(account.splits().last().unwrap(), &cloudflare::split(vec![(NEW, 100)]));
    assert!(account.splits().contains(&cloudflare::split(vec![(NEW, 10), (OLD, 90)])));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Worker's tools: scripts/test runs it"]
async fn a_first_version_that_passes_is_done() {
    let service = service().await;
    let account = Account::open(service.url.clone(), Version::Good).await;
    // As `wrangler secret put` leaves it.
    account.set_draft();
    account.set_secret("JWT_SECRET");
    let deployed = deploy(&account, &service, &[]).await;
    assert_eq!(deployed.code, Some(0), "{}", deployed.stderr);
    assert!(deployed.stderr.contains("the first deployment"), "{}", deployed.stderr);
    assert!(deployed.stderr.contains("2 of 2 checks passed"), "{}", deployed.stderr);
    assert_eq!(deployed.stdout.trim(), OLD);
    assert_eq!(account.splits(), [cloudflare::split(vec![(OLD, 100)])]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Worker's tools: scripts/test-long runs it"]
async fn a_new_class_of_objects_comes_at_once_and_only_when_asked_for() {
    let service = service().await;
    let account = Account::open(service.url.clone(), Version::Good).await;
    account.set_migration("v2");
    let refused = deploy(&account, &service, &[]).await;
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("WHOLE=go") && refused.stderr.contains("nothing has changed"));
    assert!(account.transcript().is_empty(), "{:?}", account.transcript());
    let whole = deploy(&account, &service, &[("WHOLE", "go")]).await;
    assert_eq!(whole.code, Some(0), "{}", whole.stderr);
    assert_eq!(whole.stdout.trim(), NEW);
    assert!(account.met_new() > 0, "the checks never met it");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Worker's tools: scripts/test runs it"]
async fn resources_are_made_once() {
    let service = service().await;
    let account = Account::open(service.url.clone(), Version::Good).await;
    let first = provision(repository(), &account).await;
    assert_eq!(first.code, Some(1), "{}", first.stderr);
    let secret = "npx wrangler secret put JWT_SECRET --env staging";
    assert_eq!(first.stdout.trim(), secret, "no provider, no price: {}", first.stderr);
    let made = account.transcript();
    assert_eq!(
        made.len(),
        6,
        "a database, two namespaces, a bucket, an index, its filter: {made:#?}"
    );
    let [index] = account.indexes().try_into().ok().unwrap();
    assert_eq!((index.dimensions, index.metric.as_str()), (768, "cosine"));
    assert_eq!(index.filters, [("readers".to_owned(), "string".to_owned())]);

    account.set_secret("JWT_SECRET");
    let second = provision(repository(), &account).await;
    assert_eq!((second.code, second.stdout.as_str()), (Some(0), ""), "{}", second.stderr);
    assert!(second.stderr.contains("has all it needs"), "{}", second.stderr);
    assert_eq!(account.transcript(), made);
    service.stop().await;
}

/// What cannot be changed is not: a person decides.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Worker's tools: scripts/test-long runs it"]
async fn an_index_of_another_shape_and_secrets_of_what_is_on_are_told() {
    let service = service().await;
    for (dimensions, metric, filter, says) in [
        (1024, "cosine", "string", "has the shape \"1024 cosine\", needed is \"768 cosine\""),
        (768, "euclidean", "string", "has the shape \"768 euclidean\""),
        (768, "cosine", "number", "as another type than string"),
    ] {
        let account = Account::open(service.url.clone(), Version::Good).await;
        account.add_index(Index {
            name: "workway-embeddings-staging".to_owned(),
            dimensions,
            metric: metric.to_owned(),
            filters: vec![("readers".to_owned(), filter.to_owned())],
        });
        let copy = copy();
        let config = copy.path().join("service/wrangler.toml");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, text.replace("NOTION_CLIENT_ID = \"\"", "NOTION_CLIENT_ID = \"id\""))
            .unwrap();
        let told = provision(copy.path(), &account).await;
        assert_eq!(told.code, Some(1), "{}", told.stderr);
        assert!(told.stdout.contains(says), "{}{}", told.stdout, told.stderr);
        let secrets = told.stdout.lines().filter_map(|line| line.split("secret put ").nth(1));
        let secrets: Vec<_> = secrets.map(|rest| rest.split(' ').next().unwrap()).collect();
        assert_eq!(secrets, ["JWT_SECRET", "TOKEN_ENCRYPTION_KEY", "NOTION_CLIENT_SECRET"]);
        assert!(told.stderr.contains("SENTRY_DSN is not there"), "{}", told.stderr);
    }
    service.stop().await;
}
