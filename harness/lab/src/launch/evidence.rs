//! Running proofs, and keeping what they said.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};

use super::{PROOFS, Proof};
use crate::report::{WriteError, write};

/// The folder in the repository that keeps the evidence.
const FOLDER: &str = "target/launch";

/// Names the state of the code that evidence is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// The last commit of git that changed anything but signatures and runs of deployments. A
    /// signature is committed, too, and takes nothing from what was proven.
    pub id: String,
    /// True if all files are exactly as they were committed.
    pub clean: bool,
}

/// Holds the result of a proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Its name.
    pub proof: String,
    /// The command that was run.
    pub command: String,
    /// The commit on which it ran.
    pub commit: Commit,
    /// RFC 3339.
    pub finished_at: String,
    /// The time that it took, in seconds.
    pub seconds: u64,
    /// Exit code; none if a signal ended it.
    pub exit: Option<i32>,
    /// The last line it printed.
    pub figure: String,
    /// The file that it left for readers, in the repository.
    #[serde(default)]
    pub report: Option<String>,
}

/// The exit code with which the command says that a run was inconclusive; see the README.
const INCONCLUSIVE: i32 = 8;

impl Evidence {
    /// Returns whether it proves what it should.
    pub fn succeeded(&self) -> bool {
        self.exit == Some(0)
    }

    /// Returns whether it proves neither that nor the contrary: this machine was too slow to
    /// measure, or what was needed could not be reached.
    pub fn undecided(&self) -> bool {
        self.exit == Some(INCONCLUSIVE)
    }
}

/// Says why there is no evidence.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The folder is no git repository with a commit.
    #[error("{0} is no git repository with a commit: evidence is about one")]
    NoCommit(PathBuf),
    /// The catalogue has no such proof.
    #[error("there is no proof {name:?}; there are {known}")]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// The command does not start.
    #[error("cannot run {0:?}: {1}")]
    Run(&'static str, #[source] io::Error),
    /// The evidence cannot be kept.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A committed file is no evidence.
    #[error(transparent)]
    External(#[from] super::ExternalEvidenceError),
    /// The file to be imported is no evidence.
    #[error(transparent)]
    Import(#[from] Box<super::ImportError>),
}

impl Commit {
    /// Returns the commit of the repository at `root`.
    ///
    /// # Errors
    /// [`EvidenceError::NoCommit`].
    pub fn of(root: &Path) -> Result<Self, EvidenceError> {
        let id = Self::code(root, "HEAD");
        let id = id.ok_or_else(|| EvidenceError::NoCommit(root.to_owned()))?;
        let clean = git(root, &["status", "--porcelain"]).is_some_and(|changes| changes.is_empty());
        Ok(Self { id, clean })
    }

    /// Returns the commit that `revision` has its code from; none if git does not know it.
    pub(super) fn code(root: &Path, revision: &str) -> Option<String> {
        let but = format!(":(exclude){}", super::external::FOLDER);
        let id = git(root, &["log", "-1", "--format=%H", revision, "--", ".", &but])?;
        (!id.is_empty()).then_some(id)
    }
}

fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

/// Runs a proof and keeps what it said. `program` is this one, by the path it had at the start: a proof
/// that compiles may put a new file in its place.
///
/// # Errors
/// [`EvidenceError`]; not when the proof fails: that is evidence, too.
pub fn prove(root: &Path, program: &Path, name: &str) -> Result<Evidence, EvidenceError> {
    let Some(Proof { name, command, report }) = PROOFS.iter().find(|proof| proof.name == name)
    else {
        let known = PROOFS.iter().map(|proof| proof.name).collect::<Vec<_>>().join(", ");
        return Err(EvidenceError::Unknown { name: name.to_owned(), known });
    };
    let commit = Commit::of(root)?;
    let begun = now();
    let mut bash = Command::new("bash");
    bash.args(["-c", command]).current_dir(root).stdin(Stdio::null()).stderr(Stdio::inherit());
    bash.env("WORKWAY", program);
    let output = bash.output().map_err(|error| EvidenceError::Run(command, error))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let figure = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    let evidence = Evidence {
        proof: (*name).to_owned(),
        command: (*command).to_owned(),
        commit,
        finished_at: humantime::format_rfc3339_seconds(now()).to_string(),
        seconds: now().duration_since(begun).unwrap_or_default().as_secs(),
        exit: output.status.code(),
        figure: figure.trim().to_owned(),
        report: report.filter(|path| root.join(path).is_file()).map(str::to_owned),
    };
    let json = serde_json::to_vec_pretty(&evidence).unwrap_or_default();
    write(&root.join(FOLDER), &format!("{name}.json"), &json)?;
    Ok(evidence)
}

/// Returns the evidence that was kept, of whatever commit.
pub fn load(root: &Path) -> Vec<Evidence> {
    let read = |proof: &Proof| {
        let bytes = fs::read(root.join(FOLDER).join(format!("{}.json", proof.name))).ok()?;
        serde_json::from_slice(&bytes).ok()
    };
    PROOFS.iter().filter_map(read).collect()
}

#[expect(clippy::disallowed_methods, reason = "evidence has a date")]
fn now() -> SystemTime {
    SystemTime::now()
}
