//! Reads and writes the table `quota_months`, which counts what users have used of their quotas.

use serde::Deserialize;

use super::subscriptions::ended_before;
use crate::domain::{
    Millis,
    month::Month,
    plan::{Metric, Plan, Quota, Quotas},
    retention::ACCOUNTS_A_DAY,
};
use crate::ports::{Database, MeteredDatabase, Param, PortError, Sql};

/// Builds the statement that takes one unit of a quota. A single statement decides, so that a quota
/// of n admits exactly n, however many requests come at once. The limit is that of the best plan
/// that the user pays for, or else that of the free plan.
macro_rules! take {
    ($name:literal, $column:literal, $runs:literal, $operations:literal) => {
        Sql {
            name: $name,
            text: concat!(
                "INSERT INTO quota_months (user_id, month, runs, ai_operations) SELECT ?1, ?2, ",
                $runs,
                ", ",
                $operations,
                " WHERE 0 < ",
                take!(@limit),
                " ON CONFLICT (user_id, month) DO UPDATE SET ",
                $column,
                " = ",
                $column,
                " + 1 WHERE ",
                $column,
                " < ",
                take!(@limit),
                " RETURNING ",
                $column,
                " AS used"
            ),
        }
    };
    (@limit) => {
        "ifnull((SELECT max(json_extract(?3, '$.' || plan)) FROM subscriptions \
         WHERE user_id = ?1 AND entitled = 1 AND (period_end IS NULL OR period_end > ?4)), \
         json_extract(?3, '$.free'))"
    };
}

pub(super) const TAKE_RUN: Sql = take!("take_run", "runs", "1", "0");
pub(super) const TAKE_AI_OPERATION: Sql = take!("take_ai_operation", "ai_operations", "0", "1");

pub(super) const GIVE_BACK_RUN: Sql = Sql {
    name: "give_back_run",
    text: "UPDATE quota_months SET runs = runs - 1 WHERE user_id = ?1 AND month = ?2 AND runs > 0",
};
pub(super) const GIVE_BACK_AI_OPERATION: Sql = Sql {
    name: "give_back_ai_operation",
    text: "UPDATE quota_months SET ai_operations = ai_operations - 1 \
           WHERE user_id = ?1 AND month = ?2 AND ai_operations > 0",
};
/// Reads the whole table, whose key begins with the user: it is called once a day.
pub(super) const CLEAN: Sql = Sql {
    name: "clean_quota_months",
    text: "DELETE FROM quota_months WHERE (user_id, month) IN \
           (SELECT user_id, month FROM quota_months WHERE month < ?1 LIMIT ?2)",
};

pub(super) const USED: Sql = Sql {
    name: "get_quota_month",
    text: "SELECT runs, ai_operations FROM quota_months WHERE user_id = ?1 AND month = ?2",
};

/// Accesses the quotas in the database.
pub struct QuotaMonths<'a, D> {
    database: MeteredDatabase<'a, D>,
}

#[derive(Deserialize)]
struct Row {
    runs: i64,
    ai_operations: i64,
}

impl<'a, D: Database> QuotaMonths<'a, D> {
    /// Accesses the quotas in `database`.
    pub fn new(database: MeteredDatabase<'a, D>) -> Self {
        Self { database }
    }

    /// Takes one unit of the quota of the month of `at`, under the plan that is paid for then. Returns
    /// false if none is left.
    ///
    /// # Errors
    /// [`PortError`]. The unit may have been taken or not.
    pub async fn take(
        &self,
        user: &str,
        at: Millis,
        metric: Metric,
        quotas: &Quotas,
    ) -> Result<bool, PortError> {
        // The statement itself looks up the plan, so it gets the limits of all plans.
        let limits = Plan::ALL.iter().map(|plan| {
            let limit = quotas.of(*plan).of(metric);
            (plan.name().to_owned(), serde_json::Value::from(limit))
        });
        let limits = serde_json::Value::Object(limits.collect()).to_string();
        let sql = match metric {
            Metric::Runs => TAKE_RUN,
            Metric::AiOperations => TAKE_AI_OPERATION,
        };
        let params: [Param; 4] =
            [user.into(), Month::of(at).name().into(), limits.into(), ended_before(at).into()];
        let taken = self.database.query(sql.bind(params)).await?;
        Ok(!taken.rows.is_empty())
    }

    /// Gives one unit back that was taken and not used.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn give_back(
        &self,
        user: &str,
        month: Month,
        metric: Metric,
    ) -> Result<(), PortError> {
        let sql = match metric {
            Metric::Runs => GIVE_BACK_RUN,
            Metric::AiOperations => GIVE_BACK_AI_OPERATION,
        };
        let params: [Param; 2] = [user.into(), month.name().into()];
        self.database.query(sql.bind(params)).await.map(|_| ())
    }

    /// Deletes what was taken in months before `month`, at most so many rows that a day's turn ends in time.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn clean(&self, month: Month) -> Result<(), PortError> {
        let statement = CLEAN.bind([month.name().into(), ACCOUNTS_A_DAY.into()]);
        self.database.query(statement).await.map(|_| ())
    }

    /// Returns the amounts that were taken in a month.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn used(&self, user: &str, month: Month) -> Result<Quota, PortError> {
        let rows = self.database.query(USED.bind([user.into(), month.name().into()])).await?;
        let row = rows.decode::<Row>()?.into_iter().next();
        let row = row.unwrap_or(Row { runs: 0, ai_operations: 0 });
        Ok(Quota { runs: row.runs, ai_operations: row.ai_operations })
    }
}
