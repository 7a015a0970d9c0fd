//! D1's stand-in.

use std::path::Path;

use rusqlite::{Connection, Row, StatementStatus, types::ValueRef};
use serde_json::{Map, Value};

use super::{
    counted,
    sqlite::{Sqlite, unavailable},
};
use crate::ports::{
    Database, MAX_INTEGER, MAX_PARAMS, MAX_VALUE_BYTES, Meter, Metered, Param, PortError,
    PortResult, Rows, Statement, Usage, used,
};
use crate::store::MIGRATIONS;

/// An SQLite file with D1's limits and D1's counters.
#[derive(Clone, Debug)]
pub struct SqliteDatabase {
    sqlite: Sqlite,
    total: Meter,
}

impl SqliteDatabase {
    /// Opens a file and brings its schema up to date.
    ///
    /// # Errors
    /// [`PortError`].
    pub fn open(path: &Path) -> Result<Self, PortError> {
        let migrations: Vec<_> = MIGRATIONS.iter().map(|(_, sql)| *sql).collect();
        let sqlite = Sqlite::open(path, &migrations)?;
        Ok(Self { sqlite, total: Meter::default() })
    }

    /// Opens the content of an export (`wrangler d1 export`) in memory.
    ///
    /// # Errors
    /// [`PortError`].
    pub fn of_export(script: &str) -> Result<Self, PortError> {
        let sqlite = Sqlite::open(Path::new(":memory:"), &[script])?;
        Ok(Self { sqlite, total: Meter::default() })
    }

    /// Runs statements that return nothing, all or none of them.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn script(&self, script: String) -> Result<(), PortError> {
        let run = move |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            transaction.execute_batch(&script)?;
            transaction.commit()
        };
        self.sqlite.run(move |connection| run(connection).map_err(|e| unavailable(&e))).await
    }

    /// Returns what all statements used.
    pub(super) fn usage(&self) -> Usage {
        self.total.usage()
    }

    /// Returns the thread, for statements that are not the service's: nobody counts them.
    pub(super) fn sqlite(&self) -> &Sqlite {
        &self.sqlite
    }

    /// Returns the connection whose statements are counted.
    pub(super) fn total(&self) -> &Meter {
        &self.total
    }
}

impl Database for SqliteDatabase {
    async fn query(&self, statement: Statement) -> PortResult<Rows> {
        check_limits(&statement)?;
        let total = self.total.clone();
        // There, because whoever asked may be gone before it is done.
        self.sqlite.run(move |connection| counted(&total, execute(connection, &statement))).await
    }
}

fn check_limits(statement: &Statement) -> Result<(), PortError> {
    let refuse = |problem: &str| {
        let message = format!("{}: {problem}", statement.sql.name);
        Err(PortError::unavailable("database", message))
    };
    if statement.params.len() > MAX_PARAMS {
        return refuse("more than 100 parameters");
    }
    for param in &statement.params {
        match param {
            Param::Integer(n) if n.unsigned_abs() > MAX_INTEGER.unsigned_abs() => {
                return refuse("an integer that D1 would round");
            }
            Param::Text(text) if text.len() > MAX_VALUE_BYTES => {
                return refuse("a value of more than 2 MB");
            }
            _ => {}
        }
    }
    Ok(())
}

/// Runs a statement to its end and reads its counters, as D1 does for its `meta`.
pub(super) fn execute(connection: &Connection, statement: &Statement) -> PortResult<Rows> {
    let prepared = connection.prepare_cached(statement.sql.text);
    let mut prepared = prepared.map_err(|error| unavailable(&error))?;
    let rows = rows(&mut prepared, statement);
    let changes = if prepared.readonly() { 0 } else { connection.changes() };
    let count = |status| u64::try_from(prepared.reset_status(status)).unwrap_or(0);
    // Also after an error: the next use of this statement must count from zero.
    let usage = Usage {
        rows_read: count(StatementStatus::RowsRead),
        rows_written: count(StatementStatus::RowsWritten),
        ..Usage::default()
    };
    used(rows.map(|rows| Metered::free(Rows { rows, changes })), usage)
}

fn rows(
    prepared: &mut rusqlite::Statement<'_>,
    statement: &Statement,
) -> Result<Vec<Value>, PortError> {
    let failed = |error: rusqlite::Error| unavailable(&error);
    for (index, param) in statement.params.iter().enumerate() {
        let bound = match param {
            Param::Null => prepared.raw_bind_parameter(index + 1, None::<i64>),
            Param::Integer(value) => prepared.raw_bind_parameter(index + 1, value),
            Param::Text(value) => prepared.raw_bind_parameter(index + 1, value),
        };
        bound.map_err(failed)?;
    }
    let columns: Vec<_> = prepared.column_names().into_iter().map(str::to_owned).collect();
    let mut rows = Vec::new();
    let mut cursor = prepared.raw_query();
    while let Some(row) = cursor.next().map_err(failed)? {
        rows.push(object(&columns, row)?);
    }
    Ok(rows)
}

fn object(columns: &[String], row: &Row<'_>) -> Result<Value, PortError> {
    let mut members = Map::new();
    for (index, name) in columns.iter().enumerate() {
        let value = match row.get_ref(index).map_err(|error| unavailable(&error))? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(value) => value.into(),
            ValueRef::Real(value) => value.into(),
            ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
            ValueRef::Blob(_) => {
                return Err(PortError::unavailable("database", "BLOBs are not in use"));
            }
        };
        members.insert(name.clone(), value);
    }
    Ok(Value::Object(members))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::run::{RunState, RunStatus};
    use crate::ports::{MAX_FUNCTION_ARGS, MeteredDatabase, PortFailure, Sql};
    use crate::store::{Runs, USAGE_OF_UPDATE_USAGE, last_projection_usage};

    const SELECT: Sql = Sql { name: "select", text: "SELECT id FROM workflows WHERE user_id = ?1" };
    const INSERT: Sql = Sql {
        name: "insert",
        text: "INSERT INTO workflows VALUES (?1, ?2, 'n', 'd', '[]', NULL, ?3, ?3)",
    };

    async fn filled(rows: i64) -> (tempfile::TempDir, SqliteDatabase) {
        let directory = tempfile::tempdir().unwrap();
        let database = SqliteDatabase::open(&directory.path().join("d.sqlite")).unwrap();
        for n in 0..rows {
            let owner = format!("user{}", n % 10);
            let insert = INSERT.bind([n.to_string().into(), owner.into(), n.into()]);
            let inserted = database.query(insert).await.unwrap();
            assert_eq!(inserted.value.changes, 1);
            // The row, its primary key and one index; the partial index does not hold it. The
            // trigger: a row of the outbox and its index.
            assert_eq!(inserted.usage.rows_written, 5);
        }
        (directory, database)
    }

    #[tokio::test]
    async fn counts_rows_and_returns_objects() {
        let (_directory, database) = filled(20).await;
        let found = database.query(SELECT.bind(["user3".into()])).await.unwrap();
        assert_eq!(
            found.value.rows,
            [serde_json::json!({"id": "13"}), serde_json::json!({"id": "3"})]
        );
        assert_eq!(found.value.changes, 0);
        let again = database.query(SELECT.bind(["user3".into()])).await.unwrap();
        assert_eq!(again.usage, found.usage, "a cached statement counts from zero");
    }

    #[tokio::test]
    async fn state_survives_and_migrations_run_once() {
        let (directory, database) = filled(1).await;
        drop(database);
        let database = SqliteDatabase::open(&directory.path().join("d.sqlite")).unwrap();
        let found = database.query(SELECT.bind(["user0".into()])).await.unwrap();
        assert_eq!(found.value.rows.len(), 1);
    }

    #[tokio::test]
    async fn a_violated_constraint_is_a_conflict() {
        let (_directory, database) = filled(1).await;
        let again = INSERT.bind(["0".into(), "u".into(), 1.into()]);
        let error = database.query(again).await.unwrap_err();
        assert!(matches!(error.cause, PortFailure::Conflict(_)), "{error}");
    }

    #[tokio::test]
    async fn limits_of_d1_at_the_limit_and_one_past_it() {
        let (_directory, database) = filled(0).await;
        let one = |param: Param| Sql { name: "one", text: "SELECT ?1 AS x" }.bind([param]);
        for good in [
            Param::Integer(MAX_INTEGER),
            Param::Integer(-MAX_INTEGER),
            Param::Text("x".repeat(MAX_VALUE_BYTES)),
        ] {
            assert!(database.query(one(good)).await.is_ok());
        }
        for bad in [
            Param::Integer(MAX_INTEGER + 1),
            Param::Integer(i64::MIN),
            Param::Text("x".repeat(MAX_VALUE_BYTES + 1)),
        ] {
            assert!(database.query(one(bad)).await.is_err());
        }
        let text: &'static str =
            Box::leak(format!("SELECT {}", vec!["?"; MAX_PARAMS].join(",")).into_boxed_str());
        let max = |n: u8| {
            let arguments: Vec<_> = (0..n).map(|n| n.to_string()).collect();
            let text: &'static str =
                Box::leak(format!("SELECT max({})", arguments.join(",")).into_boxed_str());
            Sql { name: "max", text }.bind([])
        };
        assert!(database.query(max(MAX_FUNCTION_ARGS)).await.is_ok());
        assert!(database.query(max(MAX_FUNCTION_ARGS + 1)).await.is_err());
        let many = |n| Sql { name: "many", text }.bind(vec![Param::Null; n]);
        assert!(database.query(many(MAX_PARAMS)).await.is_ok());
        assert!(database.query(many(MAX_PARAMS + 1)).await.is_err());
    }

    /// The usage that is paid for beforehand must be the usage that occurs, whatever a row said
    /// before.
    #[tokio::test]
    async fn the_last_projection_uses_what_its_status_says() {
        let (_directory, database) = filled(0).await;
        let step = serde_json::json!({"type": "delay", "config": {"seconds": 1}});
        let definition: Vec<crate::domain::workflow::Step> =
            vec![serde_json::from_value(step).unwrap()];
        let meter = Meter::default();
        let runs = Runs::new(MeteredDatabase::new(&database, &meter));
        let before = [RunStatus::Queued, RunStatus::Running, RunStatus::Waiting];
        let after =
            [RunStatus::Succeeded, RunStatus::Failed, RunStatus::Cancelled, RunStatus::TimedOut];
        for (before, after) in before.into_iter().flat_map(|b| after.map(|a| (b, a))) {
            let id = format!("{before:?}{after:?}");
            let owner = "ann".to_owned();
            let mut state = RunState::new(id, owner, "w".into(), definition.clone(), 1);
            runs.insert(&state).await.unwrap();
            (state.run.status, state.version) = (before, 1);
            runs.project(&state).await.unwrap();
            (state.run.status, state.version, state.wake_at) = (after, 2, Some(7));
            meter.take();
            runs.project(&state).await.unwrap();
            assert_eq!(meter.take(), last_projection_usage(after), "{before:?} {after:?}");
            runs.update_usage(&state.run).await.unwrap();
            assert_eq!(meter.take(), USAGE_OF_UPDATE_USAGE);
        }
    }
}
