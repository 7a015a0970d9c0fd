//! Checks what the code must not contain, and where: see the invariants in ARCHITECTURE.md.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod layers;
mod retention;

use std::{
    fs,
    path::{Path, PathBuf},
};

use regex::Regex;
use serde_json::{Value, json};
use workway_service::config::{Config, MIN_SECRET_BYTES};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // Tests may use what the code may not.
        let of_tests = ["tests", "memory", "simulation"];
        if path.file_stem().is_some_and(|stem| of_tests.iter().any(|name| stem == *name)) {
            continue;
        }
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Lines of the code in `folders` of `service/src` that match, tests and comments apart.
fn matches(folders: &[&str], pattern: &str) -> Vec<String> {
    let pattern = Regex::new(pattern).unwrap();
    let tests = Regex::new(r"#\[cfg\((all\()?test").unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files: Vec<_> = folders.iter().flat_map(|folder| sources(&root.join(folder))).collect();
    assert!(!files.is_empty(), "{folders:?}");
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let code = tests.split(&text).next().unwrap();
        let lines = code
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim_start().starts_with("//") && pattern.is_match(line));
        found.extend(
            lines.map(|(number, line)| format!("{}:{}: {line}", file.display(), number + 1)),
        );
    }
    found
}

#[test]
fn only_platforms_name_a_platform() {
    let folders = [
        "app",
        "ai",
        "backup",
        "config",
        "domain",
        "engine",
        "identity",
        "ports",
        "routes",
        "guard",
        "store",
        "../price/src",
    ];
    let names = r"\b(worker|tokio|rand|rusqlite|reqwest)::|\b(SystemTime|Instant)\b";
    assert_eq!(matches(&folders, names), [""; 0]);
}

/// Ports that own a meter bill each call. A handler that reached for the ports without one, or for the
/// meter, could forget to.
#[test]
fn no_handler_bills_by_hand() {
    let by_hand = concat!(
        r"\.charge\(|\bMeter::|&Meter\b|platform\.",
        r"(database|cache|sessions|http_cache|rate_limiter|actors|backups|http|ai|vectors|analytics)\("
    );
    let found = matches(&["routes", "guard", "identity", "ai", "engine"], by_hand);
    // Whether there are models and an index costs nothing to ask.
    let in_search = |line: &String| line.contains("search.rs") && line.contains("is_none()");
    let found: Vec<_> = found.into_iter().filter(|line| !in_search(line)).collect();
    assert_eq!(found, [""; 0]);
}

#[test]
fn only_the_store_and_the_platforms_hold_sql() {
    let folders = ["ai", "backup", "domain", "engine", "identity", "routes", "guard"];
    assert_eq!(matches(&folders, r#""(SELECT|INSERT|UPDATE|DELETE|CREATE) "#), [""; 0]);
}

#[test]
fn the_store_knows_no_http() {
    assert_eq!(matches(&["store"], r"\b(axum|http|Problem|StatusCode)\b"), [""; 0]);
}

#[test]
fn no_sql_names_the_current_time() {
    assert_eq!(
        matches(
            &["store", "platform"],
            r"(?i)current_timestamp|datetime\(|unixepoch|strftime|'now'"
        ),
        [""; 0]
    );
}

#[test]
fn the_machine_has_no_ports() {
    let ports = r"\b(Clock|Database|ActorContext|async|await)\b";
    let found = matches(&["engine"], ports);
    let machine: Vec<_> = found.into_iter().filter(|line| line.contains("machine")).collect();
    assert_eq!(machine, [""; 0]);
}

/// The limiter's binding decides on Workers, and says only yes or no: what the service says about
/// it has to be the same.
#[test]
fn the_budget_of_a_caller_is_what_the_binding_counts() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("wrangler.toml");
    let file: Value = toml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let environments = file["env"].as_object().unwrap();
    assert_eq!(environments.len(), 2);
    for environment in environments.values().chain([&file]) {
        let config = Config::from_lookup(|name| match name {
            "JWT_SECRET" => Some("s".repeat(MIN_SECRET_BYTES)),
            "RATE_LIMIT" | "RATE_PERIOD" => environment["vars"][name].as_str().map(str::to_owned),
            _ => None,
        });
        let limit = config.unwrap().rate_limit;
        let [limiter] = &environment["ratelimits"].as_array().unwrap()[..] else {
            panic!("one limiter: {environment}")
        };
        let says = json!({"limit": limit.requests, "period": limit.period_seconds});
        assert_eq!(limiter["simple"], says, "{}", environment["name"]);
    }
}
