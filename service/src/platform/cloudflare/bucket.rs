//! R2.

use worker::{Env, send::SendFuture};

use super::unavailable;
use crate::ports::{Metered, ObjectStore, PortError, PortResult, Usage, used};

/// The binding `BACKUPS`.
#[derive(Clone, Debug)]
pub struct Bucket(Env);

impl Bucket {
    pub(super) fn new(env: Env) -> Self {
        Self(env)
    }

    fn bucket(&self) -> Result<worker::Bucket, PortError> {
        self.0.bucket("BACKUPS").map_err(unavailable("objects"))
    }

    async fn read(&self, key: &str) -> Result<Option<Vec<u8>>, PortError> {
        let found = self.bucket()?.get(key).execute().await.map_err(unavailable("objects"))?;
        match found.as_ref().and_then(worker::Object::body) {
            Some(body) => body.bytes().await.map(Some).map_err(unavailable("objects")),
            None => Ok(None),
        }
    }

    async fn write(&self, key: &str, body: Vec<u8>) -> Result<(), PortError> {
        let written = self.bucket()?.put(key, body).execute().await;
        written.map(|_| ()).map_err(unavailable("objects"))
    }

    async fn list(&self, folder: &str) -> Result<worker::Objects, PortError> {
        // A listing has a thousand keys unless told otherwise.
        let list = self.bucket()?.list().prefix(folder).delimiter("/").execute().await;
        list.map_err(unavailable("objects"))
    }

    async fn remove(&self, keys: Vec<String>) -> Result<(), PortError> {
        if keys.is_empty() {
            return Ok(());
        }
        self.bucket()?.delete_multiple(keys).await.map_err(unavailable("objects"))
    }
}

fn class_a() -> Usage {
    Usage { object_writes: 1, ..Usage::default() }
}

impl ObjectStore for Bucket {
    fn get(&self, key: &str) -> impl Future<Output = PortResult<Option<Vec<u8>>>> + Send {
        let read = SendFuture::new(self.read(key));
        let usage = Usage { object_reads: 1, ..Usage::default() };
        async move { used(read.await.map(Metered::free), usage) }
    }

    fn put(&self, key: &str, body: Vec<u8>) -> impl Future<Output = PortResult<()>> + Send {
        let written = SendFuture::new(self.write(key, body));
        async move { used(written.await.map(Metered::free), class_a()) }
    }

    fn folders(&self, folder: &str) -> impl Future<Output = PortResult<Vec<String>>> + Send {
        let list = SendFuture::new(async {
            self.list(folder).await.map(|list| list.delimited_prefixes())
        });
        async move { used(list.await.map(Metered::free), class_a()) }
    }

    fn objects(&self, folder: &str) -> impl Future<Output = PortResult<Vec<String>>> + Send {
        let list = SendFuture::new(async {
            let objects = self.list(folder).await?.objects();
            Ok(objects.iter().map(worker::Object::key).collect())
        });
        async move { used(list.await.map(Metered::free), class_a()) }
    }

    fn delete(&self, keys: Vec<String>) -> impl Future<Output = PortResult<()>> + Send {
        let removed = SendFuture::new(self.remove(keys));
        async move { removed.await.map(Metered::free) }
    }
}
