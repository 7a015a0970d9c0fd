//! The control of an upstream stub: a server that stands in for what the target calls, notes each
//! call, and fails when it is told to. Scenarios ask it under these paths; the caller that starts
//! one implements [`Stub`].

use std::fmt;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::Value;

/// The path at which scenarios ask a stub for calls.
pub const CALLS_PATH: &str = "/_workway/calls";
/// The path at which scenarios set the faults of a stub.
pub const FAULTS_PATH: &str = "/_workway/faults";

/// A stub that can be asked by the harness itself.
pub trait Stub: fmt::Debug + Send + Sync {
    /// Returns how many calls have arrived.
    ///
    /// # Errors
    /// When it does not answer, or not as a stub.
    fn arrivals(&self) -> BoxFuture<'_, Result<Arrivals, StubError>>;

    /// Removes all faults.
    ///
    /// # Errors
    /// When it does not answer; the faults may remain.
    fn clear_faults(&self) -> BoxFuture<'_, Result<(), StubError>>;
}

/// A stub did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StubError(pub String);

/// The number of calls that arrived, whatever their results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrivals {
    /// All of them, repetitions and refused ones too.
    pub all: u64,
    /// The calls that may have no owner; the stub recognizes them by their paths.
    pub unowned: u64,
    /// The calls that a fault refused.
    #[serde(default)]
    pub refused: u64,
    /// The number of calls that were answered, refusals included; absent in an older stub.
    #[serde(default)]
    pub answered: u64,
    /// The total time until they were answered, in microseconds.
    #[serde(default)]
    pub busy_us: u64,
}

impl Arrivals {
    /// Returns the arrivals after `before`.
    #[must_use]
    pub const fn since(self, before: Self) -> Self {
        Self {
            all: self.all.saturating_sub(before.all),
            unowned: self.unowned.saturating_sub(before.unowned),
            refused: self.refused.saturating_sub(before.refused),
            answered: self.answered.saturating_sub(before.answered),
            busy_us: self.busy_us.saturating_sub(before.busy_us),
        }
    }

    /// These and others.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            all: self.all + other.all,
            unowned: self.unowned + other.unowned,
            refused: self.refused + other.refused,
            answered: self.answered + other.answered,
            busy_us: self.busy_us.saturating_add(other.busy_us),
        }
    }

    /// Returns whether so many calls of known callers fit.
    pub const fn fits(self, owned: u64) -> bool {
        owned <= self.all && owned >= self.all.saturating_sub(self.unowned)
    }
}

/// Some of the calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Calls {
    /// Calls taken, without those that repeat an idempotency key.
    pub effects: u64,
    /// Calls taken.
    pub deliveries: u64,
    /// Calls that a fault refused.
    pub refused: u64,
    /// The first effects, in order of arrival.
    pub calls: Vec<Call>,
}

/// An effect as scenarios see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The number of the effect, from 1, among all effects.
    pub number: u64,
    /// The `Idempotency-Key` that it came with.
    pub key: Option<String>,
    /// HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Its body as JSON; one that is not JSON, as text.
    pub body: Value,
    /// The number of times that it arrived.
    pub deliveries: u64,
    /// Number of its first delivery among all calls, from 1.
    #[serde(default)]
    pub first: u64,
    /// Number of its last.
    #[serde(default)]
    pub last: u64,
    /// The time of the first arrival, in milliseconds since 1970.
    #[serde(default)]
    pub at: i64,
    /// The time of the last arrival, likewise.
    #[serde(default)]
    pub last_at: i64,
}
