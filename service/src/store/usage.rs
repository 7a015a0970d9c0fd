//! The table `usage_months`, and what runs used.

use serde::{Deserialize, Serialize};

use super::run;
use crate::domain::month::Month;
use crate::ports::{Database, Meter, Param, PortError, Rows, Sql, Usage, resources};

/// The statements that name every resource.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        pub(super) const ADD: Sql = Sql {
            name: "add_usage",
            text: concat!(
                "INSERT INTO usage_months (user_id, month, requests",
                $(", ", stringify!($name),)*
                ") VALUES (?, ?, ?",
                $(statements!(@parameter $name),)*
                ") ON CONFLICT (user_id, month) DO UPDATE SET requests = requests + excluded.requests",
                $(", ", stringify!($name), " = ", stringify!($name), " + excluded.", stringify!($name),)*
            ),
        };

        pub(super) const OF_REQUESTS: Sql = Sql {
            name: "get_usage_of_requests",
            text: concat!(
                "SELECT requests AS count",
                $(", ", stringify!($name),)*
                " FROM usage_months WHERE user_id = ?1 AND month = ?2"
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
    (@parameter $name:ident) => { ", ?" };
}
resources!(statements);

/// How often something happened, and what that used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct Tally {
    /// How often.
    pub count: u64,
    /// What it used.
    #[serde(flatten)]
    pub usage: Usage,
}

/// Usage in the database.
pub struct UsageMonths<'a, D> {
    database: &'a D,
    meter: &'a Meter,
}

impl<'a, D: Database> UsageMonths<'a, D> {
    /// Usage in `database`; what statements use goes to `meter`.
    pub fn new(database: &'a D, meter: &'a Meter) -> Self {
        Self { database, meter }
    }

    /// Adds to what the requests of a user used.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn add(&self, user: &str, month: Month, tally: &Tally) -> Result<(), PortError> {
        let resources = tally.usage.amounts().map(|(_, amount)| amount);
        let amounts = std::iter::once(tally.count).chain(resources);
        let amounts = amounts.map(|n| Param::from(i64::try_from(n).unwrap_or(i64::MAX)));
        let params = [user.into(), month.name().into()].into_iter().chain(amounts);
        run(self.database, self.meter, ADD.bind(params)).await.map(|_| ())
    }

    /// What the requests of a user used in a month, as far as it was added.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn of_requests(&self, user: &str, month: Month) -> Result<Tally, PortError> {
        let statement = OF_REQUESTS.bind([user.into(), month.name().into()]);
        first(run(self.database, self.meter, statement).await?)
    }

    /// What the runs of a user used that were accepted in a month.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn of_runs(&self, user: &str, month: Month) -> Result<Tally, PortError> {
        let params = [user.into(), month.start().into(), month.next().start().into()];
        first(run(self.database, self.meter, OF_RUNS.bind(params)).await?)
    }
}

fn first(rows: Rows) -> Result<Tally, PortError> {
    Ok(rows.decode::<Tally>()?.into_iter().next().unwrap_or_default())
}
