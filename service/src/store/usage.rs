//! Reads and writes the table `usage_accounts`, and adds up the usage of runs.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::domain::{month::Month, retention::ACCOUNTS_A_DAY};
use crate::ports::{
    Cause, Database, MeteredDatabase, PortError, Rows, Share, Sql, Statement, Tally, Usage,
    resources,
};

/// Builds the statements that name every resource.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Adds the amounts of one JSON object to those of another. It nests a call of `json_set`
        /// for each resource, because D1 accepts at most 32 arguments of a function.
        pub(super) const ADD: Sql = Sql {
            name: "add_usage",
            text: concat!(
                "INSERT INTO usage_accounts VALUES (?1, ?2, ?3, ?4, 1, ?5) \
                 ON CONFLICT (user_id, month, cause) DO UPDATE SET \
                 count = count + excluded.count, written = written + 1, usage = ",
                $(statements!(@set $name),)*
                "usage",
                $(
                    ", '$.", stringify!($name), "', \
                     ifnull(usage ->> '$.", stringify!($name), "', 0) \
                     + ifnull(excluded.usage ->> '$.", stringify!($name), "', 0))",
                )*
            ),
        };

        /// Adds up the usage of runs. A run counts in the month in which it was accepted.
        pub(super) const OF_RUNS: Sql = Sql {
            name: "get_usage_of_runs",
            text: concat!(
                "SELECT count(*) AS count",
                $(", ifnull(sum(report ->> '$.usage.", stringify!($name), "'), 0) AS ", stringify!($name),)*
                " FROM workflow_runs WHERE user_id = ?1 AND created_at >= ?2 AND created_at < ?3"
            ),
        };
    };
    (@set $name:ident) => { "json_set(" };
}
resources!(statements);

pub(super) const OF_ACCOUNT: Sql = Sql {
    name: "get_usage_of_account",
    text: "SELECT cause, count, written, usage FROM usage_accounts \
           WHERE user_id = ?1 AND month = ?2",
};

/// Reads the whole table, whose key begins with the user: it is called once a day.
pub(super) const CLEAN: Sql = Sql {
    name: "clean_usage_accounts",
    text: "DELETE FROM usage_accounts WHERE (user_id, month, cause) IN \
           (SELECT user_id, month, cause FROM usage_accounts WHERE month < ?1 LIMIT ?2)",
};

/// The usage of the statement that [`add`] makes, whether the row is new or not. The row counts how
/// often it was written, so that this usage is billed as well.
pub const ADD_USAGE: Usage = Usage { rows_written: 1, ..Usage::NONE };

/// Makes the statement that adds a share to its row.
///
/// # Errors
/// [`PortError`] if the amounts cannot be serialised. They are numbers, so this does not happen.
pub fn add(share: &Share) -> Result<Statement, PortError> {
    let Share { account, month, cause, tally } = share;
    let usage = super::to_text(&tally.usage)?;
    let count = i64::try_from(tally.count).unwrap_or(i64::MAX);
    let params = [account.as_str().into(), month.name().into(), cause.name().into(), count.into()];
    Ok(ADD.bind(params.into_iter().chain([usage.into()])))
}

/// The usage of an account in a month, as far as it was added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The usage by cause.
    pub causes: BTreeMap<Cause, Tally>,
    /// The usage of adding it up, and how often that was done.
    pub metering: Tally,
}

#[derive(Deserialize)]
struct Row {
    cause: Cause,
    count: u64,
    written: u64,
    usage: String,
}

/// Accesses the usage in the database.
pub struct UsageAccounts<'a, D> {
    database: MeteredDatabase<'a, D>,
}

impl<'a, D: Database> UsageAccounts<'a, D> {
    /// Accesses the usage in `database`.
    pub fn new(database: MeteredDatabase<'a, D>) -> Self {
        Self { database }
    }

    /// Returns the usage of an account in a month, without its runs.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn of_account(&self, account: &str, month: Month) -> Result<Account, PortError> {
        let statement = OF_ACCOUNT.bind([account.into(), month.name().into()]);
        let mut found = Account::default();
        for row in self.database.query(statement).await?.decode::<Row>()? {
            let usage = super::parse(&row.usage)?;
            found.causes.insert(row.cause, Tally { count: row.count, usage });
            found.metering += metering(row.written);
        }
        Ok(found)
    }

    /// Deletes accounts of months before `month`, at most so many that a day's turn ends in time.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn clean(&self, month: Month) -> Result<(), PortError> {
        let statement = CLEAN.bind([month.name().into(), ACCOUNTS_A_DAY.into()]);
        self.database.query(statement).await.map(|_| ())
    }

    /// Returns the usage of a user's runs that were accepted in a month.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn of_runs(&self, user: &str, month: Month) -> Result<Tally, PortError> {
        let params = [user.into(), month.start().into(), month.next().start().into()];
        first(self.database.query(OF_RUNS.bind(params)).await?)
    }
}

/// Returns the usage of writing an account's row this often.
pub fn metering(written: u64) -> Tally {
    Tally { count: written, usage: ADD_USAGE.times(written) }
}

fn first(rows: Rows) -> Result<Tally, PortError> {
    Ok(rows.decode::<Tally>()?.into_iter().next().unwrap_or_default())
}
