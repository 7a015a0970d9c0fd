//! The Cache API's stand-in.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::NativeClock;
use crate::domain::Millis;
use crate::ports::{Clock, HttpCache, Metered, PortResult};

/// The most answers that are kept. Anyone can ask for as many pages as they like; a page has up to 60 KB.
const MAX_ENTRIES: usize = 1_000;

/// Answers in memory, until their time is over.
#[derive(Debug)]
pub struct MemoryHttpCache<C = NativeClock> {
    clock: C,
    entries: Mutex<HashMap<String, (Millis, String)>>,
}

impl<C: Clock> MemoryHttpCache<C> {
    /// Makes an empty cache.
    pub fn new(clock: C) -> Self {
        Self { clock, entries: Mutex::default() }
    }
}

impl<C: Clock> HttpCache for MemoryHttpCache<C> {
    async fn get(&self, key: &str) -> PortResult<Option<String>> {
        let now = self.clock.now();
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = entries.get(key).filter(|(expires_at, _)| *expires_at > now);
        Ok(Metered::free(fresh.map(|(_, body)| body.clone())))
    }

    async fn put(&self, key: &str, body: &str, ttl: Duration) -> PortResult<()> {
        let now = self.clock.now();
        let ttl = Millis::try_from(ttl.as_millis()).unwrap_or(0);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX_ENTRIES {
            entries.retain(|_, (expires_at, _)| *expires_at > now);
        }
        // A full cache keeps what it has: those answers are asked for, this one may never be again.
        if entries.len() < MAX_ENTRIES || entries.contains_key(key) {
            entries.insert(key.to_owned(), (now.saturating_add(ttl), body.to_owned()));
        }
        Ok(Metered::free(()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    #[derive(Default)]
    struct At(AtomicI64);

    impl Clock for &At {
        fn now(&self) -> Millis {
            self.0.load(Ordering::Relaxed)
        }

        async fn sleep(&self, _: Duration) {}
    }

    #[tokio::test]
    async fn answers_last_until_their_time_is_over() {
        let clock = At::default();
        let cache = MemoryHttpCache::new(&clock);
        cache.put("/a", "[]", Duration::from_secs(1)).await.unwrap();
        clock.0.store(999, Ordering::Relaxed);
        assert_eq!(cache.get("/a").await.unwrap().value.as_deref(), Some("[]"));
        assert_eq!(cache.get("/b").await.unwrap().value, None);
        clock.0.store(1_000, Ordering::Relaxed);
        assert_eq!(cache.get("/a").await.unwrap().value, None);
    }

    #[tokio::test]
    async fn a_full_cache_takes_nothing_new_until_something_expires() {
        let clock = At::default();
        let cache = MemoryHttpCache::new(&clock);
        for n in 0..=MAX_ENTRIES {
            cache.put(&format!("/{n}"), "[]", Duration::from_secs(1)).await.unwrap();
        }
        let last = format!("/{MAX_ENTRIES}");
        assert_eq!(cache.get(&last).await.unwrap().value, None);
        let at_limit = format!("/{}", MAX_ENTRIES - 1);
        assert!(cache.get(&at_limit).await.unwrap().value.is_some());
        clock.0.store(1_000, Ordering::Relaxed);
        cache.put(&last, "[]", Duration::from_secs(1)).await.unwrap();
        assert!(cache.get(&last).await.unwrap().value.is_some());
    }
}
