//! KV.

use std::time::Duration;

use worker::{Env, send::SendFuture};

use super::unavailable;
use crate::ports::{KeyValue, Metered, PortError, PortResult, Usage, used};

/// A KV namespace.
#[derive(Clone, Debug)]
pub struct Kv {
    env: Env,
    binding: &'static str,
}

impl Kv {
    pub(super) fn new(env: Env, binding: &'static str) -> Self {
        Self { env, binding }
    }

    async fn read(&self, key: &str) -> PortResult<Option<String>> {
        let namespace = self.env.kv(self.binding).map_err(unavailable("kv"))?;
        let value = namespace.get(key).text().await;
        let value = value.map_err(|error| PortError::unavailable("kv", error))?;
        Ok(Metered { value, usage: Usage { kv_reads: 1, ..Usage::default() } })
    }

    async fn write(&self, key: &str, value: &str, ttl: Duration) -> Result<(), PortError> {
        let failed = |error| PortError::unavailable("kv", error);
        let namespace = self.env.kv(self.binding).map_err(unavailable("kv"))?;
        let put = namespace.put(key, value).map_err(failed)?;
        put.expiration_ttl(ttl.as_secs()).execute().await.map_err(failed)
    }

    async fn remove(&self, key: &str) -> Result<(), PortError> {
        let namespace = self.env.kv(self.binding).map_err(unavailable("kv"))?;
        namespace.delete(key).await.map_err(|error| PortError::unavailable("kv", error))
    }
}

impl KeyValue for Kv {
    fn get(&self, key: &str) -> impl Future<Output = PortResult<Option<String>>> + Send {
        SendFuture::new(self.read(key))
    }

    fn put(
        &self,
        key: &str,
        value: &str,
        ttl: Duration,
    ) -> impl Future<Output = PortResult<()>> + Send {
        let usage = Usage { kv_writes: 1, ..Usage::default() };
        let written = SendFuture::new(self.write(key, value, ttl));
        async move { used(written.await.map(Metered::free), usage) }
    }

    fn delete(&self, key: &str) -> impl Future<Output = PortResult<()>> + Send {
        let usage = Usage { kv_deletes: 1, ..Usage::default() };
        let removed = SendFuture::new(self.remove(key));
        async move { used(removed.await.map(Metered::free), usage) }
    }
}
