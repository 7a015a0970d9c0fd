//! Reports as files.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {error}", path = .path.display())]
pub struct WriteError {
    path: PathBuf,
    error: io::Error,
}

/// Writes `bytes` to `name` in `folder`, which is made if absent: to a temporary file first, then
/// in one step under its name. Whatever goes wrong, an older report stays as it was.
///
/// # Errors
/// [`WriteError`].
pub fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, WriteError> {
    let half = prepare(folder, name, bytes)?;
    half.finish()
}

/// Whether a folder can be written into; it is made if absent. Asked before a run, so that nothing
/// is measured for nobody.
///
/// # Errors
/// [`WriteError`].
pub fn check_folder(folder: &Path) -> Result<(), WriteError> {
    let made = fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder));
    made.map(drop).map_err(|error| WriteError { path: folder.to_owned(), error })
}

/// Writes several files of one report. All of them are complete on the disk before the first gets
/// its name, so that a full disk or a sudden end leaves the older report; the last one is the one
/// that others are made from.
///
/// # Errors
/// [`WriteError`].
pub fn write_all(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<(), WriteError> {
    let halves = files.iter().map(|(name, bytes)| prepare(folder, name, bytes));
    let halves = halves.collect::<Result<Vec<_>, _>>()?;
    halves.into_iter().try_for_each(|half| half.finish().map(|_| ()))
}

/// A file that is complete and has no name yet.
struct Half {
    file: NamedTempFile,
    path: PathBuf,
}

fn prepare(folder: &Path, name: &str, bytes: &[u8]) -> Result<Half, WriteError> {
    // The one of `NamedTempFile` is for secrets; a report is for whoever may read the folder.
    #[cfg(unix)]
    const READABLE: u32 = 0o644;
    let path = folder.join(name);
    let made = (|| {
        fs::create_dir_all(folder)?;
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(READABLE));
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        Ok(file)
    })();
    match made {
        Ok(file) => Ok(Half { file, path }),
        Err(error) => Err(WriteError { path, error }),
    }
}

impl Half {
    fn finish(self) -> Result<PathBuf, WriteError> {
        match self.file.persist(&self.path) {
            Ok(_) => Ok(self.path),
            Err(error) => Err(WriteError { path: self.path, error: error.error }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_as_a_whole_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("made");
        write(&inner, "report.json", b"one").unwrap();
        let path = write(&inner, "report.json", b"two").unwrap();
        assert_eq!(fs::read(path).unwrap(), b"two");
        assert_eq!(fs::read_dir(inner).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_a_file_is_an_error_that_names_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = write(file.path(), "report.json", b"x").unwrap_err().to_string();
        assert!(error.contains("report.json"), "{error}");
    }
}
