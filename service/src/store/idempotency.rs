//! Reads and writes the table `idempotency_keys`.

use serde::Deserialize;

use crate::domain::{Millis, retention::ROWS_AT_ONCE};
use crate::ports::{Database, MeteredDatabase, Param, PortError, Sql};

/// Claims a key. This one write decides who carries a request out: the caller that inserts the row,
/// or finds it expired. A claim that expired without an outcome leaves its resource to the next one
/// for the same payload, which may have been created already.
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

/// Stores an outcome. It names the claim, because another one may have taken the key over since.
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
    text: "DELETE FROM idempotency_keys WHERE scope IN (SELECT scope FROM idempotency_keys \
           WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
};

/// Accesses the idempotency keys in the database.
pub struct IdempotencyKeys<'a, D> {
    database: MeteredDatabase<'a, D>,
}

/// A request that claims its idempotency key.
#[derive(Clone, Debug)]
pub struct Claim {
    /// A hash of the caller, the route and the key.
    pub scope: String,
    /// A hash of the payload.
    pub fingerprint: String,
    /// An identifier that is unique to this attempt to carry the request out.
    pub id: String,
}

/// The result of a claim.
#[derive(Debug)]
pub enum Claimed {
    /// The caller is to carry the request out, and to create the resource with this identifier.
    Ours(String),
    /// Another attempt at the same request is under way.
    Running,
    /// The key was used for another request.
    Other,
    /// The request was carried out before, with this outcome.
    Done(Outcome),
}

/// The response to a request that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The status code.
    pub status: u16,
    /// The header `Content-Type`.
    pub content_type: Option<String>,
    /// The header `Location`.
    pub location: Option<String>,
    /// The body.
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
    /// Accesses the keys in `database`.
    pub fn new(database: MeteredDatabase<'a, D>) -> Self {
        Self { database }
    }

    /// Claims a key until `expires_at`, unless another request holds it.
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
        // If the row was deleted between the two statements, the client is told to try again.
        let row = rows.into_iter().next();
        Ok(row.map_or(Claimed::Running, |row| row.into_claimed(&claim.fingerprint)))
    }

    /// Stores the outcome until `expires_at`.
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

    /// Deletes keys that expired before `instant`, at most [`ROWS_AT_ONCE`].
    ///
    /// # Errors
    /// [`PortError`].
    pub async fn clean(&self, instant: Millis) -> Result<(), PortError> {
        self.database.query(CLEAN.bind([instant.into(), ROWS_AT_ONCE.into()])).await.map(|_| ())
    }
}
