//! The Worker of this repository under `wrangler dev`.

use std::{fs, io::Write, path::Path};

use tokio::process::Command;

use super::{Missing, Target, TargetError, TargetOptions, client, embedded, repository_with};
use crate::{
    model::{Secret, TargetKind},
    process::{Process, ProcessError},
    token::{local_secret, local_webhook_secret},
    upstream::settings,
    wrangler::{DevServer, NAME, Project, free_port},
};

pub(super) async fn start(options: &TargetOptions) -> Result<Target, TargetError> {
    let project = find_service()?;
    if !options.built {
        build(&project).await?;
    }
    let secret = local_secret();
    let (stub, upstream) = embedded::stub(options, &secret).await?;
    let scratch = tempfile::tempdir().map_err(ProcessError::spawn(NAME))?;
    let state = options.state.clone().unwrap_or_else(|| scratch.path().to_owned());
    project.migrate("DB", &state).await?;
    let variables = scratch.path().join("variables.env");
    let port = free_port().map_err(ProcessError::spawn(NAME))?;
    let api = format!("http://127.0.0.1:{port}");
    let stub_origin = upstream.origin().ascii_serialization();
    write_variables(&variables, &secret, [&api, &stub_origin], &options.variables)
        .map_err(ProcessError::spawn(NAME))?;
    let launch = DevServer { project, state, variables, ready_path: "health/live" };
    let (worker, url) = launch.start(port, &client()).await?;
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
    find_service().map(|project| project.versions()).unwrap_or_default()
}

/// Returns the project of the Worker, with its tools installed.
fn find_service() -> Result<Project, Missing> {
    let root = repository_with("service/wrangler.toml").ok_or(Missing::Worker)?;
    Ok(Project::open(root.join("service"))?)
}

async fn build(project: &Project) -> Result<(), ProcessError> {
    let script = project.folder().with_file_name("scripts").join("build-worker");
    Process::run("the build of the Worker", &mut Command::new(script)).await
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
