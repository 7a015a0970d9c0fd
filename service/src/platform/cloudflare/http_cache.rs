//! The Cache API.

use std::time::Duration;

use worker::{
    Cache, Headers, Response, js_sys, send::SendFuture, wasm_bindgen::JsCast,
    wasm_bindgen_futures::JsFuture, web_sys,
};

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

/// Reads a body without worker's `Cache::get`, whose answer takes a stream and a second response to
/// read.
async fn read(url: String) -> PortResult<Option<String>> {
    let text = async {
        let caches = js_sys::Reflect::get(&js_sys::global(), &"caches".into())?;
        let cache = js_sys::Reflect::get(&caches, &"default".into())?;
        let cache: web_sys::Cache = cache.unchecked_into();
        match JsFuture::from(cache.match_with_str(&url)).await?.dyn_into::<web_sys::Response>() {
            Ok(found) => Ok(JsFuture::from(found.text()?).await?.as_string()),
            Err(_) => Ok::<_, worker::Error>(None),
        }
    };
    text.await.map(Metered::free).map_err(unavailable("http cache"))
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
