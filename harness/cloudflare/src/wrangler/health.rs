//! A look at the processes of a target, as Linux shows them.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    sync::{Mutex, PoisonError},
};

use rustix::process::Pid;

use workway_core::run::{Monitored, ServerStats};

use crate::process::Process;

/// The text with which `wrangler dev` begins an error.
const ERROR: &str = "[ERROR]";

/// The text in such a line when the Worker itself failed: that is for the scenario to judge.
const OF_THE_WORKER: &str = "Uncaught";

/// Bytes of the log that are read at a time. A server that writes more in a second has errors
/// enough to be counted.
const LOG_AT_ONCE: usize = 256 * 1024;

/// The processes of a group, and the log that they share.
#[derive(Debug)]
pub struct ProcessGroup {
    leader: Pid,
    /// The name of the programs of it that serve; others come and go.
    serves: &'static str,
    log: File,
    read: Mutex<Read>,
}

/// Records how far the log was read.
#[derive(Debug, Default)]
struct Read {
    bytes: u64,
    errors: u64,
}

impl ProcessGroup {
    /// Returns the group of a process, of which programs named `serves` do the serving.
    pub fn of(process: &Process, serves: &'static str) -> Option<Self> {
        let (leader, log) = process.group()?;
        Some(Self { leader, serves, log, read: Mutex::default() })
    }

    /// Counts the errors up to the end of the last whole line.
    fn errors(&self) -> io::Result<u64> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = vec![0; LOG_AT_ONCE];
        let length = self.log.read_at(&mut bytes, read.bytes)?;
        let end = bytes[..length].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let text = String::from_utf8_lossy(&bytes[..end]);
        let own = |line: &&str| line.contains(ERROR) && !line.contains(OF_THE_WORKER);
        read.errors += text.lines().filter(own).count() as u64;
        // A line that is longer than all that is read at once is not waited for.
        read.bytes += if end == 0 && length == LOG_AT_ONCE { length } else { end } as u64;
        Ok(read.errors)
    }
}

impl Monitored for ProcessGroup {
    fn vitals(&self) -> Option<ServerStats> {
        let group = self.leader.as_raw_nonzero().get();
        let mut vitals = ServerStats { errors: self.errors().ok()?, ..ServerStats::default() };
        for entry in fs::read_dir("/proc").ok()?.flatten() {
            let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // It may have ended meanwhile.
            let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
            let Some(stat) = Stat::parse(&stat).filter(|stat| stat.group == group && stat.runs)
            else {
                continue;
            };
            vitals.memory += stat.pages * rustix::param::page_size() as u64;
            if stat.program == self.serves {
                vitals.processes.insert(number);
            }
        }
        Some(vitals)
    }
}

/// Holds facts about a process; see `proc_pid_stat(5)`.
struct Stat<'a> {
    program: &'a str,
    group: i32,
    /// The pages of its memory.
    pages: u64,
    /// True unless it is only an entry that nobody has asked for yet.
    runs: bool,
}

impl<'a> Stat<'a> {
    fn parse(stat: &'a str) -> Option<Self> {
        // The name, in parentheses, may hold anything.
        let (before, after) = stat.rsplit_once(')')?;
        let program = before.split_once('(')?.1;
        let mut fields = after.split_ascii_whitespace();
        let runs = fields.next()? != "Z";
        let group = fields.nth(1)?.parse().ok()?;
        // Fields 3, 5 and 24.
        let pages = fields.nth(18)?.parse().ok()?;
        Some(Self { program, group, pages, runs })
    }
}

#[cfg(test)]
mod tests {
    use std::{process::Stdio, time::Duration};

    use tokio::process::Command;

    use super::*;

    /// Alone until somebody writes into the pipe. `tail` keeps what has no line end.
    const SCRIPT: &str = "
        echo 'fine' >&2; read -r go <\"$PIPE\"
        echo 'x [ERROR] Failed to proxy' >&2; echo 'x [ERROR] Uncaught TypeError' >&2
        head -c 60000000 /dev/zero | (sleep 0.2; exec tail) | sleep 20";

    #[tokio::test]
    async fn a_group_is_seen_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT]).env("PIPE", &pipe);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let (process, _) = Process::start("sh", &mut command).unwrap();
        let group = ProcessGroup::of(&process, "sh").unwrap();
        let mut first = group.vitals().unwrap();
        // Between the fork and the program it has no memory of its own.
        while first.memory == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            first = group.vitals().unwrap();
        }
        assert_eq!(first.processes.len(), 1, "{first:?}");
        assert!(first.memory > 0 && first.memory < 30_000_000, "{first:?}");
        tokio::task::spawn_blocking(move || std::fs::write(pipe, "go\n")).await.unwrap().unwrap();
        let mut now = first.clone();
        for _ in 0..200 {
            now = group.vitals().unwrap();
            if now.memory > first.memory + 50_000_000 && now.errors > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(now.memory > first.memory + 50_000_000, "{now:?}");
        assert!(now.processes.is_superset(&first.processes), "{now:?}");
        assert_eq!(group.vitals().unwrap().errors, 1, "the other is the Worker's");
        process.kill().await;
        let end = group.vitals().unwrap();
        assert!(!end.processes.is_superset(&first.processes), "{end:?}");
    }
}
