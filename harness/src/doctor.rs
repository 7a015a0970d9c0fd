//! Checks which of the program's needs this machine meets, and says how to meet the rest.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use reqwest::Url;
use rustix::process::{Resource, getrlimit};
use serde::Serialize;

/// The ports of `workway lab serve`, and of its stub.
const PORTS: [u16; 2] = [8787, 8788];
/// A load of a thousand connections, with some to spare.
const DESCRIPTORS: u64 = 4096;
/// Oldest Node that the pinned wrangler runs on, and oldest Rust that the workspace builds with.
const NODE: (u64, u64) = (22, 12);
const RUST: (u64, u64) = (1, 95);
/// The version of the tool that makes the Worker's glue; the crate in service/Cargo.toml is pinned
/// to the same.
const WASM_BINDGEN: &str = "0.2.129";
/// Tokens are valid from the second they are signed: beyond this they are refused.
const CLOCK_SKEW: Duration = Duration::from_secs(5);
/// The time limit for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Says how well a need is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The need is met.
    Fine,
    /// The need is not met, and only some commands have it.
    Missing,
    /// The need is not met, and nothing works without it.
    Broken,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// The need.
    pub what: &'static str,
    /// The commands that need it.
    pub needed_for: &'static str,
    /// The state of the need.
    pub state: State,
    /// The observation.
    pub seen: String,
    /// The way to fix it, unless it is fine.
    pub fix: Option<&'static str>,
}

/// Says why a need is not met.
#[derive(Debug, thiserror::Error)]
enum Unmet {
    /// A file cannot be written or read.
    #[error(transparent)]
    File(#[from] std::io::Error),
    /// The hard limit is too low.
    #[error("{0}, of {DESCRIPTORS}")]
    Descriptors(u64),
    /// Something else listens on a port.
    #[error("{port}: {error}")]
    Port {
        /// The port.
        port: u16,
        /// The cause.
        error: std::io::Error,
    },
    /// A part of a tool is not installed.
    #[error("absent")]
    Absent,
    /// A command is in none of the folders.
    #[error("not found")]
    NotFound,
    /// A command does not say its version.
    #[error("it failed with {0}")]
    Failed(ExitStatus),
    /// A command is too old.
    #[error("{found}, at least {}.{}", .least.0, .least.1)]
    TooOld {
        /// The version that it says.
        found: String,
        /// The oldest that works.
        least: (u64, u64),
    },
    /// A command must have one version exactly.
    #[error("{0}, must be {WASM_BINDGEN}")]
    NotPinned(String),
    /// A package is not installed.
    #[error("not installed")]
    NotInstalled,
    /// The description of a package cannot be read.
    #[error(transparent)]
    Package(#[from] serde_json::Error),
    /// The description of a package has no version.
    #[error("its package has no version")]
    NoVersion,
    /// The target does not answer.
    #[error(transparent)]
    NoAnswer(reqwest::Error),
    /// The target is not well.
    #[error("{}", .0.as_u16())]
    Status(http::StatusCode),
    /// The target does not tell its time.
    #[error("it sends no Date")]
    NoDate,
    /// The time of the target cannot be read.
    #[error("its Date is {0:?}")]
    BadDate(String),
    /// The clock of the target differs from ours.
    #[error(transparent)]
    Skew(Skew),
}

/// The difference between two clocks.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{} s from ours, to the second", .0.as_secs())]
struct Skew(Duration);

impl From<reqwest::Error> for Unmet {
    fn from(error: reqwest::Error) -> Self {
        // The user has just named the target.
        Self::NoAnswer(error.without_url())
    }
}

impl Diagnosis {
    fn new(
        what: &'static str,
        needed_for: &'static str,
        found: Result<String, Unmet>,
        otherwise: (State, &'static str),
    ) -> Self {
        let (state, seen, fix) = match found {
            Ok(seen) => (State::Fine, seen, None),
            Err(unmet) => (otherwise.0, unmet.to_string(), Some(otherwise.1)),
        };
        Self { what, needed_for, state, seen, fix }
    }
}

/// Looks at this machine. It sends nothing anywhere.
pub fn examine() -> Vec<Diagnosis> {
    use State::{Broken, Missing};
    let bins = bins();
    let own = |name: &str| own(&bins, name);
    let build = "building the Worker";
    let setup = "run scripts/setup";
    vec![
        Diagnosis::new(
            "temporary folder",
            "everything",
            scratch(),
            (Broken, "make room in it, or set TMPDIR to another folder"),
        ),
        Diagnosis::new(
            "descriptors",
            "loads of many connections",
            descriptors(),
            (Missing, "`ulimit -n 4096` in this shell, or raise the hard limit"),
        ),
        Diagnosis::new(
            "ports 8787, 8788",
            "workway lab serve",
            ports(),
            (Missing, "stop what listens there, or give --port 0"),
        ),
        Diagnosis::new(
            "rust",
            "building",
            version("rustc", RUST),
            (Missing, "install it from https://rustup.rs, or `rustup update`"),
        ),
        Diagnosis::new(
            "C compiler",
            "building",
            version("cc", (0, 0)),
            (Missing, "install one (Debian: apt-get install build-essential)"),
        ),
        Diagnosis::new("wasm32 target", build, wasm(), (Missing, setup)),
        Diagnosis::new(
            "worker-build",
            build,
            version(&own("worker-build"), (0, 0)),
            (Missing, setup),
        ),
        Diagnosis::new("wasm-bindgen", build, wasm_bindgen(&own), (Missing, setup)),
        Diagnosis::new("wasm-opt", build, there(&own("wasm-opt")), (Missing, setup)),
        Diagnosis::new("esbuild", build, version(&own("esbuild"), (0, 0)), (Missing, setup)),
        Diagnosis::new("node", "--target wrangler, deploying", node(&own), (Missing, setup)),
        Diagnosis::new(
            "wrangler",
            "--target wrangler, deploying",
            wrangler(&bins),
            (Missing, setup),
        ),
    ]
}

/// Looks at a deployment that answers.
pub async fn examine_target(url: &Url) -> Vec<Diagnosis> {
    let client = crate::http::question::client().timeout(ANSWER_WITHIN).build();
    let Ok(client) = client else { return Vec::new() };
    let asked = async |path: &str| {
        // A base with a host takes every relative path.
        let url = url.join(path).unwrap_or_else(|_| url.clone());
        Ok::<_, Unmet>(client.get(url).send().await?)
    };
    let skew = asked("health/live").await.and_then(|answer| skew(answer.headers()));
    let health = asked("health").await.and_then(|answer| match answer.status() {
        status if status.is_success() => Ok("200".to_owned()),
        status => Err(Unmet::Status(status)),
    });
    vec![
        Diagnosis::new(
            "target's health",
            "--target",
            health,
            (State::Missing, "see `checks` in its /health; for other APIs this means nothing"),
        ),
        Diagnosis::new(
            "target's clock",
            "tokens",
            skew,
            (State::Missing, "set both clocks (NTP): tokens are signed here and judged there"),
        ),
    ]
}

fn skew(headers: &http::HeaderMap) -> Result<String, Unmet> {
    let date = headers.get("date").and_then(|value| value.to_str().ok());
    let date = date.ok_or(Unmet::NoDate)?;
    let there = httpdate(date).ok_or_else(|| Unmet::BadDate(date.to_owned()))?;
    #[expect(clippy::disallowed_methods, reason = "compares clocks")]
    let here = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let skew = Skew(here.abs_diff(there));
    if skew.0 <= CLOCK_SKEW { Ok(skew.to_string()) } else { Err(Unmet::Skew(skew)) }
}

/// Parses a date such as `Sun, 22 Nov 2026 16:00:00 GMT` into the time since 1970.
fn httpdate(text: &str) -> Option<Duration> {
    let [_, day, month, year, time, "GMT"] = text.split(' ').collect::<Vec<_>>()[..] else {
        return None;
    };
    let names = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let month = names.find(month).filter(|at| at % 3 == 0)? / 3 + 1;
    let rfc3339 = format!("{year}-{month:02}-{day}T{time}Z");
    humantime::parse_rfc3339(&rfc3339).ok()?.duration_since(UNIX_EPOCH).ok()
}

fn scratch() -> Result<String, Unmet> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("file"), [0; 4096])?;
    Ok(std::env::temp_dir().display().to_string())
}

fn descriptors() -> Result<String, Unmet> {
    // The program raises the soft limit by itself.
    match getrlimit(Resource::Nofile).maximum {
        None => Ok("no limit".to_owned()),
        Some(limit) if limit >= DESCRIPTORS => Ok(limit.to_string()),
        Some(limit) => Err(Unmet::Descriptors(limit)),
    }
}

fn ports() -> Result<String, Unmet> {
    for port in PORTS {
        TcpListener::bind(("127.0.0.1", port)).map_err(|error| Unmet::Port { port, error })?;
    }
    Ok("free".to_owned())
}

fn wasm() -> Result<String, Unmet> {
    let arguments = ["--print", "target-libdir", "--target", "wasm32-unknown-unknown"];
    let folder = said(Command::new("rustc").args(arguments))?;
    if Path::new(folder.trim()).is_dir() { Ok("there".to_owned()) } else { Err(Unmet::Absent) }
}

/// Returns the folders in which the scripts of the repository that we are in find their tools, in
/// their order: the npm packages of the Worker, and what scripts/setup built.
fn bins() -> Vec<PathBuf> {
    let current = std::env::current_dir().unwrap_or_default();
    let above = |folder: &str| {
        let found = current.ancestors().map(|parent| parent.join(folder));
        found.into_iter().find(|path| path.is_dir())
    };
    let built = std::env::var_os("WORKWAY_TOOLS").map(|tools| PathBuf::from(tools).join("bin"));
    let built = built.or_else(|| above("target/tools/bin"));
    [above("service/node_modules/.bin"), built].into_iter().flatten().collect()
}

/// Returns the path of a tool in one of the folders, or else its name, so that PATH decides.
fn own(bins: &[PathBuf], name: &str) -> String {
    let found = bins.iter().map(|bin| bin.join(name)).find(|path| path.is_file());
    found.map_or_else(|| name.to_owned(), |path| path.to_string_lossy().into_owned())
}

fn wasm_bindgen(own: &dyn Fn(&str) -> String) -> Result<String, Unmet> {
    let seen = version(&own("wasm-bindgen"), (0, 0))?;
    if seen.split(' ').any(|word| word == WASM_BINDGEN) {
        Ok(seen)
    } else {
        Err(Unmet::NotPinned(seen))
    }
}

/// Finds a command whose version has no dot.
fn there(command: &str) -> Result<String, Unmet> {
    let text = said(Command::new(command).arg("--version"))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn node(own: &dyn Fn(&str) -> String) -> Result<String, Unmet> {
    version(&own("node"), NODE).or_else(|_| version("node", NODE))
}

fn wrangler(bins: &[PathBuf]) -> Result<String, Unmet> {
    // Its package says so; the command takes a second to start.
    let packages = bins.iter().map(|bin| bin.join("../wrangler/package.json"));
    let text = packages.into_iter().find_map(|package| std::fs::read(package).ok());
    let package: serde_json::Value = serde_json::from_slice(&text.ok_or(Unmet::NotInstalled)?)?;
    let version = package["version"].as_str().ok_or(Unmet::NoVersion)?;
    Ok(version.to_owned())
}

/// Returns the version of a command, if it is new enough.
fn version(command: &str, least: (u64, u64)) -> Result<String, Unmet> {
    let text = said(Command::new(command).arg("--version"))?;
    let first = text.lines().next().unwrap_or_default();
    let mut numbers = first
        .split(|character: char| !(character.is_ascii_digit() || character == '.'))
        .find(|word| word.contains('.'))
        .into_iter()
        .flat_map(|word| word.split('.'))
        .map(|number| number.parse::<u64>().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let seen = first.to_owned();
    if found >= least { Ok(seen) } else { Err(Unmet::TooOld { found: seen, least }) }
}

fn said(command: &mut Command) -> Result<String, Unmet> {
    let output = command.output().map_err(|_| Unmet::NotFound)?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(Unmet::Failed(output.status))
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a server of a few lines")]
mod tests {
    use super::*;

    #[test]
    fn dates_of_http() {
        let noon = httpdate("Sun, 22 Nov 2026 12:00:00 GMT");
        assert_eq!(noon, Some(Duration::from_hours(498_708)));
        for bad in ["", "Sun, 22 Nov 2026", "Sun, 22 Now 2026 12:00:00 GMT", "1 2 3 4 5 GMT"] {
            assert_eq!(httpdate(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_pinned_version_is_that_of_the_scripts() {
        let scripts = include_str!("../../scripts/env");
        assert!(scripts.contains(&format!("\nwasm_bindgen_version={WASM_BINDGEN}\n")));
    }

    #[test]
    fn tools_are_found_where_the_scripts_find_them() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let bins = [first.path().to_owned(), second.path().to_owned()];
        assert_eq!(own(&bins, "tool"), "tool");
        std::fs::write(second.path().join("tool"), "").unwrap();
        assert_eq!(own(&bins, "tool"), second.path().join("tool").to_string_lossy());
        std::fs::write(first.path().join("tool"), "").unwrap();
        assert_eq!(own(&bins, "tool"), first.path().join("tool").to_string_lossy());
    }

    /// Answers every request so; its URL.
    fn target(head: &'static str) -> Url {
        use std::io::{Read as _, Write as _};
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]);
                let text =
                    format!("HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
                let _ = stream.write_all(text.as_bytes());
            }
        });
        Url::parse(&url).unwrap()
    }

    #[tokio::test]
    async fn a_target_that_is_ill_or_has_another_time_is_told_with_what_to_do() {
        crate::http::tls::install();
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let (day, time) = now.trim_end_matches('Z').split_once('T').unwrap();
        let months =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let month = months[day[5..7].parse::<usize>().unwrap() - 1];
        let right = format!("200 OK\r\ndate: Sun, {} {month} {} {time} GMT", &day[8..], &day[..4]);
        let states = async |head: &'static str| {
            let found = examine_target(&target(head)).await;
            assert!(found.iter().all(|one| (one.state == State::Fine) == one.fix.is_none()));
            found.iter().map(|one| (one.state, one.seen.clone())).collect::<Vec<_>>()
        };
        let fine = states(right.leak()).await;
        assert!(fine.iter().all(|(state, _)| *state == State::Fine), "{fine:?}");
        let [health, clock] = states("503 Unavailable\r\ndate: Sun, 22 Nov 2020 12:00:00 GMT")
            .await
            .try_into()
            .unwrap();
        assert_eq!(health, (State::Missing, "503".to_owned()));
        assert!(clock.0 == State::Missing && clock.1.contains("s from ours"), "{clock:?}");
        let [health, clock] = states("200 OK").await.try_into().unwrap();
        assert_eq!(health.0, State::Fine);
        assert_eq!(clock, (State::Missing, "it sends no Date".to_owned()));
    }

    #[test]
    fn an_old_or_absent_command_is_told() {
        assert!(version("rustc", RUST).is_ok());
        assert!(version("rustc", (99, 0)).unwrap_err().to_string().contains("at least 99.0"));
        assert_eq!(version("no-such-command", (0, 0)).unwrap_err().to_string(), "not found");
    }
}
