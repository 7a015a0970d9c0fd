//! Requests and responses, from the runtime's types to axum's and back.
//!
//! Calls into JavaScript are what costs, so headers cross in one piece; and bodies are bytes
//! wherever their length is known: a stream costs several turns of the event loop.

use std::rc::Rc;

use axum::{
    body::{Body, HttpBody},
    http::{self, HeaderMap, HeaderName, HeaderValue, header},
    response::IntoResponse,
};
use futures_util::stream;
use http_body_util::BodyExt;
use serde_json::json;
use worker::{
    Context, Error, Result, js_sys,
    send::SendFuture,
    wasm_bindgen::JsCast,
    wasm_bindgen_futures::JsFuture,
    web_sys::{Request, Response, ResponseInit},
};

use super::invocation::streamed;
use crate::guard::{ClientAddress, MAX_BODY_BYTES};

/// Returns a request as the router takes it.
pub(super) fn request(request: Request) -> Result<http::Request<Body>> {
    let headers = headers(&request)?;
    let address = client_address(&headers);
    let known = length(&headers).filter(|length| *length <= MAX_BODY_BYTES);
    let mut request = if known.is_some() || request.body().is_none() {
        let builder = http::Request::builder().method(&*request.method()).uri(request.url());
        let mut whole = builder.body(body(request, known))?;
        *whole.headers_mut() = headers;
        whole
    } else {
        worker::request_from_wasm(request)?.map(Body::new)
    };
    if let Some(address) = address {
        request.extensions_mut().insert(address);
    }
    Ok(request)
}

/// `[["name", "value"], …]` joined by newlines is `name,value` on each line: names have no comma,
/// and values no newline.
fn headers(request: &Request) -> Result<HeaderMap> {
    let pairs = js_sys::Array::from(&request.headers());
    let lines = String::from(pairs.join("\n"));
    let mut headers = HeaderMap::new();
    for (name, value) in lines.lines().filter_map(|line| line.split_once(',')) {
        headers.append(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
    }
    Ok(headers)
}

/// Returns the length that the body announces. The runtime keeps it to that.
fn length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Returns a body that is read, at once, when somebody asks for it.
fn body(request: Request, length: Option<usize>) -> Body {
    if length.unwrap_or(0) == 0 {
        return Body::empty();
    }
    let bytes = async move {
        let buffer = JsFuture::from(request.array_buffer()?).await?;
        Ok::<_, Error>(js_sys::Uint8Array::new(&buffer).to_vec())
    };
    Body::from_stream(stream::once(SendFuture::new(bytes)))
}

/// Reads the client's address from the header that Cloudflare overwrites; nothing else about the
/// address can be trusted.
fn client_address(headers: &HeaderMap) -> Option<ClientAddress> {
    let address = headers.get("cf-connecting-ip")?.to_str().ok()?;
    address.parse().ok().map(ClientAddress)
}

/// Returns a response as the runtime takes it.
pub(super) async fn response(
    context: Rc<Context>,
    response: impl IntoResponse,
) -> Result<Response> {
    let (parts, body) = response.into_response().into_parts();
    let Some(length) = body.size_hint().exact() else {
        let body = streamed(context, body);
        return worker::response_to_wasm(http::Response::from_parts(parts, body));
    };
    let init = init(&parts)?;
    if length == 0 {
        return Ok(Response::new_with_opt_str_and_init(None, &init)?);
    }
    // It is all there: nobody waits.
    let body = body.collect().await.map_err(|error| Error::RustError(error.to_string()))?;
    let bytes = js_sys::Uint8Array::from(&body.to_bytes()[..]);
    Ok(Response::new_with_opt_buffer_source_and_init(Some(&bytes), &init)?)
}

/// Status and headers, parsed on the other side.
fn init(parts: &http::response::Parts) -> Result<ResponseInit> {
    let pairs = parts.headers.iter();
    // Ours are ASCII.
    let headers: Vec<_> =
        pairs.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
    let init = json!({"status": parts.status.as_u16(), "headers": headers});
    Ok(js_sys::JSON::parse(&init.to_string())?.unchecked_into())
}
