//! A connection on a thread of its own: one writer, no lock contention, no blocked executor.

use std::{collections::BTreeSet, path::Path, sync::mpsc, thread, time::Duration};

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
        let not_ours =
            |error| PortError::unavailable("database", format!("{}: {error}", path.display()));
        check_origin(&connection, migrations).map_err(not_ours)?;
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

impl Sqlite {
    /// Writes the whole log into the database.
    ///
    /// # Errors
    /// [`PortError`], also when a reader is in the way.
    pub(super) async fn checkpoint(&self) -> Result<(), PortError> {
        let busy = self.run(|connection| {
            let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
            let busy = connection.query_row(checkpoint, [], |row| row.get::<_, bool>(0));
            busy.map_err(|error| unavailable(&error))
        });
        let is_busy = || PortError::unavailable("database", "somebody reads it");
        if busy.await? { Err(is_busy()) } else { Ok(()) }
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

/// The reason why a file is no database of this service.
#[derive(Debug, thiserror::Error)]
enum ForeignDatabase {
    /// It cannot be read.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// A later version of the service wrote it.
    #[error(
        "it has version {found}, and this program knows versions up to {known}: use a newer program"
    )]
    Newer { found: i64, known: usize },
    /// Another program wrote it.
    #[error("it has tables, and none is of this service")]
    Occupied,
    /// Another program wrote it, or somebody changed its schema.
    #[error(
        "its {missing} is missing or another, so it is not version {found} of a database of this service"
    )]
    Other { found: i64, missing: String },
}

/// Checks that a database has what the migrations that it says it had have made. A number alone proves
/// nothing: any program may have set it.
fn check_origin(connection: &Connection, migrations: &[&str]) -> Result<(), ForeignDatabase> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = migrations.len();
    let applied = usize::try_from(found).ok().and_then(|applied| migrations.get(..applied));
    let applied = applied.ok_or(ForeignDatabase::Newer { found, known })?;
    let expected = Connection::open_in_memory()?;
    applied.iter().try_for_each(|migration| expected.execute_batch(migration))?;
    let (expected, there) = (schema(&expected)?, schema(connection)?);
    let missing = |(kind, name, _): &(String, String, String)| format!("{kind} {name}");
    match expected.difference(&there).next().map(missing) {
        Some(missing) => Err(ForeignDatabase::Other { found, missing }),
        None if found == 0 && !there.is_empty() => Err(ForeignDatabase::Occupied),
        None => Ok(()),
    }
}

/// Returns the kind, the name and the definition of everything in a schema.
fn schema(connection: &Connection) -> rusqlite::Result<BTreeSet<(String, String, String)>> {
    let sql = "SELECT type, name, ifnull(sql, '') FROM sqlite_schema";
    let mut statement = connection.prepare(sql)?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
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
