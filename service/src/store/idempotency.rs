//! The table `idempotency_keys`.

use serde::Deserialize;

use crate::domain::Millis;
use crate::ports::{Database, MeteredDatabase, Param, PortError, Sql};

/// One write decides who carries a request out: the one that inserts the row, or finds it expired.
/// A claim without an outcome leaves its resource to the next one for the same payload.
pub(super) const CLAIM: Sql = Sql {
    name: "claim_idempotency_key",
    text: "INSERT INTO idempotency_keys (scope, fingerprint, claim, resource, expires_at) \
           VALUES (?1, ?2, ?3, ?3, ?4) ON CONFLICT (scope) DO UPDATE SET \
           resource = CASE WHEN status IS NULL AND fingerprint = excluded.fingerprint \
           THEN resource ELSE excluded.resource END, \
           fingerprint = excluded.fingerprint, claim = excluded.claim, \
           expires_at = excluded.expires_at, \
           status = NULL, content_type = NULL, location = NULL, body = NULL \
           WHERE expires_at <= ?5 RETURNING resource",
};

pub(super) const GET: Sql = Sql {
    name: "get_idempotency_key",
    text: "SELECT fingerprint, status, content_type, location, body FROM idempotency_keys \
           WHERE scope = ?1",
};

/// Only by the claim that carried the request out: another may have taken over since.
pub(super) const COMPLETE: Sql = Sql {
    name: "complete_idempotency_key",
    text: "UPDATE idempotency_keys \
           SET status = ?3, content_type = ?4, location = ?5, body = ?6, expires_at = ?7 \
           WHERE scope = ?1 AND claim = ?2",
};

pub(super) const EXPIRE: Sql = Sql {
    name: "expire_idempotency_key",
    text: "UPDATE idempotency_keys SET expires_at = ?3 WHERE scope = ?1 AND claim = ?2",
};

pub(super) const CLEAN: Sql = Sql {
    name: "clean_idempotency_keys",
    text: "DELETE FROM idempotency_keys WHERE expires_at <= ?1",
};

/// Idempotency keys in the database.
pub struct IdempotencyKeys<'a, D> {
    database: MeteredDatabase<'a, D>,
}

/// Which request.
#[derive(Clone, Debug)]
pub struct Claim {
    /// A hash of the caller, the route and the key.
    pub scope: String,
    /// A hash of the payload.
    pub fingerprint: String,
    /// Unique to this attempt to carry it out.
    pub id: String,
}

/// What became of a claim.
#[derive(Debug)]
pub enum Claimed {
    /// Carry the request out, and make what has this identifier.
    Ours(String),
    /// Somebody is at it.
    Running,
    /// It was another request that came with this key.
    Other,
    /// It was carried out: so.
    Done(Outcome),
}

/// The answer that a request got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its status.
    pub status: u16,
    /// Its `Content-Type`.
    pub content_type: Option<String>,
    /// Its `Location`.
    pub location: Option<String>,
    /// Its body.
    pub body: String,
}

#[derive(Deserialize)]
struct Taken {
    resource: String,
}

#[derive(Deserialize)]
struct Row {
    fingerprint: String,
    status: Option<u16>,
    content_type: Option<String>,
    location: Option<String>,
    body: Option<String>,
}

impl Row {
    fn into_claimed(self, fingerprint: &str) -> Claimed {
        let Self { status, content_type, location, body, .. } = self;
        match status {
            _ if self.fingerprint != fingerprint => Claimed::Other,
            None => Claimed::Running,
            Some(status) => {
                let body = body.unwrap_or_default();
                Claimed::Done(Outcome { status, content_type, location, body })
            }
        }
    }
}

impl<'a, D: Database> IdempotencyKeys<'a, D> {
    /// Keys in `database`.
    pub fn new(database: MeteredDatabase<'a, D>) -> Self {
        Self { database }
    }

    /// Claims a request until `expires_at`, unless somebody has.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn claim(
        &self,
        claim: &Claim,
        now: Millis,
        expires_at: Millis,
    ) -> Result<Claimed, PortError> {
        let params: [Param; 5] = [
            claim.scope.as_str().into(),
            claim.fingerprint.as_str().into(),
            claim.id.as_str().into(),
            expires_at.into(),
            now.into(),
        ];
        let taken = self.database.query(CLAIM.bind(params)).await?.decode::<Taken>()?;
        if let Some(taken) = taken.into_iter().next() {
            return Ok(Claimed::Ours(taken.resource));
        }
        let get = GET.bind([claim.scope.as_str().into()]);
        let rows = self.database.query(get).await?.decode::<Row>()?;
        // Cleaned away in between: the client may ask again.
        let row = rows.into_iter().next();
        Ok(row.map_or(Claimed::Running, |row| row.into_claimed(&claim.fingerprint)))
    }

    /// Keeps the outcome until `expires_at`.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn complete(
        &self,
        claim: &Claim,
        outcome: &Outcome,
        expires_at: Millis,
    ) -> Result<(), PortError> {
        let params: [Param; 7] = [
            claim.scope.as_str().into(),
            claim.id.as_str().into(),
            i64::from(outcome.status).into(),
            outcome.content_type.clone().into(),
            outcome.location.clone().into(),
            outcome.body.as_str().into(),
            expires_at.into(),
        ];
        self.database.query(COMPLETE.bind(params)).await.map(|_| ())
    }

    /// Lets the next request with this key try again.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn expire(&self, claim: &Claim, now: Millis) -> Result<(), PortError> {
        let params = [claim.scope.as_str().into(), claim.id.as_str().into(), now.into()];
        self.database.query(EXPIRE.bind(params)).await.map(|_| ())
    }

    /// Deletes what expired before `instant`.
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn clean(&self, instant: Millis) -> Result<(), PortError> {
        self.database.query(CLEAN.bind([instant.into()])).await.map(|_| ())
    }
}
