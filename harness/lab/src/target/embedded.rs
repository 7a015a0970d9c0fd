//! The service of this repository, natively, as a child process of the same binary: its CPU is not
//! the generator's, and it can be killed.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    process::Stdio,
};

use reqwest::Url;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{ChildStdout, Command},
};

use super::{Control, Missing, Target, TargetError, TargetOptions, VARIABLES};
use crate::{
    model::{Secret, TargetKind},
    process::{Process, ProcessError},
    token::{SECRET_VARIABLE, local_secret, local_webhook_secret},
};

const NAME: &str = "the embedded service";
/// Holds the parameters with which the service is started.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    program: PathBuf,
    state: PathBuf,
    upstream: Url,
    secret: Secret,
    variables: Vec<(&'static str, String)>,
    defect: Option<String>,
}

pub(super) async fn start(options: &TargetOptions) -> Result<Target, TargetError> {
    if !cfg!(feature = "service") {
        return Err(Missing::Service.into());
    }
    let secret = local_secret();
    let scratch = tempfile::tempdir().map_err(ProcessError::spawn(NAME))?;
    let state = options.state.clone().unwrap_or_else(|| scratch.path().to_owned());
    let (stub, upstream) = stub(options, &secret).await?;
    let program = program(options).map_err(ProcessError::spawn(NAME))?;
    let launch = Launch {
        program,
        state,
        upstream: upstream.clone(),
        secret: secret.clone(),
        variables: options.variables.clone(),
        defect: options.defect.clone(),
    };
    let (service, url) = launch.start(0).await?;
    Ok(Target {
        url,
        upstream: Some(upstream),
        secret: Some(secret),
        webhook: Some(local_webhook_secret()),
        page_origin: super::page_origin(options),
        kind: TargetKind::Embedded,
        limiter: None,
        control: control(&launch.state),
        service: Some(service),
        stub,
        launch: Some(super::Launch::Embedded(launch)),
        ahead: 0,
        _scratch: Some(scratch),
    })
}

/// Starts the stub as a process of its own that outlives the service, or returns the one that runs
/// already.
pub(super) async fn stub(
    options: &TargetOptions,
    secret: &Secret,
) -> Result<(Option<Process>, Url), ProcessError> {
    if let Some(upstream) = &options.upstream {
        return Ok((None, upstream.clone()));
    }
    let name = "the upstream stub";
    let program = program(options).map_err(ProcessError::spawn(name))?;
    let arguments = [OsStr::new("--upstreams-only")];
    let (stub, url) = serve(name, &program, 0, &arguments, secret, &[]).await?;
    Ok((Some(stub), url))
}

impl Launch {
    /// Starts the service at this port of loopback; 0 picks one.
    pub(super) async fn start(&self, port: u16) -> Result<(Process, Url), ProcessError> {
        let upstream = OsStr::new(self.upstream.as_str());
        let mut arguments =
            vec![OsStr::new("--state"), self.state.as_os_str(), OsStr::new("--upstream"), upstream];
        if let Some(defect) = &self.defect {
            arguments.extend([OsStr::new("--defect"), OsStr::new(defect)]);
        }
        serve(NAME, &self.program, port, &arguments, &self.secret, &self.variables).await
    }
}

fn program(options: &TargetOptions) -> io::Result<PathBuf> {
    options.program.clone().map_or_else(std::env::current_exe, Ok)
}

#[cfg(feature = "service")]
fn control(state: &Path) -> Option<Control> {
    Control::of_state(state).ok()
}

#[cfg(not(feature = "service"))]
fn control(_: &Path) -> Option<Control> {
    None
}

/// Starts `workway lab serve`.
async fn serve(
    name: &str,
    program: &Path,
    port: u16,
    arguments: &[&OsStr],
    secret: &Secret,
    variables: &[(&'static str, String)],
) -> Result<(Process, Url), ProcessError> {
    let mut command = Command::new(program);
    for name in VARIABLES {
        // Only what was asked for, whatever is set here.
        command.env_remove(name);
    }
    command
        .args(["lab", "serve", "--until-stdin-closes", "--port", &port.to_string()])
        .args(arguments)
        .env(SECRET_VARIABLE, secret.expose())
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let (process, stdout) = Process::start(name, &mut command)?;
    process.once_ready(async |_| first_line(stdout).await).await
}

/// Returns the URL on the first line of its output.
async fn first_line(stdout: Option<ChildStdout>) -> Option<Url> {
    let mut lines = BufReader::new(stdout?).lines();
    let line = lines.next_line().await.ok()??;
    Url::parse(&line).ok()
}
