//! A connection on a thread of its own: one writer, no lock contention, no blocked executor.

use std::{path::Path, sync::mpsc, thread, time::Duration};

use rusqlite::{Connection, ErrorCode, limits::Limit};
use tokio::sync::oneshot;

use crate::ports::{MAX_FUNCTION_ARGS, PortError, PortFailure};

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// A handle to the thread. The connection closes when the last handle is gone.
#[derive(Clone, Debug)]
pub(super) struct Sqlite {
    jobs: mpsc::Sender<Job>,
}

impl Sqlite {
    /// Opens a database in a file and applies the migrations it has not had yet.
    pub(super) fn open(path: &Path, migrations: &[&str]) -> Result<Self, PortError> {
        let mut connection = Connection::open(path).map_err(|error| unavailable(&error))?;
        configure(&connection).map_err(|error| unavailable(&error))?;
        migrate(&mut connection, migrations).map_err(|error| unavailable(&error))?;
        let (jobs, inbox) = mpsc::channel::<Job>();
        thread::Builder::new()
            .name("sqlite".to_owned())
            .spawn(move || {
                for job in inbox {
                    job(&mut connection);
                }
            })
            .map_err(|error| PortError::unavailable("database", error))?;
        Ok(Self { jobs })
    }

    /// Runs `job` on the thread and waits for what it returns.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, PortError> + Send + 'static,
    ) -> Result<T, PortError> {
        let (reply, result) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Nobody listens when the request was cancelled; the work is done all the same.
            let _ = reply.send(job(connection));
        });
        let gone = || PortError::unavailable("database", "its thread has ended");
        self.jobs.send(job).map_err(|_| gone())?;
        result.await.map_err(|_| gone())?
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_limit(Limit::SQLITE_LIMIT_FUNCTION_ARG, MAX_FUNCTION_ARGS.into());
    // Another process on the same state directory is a mistake; give it time to go away.
    connection.busy_timeout(Duration::from_secs(5))?;
    // WAL with `normal` survives the death of the process at any moment; a power cut may undo the
    // last commits, but never tears the file.
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "foreign_keys", "on")
}

fn migrate(connection: &mut Connection, migrations: &[&str]) -> rusqlite::Result<()> {
    let applied: usize = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (index, migration) in migrations.iter().enumerate().skip(applied) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", index + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Converts SQLite's error into the port's.
pub(super) fn unavailable(error: &rusqlite::Error) -> PortError {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => PortFailure::Conflict(error.to_string()).into(),
        _ => PortError::unavailable("database", error),
    }
}
