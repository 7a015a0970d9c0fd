//! The service of this repository, natively, as a child process of the same binary: its CPU is not
//! the generator's, and it can be killed.

use std::{ffi::OsStr, path::Path, process::Stdio};

use reqwest::Url;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{ChildStdout, Command},
};

use super::{
    CORS_VARIABLE, Control, Process, READY_WITHIN, Target, TargetError, TargetOptions,
    remote::next_port,
};
use crate::token::{SECRET_VARIABLE, Secret};

pub(super) async fn start(options: &TargetOptions) -> Result<Target, TargetError> {
    if !cfg!(feature = "service") {
        let message =
            "this build has no embedded service (feature `service`); name another --target";
        return Err(TargetError::Missing(message.to_owned()));
    }
    let secret = Secret::local();
    let name = "the embedded service";
    let scratch = tempfile::tempdir()
        .map_err(|error| TargetError::Spawn { program: name.to_owned(), error })?;
    let state = options.state.clone().unwrap_or_else(|| scratch.path().to_owned());
    let mut arguments = vec![OsStr::new("--state"), state.as_os_str()];
    let upstream = options.upstream.clone();
    if let Some(upstream) = &upstream {
        arguments.extend(["--upstream", upstream.as_str()].map(OsStr::new));
    }
    let (process, url) = serve(name, &arguments, &secret, options, Some(scratch)).await?;
    Ok(Target {
        upstream: upstream.or_else(|| next_port(&url)),
        url,
        secret: Some(secret),
        kind: "embedded",
        control: control(&state),
        processes: vec![process],
    })
}

#[cfg(feature = "service")]
fn control(state: &Path) -> Option<Control> {
    Control::of_state(state).ok()
}

#[cfg(not(feature = "service"))]
fn control(_: &Path) -> Option<Control> {
    None
}

/// Starts `workway serve` with a port of its own choice.
pub(super) async fn serve(
    name: &str,
    arguments: &[&OsStr],
    secret: &Secret,
    options: &TargetOptions,
    scratch: Option<TempDir>,
) -> Result<(Process, Url), TargetError> {
    let spawn = |error| TargetError::Spawn { program: name.to_owned(), error };
    let program = match &options.program {
        Some(program) => program.clone(),
        None => std::env::current_exe().map_err(spawn)?,
    };
    let mut command = Command::new(program);
    command
        .args(["serve", "--port", "0", "--until-stdin-closes"])
        .args(arguments)
        .env(SECRET_VARIABLE, secret.expose())
        .env(CORS_VARIABLE, &options.cors_origins)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let (mut process, stdout) = Process::start(name, &mut command, scratch)?;
    match tokio::time::timeout(READY_WITHIN, first_line(stdout)).await {
        Ok(Some(url)) => Ok((process, url)),
        Ok(None) => Err(process.failed("it ended before it was ready")),
        Err(_) => Err(process.failed("it was not ready in time")),
    }
}

/// The URL on the first line of its output.
async fn first_line(stdout: Option<ChildStdout>) -> Option<Url> {
    let mut lines = BufReader::new(stdout?).lines();
    let line = lines.next_line().await.ok()??;
    Url::parse(&line).ok()
}
