//! Outbound requests.

use futures_util::{
    StreamExt,
    future::{Either, select},
};
use worker::{
    AbortController, Delay, Fetch, Headers, Method, Request, RequestInit, RequestRedirect,
    js_sys::Uint8Array, send::SendFuture,
};

use super::unavailable;
use crate::ports::{
    Http, Metered, OutboundRequest, OutboundResponse, PortError, PortFailure, PortResult, Usage,
    used,
};

/// `fetch`, without redirects.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fetcher;

impl Http for Fetcher {
    fn send(
        &self,
        request: OutboundRequest,
    ) -> impl Future<Output = PortResult<OutboundResponse>> + Send {
        SendFuture::new(send(request))
    }
}

async fn send(request: OutboundRequest) -> PortResult<OutboundResponse> {
    // Sent is billed, whatever comes back.
    let usage = Usage { outbound_requests: 1, ..Usage::default() };
    let abort = AbortController::default();
    let signal = abort.signal();
    let deadline = Delay::from(request.timeout);
    let exchange = std::pin::pin!(exchange(request, signal));
    let answer = match select(exchange, deadline).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => {
            abort.abort();
            Err(PortFailure::Timeout("http").into())
        }
    };
    used(answer.map(Metered::free), usage)
}

async fn exchange(
    request: OutboundRequest,
    signal: worker::AbortSignal,
) -> Result<OutboundResponse, PortError> {
    let limit = request.max_body_bytes;
    let request = to_js(request).map_err(unavailable("http"))?;
    let sent = Fetch::Request(request).send_with_signal(&signal).await;
    // What the owner of a step may read: no addresses, no URLs.
    let refused = |_| PortError::unavailable("http", "the connection was refused or broke");
    let broken = |_| PortError::unavailable("http", "no whole HTTP response came");
    let mut response = sent.map_err(refused)?;
    let status = response.status_code();
    let mut body = Vec::new();
    // A response without a body has no stream.
    if let Ok(mut chunks) = response.stream() {
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk.map_err(broken)?);
            if body.len() > limit {
                let message = format!("the response has more than {limit} bytes");
                return Err(PortError::unavailable("http", message));
            }
        }
    }
    Ok(OutboundResponse { status, body })
}

fn to_js(request: OutboundRequest) -> worker::Result<Request> {
    let headers = Headers::new();
    for (name, value) in &request.headers {
        headers.set(name, value)?;
    }
    let mut init = RequestInit::new();
    init.with_method(Method::from(request.method))
        .with_headers(headers)
        .with_redirect(RequestRedirect::Manual)
        .with_body(request.body.map(|body| Uint8Array::from(body.as_slice()).into()));
    Request::new_with_init(&request.url, &init)
}
