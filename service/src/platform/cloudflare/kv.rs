//! KV.

use worker::{Env, send::SendFuture};

use super::unavailable;
use crate::ports::{KeyValue, Metered, PortError, PortResult, Usage};

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
}

impl KeyValue for Kv {
    fn get(&self, key: &str) -> impl Future<Output = PortResult<Option<String>>> + Send {
        SendFuture::new(self.read(key))
    }
}
