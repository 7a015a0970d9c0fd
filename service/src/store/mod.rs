//! Holds all SQL of the service, and no HTTP and no rules. Every statement has a name, and both
//! platforms run the same text.

mod idempotency;
mod quotas;
mod runs;
mod search;
mod subscriptions;
mod tables;
mod usage;
mod workflows;

pub use idempotency::{Claim, Claimed, IdempotencyKeys, Outcome};
pub use quotas::QuotaMonths;
pub use runs::{Overdue, Runs, USAGE_OF_UPDATE_USAGE, last_projection_usage};
pub use search::{OutdatedVector, SearchDocument, SearchStore, VisibleWorkflow};
pub use subscriptions::{EVENTS_KEPT, Entitlement, Subscriptions};
pub use tables::{NOT_INCLUDED, TABLES, Table};
pub use usage::{ADD_USAGE, Account, UsageAccounts, add as add_usage, metering};
pub use workflows::{CatalogueEntry, Workflows};

use serde::{Serialize, de::DeserializeOwned};

use crate::ports::{Database, MeteredDatabase, PortError, Sql};

/// The migrations of the schema, which are applied in order and never change once released. The
/// Worker's database gets the same files by `wrangler d1 migrations apply`.
pub const MIGRATIONS: &[(&str, &str)] = &[
    ("0001_workflows_and_runs", include_str!("../../migrations/0001_workflows_and_runs.sql")),
    ("0002_idempotency", include_str!("../../migrations/0002_idempotency.sql")),
    ("0003_usage", include_str!("../../migrations/0003_usage.sql")),
    ("0004_usage_accounts", include_str!("../../migrations/0004_usage_accounts.sql")),
    ("0006_money_and_search", include_str!("../../migrations/0006_money_and_search.sql")),
    ("0008_order_of_events", include_str!("../../migrations/0008_order_of_events.sql")),
];

/// Every statement of the service, for the test that checks their query plans.
pub const STATEMENTS: &[Sql] = &[
    PING,
    workflows::INSERT,
    workflows::LIST,
    workflows::GET,
    workflows::UPDATE,
    workflows::PUBLISH,
    workflows::DELETE,
    workflows::CATALOGUE,
    runs::INSERT,
    runs::GET,
    runs::INTENT,
    runs::LIST,
    runs::LIST_OF_WORKFLOW,
    runs::PROJECT,
    runs::UPDATE_USAGE,
    runs::OVERDUE,
    runs::EXPIRED,
    runs::DELETE,
    idempotency::CLAIM,
    idempotency::GET,
    idempotency::COMPLETE,
    idempotency::EXPIRE,
    idempotency::CLEAN,
    quotas::TAKE_RUN,
    quotas::TAKE_AI_OPERATION,
    quotas::GIVE_BACK_RUN,
    quotas::GIVE_BACK_AI_OPERATION,
    quotas::USED,
    quotas::CLEAN,
    search::DUE,
    search::CHANGES,
    search::DONE,
    search::LATER,
    search::SUBJECT,
    search::VISIBLE,
    subscriptions::TAKE,
    subscriptions::ENTITLED,
    subscriptions::CLEAN,
    usage::ADD,
    usage::OF_ACCOUNT,
    usage::OF_RUNS,
    usage::CLEAN,
];

const PING: Sql = Sql { name: "ping", text: "SELECT 1 AS one" };

/// Checks that the database answers.
///
/// # Errors
/// [`PortError`] when it does not.
pub async fn ping<D: Database>(database: MeteredDatabase<'_, D>) -> Result<(), PortError> {
    database.query(PING.bind([])).await.map(|_| ())
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, PortError> {
    serde_json::from_str(text).map_err(|error| PortError::unavailable("database", error))
}

fn to_text<T: Serialize>(value: &T) -> Result<String, PortError> {
    serde_json::to_string(value).map_err(|error| PortError::unavailable("database", error))
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn every_migration_file_is_listed() {
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap();
        let mut names: Vec<_> =
            files.map(|file| file.unwrap().path().file_stem().unwrap().to_owned()).collect();
        names.sort();
        assert_eq!(names, MIGRATIONS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }

    /// Checks that each statement but the ping finds its rows through an index, and that none sorts
    /// in memory. Two read a whole table, once a day.
    #[test]
    fn statements_use_indexes() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        for (_, sql) in MIGRATIONS {
            connection.execute_batch(sql).unwrap();
        }
        for sql in STATEMENTS {
            let explain = format!("EXPLAIN QUERY PLAN {}", sql.text);
            let mut statement = connection.prepare(&explain).unwrap();
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next().unwrap() {
                let step: String = row.get("detail").unwrap();
                let daily = [usage::CLEAN.name, quotas::CLEAN.name].contains(&sql.name);
                let fine = step.starts_with("SEARCH")
                    || step.starts_with("LIST SUBQUERY")
                    || step.starts_with("SCAN json_each")
                    || (daily && step.starts_with("SCAN"))
                    || step.starts_with("SCALAR SUBQUERY")
                    || step == "SCAN CONSTANT ROW";
                assert!(fine, "{}: {step}", sql.name);
            }
        }
    }
}
