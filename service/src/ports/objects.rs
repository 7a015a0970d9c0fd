//! The bucket.

use std::future::Future;

use super::PortResult;

/// Longest key of an object, in bytes (R2's limit).
pub const MAX_OBJECT_KEY_BYTES: usize = 1024;
/// Most keys of one listing or deletion (R2's limit).
pub const MAX_OBJECT_KEYS: usize = 1000;

/// A bucket of objects: strongly consistent, kept until deleted. Slashes in keys make folders.
pub trait ObjectStore: Send + Sync {
    /// Returns the object under a key, if there is one.
    ///
    /// # Errors
    /// [`super::PortFailure::Unavailable`].
    fn get(&self, key: &str) -> impl Future<Output = PortResult<Option<Vec<u8>>>> + Send;

    /// Keeps an object, in place of what was there. Keys have at most [`MAX_OBJECT_KEY_BYTES`].
    ///
    /// # Errors
    /// [`super::PortFailure::Unavailable`].
    fn put(&self, key: &str, body: Vec<u8>) -> impl Future<Output = PortResult<()>> + Send;

    /// Returns the folders right below a folder, each with its closing slash, at most
    /// [`MAX_OBJECT_KEYS`].
    ///
    /// # Errors
    /// [`super::PortFailure::Unavailable`].
    fn folders(&self, folder: &str) -> impl Future<Output = PortResult<Vec<String>>> + Send;

    /// Returns the keys of the objects right below a folder, in order, at most [`MAX_OBJECT_KEYS`].
    ///
    /// # Errors
    /// [`super::PortFailure::Unavailable`].
    fn objects(&self, folder: &str) -> impl Future<Output = PortResult<Vec<String>>> + Send;

    /// Deletes objects, at most [`MAX_OBJECT_KEYS`], whether or not they are there.
    ///
    /// # Errors
    /// [`super::PortFailure::Unavailable`].
    fn delete(&self, keys: Vec<String>) -> impl Future<Output = PortResult<()>> + Send;
}
