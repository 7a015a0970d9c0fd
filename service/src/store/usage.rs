//! The table `usage_accounts`, and what runs used.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::domain::month::Month;
use crate::ports::{
    Cause, Database, MeteredDatabase, PortError, Rows, Share, Sql, Statement, Tally, Usage,
    resources,
};

/// The statements that name every resource.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Adds up objects of amounts. One function for each: D1 takes 32 arguments of a function.
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

        /// Runs count in the month in which they were accepted.
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

/// What [`add`] uses itself, whether the row is new or not. The row counts how often it was
/// written, so that this is billed as well.
pub const ADD_USAGE: Usage = Usage { rows_written: 1, ..Usage::NONE };

/// Adds a share to its row.
///
/// # Errors
/// None that can happen: amounts are numbers.
pub fn add(share: &Share) -> Result<Statement, PortError> {
    let Share { account, month, cause, tally } = share;
    let usage = super::to_text(&tally.usage)?;
    let count = i64::try_from(tally.count).unwrap_or(i64::MAX);
    let params = [account.as_str().into(), month.name().into(), cause.name().into(), count.into()];
    Ok(ADD.bind(params.into_iter().chain([usage.into()])))
}

/// What an account used in a month, as far as it was added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// By what it was for.
    pub causes: BTreeMap<Cause, Tally>,
    /// Adding it up: how often, and what that used.
    pub metering: Tally,
}

#[derive(Deserialize)]
struct Row {
    cause: Cause,
    count: u64,
    written: u64,
    usage: String,
}

/// Usage in the database.
pub struct UsageAccounts<'a, D> {
    database: MeteredDatabase<'a, D>,
}

impl<'a, D: Database> UsageAccounts<'a, D> {
    /// Usage in `database`.
    pub fn new(database: MeteredDatabase<'a, D>) -> Self {
        Self { database }
    }

    /// What an account used in a month, its runs apart.
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

    /// What the runs of a user used that were accepted in a month.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn of_runs(&self, user: &str, month: Month) -> Result<Tally, PortError> {
        let params = [user.into(), month.start().into(), month.next().start().into()];
        first(self.database.query(OF_RUNS.bind(params)).await?)
    }
}

/// What it used to write rows so often.
pub fn metering(written: u64) -> Tally {
    Tally { count: written, usage: ADD_USAGE.times(written) }
}

fn first(rows: Rows) -> Result<Tally, PortError> {
    Ok(rows.decode::<Tally>()?.into_iter().next().unwrap_or_default())
}
