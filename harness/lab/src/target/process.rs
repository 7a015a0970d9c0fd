//! A child process in a group of its own, so that what it starts ends with it.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::{TargetError, health::Group};

/// Lines of its log that an error shows.
pub const LOG_TAIL_LINES: usize = 20;
/// Bytes of its log that are looked at for those lines.
const LOG_TAIL_BYTES: i64 = 16 * 1024;
/// The time after which a process that was asked to stop is killed.
const STOP_WITHIN: Duration = Duration::from_secs(5);

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
    pub(super) fn start(
        name: &str,
        command: &mut Command,
    ) -> Result<(Self, Option<ChildStdout>), TargetError> {
        let failed = |error| TargetError::Spawn { program: name.to_owned(), error };
        let log = tempfile::tempfile().map_err(failed)?;
        let stderr = log.try_clone().map_err(failed)?;
        let mut child = command
            .stderr(Stdio::from(stderr))
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let group = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let name = name.to_owned();
        Ok((Self { name, child, group, log, _stdin: stdin }, stdout))
    }

    /// Waits for its end.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Returns whether it has not ended.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Observes the process and those that it started, of which programs named `serves` do the
    /// serving.
    pub(super) fn health(&self, serves: &'static str) -> Option<Group> {
        Some(Group::new(self.group?, serves, self.log.try_clone().ok()?))
    }

    /// Returns an error that shows the end of the log.
    pub(super) fn failed(&mut self, what: &str) -> TargetError {
        let log = self.log_tail().unwrap_or_default();
        TargetError::Failed { what: format!("{}: {what}", self.name), log }
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
    pub(super) async fn stop(mut self) {
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
    pub(super) async fn kill(mut self) {
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
