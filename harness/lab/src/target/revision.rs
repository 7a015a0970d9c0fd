//! The program as it was at a revision of this repository.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::Command;

use super::{Missing, TargetError, repository_with};
use crate::process::{Failure, Process, ProcessError};

/// A revision, built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The program `workway` of that revision.
    pub program: PathBuf,
    /// Its commit.
    pub commit: String,
}

/// Builds `revision` in a git worktree of its own, in the profile that this program was built in;
/// what was built once is used again. Below `target/gate` of the repository.
///
/// # Errors
/// [`TargetError::Missing`] without such a revision, [`TargetError::Process`] when it does not
/// build.
pub async fn build(revision: &str) -> Result<Built, TargetError> {
    let root = repository_with("harness/Cargo.toml")
        .ok_or_else(|| Missing::Repository(revision.to_owned()))?;
    let commit = commit(&root, revision).await?;
    let folder = root.join("target/gate");
    let program = folder.join("bin").join(&commit).join(profile()).join("workway");
    if !program.exists() {
        let tree = folder.join("trees").join(&commit);
        let made = make(&root, &tree, &folder.join("build"), &program, &commit).await;
        // Left behind, it would stand in the way of the next build of the same commit.
        let _ = git(&root, &["worktree", "remove", "--force"], Some(&tree)).await;
        made?;
    }
    Ok(Built { program, commit })
}

/// Returns the profile of this program: versions are compared in the same.
const fn profile() -> &'static str {
    if cfg!(debug_assertions) { "debug" } else { "release" }
}

async fn commit(root: &Path, revision: &str) -> Result<String, TargetError> {
    let name = format!("{revision}^{{commit}}");
    let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", name.as_str()];
    let output = git(root, &arguments, None).await.map_err(ProcessError::spawn("git"))?;
    if !output.status.success() {
        return Err(Missing::Revision(revision.to_owned()).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

async fn make(
    root: &Path,
    tree: &Path,
    build: &Path,
    program: &Path,
    commit: &str,
) -> Result<(), ProcessError> {
    let _ = git(root, &["worktree", "prune"], None).await;
    let mut add = command(root, &["worktree", "add", "--detach", "--force"]);
    let added = add.arg(tree).arg(commit).output().await.map_err(ProcessError::spawn("git"))?;
    if !added.status.success() {
        return Err(ProcessError::Failed {
            program: "git worktree add".to_owned(),
            failure: Failure::Status(added.status),
            log: String::from_utf8_lossy(&added.stderr).into_owned(),
        });
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--locked", "--package", "workway"])
        .current_dir(tree)
        // Worktrees are different packages to cargo; what they depend on is built once.
        .env("CARGO_TARGET_DIR", build);
    if profile() == "release" {
        command.arg("--release");
    }
    Process::run(&format!("the build of {commit}"), &mut command).await?;
    keep(&build.join(profile()).join("workway"), program).map_err(ProcessError::spawn("a copy"))
}

/// Copies the program under its final name in one step.
fn keep(built: &Path, program: &Path) -> std::io::Result<()> {
    let folder = program.parent().unwrap_or(program);
    fs::create_dir_all(folder)?;
    let half = program.with_extension("part");
    fs::copy(built, &half)?;
    fs::rename(half, program)
}

fn command(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(root).args(arguments).stdin(Stdio::null());
    command
}

async fn git(
    root: &Path,
    arguments: &[&str],
    path: Option<&Path>,
) -> std::io::Result<std::process::Output> {
    let mut command = command(root, arguments);
    command.args(path).output().await
}
