//! Usage on its way to the database, in a table beside it: what was added survives the process, and
//! moves in one transaction.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction};
use serde::Deserialize;

use super::{
    counted,
    database::{SqliteDatabase, execute},
    sqlite::unavailable,
};
use crate::domain::month::Month;
use crate::ports::{Cause, Ledger, PortError, PortResult, Rows, Share, Sql, Tally, used};
use crate::store;

/// Our own bookkeeping: the Worker has memory for it, which costs nothing. Not counted.
const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS usage_pending (
  account TEXT NOT NULL,
  month INTEGER NOT NULL,
  cause TEXT NOT NULL,
  tally TEXT NOT NULL
) STRICT";
const ADD: Sql =
    Sql { name: "add_pending", text: "INSERT INTO usage_pending VALUES (?1, ?2, ?3, ?4)" };
const OF_ACCOUNT: Sql = Sql {
    name: "get_pending",
    text: "SELECT account, month, cause, tally FROM usage_pending WHERE account = ?1 AND month = ?2",
};
const ALL: Sql =
    Sql { name: "all_pending", text: "SELECT account, month, cause, tally FROM usage_pending" };
const CLEAR: Sql = Sql { name: "clear_pending", text: "DELETE FROM usage_pending" };

/// The table, in the database's own file.
#[derive(Clone, Debug)]
pub struct SqliteLedger(SqliteDatabase);

#[derive(Deserialize)]
struct Row {
    account: String,
    /// Its first instant.
    month: i64,
    cause: Cause,
    tally: String,
}

impl SqliteLedger {
    /// Returns the ledger of a database, with what a predecessor left in it.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn open(database: SqliteDatabase) -> Result<Self, PortError> {
        let schema = |connection: &mut Connection| {
            connection.execute_batch(SCHEMA).map_err(|error| unavailable(&error))
        };
        database.sqlite().run(schema).await?;
        Ok(Self(database))
    }
}

impl Ledger for SqliteLedger {
    async fn add(&self, share: Share) -> Result<(), PortError> {
        let Share { account, month, cause, tally } = share;
        let tally = serde_json::to_string(&tally);
        let tally = tally.map_err(|error| PortError::unavailable("ledger", error))?;
        let params = [account.into(), month.start().into(), cause.name().into(), tally.into()];
        let add = ADD.bind(params);
        self.0.sqlite().run(move |connection| execute(connection, &add)).await.map(|_| ())
    }

    async fn pending(
        &self,
        account: &str,
        month: Month,
    ) -> Result<BTreeMap<Cause, Tally>, PortError> {
        let select = OF_ACCOUNT.bind([account.into(), month.start().into()]);
        let found = self.0.sqlite().run(move |connection| execute(connection, &select)).await?;
        let added = added_up(found.value)?.into_iter();
        Ok(added.map(|((_, _, cause), tally)| (cause, tally)).collect())
    }

    async fn flush(&self) -> Result<(), PortError> {
        let total = self.0.total().clone();
        self.0.sqlite().run(move |connection| counted(&total, flush(connection))).await.map(|_| ())
    }
}

/// Moves everything or nothing: a share is never in both places, and never in neither.
fn flush(connection: &mut Connection) -> PortResult<()> {
    let failed = |error: rusqlite::Error| unavailable(&error);
    let transaction = connection.transaction().map_err(failed)?;
    let moved = move_all(&transaction)?;
    transaction.commit().map_err(failed)?;
    Ok(moved)
}

fn move_all(transaction: &Transaction<'_>) -> PortResult<()> {
    let mut moved = Ok(crate::ports::Metered::free(()));
    for ((account, month, cause), tally) in added_up(execute(transaction, &ALL.bind([]))?.value)? {
        let share = Share { account, month: Month::of(month), cause, tally };
        let written = execute(transaction, &store::add_usage(&share)?)?;
        moved = used(moved, written.usage);
    }
    execute(transaction, &CLEAR.bind([]))?;
    moved
}

fn added_up(rows: Rows) -> Result<BTreeMap<(String, i64, Cause), Tally>, PortError> {
    let mut added = BTreeMap::<_, Tally>::new();
    for Row { account, month, cause, tally } in rows.decode()? {
        let tally: Tally = serde_json::from_str(&tally)
            .map_err(|error| PortError::unavailable("ledger", error))?;
        *added.entry((account, month, cause)).or_default() += tally;
    }
    Ok(added)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{Meter, MeteredDatabase, Usage};

    fn share(account: &str, rows_read: u64) -> Share {
        let tally = Tally { count: 1, usage: Usage { rows_read, ..Usage::NONE } };
        Share { account: account.to_owned(), month: Month::of(0), cause: Cause::Requests, tally }
    }

    #[tokio::test]
    async fn shares_survive_until_they_have_moved_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("database");
        let open = async || SqliteDatabase::open(&path).unwrap();
        for _ in 0..2 {
            let ledger = SqliteLedger::open(open().await).await.unwrap();
            ledger.add(share("ann", 2)).await.unwrap();
            ledger.add(share("bob", 1)).await.unwrap();
        }
        let database = open().await;
        let ledger = SqliteLedger::open(database.clone()).await.unwrap();
        let pending = ledger.pending("ann", Month::of(0)).await.unwrap();
        assert_eq!(pending[&Cause::Requests].usage.rows_read, 4);
        ledger.flush().await.unwrap();
        assert_eq!(database.usage(), store::metering(2).usage, "two rows, each written once");
        ledger.flush().await.unwrap();
        assert!(ledger.pending("ann", Month::of(0)).await.unwrap().is_empty());
        let meter = Meter::default();
        let accounts = store::UsageAccounts::new(MeteredDatabase::new(&database, &meter));
        let ann = accounts.of_account("ann", Month::of(0)).await.unwrap();
        assert_eq!(ann.causes[&Cause::Requests].usage.rows_read, 4);
        assert_eq!(ann.metering, store::metering(1));
    }

    #[tokio::test]
    async fn writing_a_row_uses_what_is_billed_for_it_new_or_not() {
        let directory = tempfile::tempdir().unwrap();
        let database = SqliteDatabase::open(&directory.path().join("database")).unwrap();
        for _ in 0..3 {
            let add = store::add_usage(&share("ann", 1)).unwrap();
            let added = crate::ports::Database::query(&database, add).await.unwrap();
            assert_eq!(added.usage, store::ADD_USAGE);
        }
    }
}
