//! The database, and the usage that is on its way there.

use std::{collections::BTreeMap, future::Future};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Cause, PortError, PortResult, Share, Tally};
use crate::domain::month::Month;

/// A statement with a name, for logs and for the test that looks at its query plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sql {
    /// Unique in the service.
    pub name: &'static str,
    /// One statement in SQLite's dialect, with `?1`-style parameters. It never names the current
    /// time: instants are bound.
    pub text: &'static str,
}

impl Sql {
    /// Binds parameters to this statement.
    pub fn bind(self, params: impl IntoIterator<Item = Param>) -> Statement {
        Statement { sql: self, params: params.into_iter().collect() }
    }
}

/// Most parameters of a statement (D1's limit).
pub const MAX_PARAMS: usize = 100;
/// Most arguments of a function in SQL (D1's limit).
pub const MAX_FUNCTION_ARGS: u8 = 32;
/// Longest string or BLOB in a row, in bytes (D1's limit).
pub const MAX_VALUE_BYTES: usize = 2_000_000;

/// A statement, ready to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The statement.
    pub sql: Sql,
    /// `?1`, `?2`, … At most [`MAX_PARAMS`].
    pub params: Vec<Param>,
}

/// A bound value.
#[derive(Clone, Debug, PartialEq)]
pub enum Param {
    /// `NULL`.
    Null,
    /// An integer that is at most [`super::MAX_INTEGER`] away from zero.
    Integer(i64),
    /// A text that is at most [`MAX_VALUE_BYTES`] long.
    Text(String),
}

impl From<i64> for Param {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<&str> for Param {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Param {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Param>> From<Option<T>> for Param {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The result of a statement.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// One object for each row.
    pub rows: Vec<Value>,
    /// Rows inserted, updated or deleted.
    pub changes: u64,
}

impl Rows {
    /// Decodes the rows as `T`.
    ///
    /// # Errors
    /// [`super::PortFailure::Unavailable`] when a row is not a `T`: the schema and the code
    /// disagree.
    pub fn decode<T: DeserializeOwned>(self) -> Result<Vec<T>, PortError> {
        self.rows
            .into_iter()
            .map(|row| {
                serde_json::from_value(row).map_err(|e| PortError::unavailable("database", e))
            })
            .collect()
    }
}

/// D1, or SQLite with D1's limits.
pub trait Database: Send + Sync {
    /// Runs one statement.
    ///
    /// # Errors
    /// [`super::PortFailure::Conflict`] when a constraint forbids it, `Unavailable` otherwise.
    fn query(&self, statement: Statement) -> impl Future<Output = PortResult<Rows>> + Send;
}

/// Usage that is not in the database yet. A row for each request would cost more than most
/// requests do, so shares are added up here, and moved together now and then.
pub trait Ledger: Send + Sync {
    /// Adds a share. Natively it is on disk when this returns, and a server that dies loses none.
    /// On Workers it is in the memory of the isolate: nothing there is durable and cheaper than a
    /// row, so an isolate that dies loses what it has not moved yet.
    ///
    /// # Errors
    /// [`super::PortFailure::Unavailable`].
    fn add(&self, share: Share) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Returns the usage of an account's month that is not in the database yet, by cause.
    ///
    /// # Errors
    /// [`super::PortFailure::Unavailable`].
    fn pending(
        &self,
        account: &str,
        month: Month,
    ) -> impl Future<Output = Result<BTreeMap<Cause, Tally>, PortError>> + Send;

    /// Moves everything to the database, by one statement for each account, month and cause. The
    /// rows count these statements; nobody else has to be charged.
    ///
    /// # Errors
    /// The first. What could not be moved is still here.
    fn flush(&self) -> impl Future<Output = Result<(), PortError>> + Send;
}
