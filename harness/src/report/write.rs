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
    let path = folder.join(name);
    let written = (|| {
        fs::create_dir_all(folder)?;
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(())
    })();
    match written {
        Ok(()) => Ok(path),
        Err(error) => Err(WriteError { path, error }),
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
