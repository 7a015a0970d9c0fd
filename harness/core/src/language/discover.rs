//! Finds the files that a command line names.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::MAX_FILE_BYTES;
use crate::model::files;

/// The reasons why there are no scenarios to run.
#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
    /// A path does not exist.
    #[error("no file or directory `{}`", .0.display())]
    Missing(PathBuf),
    /// A directory has no `*.yaml` in it or below it.
    #[error("no scenario (`*.yaml`) in `{}`", .0.display())]
    NoScenarios(PathBuf),
    /// A path is there and cannot be read.
    #[error("cannot read `{}`: {}", .0.display(), .1)]
    Unreadable(PathBuf, #[source] io::Error),
}

impl DiscoverError {
    /// Returns this error for a file that is known by another name.
    pub(super) fn of(self, name: &str) -> Self {
        match self {
            Self::Missing(_) => Self::Missing(name.into()),
            Self::Unreadable(_, error) => Self::Unreadable(name.into(), error),
            Self::NoScenarios(_) => self,
        }
    }
}

/// The scenario files that `paths` name: files as they are given (`.yaml` may be left out), directories
/// replaced by every `*.yaml` in and below them, sorted. A file is listed once. Links to directories and names that
/// start with a dot are not followed.
///
/// # Errors
/// The first path that is missing, cannot be read, or is a directory without scenarios.
pub fn discover(paths: &[PathBuf]) -> Result<Vec<PathBuf>, DiscoverError> {
    let mut seen = BTreeSet::new();
    let mut files = Vec::new();
    for path in paths {
        let named = in_full(path);
        let metadata = fs::metadata(&named).map_err(|error| unreadable(path, error))?;
        let found = if metadata.is_dir() { below(path)? } else { vec![named] };
        files.extend(found.into_iter().filter(|file| seen.insert(file.clone())));
    }
    Ok(files)
}

/// `ops/uptime` is `ops/uptime.yaml`, unless it is there itself.
fn in_full(path: &Path) -> PathBuf {
    let mut full = path.as_os_str().to_owned();
    full.push(".yaml");
    if !path.exists() && Path::new(&full).is_file() { full.into() } else { path.to_owned() }
}

fn below(root: &Path) -> Result<Vec<PathBuf>, DiscoverError> {
    let mut files = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        let entries = fs::read_dir(&directory).map_err(|error| unreadable(&directory, error))?;
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(&directory, error))?;
            let kind = entry.file_type().map_err(|error| unreadable(&entry.path(), error))?;
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            if kind.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                files.push(path);
            }
        }
    }
    files.sort();
    if files.is_empty() { Err(DiscoverError::NoScenarios(root.to_owned())) } else { Ok(files) }
}

fn unreadable(path: &Path, error: io::Error) -> DiscoverError {
    match error.kind() {
        io::ErrorKind::NotFound => DiscoverError::Missing(path.to_owned()),
        _ => DiscoverError::Unreadable(path.to_owned(), error),
    }
}

/// The bytes of a scenario file, at most one more than [`MAX_FILE_BYTES`]: enough for
/// `plan::load` to refuse a larger one without reading it.
///
/// # Errors
/// [`DiscoverError::Missing`] and [`DiscoverError::Unreadable`].
pub fn read(path: &Path) -> Result<Vec<u8>, DiscoverError> {
    read_up_to(path, MAX_FILE_BYTES)
}

/// The bytes of a file, at most one more than `most`.
///
/// # Errors
/// As [`read`].
pub(super) fn read_up_to(path: &Path, most: usize) -> Result<Vec<u8>, DiscoverError> {
    files::read_beginning(path, most as u64 + 1).map_err(|error| unreadable(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(directory: &Path, name: &str) -> PathBuf {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "a").unwrap();
        path
    }

    #[test]
    fn files_as_given_and_directories_sorted() {
        let root = tempfile::tempdir().unwrap();
        let b = touch(root.path(), "d/b.yaml");
        let a = touch(root.path(), "d/a/z.yaml");
        let other = touch(root.path(), "other.txt");
        touch(root.path(), "d/no.yml");
        touch(root.path(), "d/.hidden.yaml");
        let found = discover(&[other.clone(), root.path().join("d"), b.clone()]).unwrap();
        assert_eq!(found, [other, a, b]);
    }

    #[test]
    fn the_ending_may_be_left_out_unless_a_folder_has_the_name() {
        let root = tempfile::tempdir().unwrap();
        let file = touch(root.path(), "ops/uptime.yaml");
        let short = root.path().join("ops/uptime");
        let found = discover(std::slice::from_ref(&short)).unwrap();
        assert_eq!(found, std::slice::from_ref(&file));
        assert_eq!(discover(&[short.clone(), file]).unwrap().len(), 1, "once");
        let inside = touch(root.path(), "ops/uptime/x.yaml");
        assert_eq!(discover(&[short]).unwrap(), [inside]);
        let missing = root.path().join("ops/nothing");
        let error = discover(std::slice::from_ref(&missing)).unwrap_err();
        assert!(error.to_string().contains("ops/nothing`"), "{error}");
    }

    #[test]
    fn says_what_is_missing() {
        let root = tempfile::tempdir().unwrap();
        let nothing = discover(&[root.path().join("nothing")]).unwrap_err();
        assert!(matches!(nothing, DiscoverError::Missing(_)), "{nothing:?}");
        let empty = discover(&[root.path().to_owned()]).unwrap_err();
        assert!(matches!(empty, DiscoverError::NoScenarios(_)), "{empty:?}");
    }

    #[test]
    fn reads_no_more_than_it_needs() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("large.yaml");
        fs::write(&path, vec![b'#'; MAX_FILE_BYTES + 100]).unwrap();
        assert_eq!(read(&path).unwrap().len(), MAX_FILE_BYTES + 1);
        assert!(matches!(read(root.path()), Err(DiscoverError::Unreadable(..))));
    }
}
