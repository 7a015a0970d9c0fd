//! The table `usage_months`, and what runs used.

use serde::{Deserialize, Serialize};

use super::run;
use crate::domain::month::Month;
use crate::ports::{Database, Meter, Param, PortError, Rows, Sql, Usage};

pub(super) const ADD: Sql = Sql {
    name: "add_usage",
    text: "INSERT INTO usage_months VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
           ON CONFLICT (user_id, month) DO UPDATE SET requests = requests + ?3, \
           rows_read = rows_read + ?4, rows_written = rows_written + ?5, \
           kv_reads = kv_reads + ?6, actor_requests = actor_requests + ?7, \
           outbound_requests = outbound_requests + ?8",
};

pub(super) const OF_REQUESTS: Sql = Sql {
    name: "get_usage_of_requests",
    text: "SELECT requests AS count, rows_read, rows_written, kv_reads, actor_requests, \
           outbound_requests FROM usage_months WHERE user_id = ?1 AND month = ?2",
};

/// Runs count in the month in which they were accepted.
pub(super) const OF_RUNS: Sql = Sql {
    name: "get_usage_of_runs",
    text: "SELECT count(*) AS count, \
           ifnull(sum(report ->> '$.usage.rows_read'), 0) AS rows_read, \
           ifnull(sum(report ->> '$.usage.rows_written'), 0) AS rows_written, \
           ifnull(sum(report ->> '$.usage.kv_reads'), 0) AS kv_reads, \
           ifnull(sum(report ->> '$.usage.actor_requests'), 0) AS actor_requests, \
           ifnull(sum(report ->> '$.usage.outbound_requests'), 0) AS outbound_requests \
           FROM workflow_runs WHERE user_id = ?1 AND created_at >= ?2 AND created_at < ?3",
};

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
        let Usage { rows_read, rows_written, kv_reads, actor_requests, outbound_requests } =
            tally.usage;
        let amounts =
            [tally.count, rows_read, rows_written, kv_reads, actor_requests, outbound_requests];
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
