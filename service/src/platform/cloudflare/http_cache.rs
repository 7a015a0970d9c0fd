//! The Cache API.

use std::time::Duration;

use worker::{Cache, Headers, Response, send::SendFuture};

use super::unavailable;
use crate::ports::{HttpCache, Metered, PortResult};

/// The cache of the data centre that the request came to. On `workers.dev` it keeps nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct EdgeCache;

impl HttpCache for EdgeCache {
    fn get(&self, key: &str) -> impl Future<Output = PortResult<Option<String>>> + Send {
        SendFuture::new(read(url(key)))
    }

    fn put(
        &self,
        key: &str,
        body: &str,
        ttl: Duration,
    ) -> impl Future<Output = PortResult<()>> + Send {
        SendFuture::new(write(url(key), body.to_owned(), ttl))
    }
}

/// Keys are URLs there; the host of ours means nothing, and `.invalid` never resolves.
fn url(key: &str) -> String {
    format!("https://cache.invalid{key}")
}

async fn read(url: String) -> PortResult<Option<String>> {
    let found = Cache::default().get(url, false).await.map_err(unavailable("http cache"))?;
    let Some(mut response) = found else { return Ok(Metered::free(None)) };
    let body = response.text().await.map_err(unavailable("http cache"))?;
    Ok(Metered::free(Some(body)))
}

async fn write(url: String, body: String, ttl: Duration) -> PortResult<()> {
    let stored = async {
        let headers = Headers::new();
        headers.set("cache-control", &format!("s-maxage={}", ttl.as_secs()))?;
        headers.set("content-type", "application/json")?;
        Cache::default().put(url, Response::ok(body)?.with_headers(headers)).await
    };
    stored.await.map(Metered::free).map_err(unavailable("http cache"))
}
