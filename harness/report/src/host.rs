//! Which machine this is, and which state of the repository: what figures can be compared with.

use std::{fs, path::Path, process::Command, thread::available_parallelism};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Characters of a hash that tell machines and files apart.
const HASH_CHARACTERS: usize = 16;

/// A machine, as far as it decides about speed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Host {
    /// A hash of what names the machine; the name itself stays here.
    pub machine: String,
    /// Model of the processor.
    pub cpu: String,
    /// Threads that it runs at once.
    pub cores: usize,
    /// Memory in GiB.
    pub memory_gib: u64,
    /// Operating system, its version, and architecture.
    pub system: String,
}

impl Host {
    /// The machine that this runs on.
    pub fn here() -> Self {
        let uname = rustix::system::uname();
        let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
        let name = fs::read_to_string("/etc/machine-id").ok().filter(|id| !id.trim().is_empty());
        let system = format!(
            "{} {} {}",
            text(uname.sysname()),
            text(uname.release()),
            text(uname.machine())
        );
        Self {
            machine: hash(name.unwrap_or_else(|| text(uname.nodename())).trim().as_bytes()),
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(|| text(uname.machine())),
            cores: available_parallelism().map_or(1, usize::from),
            memory_gib: memory_gib().unwrap_or(0),
            system,
        }
    }

    /// Whether figures of both can be compared. A newer kernel is the same machine.
    pub fn is_same(&self, other: &Self) -> bool {
        let of = |host: &Self| (host.machine.clone(), host.cpu.clone(), host.cores);
        of(self) == of(other)
    }
}

/// `name : value` of a file as the kernel writes them.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory_gib() -> Option<u64> {
    const KIB_PER_GIB: u64 = 1024 * 1024;
    let kib: u64 = field("/proc/meminfo", "MemTotal")?.split_whitespace().next()?.parse().ok()?;
    Some(kib.div_ceil(KIB_PER_GIB))
}

/// The beginning of the SHA-256 of `bytes`, in hexadecimal.
pub fn hash(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha256::digest(bytes);
    let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits.take(HASH_CHARACTERS).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// The hash of a file; `None` when it cannot be read.
pub fn hash_of(path: &Path) -> Option<String> {
    fs::read(path).ok().map(|bytes| hash(&bytes))
}

/// The commit of the repository that the current folder is in, with `-dirty` when tracked files
/// differ from it; `None` outside of one.
pub fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let head = git(&["rev-parse", "HEAD"])?;
    let dirty = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(if dirty.is_empty() { head } else { head + "-dirty" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn here_is_the_same_as_here() {
        let here = Host::here();
        assert!(here.is_same(&Host { system: "another kernel".to_owned(), ..here.clone() }));
        assert!(!here.is_same(&Host { cores: here.cores + 1, ..here.clone() }));
        assert!(here.machine.len() == HASH_CHARACTERS && !here.cpu.is_empty(), "{here:?}");
    }

    #[test]
    fn a_hash_is_the_beginning_of_sha_256() {
        assert_eq!(hash(b"abc"), "ba7816bf8f01cfea");
        assert_eq!(hash_of(Path::new("/no/such/file")), None);
    }
}
