//! The folder of the state: who may read it, who works on it, and whether it is what it was.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::wal;

/// The databases in the folder.
pub(super) const DATABASES: [&str; 5] =
    ["database.sqlite", "cache.sqlite", "sessions.sqlite", "vectors.sqlite", "objects.sqlite"];
/// The file that the server which works on the state has locked. Its content says whether one did not
/// stop.
const LOCK: &str = "lock";
const RUNNING: &[u8] = b"running\n";
/// The state holds tokens and what users wrote: only its owner may read it.
const OWNER_ONLY_FOLDER: u32 = 0o700;
const OWNER_ONLY_FILE: u32 = 0o600;

/// The reason why a folder cannot be used for state.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file or the folder cannot be made or read.
    #[error("cannot use {0} for state: {1}")]
    Io(PathBuf, io::Error),
    /// Another server has the lock.
    #[error("another server works on the state in {0}")]
    InUse(PathBuf),
    /// What was written last stood in a file that is gone.
    #[error(
        "{0} is missing, though the last server did not stop in order: unless another program has opened \
         the database since, what was acknowledged last is lost. Put the file back, or remove {1} to go on \
         without it"
    )]
    LogLost(PathBuf, PathBuf),
    /// What was written last is no longer what was written.
    #[error(
        "{path} is damaged at frame {frame}, and frames follow: what was acknowledged there is lost. \
         Restore a backup, or open the database once with sqlite3 to go on without it"
    )]
    LogDamaged {
        /// The write-ahead log.
        path: PathBuf,
        /// The number of the first frame that is not what was written, from 1.
        frame: u64,
    },
    /// The folder or a database in it was deleted or replaced.
    #[error("{0} was deleted or replaced while the server ran")]
    Gone(PathBuf),
}

/// A folder with the state of one server, which holds its lock until it is dropped or dies.
#[derive(Debug)]
pub(super) struct StateFolder {
    path: PathBuf,
    lock: File,
}

impl StateFolder {
    /// Makes the folder if it is absent, locks it, and sees to it that only its owner can read it.
    ///
    /// # Errors
    /// [`StateError`], but [`StateError::Gone`].
    pub(super) fn open(path: &Path) -> Result<Self, StateError> {
        let failed = |error| StateError::Io(path.to_owned(), error);
        DirBuilder::new().recursive(true).mode(OWNER_ONLY_FOLDER).create(path).map_err(failed)?;
        let lock = private(&path.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StateError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let mut last = Vec::new();
        let most = RUNNING.len() as u64;
        (&lock).take(most).read_to_end(&mut last).map_err(failed)?;
        let folder = Self { path: path.to_owned(), lock };
        for name in DATABASES {
            let database = path.join(name);
            if last == RUNNING {
                folder.check_log(&database)?;
            }
            // SQLite gives the files beside a database the permissions of the database.
            private(&database).map_err(failed)?;
        }
        Ok(folder)
    }

    /// Checks that nothing is missing from the write-ahead log of a database that was not closed.
    fn check_log(&self, database: &Path) -> Result<(), StateError> {
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        let path = PathBuf::from(log);
        match File::open(&path) {
            Ok(file) => match wal::first_damaged(io::BufReader::new(file)) {
                Ok(None) => Ok(()),
                Ok(Some(frame)) => Err(StateError::LogDamaged { path, frame }),
                Err(error) => Err(StateError::Io(path, error)),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(StateError::LogLost(path, self.path.join(LOCK)))
            }
            Err(error) => Err(StateError::Io(path, error)),
        }
    }

    /// Notes that a server works on the state: from now on each database has a write-ahead log.
    ///
    /// # Errors
    /// [`StateError::Io`].
    pub(super) fn note_running(&self) -> Result<(), StateError> {
        let write = || {
            self.lock.set_len(0)?;
            (&self.lock).seek(SeekFrom::Start(0))?;
            (&self.lock).write_all(RUNNING)
        };
        let noted = write();
        noted.map_err(|error| StateError::Io(self.path.clone(), error))
    }

    /// Checks that the folder is still the one that was opened. A database that was deleted goes on
    /// without a name, and all that it takes is lost with the process.
    ///
    /// # Errors
    /// [`StateError::Gone`].
    pub(super) fn check(&self) -> Result<(), StateError> {
        let gone = |path: PathBuf| StateError::Gone(path);
        let path = self.path.join(LOCK);
        let same = fs::metadata(&path).and_then(|there| {
            let locked = self.lock.metadata()?;
            Ok((there.dev(), there.ino()) == (locked.dev(), locked.ino()))
        });
        if !same.unwrap_or(false) {
            return Err(gone(self.path.clone()));
        }
        let missing = DATABASES.into_iter().map(|name| self.path.join(name));
        missing.filter(|path| !path.exists()).map(gone).map(Err).next().unwrap_or(Ok(()))
    }
}

impl Drop for StateFolder {
    /// Notes that the server was not killed: its databases close with it, and their logs go.
    fn drop(&mut self) {
        // Without the note, the next server looks at logs that are there.
        let _ = self.lock.set_len(0);
    }
}

/// Opens a file that only its owner can read, and makes it if it is absent.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(OWNER_ONLY_FILE);
    let file = options.open(path)?;
    file.set_permissions(fs::Permissions::from_mode(OWNER_ONLY_FILE))?;
    Ok(file)
}
