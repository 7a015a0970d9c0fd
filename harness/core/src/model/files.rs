//! Reads files that somebody else wrote: regular files only, and no more of them than fits.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use rustix::fs::OFlags;

/// The largest report that is read, in bytes. A report with a thousand scenarios has some 20 MB.
pub const MAX_REPORT_BYTES: u64 = 256 << 20;
/// The largest file of settings that is read, in bytes: tiers, `wrangler.toml`, certificates.
pub const MAX_SETTINGS_BYTES: u64 = 1 << 20;

/// Reads a file of at most `most` bytes.
///
/// # Errors
/// The system's, and those for a file that is larger, or that is no regular file: a pipe without a
/// writer would be waited for without end, and a device such as `/dev/zero` has no end.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let bytes = read_beginning(path, most + 1)?;
    if bytes.len() as u64 > most {
        let problem = format!("it is larger than {most} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    Ok(bytes)
}

/// Reads text of at most `most` bytes.
///
/// # Errors
/// As [`read`], and for bytes that are no UTF-8.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let not_text = |_| io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8 text");
    String::from_utf8(read(path, most)?).map_err(not_text)
}

/// Reads the first `most` bytes of a file.
///
/// # Errors
/// The system's, and that for a file that is no regular file.
pub fn read_beginning(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // What it is is asked of the file that was opened: the name may lead elsewhere a moment later. Opening
    // a pipe would wait for a writer, and some files of `/proc` wait for something to read.
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(nonblocking).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() && !metadata.is_dir() {
        let problem = "it is a pipe, a socket or a device; give a regular file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, [b'x'; 10]).unwrap();
        assert_eq!(read(&path, 10).unwrap().len(), 10);
        assert_eq!(read(&path, 9).unwrap_err().to_string(), "it is larger than 9 bytes");
        assert_eq!(read_beginning(&path, 4).unwrap(), b"xxxx");
        fs::write(&path, [0xff]).unwrap();
        assert_eq!(read_text(&path, 10).unwrap_err().to_string(), "it is no UTF-8 text");
        assert!(read(folder.path(), 10).is_err(), "a folder");
        let missing = read(&folder.path().join("b"), 10).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn neither_a_device_nor_a_pipe_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        for path in [&pipe, Path::new("/dev/zero")] {
            let problem = read(path, 10).unwrap_err().to_string();
            assert!(problem.contains("give a regular file"), "{problem}");
        }
    }
}
