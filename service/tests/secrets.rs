//! The list of a deployment's secrets, against what the configuration asks for.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use workway_service::config::{Config, ConfigError};

const LIST: &str = include_str!("../../.github/secrets.txt");
/// What takes secrets at GitHub.
const WORKFLOWS: [&str; 2] = [
    include_str!("../../.github/workflows/deploy.yml"),
    include_str!("../../.github/workflows/watch.yml"),
];
/// What the configuration asks for and anybody may read. A secret goes into the list instead.
const VARIABLES: &[&str] = &[
    "AI_MODEL_BALANCED",
    "AI_MODEL_COMPLEX",
    "AI_MODEL_SIMPLE",
    "CHECKOUT_RETURN_URL",
    "CLOUDFLARE_ACCOUNT_ID",
    "CLOUDFLARE_API",
    "CORS_ALLOWED_ORIGINS",
    "ENVIRONMENT",
    "GOOGLE_BASE_URL",
    "GOOGLE_CLIENT_ID",
    "HTTP_ALLOWED_ORIGINS",
    "LOG_REQUESTS",
    "NOTION_BASE_URL",
    "NOTION_CLIENT_ID",
    "PLAN_QUOTAS",
    "PUBLIC_URL",
    "RATE_LIMIT",
    "RATE_PERIOD",
    "RUN_RETENTION_DAYS",
    "SENTRY_SAMPLE_RATE",
    "SENTRY_TRACES_SAMPLE_RATE",
    "STRIPE_API",
    "STRIPE_PRICES",
    "USAGE_BEFORE_ANSWER",
    "VECTOR_INDEX",
];

/// Name, condition, and the variables that it is about.
fn listed() -> Vec<(&'static str, &'static str, Vec<&'static str>)> {
    let lines = LIST.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let words = lines.map(|line| line.split(' ').collect::<Vec<_>>());
    words.map(|words| (words[0], words[1], words[2..].to_vec())).collect()
}

fn of_the_worker() -> impl Iterator<Item = (&'static str, &'static str, Vec<&'static str>)> {
    listed().into_iter().filter(|(_, when, _)| *when != "workflow")
}

/// A deployment that has everything on.
fn everything() -> BTreeMap<&'static str, String> {
    // Base64 of 32 bytes.
    let key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let values = [
        ("PUBLIC_URL", "https://api.example.com"),
        ("GOOGLE_CLIENT_ID", "google"),
        ("NOTION_CLIENT_ID", "notion"),
        ("CLOUDFLARE_ACCOUNT_ID", "account"),
        ("STRIPE_PRICES", "startup=price_1"),
        ("TOKEN_ENCRYPTION_KEY", key),
        ("TOKEN_ENCRYPTION_KEY_PREVIOUS", key),
        ("SENTRY_DSN", "https://canary-sentry-dsn@sentry.example/1"),
    ];
    let mut all: BTreeMap<_, _> = values.map(|(name, value)| (name, value.to_owned())).into();
    for (name, ..) in of_the_worker() {
        all.entry(name).or_insert_with(|| format!("canary-{name}-of-at-least-32-bytes-{name}"));
    }
    all
}

fn read(given: &BTreeMap<&str, String>) -> Result<(Config, BTreeSet<String>), ConfigError> {
    let asked = RefCell::new(BTreeSet::new());
    let config = Config::from_lookup(|name| {
        asked.borrow_mut().insert(name.to_owned());
        given.get(name).cloned()
    })?;
    Ok((config, asked.into_inner()))
}

#[test]
fn every_secret_that_is_asked_for_is_listed_and_no_other() {
    let (config, asked) = read(&everything()).unwrap();
    let secrets: BTreeSet<_> = of_the_worker().map(|(name, ..)| name.to_owned()).collect();
    let variables: BTreeSet<_> = VARIABLES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(secrets.intersection(&variables).next(), None);
    let known: BTreeSet<_> = secrets.union(&variables).cloned().collect();
    assert_eq!(
        asked, known,
        "a secret goes into .github/secrets.txt, anything else into VARIABLES"
    );
    // A secret is kept as one: nothing that prints the configuration shows it.
    let shown = format!("{config:?}");
    assert!(!shown.contains("canary") && !shown.contains("MDEyMzQ1"), "{shown}");
}

#[test]
fn each_condition_is_what_the_configuration_demands() {
    for (name, when, variables) in of_the_worker() {
        let mut without = everything();
        without.remove(name);
        let read_without = read(&without);
        match when {
            "always" => assert_eq!(read_without.unwrap_err().name, name),
            "with" => {
                // Without the variables it is not needed. Billing starts, and sells nothing.
                if !name.starts_with("STRIPE_") {
                    assert_eq!(read_without.unwrap_err().name, name);
                }
                for variable in variables {
                    assert!(VARIABLES.contains(&variable), "{name}: {variable}");
                    without.remove(variable);
                }
                // The other secrets of the same provider stay: they are asked for by its id alone.
                assert!(read(&without).is_ok(), "{name}");
            }
            "rotation" | "optional" => assert!(read_without.is_ok(), "{name}"),
            other => panic!("{name}: there is no condition {other}"),
        }
    }
}

#[test]
fn what_workflows_take_is_listed() {
    let taken: BTreeSet<_> = WORKFLOWS
        .iter()
        .flat_map(|workflow| workflow.split("${{ secrets.").skip(1))
        .map(|rest| rest.split([' ', '}']).next().unwrap())
        .collect();
    let listed: BTreeSet<_> = listed()
        .into_iter()
        .filter(|(_, when, _)| *when == "workflow")
        .map(|(name, ..)| name)
        .collect();
    assert_eq!(taken, listed);
}
