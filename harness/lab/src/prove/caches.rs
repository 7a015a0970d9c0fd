//! Defects around caches.

use std::time::Duration;

use workway_service::{
    platform::native::Native,
    ports::{HttpCache, KeyValue, Metered, Platform, PortResult},
};

use super::{
    change::{Cache, Change},
    ports::Around,
    seeded::head,
};

/// Returns the key to which the name of an entry leads. It is learnt from the first caller that
/// asks, and holds for writes that belong to no request.
fn alias<T>(around: &Around<T>, key: &str) -> String {
    let memory = around.seeded.memory();
    let name = format!("alias {key}");
    if let Some(known) = memory.get(&name).and_then(|known| known.as_str().map(str::to_owned)) {
        return known;
    }
    let wrong = around.changes().find_map(|change| match change {
        Change::KeyValue(Cache::Key(wrong)) => Some(wrong),
        _ => None,
    });
    let head = head();
    let Some(wrong) = wrong.filter(|_| head.uri.path().starts_with("/ai/")) else {
        return key.to_owned();
    };
    let alias = format!("{:x}", md(&wrong(memory, &head)));
    memory.put(&name, alias.clone());
    alias
}

/// Returns a digest that is short enough for a key, whatever the text.
fn md(text: &str) -> u128 {
    let digest = <sha2::Sha256 as sha2::Digest>::digest(text);
    digest.iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}

/// Picks what is wrong with one of the caches.
type Pick = fn(&'static Change) -> Option<&'static Cache>;

const KEY_VALUE: Pick = |change| match change {
    Change::KeyValue(wrong) => Some(wrong),
    _ => None,
};

const HTTP_CACHE: Pick = |change| match change {
    Change::HttpCache(wrong) => Some(wrong),
    _ => None,
};

impl<T> Around<T> {
    /// Returns the time for which an entry that was found is kept anew.
    fn slides(&self, pick: Pick) -> Option<Duration> {
        self.changes().filter_map(pick).find_map(|wrong| match wrong {
            Cache::Slides(ttl) => Some(*ttl),
            _ => None,
        })
    }

    /// Returns the time for which an entry is kept, or `None` if it is lost.
    fn ttl(&self, pick: Pick, right: Duration) -> Option<Duration> {
        self.changes().filter_map(pick).try_fold(right, |ttl, wrong| match wrong {
            Cache::Loses => None,
            Cache::Ttl(wrong) => Some(wrong(ttl)),
            _ => Some(ttl),
        })
    }
}

impl<T: KeyValue> KeyValue for Around<T> {
    async fn get(&self, key: &str) -> PortResult<Option<String>> {
        let found = self.inner.get(&alias(self, key)).await?;
        if let (Some(ttl), Some(value)) = (self.slides(KEY_VALUE), &found.value) {
            self.inner.put(key, value, ttl).await?;
        }
        Ok(found)
    }

    async fn put(&self, key: &str, value: &str, ttl: Duration) -> PortResult<()> {
        match self.ttl(KEY_VALUE, ttl) {
            Some(ttl) => self.inner.put(&alias(self, key), value, ttl).await,
            None => Ok(Metered::free(())),
        }
    }

    async fn delete(&self, key: &str) -> PortResult<()> {
        self.inner.delete(key).await
    }
}

impl HttpCache for Around<Native> {
    async fn get(&self, key: &str) -> PortResult<Option<String>> {
        let found = self.inner.http_cache().get(&self.http_key(key)).await?;
        if let (Some(ttl), Some(value)) = (self.slides(HTTP_CACHE), &found.value) {
            self.inner.http_cache().put(key, value, ttl).await?;
        }
        Ok(found)
    }

    async fn put(&self, key: &str, body: &str, ttl: Duration) -> PortResult<()> {
        match self.ttl(HTTP_CACHE, ttl) {
            Some(ttl) => self.inner.http_cache().put(&self.http_key(key), body, ttl).await,
            None => Ok(Metered::free(())),
        }
    }
}

impl Around<Native> {
    fn http_key(&self, key: &str) -> String {
        let wrong = self.changes().filter_map(HTTP_CACHE).find_map(|wrong| match wrong {
            Cache::Key(wrong) => Some(wrong(self.seeded.memory(), &head())),
            _ => None,
        });
        wrong.unwrap_or_else(|| key.to_owned())
    }
}
