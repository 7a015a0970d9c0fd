//! Outbound requests, to public addresses only.
//!
//! The allow-list of origins says which *names* may be called; what a name resolves to is up to
//! whoever owns it. So the addresses are judged here, at each connection: by the resolver for a
//! name, from the URL for an address. Excepted are origins on the list that are themselves
//! addresses or `localhost`: whoever wrote them there meant them.

use std::{error::Error, net::SocketAddr, sync::Arc, time::Duration};

use reqwest::{
    Client, Method, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};
use url::Host;

use super::{address::is_public, counted};
use crate::domain::outbound::AllowList;
use crate::ports::{
    Http, Meter, Metered, OutboundRequest, OutboundResponse, PortError, PortFailure, PortResult,
    Usage, used,
};

/// A connection that is not there after this long will not come.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// reqwest, without proxies and redirects.
#[derive(Clone, Debug)]
pub struct ReqwestHttp {
    allowed: AllowList,
    /// The client for origins that the list names by their address.
    trusting: Client,
    /// The client for all others.
    guarded: Client,
    total: Meter,
}

impl ReqwestHttp {
    /// Makes a client with its own connections. Origins in `allowed` that are addresses or `localhost`
    /// may be private.
    ///
    /// # Errors
    /// [`PortError`] when TLS cannot be set up.
    pub fn new(allowed: &AllowList) -> Result<Self, PortError> {
        Self::resolving(allowed, System)
    }

    /// Makes a client that looks names up by `resolver`.
    fn resolving(allowed: &AllowList, resolver: impl Resolve + 'static) -> Result<Self, PortError> {
        // Fails when a provider is there already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let build = |client: reqwest::ClientBuilder| {
            client
                .redirect(redirect::Policy::none())
                .no_proxy()
                .connect_timeout(CONNECT_TIMEOUT)
                .build()
                .map_err(|error| PortError::unavailable("http", error))
        };
        Ok(Self {
            allowed: allowed.clone(),
            trusting: build(Client::builder())?,
            guarded: build(Client::builder().dns_resolver(Guarded(Arc::new(resolver))))?,
            total: Meter::default(),
        })
    }

    /// Returns what all requests used.
    pub(super) fn usage(&self) -> Usage {
        self.total.usage()
    }

    /// Returns the client for a URL.
    fn client(&self, url: &Url) -> Result<&Client, PortError> {
        let private = match url.host() {
            Some(Host::Domain(name)) if name != "localhost" => return Ok(&self.guarded),
            Some(Host::Domain(_)) => true,
            Some(Host::Ipv4(address)) => !is_public(address.into()),
            Some(Host::Ipv6(address)) => !is_public(address.into()),
            None => return Err(PortError::unavailable("http", "the URL has no host")),
        };
        match private {
            true if self.allowed.allows(url) => Ok(&self.trusting),
            true => Err(PortError::unavailable("http", NOT_PUBLIC)),
            false => Ok(&self.guarded),
        }
    }

    async fn exchange(&self, request: OutboundRequest) -> Result<OutboundResponse, PortError> {
        let method = Method::from_bytes(request.method.as_bytes());
        let method = method.map_err(|error| PortError::unavailable("http", error))?;
        let url = Url::parse(&request.url);
        let url = url.map_err(|error| PortError::unavailable("http", error))?;
        let mut builder = self.client(&url)?.request(method, url).timeout(request.timeout);
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        if let Some(body) = request.body {
            builder = builder.body(body);
        }
        let mut response = builder.send().await.map_err(|error| failure(&error))?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
            if body.len() + chunk.len() > request.max_body_bytes {
                let message =
                    format!("the response has more than {} bytes", request.max_body_bytes);
                return Err(PortError::unavailable("http", message));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(OutboundResponse { status: response.status().as_u16(), body })
    }
}

impl Http for ReqwestHttp {
    async fn send(&self, request: OutboundRequest) -> PortResult<OutboundResponse> {
        let usage = Usage { outbound_requests: 1, ..Usage::default() };
        let answer = self.exchange(request).await;
        // Sent is billed, whatever comes back.
        counted(&self.total, used(answer.map(Metered::free), usage))
    }
}

/// Describes the error for the owner of the step.
const NOT_PUBLIC: &str = "the address of the host is not public";

/// The names of the operating system.
struct System;

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as Addrs)
        })
    }
}

/// Gives the public addresses of a name only. The connection goes to what was judged: nobody
/// resolves the name again.
struct Guarded(Arc<dyn Resolve>);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let found = self.0.resolve(name);
        Box::pin(async move {
            let public: Vec<SocketAddr> =
                found.await?.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(Box::<dyn Error + Send + Sync>::from(NOT_PUBLIC));
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Describes the error as the owner of a step may read it: without addresses and URLs.
fn failure(error: &reqwest::Error) -> PortError {
    if error.is_timeout() {
        PortFailure::Timeout("http").into()
    } else if error.is_connect() {
        PortError::unavailable("http", "the connection was refused or broke")
    } else {
        PortError::unavailable("http", "no whole HTTP response came")
    }
}

#[cfg(test)]
mod forgery;
#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use wiremock::{
        Mock, MockServer, ResponseTemplate,
        matchers::{body_string, header, method, path},
    };

    use super::*;

    fn request(url: String) -> OutboundRequest {
        OutboundRequest {
            method: "POST".to_owned(),
            url,
            headers: BTreeMap::from([("idempotency-key", "\"k\"".to_owned())]),
            body: Some(b"{}".to_vec()),
            timeout: Duration::from_millis(500),
            max_body_bytes: 10,
        }
    }

    async fn answer(template: ResponseTemplate) -> PortResult<OutboundResponse> {
        let server = MockServer::start().await;
        Mock::given(method("POST"))
            .and(path("/effect"))
            .and(header("idempotency-key", "\"k\""))
            .and(body_string("{}"))
            .respond_with(template)
            .expect(1)
            .mount(&server)
            .await;
        let http = ReqwestHttp::new(&AllowList::parse(&server.uri()).unwrap()).unwrap();
        http.send(request(format!("{}/effect", server.uri()))).await
    }

    #[tokio::test]
    async fn sends_what_it_is_told_and_counts_it() {
        let answer =
            answer(ResponseTemplate::new(201).set_body_string("0123456789")).await.unwrap();
        assert_eq!(answer.value, OutboundResponse { status: 201, body: b"0123456789".to_vec() });
        assert_eq!(answer.usage.outbound_requests, 1);
    }

    #[tokio::test]
    async fn follows_no_redirect() {
        let redirect = ResponseTemplate::new(302).insert_header("location", "http://127.0.0.1:1/");
        assert_eq!(answer(redirect).await.unwrap().value.status, 302);
    }

    #[tokio::test]
    async fn bounds_the_response_in_size_and_time() {
        let long = answer(ResponseTemplate::new(200).set_body_string("0123456789+")).await;
        assert!(long.unwrap_err().to_string().contains("more than 10 bytes"));
        let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(5));
        let error = answer(slow).await.unwrap_err();
        assert_eq!(error.cause, PortFailure::Timeout("http"));
        assert_eq!(error.usage.outbound_requests, 1, "sent is billed");
    }

    #[tokio::test]
    async fn a_closed_port_is_unavailable() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        let http = ReqwestHttp::new(&AllowList::parse(&url).unwrap()).unwrap();
        let error = http.send(request(url)).await.unwrap_err();
        assert_eq!(error.to_string(), "http failed: the connection was refused or broke");
    }
}
