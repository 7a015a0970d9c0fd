//! The Worker of this repository under `wrangler dev`, which runs workerd: offline, without an
//! account, on state of its own.

use std::{
    fs,
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use reqwest::Url;
use tokio::process::Command;

use super::{
    Process, READY_WITHIN, Target, TargetError, TargetOptions, client, embedded, repository_with,
};
use crate::{
    model::{Secret, TargetKind},
    token::{local_secret, local_webhook_secret},
    upstream::settings,
};

/// The program that runs the Worker.
pub(super) const SERVES: &str = "workerd";

/// Pause between two looks at a Worker that is starting.
const POLL: Duration = Duration::from_millis(100);

pub(super) async fn start(options: &TargetOptions) -> Result<Target, TargetError> {
    let service = find_service()?;
    if !options.built {
        build(&service).await?;
    }
    let secret = local_secret();
    let (stub, upstream) = embedded::stub(options, &secret).await?;
    let failed = |error| spawn(NAME, error);
    let scratch = tempfile::tempdir().map_err(failed)?;
    let state = options.state.clone().unwrap_or_else(|| scratch.path().to_owned());
    migrate(&service, &state).await?;
    let variables = scratch.path().join("variables.env");
    let port = free_port().map_err(failed)?;
    let api = format!("http://127.0.0.1:{port}");
    write_variables(&variables, &secret, [&api, &origin_of(&upstream)], &options.variables)
        .map_err(failed)?;
    let launch = Launch { service, state, variables };
    let (worker, url) = launch.start(port).await?;
    Ok(Target {
        url,
        upstream: Some(upstream),
        secret: Some(secret),
        webhook: Some(local_webhook_secret()),
        page_origin: super::page_origin(options),
        kind: TargetKind::Wrangler,
        limiter: None,
        control: None,
        service: Some(worker),
        stub,
        launch: Some(super::Launch::Wrangler(launch)),
        ahead: 0,
        _scratch: Some(scratch),
    })
}

/// Returns the tools that the Worker runs on, with their versions, as far as they are installed.
pub(super) fn versions() -> Vec<(&'static str, String)> {
    let Ok(service) = find_service() else { return Vec::new() };
    let version = |tool: &&'static str| {
        let package = service.join("node_modules").join(tool).join("package.json");
        let package: serde_json::Value = serde_json::from_slice(&fs::read(package).ok()?).ok()?;
        Some((*tool, package["version"].as_str()?.to_owned()))
    };
    [NODE_PACKAGE, SERVES].iter().filter_map(version).collect()
}

/// The package of `wrangler dev`.
const NODE_PACKAGE: &str = "wrangler";

/// Holds the parameters with which `wrangler dev` is started.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    service: PathBuf,
    state: PathBuf,
    variables: PathBuf,
}

const NAME: &str = "wrangler dev";

fn spawn(program: &str, error: std::io::Error) -> TargetError {
    TargetError::Spawn { program: program.to_owned(), error }
}

/// Returns the folder of the Worker, with its tools installed.
fn find_service() -> Result<PathBuf, TargetError> {
    let root = repository_with("service/wrangler.toml").ok_or_else(|| {
        let message = "no service/wrangler.toml in this folder or above it: \
                       `--target wrangler` builds the Worker of this repository; \
                       start your own with `wrangler dev` and give its URL";
        TargetError::Missing(message.to_owned())
    })?;
    let service = root.join("service");
    for tool in ["wrangler", "node"] {
        if !service.join("node_modules/.bin").join(tool).exists() {
            let message = format!(
                "{tool} is not installed in {}: run scripts/setup, which needs npm",
                service.display()
            );
            return Err(TargetError::Missing(message));
        }
    }
    Ok(service)
}

async fn build(service: &Path) -> Result<(), TargetError> {
    let script = service.with_file_name("scripts").join("build-worker");
    finish("the build of the Worker", &mut Command::new(script)).await
}

async fn migrate(service: &Path, state: &Path) -> Result<(), TargetError> {
    let mut command = wrangler(service);
    command.args(["d1", "migrations", "apply", "DB", "--local", "--persist-to"]).arg(state);
    finish("the migration of the local database", &mut command).await
}

/// Runs a command to its end.
async fn finish(name: &str, command: &mut Command) -> Result<(), TargetError> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let (mut process, _) = Process::start(name, command)?;
    match process.wait().await {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(process.failed(&format!("it failed with {status}"))),
        Err(error) => Err(spawn(name, error)),
    }
}

impl Launch {
    /// Starts it at this port of loopback.
    pub(super) async fn start(&self, port: u16) -> Result<(Process, Url), TargetError> {
        let mut command = wrangler(&self.service);
        command
            .args(["dev", "--local", "--ip", "127.0.0.1", "--inspector-port", "0"])
            .args(["--port", &port.to_string(), "--show-interactive-dev-session=false"])
            .args(["--log-level", "error", "--persist-to"])
            .arg(&self.state)
            .arg("--env-file")
            .arg(&self.variables)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let (process, _) = Process::start(NAME, &mut command)?;
        let url = Url::parse(&format!("http://127.0.0.1:{port}"))
            .map_err(|error| TargetError::BadUrl(error.to_string()))?;
        until_ready(process, url).await
    }
}

/// Writes variables to a file rather than to the command line, which every user of the machine can
/// read.
fn write_variables(
    path: &Path,
    secret: &Secret,
    [api, upstream]: [&str; 2],
    variables: &[(&'static str, String)],
) -> std::io::Result<()> {
    let mut file = fs::File::create(path)?;
    writeln!(file, "JWT_SECRET=\"{}\"", secret.expose())?;
    let settings = settings(api, upstream);
    // What was asked for comes before what is usual.
    let usual = settings.iter().filter(|(name, _)| !variables.iter().any(|(own, _)| own == name));
    for (name, value) in usual.chain(variables) {
        writeln!(file, "{name}=\"{value}\"")?;
    }
    Ok(())
}

fn origin_of(url: &Url) -> String {
    url.origin().ascii_serialization()
}

async fn until_ready(mut process: Process, url: Url) -> Result<(Process, Url), TargetError> {
    let client = client();
    let live = format!("{}health/live", with_slash(&url));
    let ready = async {
        while process.is_alive() {
            let answer = client.get(&live).timeout(Duration::from_secs(5)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return true;
            }
            tokio::time::sleep(POLL).await;
        }
        false
    };
    match tokio::time::timeout(READY_WITHIN, ready).await {
        Ok(true) => Ok((process, url)),
        Ok(false) => Err(process.failed("it ended before it was ready")),
        Err(_) => Err(process.failed("it was not ready in time")),
    }
}

fn with_slash(url: &Url) -> String {
    format!("{}/", url.as_str().trim_end_matches('/'))
}

/// Returns the pinned wrangler, on the pinned Node.
fn wrangler(service: &Path) -> Command {
    let tools = service.join("node_modules/.bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(tools.clone()).chain(std::env::split_paths(&path));
    let mut command = Command::new(tools.join("wrangler"));
    command
        .current_dir(service)
        .env("PATH", std::env::join_paths(folders).unwrap_or(path.clone()))
        // No questions, no telemetry, no download of a sample `cf` object, and no trace store,
        // which halves the requests per second.
        .env("CI", "1")
        .env("WRANGLER_SEND_METRICS", "false")
        .env("CLOUDFLARE_CF_FETCH_ENABLED", "false")
        .env("X_LOCAL_OBSERVABILITY", "false");
    command
}

/// Returns a port that was free a moment ago: `wrangler dev` does not say which one it picks for 0.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
