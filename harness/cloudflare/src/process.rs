//! A child process in a group of its own, so that what it starts ends with it.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Lines of its log that an error shows.
const LOG_TAIL_LINES: usize = 20;
/// Bytes of its log that are looked at for those lines.
const LOG_TAIL_BYTES: i64 = 16 * 1024;
/// A server that is not ready after this long never will be. A cold `wrangler dev` takes about 3 s.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// The time after which a process that was asked to stop is killed.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Says why a process is not there.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It could not be started at all.
    #[error("cannot start {program}: {error}")]
    Spawn {
        /// The program that was to be started.
        program: String,
        /// The reason that it did not start.
        error: io::Error,
    },
    /// It ended, or did not get ready.
    #[error("{program}: {failure}\n{log}")]
    Failed {
        /// The program.
        program: String,
        /// The way in which it failed.
        failure: Failure,
        /// The last lines that it wrote.
        log: String,
    },
}

/// Lists the ways in which a process that was started fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A server ended before it answered.
    #[error("it ended before it was ready")]
    Ended,
    /// A server did not answer in time.
    #[error("it was not ready in time")]
    NotReady,
    /// A command did not succeed.
    #[error("it failed with {0}")]
    Status(ExitStatus),
}

impl ProcessError {
    /// Returns an error that says why `program` did not start.
    pub fn spawn(program: &str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Spawn { program: program.to_owned(), error }
    }
}

/// A child with its log in a temporary file.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    group: Option<Pid>,
    log: File,
    /// Open for as long as we live: the child ends when it closes.
    _stdin: Option<ChildStdin>,
}

impl Process {
    /// Starts `command`; its stderr goes to the log, its stdout too unless it was piped.
    ///
    /// # Errors
    /// [`ProcessError::Spawn`].
    pub fn start(
        name: &str,
        command: &mut Command,
    ) -> Result<(Self, Option<ChildStdout>), ProcessError> {
        let mut spawn = || {
            let log = tempfile::tempfile()?;
            let stderr = Stdio::from(log.try_clone()?);
            let child = command.stderr(stderr).process_group(0).kill_on_drop(true).spawn()?;
            Ok((log, child))
        };
        let (log, mut child) = spawn().map_err(ProcessError::spawn(name))?;
        let group = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let name = name.to_owned();
        Ok((Self { name, child, group, log, _stdin: stdin }, stdout))
    }

    /// Runs `command` to its end.
    ///
    /// # Errors
    /// [`ProcessError`] unless it ends with success.
    pub async fn run(name: &str, command: &mut Command) -> Result<(), ProcessError> {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let (mut process, _) = Self::start(name, command)?;
        match process.child.wait().await {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(process.failed(Failure::Status(status))),
            Err(error) => Err(ProcessError::spawn(name)(error)),
        }
    }

    /// Returns the server that this process is once `ready`, which waits for it, says so.
    ///
    /// # Errors
    /// [`ProcessError::Failed`] if it ends before, as `None` says, or is not ready in time.
    pub async fn once_ready<T>(
        mut self,
        ready: impl AsyncFnOnce(&mut Self) -> Option<T>,
    ) -> Result<(Self, T), ProcessError> {
        match tokio::time::timeout(READY_WITHIN, ready(&mut self)).await {
            Ok(Some(found)) => Ok((self, found)),
            Ok(None) => Err(self.failed(Failure::Ended)),
            Err(_) => Err(self.failed(Failure::NotReady)),
        }
    }

    /// Returns whether it has not ended.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Returns its group, which those that it starts belong to, and its log.
    pub(crate) fn group(&self) -> Option<(Pid, File)> {
        Some((self.group?, self.log.try_clone().ok()?))
    }

    /// Returns an error that shows the end of the log.
    fn failed(&mut self, failure: Failure) -> ProcessError {
        let log = self.log_tail().unwrap_or_default();
        ProcessError::Failed { program: self.name.clone(), failure, log }
    }

    fn log_tail(&mut self) -> io::Result<String> {
        let length = self.log.seek(SeekFrom::End(0))?;
        let back = LOG_TAIL_BYTES.min(length.try_into().unwrap_or(LOG_TAIL_BYTES));
        self.log.seek(SeekFrom::End(-back))?;
        let mut bytes = Vec::new();
        self.log.read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let tail = &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..];
        Ok(tail.iter().fold(String::new(), |out, line| out + "  | " + line + "\n"))
    }

    /// Asks it to stop, then makes it.
    pub async fn stop(mut self) {
        self.signal(Signal::TERM);
        if tokio::time::timeout(STOP_WITHIN, self.child.wait()).await.is_err() {
            self.signal(Signal::KILL);
            let _ = self.child.wait().await;
        }
        // What it started and left behind; after that the number may be somebody else's.
        self.signal(Signal::KILL);
        self.group = None;
    }

    /// Kills it and what it started.
    pub async fn kill(mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait().await;
        self.group = None;
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // It may be gone already.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
