//! Reads and writes the tables `subscriptions` and `stripe_events`.

use serde::{Deserialize, Serialize};

use crate::domain::{
    Millis,
    billing::{PERIOD_GRACE_SECONDS, SubscriptionEvent},
    plan::{Plan, Quotas},
    retention::ROWS_AT_ONCE,
};
use crate::ports::{Database, MeteredDatabase, Param, PortError, Sql};

/// Stores an event. A trigger applies it to `subscriptions` in the same statement: see the
/// migration.
pub(super) const TAKE: Sql = Sql {
    name: "take_stripe_event",
    text: "INSERT INTO stripe_events (id, created, received_at, subscription_id, user_id, \
           customer_id, plan, status, entitled, period_end, rank, previous) \
           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
           ON CONFLICT (id) DO NOTHING RETURNING id",
};

/// Lists the subscriptions that give a user a plan, and whose period has not ended before an instant.
/// There are few, so all are read.
pub(super) const ENTITLED: Sql = Sql {
    name: "list_entitled_subscriptions",
    text: "SELECT plan, status, period_end FROM subscriptions \
           WHERE user_id = ?1 AND entitled = 1 AND (period_end IS NULL OR period_end > ?2)",
};

pub(super) const CLEAN: Sql = Sql {
    name: "clean_stripe_events",
    text: "DELETE FROM stripe_events WHERE id IN (SELECT id FROM stripe_events \
           WHERE received_at < ?1 ORDER BY received_at LIMIT ?2)",
};

/// The time that events are kept, in milliseconds. Stripe sends an event again for three days, and
/// old signatures are refused in any case.
pub const EVENTS_KEPT: Millis = 30 * 24 * 60 * 60 * 1000;

/// Returns the instant, in seconds since 1970, after which a period must end to give its plan at `now`.
pub(super) const fn ended_before(now: Millis) -> i64 {
    now.div_euclid(1000) - PERIOD_GRACE_SECONDS
}

/// Accesses the subscriptions in the database.
pub struct Subscriptions<'a, D> {
    database: MeteredDatabase<'a, D>,
}

/// A plan that a user pays for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entitlement {
    /// The plan.
    pub plan: Plan,
    /// The status in Stripe's words.
    pub status: String,
    /// The end of the period that is paid for, in seconds since 1970.
    pub period_end: Option<i64>,
}

impl<'a, D: Database> Subscriptions<'a, D> {
    /// Accesses the subscriptions in `database`.
    pub fn new(database: MeteredDatabase<'a, D>) -> Self {
        Self { database }
    }

    /// Stores an event and applies it. Returns false if it was stored before, and changes nothing
    /// then.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn take(&self, event: &SubscriptionEvent, now: Millis) -> Result<bool, PortError> {
        let subscription = &event.subscription;
        // As the trigger writes what it compares this with.
        let previous = event.previous.as_ref();
        let previous = previous.map(|before| format!("{}/{}", before.plan.name(), before.status));
        let params: [Param; 12] = [
            event.id.as_str().into(),
            event.created.into(),
            now.into(),
            subscription.id.as_str().into(),
            subscription.user.as_str().into(),
            subscription.customer.as_str().into(),
            subscription.plan.name().into(),
            subscription.status.as_str().into(),
            i64::from(subscription.entitled()).into(),
            subscription.period_end.into(),
            event.change.rank().into(),
            previous.into(),
        ];
        let taken = self.database.query(TAKE.bind(params)).await?;
        Ok(!taken.rows.is_empty())
    }

    /// Returns the best plan that a user pays for now.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn best(
        &self,
        user: &str,
        quotas: &Quotas,
        now: Millis,
    ) -> Result<Option<Entitlement>, PortError> {
        let statement = ENTITLED.bind([user.into(), ended_before(now).into()]);
        let rows = self.database.query(statement).await?.decode::<Entitlement>()?;
        Ok(rows.into_iter().max_by_key(|row| (quotas.of(row.plan).runs, row.plan)))
    }

    /// Deletes events that were received before `instant`, at most [`ROWS_AT_ONCE`].
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn clean(&self, instant: Millis) -> Result<(), PortError> {
        self.database.query(CLEAN.bind([instant.into(), ROWS_AT_ONCE.into()])).await.map(|_| ())
    }
}
