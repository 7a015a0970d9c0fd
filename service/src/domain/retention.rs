//! Says how long each kind of data is kept, and what becomes of it then.
//!
//! The scheduled tasks delete what is past its time, in batches that fit into one invocation of a Worker.
//! What is not deleted has a reason in [`KEPT`].

use super::Millis;

/// A day in milliseconds.
const DAY: Millis = 24 * 60 * 60 * 1000;

/// The default number of days that a run is kept after it was accepted, with its events and outputs.
pub const RUN_DAYS: i64 = 90;
/// The smallest number of days that runs may be kept. What the runs of a calendar month used is read from
/// their rows until the month is over, and a month has 31 days at most.
pub const MIN_RUN_DAYS: i64 = 32;
/// The largest number of days that runs may be kept: ten years.
pub const MAX_RUN_DAYS: i64 = 3_650;
/// The number of runs that one sweep deletes: each needs a message to its object, and an invocation has a
/// limited number of them. It is 21 million in a month, twice what the Scale plan includes.
pub const RUNS_AT_ONCE: i64 = 500;
/// The number of rows of each other table that one sweep deletes.
pub const ROWS_AT_ONCE: i64 = 1_000;
/// The number of rows of accounts and of quotas that are deleted in a day, since finding them reads their
/// whole table.
pub const ACCOUNTS_A_DAY: i64 = 100_000;
/// The number of months for which the usage of an account and its quota are kept, beside the current one:
/// a year and one month, so that a month can be compared with the same one of the year before.
pub const ACCOUNT_MONTHS: u32 = 13;

/// How long runs are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunRetention {
    days: i64,
}

impl Default for RunRetention {
    fn default() -> Self {
        Self { days: RUN_DAYS }
    }
}

impl RunRetention {
    /// Returns a retention of this many days, which are from [`MIN_RUN_DAYS`] to [`MAX_RUN_DAYS`].
    pub fn new(days: i64) -> Option<Self> {
        (MIN_RUN_DAYS..=MAX_RUN_DAYS).contains(&days).then_some(Self { days })
    }

    /// Returns the instant before which runs were accepted that are no longer kept.
    pub const fn expired_before(self, now: Millis) -> Millis {
        now - self.days * DAY
    }
}

/// How long a kind of data is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// For this time; then it is deleted.
    For(&'static str),
    /// As long as somebody wants it, or in an amount that does not grow; this is the reason.
    Because(&'static str),
}

/// Every kind of data that the service stores: tables, objects, namespaces and buckets.
pub const KEPT: &[(&str, Kept)] = &[
    ("workflows", Kept::Because("their owner deletes them")),
    ("workflow_runs", Kept::For("RUN_RETENTION_DAYS after they were accepted, 90 by default")),
    ("idempotency_keys", Kept::For("a day after the request")),
    ("usage_accounts", Kept::For("13 months after theirs")),
    ("quota_months", Kept::For("13 months after theirs")),
    (
        "subscriptions",
        Kept::Because("one row for each that was ever paid: a business has to keep its books"),
    ),
    ("stripe_events", Kept::For("30 days after they came")),
    (
        "search_outbox",
        Kept::Because("one row at most for each workflow, until its vector is up to date"),
    ),
    ("WorkflowExecutor", Kept::For("as long as the row of the run")),
    (
        "OAuth",
        Kept::Because(
            "one for each person, with 20 sessions at most; a sign-in is deleted after ten minutes",
        ),
    ),
    ("AiMisses", Kept::Because("it stores nothing")),
    ("CACHE", Kept::For("as long as each entry says, two hours at most")),
    ("SESSIONS", Kept::For("a minute: the object of the person has it for 30 days")),
    ("BACKUPS", Kept::For("14 days, and those of Sundays 8 weeks")),
    ("vectors", Kept::Because("one for each workflow, deleted with it")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retentions_at_the_limits_and_one_past_them() {
        assert!(RunRetention::new(MIN_RUN_DAYS).is_some());
        assert!(RunRetention::new(MIN_RUN_DAYS - 1).is_none());
        assert!(RunRetention::new(MAX_RUN_DAYS).is_some());
        assert!(RunRetention::new(MAX_RUN_DAYS + 1).is_none());
        assert_eq!(RunRetention::default().expired_before(90 * DAY), 0);
    }
}
