//! Caches: key-value pairs, and public answers. Everything in them may be forgotten.

use std::{future::Future, time::Duration};

use super::PortResult;

/// Shortest life of an entry in KV (the platform's limit).
pub const MIN_KV_TTL: Duration = Duration::from_mins(1);
/// Longest key in KV, in bytes (the platform's limit).
pub const MAX_KV_KEY_BYTES: usize = 512;

/// A KV namespace: eventually consistent, up to a minute stale.
pub trait KeyValue: Send + Sync {
    /// Returns the value of a key, if there is one.
    ///
    /// # Errors
    /// [`super::PortFailure::Unavailable`].
    fn get(&self, key: &str) -> impl Future<Output = PortResult<Option<String>>> + Send;

    /// Keeps a value for `ttl`, at least [`MIN_KV_TTL`]. Keys have at most [`MAX_KV_KEY_BYTES`].
    ///
    /// # Errors
    /// [`super::PortFailure::Unavailable`].
    fn put(
        &self,
        key: &str,
        value: &str,
        ttl: Duration,
    ) -> impl Future<Output = PortResult<()>> + Send;

    /// Forgets a key, whether or not it is there.
    ///
    /// # Errors
    /// [`super::PortFailure::Unavailable`].
    fn delete(&self, key: &str) -> impl Future<Output = PortResult<()>> + Send;
}

/// Bodies of public answers, kept close to the clients that ask for them. What it holds may vanish
/// at any time, and differs between places. It costs nothing.
pub trait HttpCache: Send + Sync {
    /// Returns the body under a key: an absolute path with its query.
    ///
    /// # Errors
    /// [`super::PortFailure::Unavailable`].
    fn get(&self, key: &str) -> impl Future<Output = PortResult<Option<String>>> + Send;

    /// Keeps a body of JSON for `ttl`.
    ///
    /// # Errors
    /// [`super::PortFailure::Unavailable`].
    fn put(
        &self,
        key: &str,
        body: &str,
        ttl: Duration,
    ) -> impl Future<Output = PortResult<()>> + Send;
}
