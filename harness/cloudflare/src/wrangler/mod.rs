//! Runs a Worker under `wrangler dev`, which runs workerd: offline, without an account, on state of
//! its own.

mod health;

use std::{
    fs, io,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

pub use health::ProcessGroup;
use reqwest::Url;
use tokio::process::Command;

use crate::process::{Process, ProcessError};

/// The program that runs the Worker.
pub const SERVES: &str = "workerd";

/// The name of the server in messages.
pub const NAME: &str = "wrangler dev";

/// The package of `wrangler dev`.
const NODE_PACKAGE: &str = "wrangler";

/// Pause between two looks at a Worker that is starting.
const POLL: Duration = Duration::from_millis(100);

/// The time limit for one answer of a Worker that is starting.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A tool that a project needs is not among its packages.
#[derive(Debug, thiserror::Error)]
#[error("{tool} is not installed in {}", folder.display())]
pub struct MissingTool {
    /// The name of the tool.
    pub tool: &'static str,
    /// The folder of the project.
    pub folder: PathBuf,
}

/// A folder with a configuration of wrangler, and the packages that it names.
#[derive(Clone, Debug)]
pub struct Project(PathBuf);

/// Holds the parameters with which `wrangler dev` is started.
#[derive(Clone, Debug)]
pub struct DevServer {
    /// The project that has the Worker.
    pub project: Project,
    /// The folder for the state of its local bindings.
    pub state: PathBuf,
    /// The file with its variables.
    pub variables: PathBuf,
    /// The path, relative to the URL, that answers with success once the Worker is ready.
    pub ready_path: &'static str,
}

impl Project {
    /// Returns the project in this folder.
    ///
    /// # Errors
    /// [`MissingTool`] if wrangler or Node is not installed in it.
    pub fn open(folder: PathBuf) -> Result<Self, MissingTool> {
        let missing = |tool: &&str| !folder.join("node_modules/.bin").join(tool).exists();
        match ["wrangler", "node"].into_iter().find(missing) {
            Some(tool) => Err(MissingTool { tool, folder }),
            None => Ok(Self(folder)),
        }
    }

    /// Returns the folder of the project.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// Returns the tools that the Worker runs on, with their versions, as far as they say them.
    pub fn versions(&self) -> Vec<(&'static str, String)> {
        let version = |tool: &&'static str| {
            let package = self.0.join("node_modules").join(tool).join("package.json");
            let package: serde_json::Value =
                serde_json::from_slice(&fs::read(package).ok()?).ok()?;
            Some((*tool, package["version"].as_str()?.to_owned()))
        };
        [NODE_PACKAGE, SERVES].iter().filter_map(version).collect()
    }

    /// Applies the migrations of a database to the local one in the folder `state`.
    ///
    /// # Errors
    /// [`ProcessError`].
    pub async fn migrate(&self, database: &str, state: &Path) -> Result<(), ProcessError> {
        let mut command = self.command();
        command.args(["d1", "migrations", "apply", database, "--local", "--persist-to"]).arg(state);
        Process::run("the migration of the local database", &mut command).await
    }

    /// Returns the pinned wrangler, on the pinned Node.
    fn command(&self) -> Command {
        let tools = self.0.join("node_modules/.bin");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(tools.clone()).chain(std::env::split_paths(&path));
        let mut command = Command::new(tools.join("wrangler"));
        command
            .current_dir(&self.0)
            .env("PATH", std::env::join_paths(folders).unwrap_or(path.clone()))
            // No questions, no telemetry, no download of a sample `cf` object, and no trace store,
            // which halves the requests per second.
            .env("CI", "1")
            .env("WRANGLER_SEND_METRICS", "false")
            .env("CLOUDFLARE_CF_FETCH_ENABLED", "false")
            .env("X_LOCAL_OBSERVABILITY", "false");
        command
    }
}

impl DevServer {
    /// Starts the Worker at this port of loopback, and waits until it answers `client`.
    ///
    /// # Errors
    /// [`ProcessError`].
    pub async fn start(
        &self,
        port: u16,
        client: &reqwest::Client,
    ) -> Result<(Process, Url), ProcessError> {
        let mut command = self.project.command();
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
        let url = format!("http://127.0.0.1:{port}");
        let ready = format!("{url}/{}", self.ready_path);
        let answered = async |process: &mut Process| {
            while process.is_alive() {
                let answer = client.get(&ready).timeout(ANSWER_WITHIN).send().await;
                if answer.is_ok_and(|answer| answer.status().is_success()) {
                    return Url::parse(&url).ok();
                }
                tokio::time::sleep(POLL).await;
            }
            None
        };
        process.once_ready(answered).await
    }
}

/// Returns a port that was free a moment ago: `wrangler dev` does not say which one it picks for 0.
///
/// # Errors
/// If none is free.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
