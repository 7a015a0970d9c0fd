//! Holds the values that a defect remembers while its server runs.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

/// Values by name. A defective server lives for minutes at most: nothing is ever dropped.
#[derive(Debug, Default)]
pub struct Memory(Mutex<HashMap<String, Value>>);

impl Memory {
    fn values(&self) -> MutexGuard<'_, HashMap<String, Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the value that is kept under a name.
    pub fn get(&self, name: &str) -> Option<Value> {
        self.values().get(name).cloned()
    }

    /// Keeps a value; returns what was there.
    pub fn put(&self, name: &str, value: impl Into<Value>) -> Option<Value> {
        self.values().insert(name.to_owned(), value.into())
    }

    /// Returns whether a value is kept under a name.
    pub fn has(&self, name: &str) -> bool {
        self.values().contains_key(name)
    }

    /// Returns 1 the first time, then 2, 3, …
    pub fn count(&self, name: &str) -> u64 {
        let mut values = self.values();
        let next = values.get(name).and_then(Value::as_u64).unwrap_or(0) + 1;
        values.insert(name.to_owned(), next.into());
        next
    }
}
