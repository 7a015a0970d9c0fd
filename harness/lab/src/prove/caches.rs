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

impl<T: KeyValue> KeyValue for Around<T> {
    async fn get(&self, key: &str) -> PortResult<Option<String>> {
        let found = self.inner.get(&alias(self, key)).await?;
        for change in self.changes() {
            if let (Change::KeyValue(Cache::Slides(ttl)), Some(value)) = (change, &found.value) {
                self.inner.put(key, value, *ttl).await?;
            }
        }
        Ok(found)
    }

    async fn put(&self, key: &str, value: &str, ttl: Duration) -> PortResult<()> {
        let mut ttl = ttl;
        for change in self.changes() {
            match change {
                Change::KeyValue(Cache::Loses) => return Ok(Metered::free(())),
                Change::KeyValue(Cache::Ttl(wrong)) => ttl = wrong(ttl),
                _ => {}
            }
        }
        self.inner.put(&alias(self, key), value, ttl).await
    }

    async fn delete(&self, key: &str) -> PortResult<()> {
        self.inner.delete(key).await
    }
}

impl HttpCache for Around<Native> {
    async fn get(&self, key: &str) -> PortResult<Option<String>> {
        let found = self.inner.http_cache().get(&self.http_key(key)).await?;
        for change in self.changes() {
            if let (Change::HttpCache(Cache::Slides(ttl)), Some(value)) = (change, &found.value) {
                self.inner.http_cache().put(key, value, *ttl).await?;
            }
        }
        Ok(found)
    }

    async fn put(&self, key: &str, body: &str, ttl: Duration) -> PortResult<()> {
        let mut ttl = ttl;
        for change in self.changes() {
            match change {
                Change::HttpCache(Cache::Loses) => return Ok(Metered::free(())),
                Change::HttpCache(Cache::Ttl(wrong)) => ttl = wrong(ttl),
                _ => {}
            }
        }
        self.inner.http_cache().put(&self.http_key(key), body, ttl).await
    }
}

impl Around<Native> {
    fn http_key(&self, key: &str) -> String {
        let wrong = self.changes().find_map(|change| match change {
            Change::HttpCache(Cache::Key(wrong)) => Some(wrong(self.seeded.memory(), &head())),
            _ => None,
        });
        wrong.unwrap_or_else(|| key.to_owned())
    }
}
