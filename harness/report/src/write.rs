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
    let file = Unnamed::new(folder, name, bytes)?;
    let path = file.path.clone();
    file.named()?.keep();
    Ok(path)
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

/// Writes several files of one report: all of them or none. They are complete on the disk before
/// the first gets its name, and if one cannot have its name, those before it give theirs back.
///
/// A kill between two names cannot be undone, but told: the last file is the one that the others
/// are made from, so that if it is new, all are.
///
/// # Errors
/// [`WriteError`]. The older files are as they were then.
pub fn write_all(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<(), WriteError> {
    let files = files.iter().map(|(name, bytes)| Unnamed::new(folder, name, bytes));
    let files = files.collect::<Result<Vec<_>, _>>()?;
    let mut done: Vec<Named> = Vec::new();
    for file in files {
        // What was named before goes back to what it was when `done` is dropped.
        done.push(file.named()?);
    }
    done.into_iter().for_each(Named::keep);
    Ok(())
}

/// A file that is complete and has no name yet.
struct Unnamed {
    file: NamedTempFile,
    path: PathBuf,
    /// What has the name now.
    old: Option<tempfile::TempPath>,
}

impl Unnamed {
    fn new(folder: &Path, name: &str, bytes: &[u8]) -> Result<Self, WriteError> {
        let path = folder.join(name);
        let made = temporary(folder, bytes).and_then(|file| Ok((file, second_name(&path)?)));
        match made {
            Ok((file, old)) => Ok(Self { file, path, old }),
            Err(error) => Err(WriteError { path, error }),
        }
    }

    fn named(self) -> Result<Named, WriteError> {
        let Self { file, path, old } = self;
        match file.persist(&path) {
            Ok(_) => Ok(Named { path, old, kept: false }),
            Err(error) => Err(WriteError { path, error: error.error }),
        }
    }
}

fn temporary(folder: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    // The one of `NamedTempFile` is for secrets; a report is for whoever may read the folder.
    #[cfg(unix)]
    const READABLE: u32 = 0o644;
    fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(READABLE));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// A second name for the file that is there, under which it outlives the loss of the first; `None`
/// when there is none. It goes when it is dropped.
fn second_name(path: &Path) -> io::Result<Option<tempfile::TempPath>> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
        Ok(found) if found.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(_) => {}
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let made = tempfile::Builder::new().make_in(folder, |second| {
        // Not every file system has hard links; a copy does as well.
        fs::hard_link(path, second).or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Err(error),
            _ => fs::copy(path, second).map(|_| ()),
        })
    })?;
    Ok(Some(made.into_temp_path()))
}

/// A file that has its name, and gives it back unless it is kept.
struct Named {
    path: PathBuf,
    old: Option<tempfile::TempPath>,
    kept: bool,
}

impl Named {
    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // What went wrong is told already; there is nobody to tell that this did, too.
        let _ = match self.old.take() {
            Some(old) => old.persist(&self.path).map_err(|error| error.error),
            None => fs::remove_file(&self.path),
        };
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

    fn files(names: &[&str]) -> Vec<(String, Vec<u8>)> {
        names.iter().map(|name| ((*name).to_owned(), b"new".to_vec())).collect()
    }

    #[test]
    fn a_folder_in_the_way_of_one_keeps_all_old_ones() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "old").unwrap();
        fs::create_dir(folder.path().join("c")).unwrap();
        let error = write_all(folder.path(), &files(&["a", "b", "c"])).unwrap_err().to_string();
        assert!(error.ends_with("is a directory") && error.contains("/c:"), "{error}");
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "a and c");
    }

    /// What fails after some have their names: they give them back.
    #[test]
    fn names_are_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let (old, fresh) = (folder.path().join("old"), folder.path().join("fresh"));
        fs::write(&old, "old").unwrap();
        for name in ["old", "fresh"] {
            let named = Unnamed::new(folder.path(), name, b"new").unwrap().named().unwrap();
            assert_eq!(fs::read(folder.path().join(name)).unwrap(), b"new");
            drop(named);
        }
        assert_eq!(fs::read(&old).unwrap(), b"old");
        assert!(!fresh.exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
    }

    #[test]
    fn a_link_is_replaced_and_what_it_leads_to_stays() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("kept");
        fs::write(&kept, "kept").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(&kept, folder.path().join("a")).unwrap();
        write_all(folder.path(), &files(&["a"])).unwrap();
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"new");
        assert_eq!(fs::read(&kept).unwrap(), b"kept");
    }
}
