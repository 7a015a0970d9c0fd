//! Something that runs already.

use std::{io, net::IpAddr, str::FromStr, time::Duration};

use reqwest::Url;
use tokio::net::TcpStream;

use super::{PAGE_VARIABLE, Target, TargetError, TargetOptions, client, identify};
use crate::{
    model::TargetKind,
    token::{
        local_secret, local_webhook_secret, secret_from_environment,
        webhook_secret_from_environment,
    },
    upstream::PAGE_ORIGIN,
};

/// A target that takes longer to accept a connection is not there.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// The error of a text that is no URL.
type UrlError = <Url as FromStr>::Err;

/// Says why a text names no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// It is no URL.
    #[error("`{text}` is not a target ({error}); give {EXAMPLE}")]
    NoUrl {
        /// The text.
        text: String,
        /// The cause.
        error: UrlError,
    },
    /// Its scheme is another than `http` and `https`.
    #[error("`{0}` is not a target; give {EXAMPLE}")]
    Scheme(String),
    /// It holds a user or a password.
    #[error("credentials in a URL end up in logs; give tokens by `users` instead")]
    Credentials,
    /// It has a query or a fragment.
    #[error("`{0}`: leave the query and the fragment out of the target")]
    Query(String),
    /// Its port is 0.
    #[error("`{0}`: nothing listens on port 0")]
    PortZero(String),
}

/// The targets that may be named.
const EXAMPLE: &str = "`embedded`, `wrangler` or a URL such as http://127.0.0.1:8787";

/// Reads a base URL: `http` or `https`, without credentials, query and fragment.
pub(super) fn parse_url(text: &str) -> Result<Url, BadTarget> {
    let named = || text.to_owned();
    let mut url = Url::parse(text).map_err(|error| BadTarget::NoUrl { text: named(), error })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(BadTarget::Scheme(named()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BadTarget::Credentials);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(BadTarget::Query(named()));
    }
    if url.port() == Some(0) {
        return Err(BadTarget::PortZero(named()));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

pub(super) async fn find(url: &Url, options: &TargetOptions) -> Result<Target, TargetError> {
    let loopback = is_loopback(url);
    if !loopback && !options.allow_remote {
        return Err(TargetError::Remote(url.host_str().unwrap_or_default().to_owned()));
    }
    connect(url).await?;
    let beside = if loopback { stub_beside(url).await } else { None };
    // Only `workway lab serve` has the stub beside it, and what it is told is published.
    let published = beside.as_ref().map(|_| local_webhook_secret());
    let webhook = webhook_secret_from_environment().or(published);
    let published = beside.as_ref().map(|_| PAGE_ORIGIN.to_owned());
    let page_origin = std::env::var(PAGE_VARIABLE).ok().or(published);
    let upstream = options.upstream.clone().or(beside);
    // What we sign with the published secret must never leave this machine.
    let secret = secret_from_environment().or_else(|| loopback.then(local_secret));
    Ok(Target {
        url: url.clone(),
        upstream,
        secret,
        webhook,
        page_origin,
        kind: TargetKind::Url,
        limiter: None,
        control: None,
        service: None,
        stub: None,
        launch: None,
        ahead: 0,
        _scratch: None,
    })
}

/// Tells whether a URL is of this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => host
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

async fn connect(url: &Url) -> Result<(), TargetError> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(80);
    let connected = tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect((host, port))).await;
    let late = || {
        let message = format!("no connection within {} s", CONNECT_WITHIN.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, message))
    };
    match connected.unwrap_or_else(|_| late()) {
        Ok(_) => Ok(()),
        Err(error) => Err(TargetError::Unreachable { url: url.clone(), error }),
    }
}

/// Returns the URL of the stub if there is one: `workway lab serve` puts it on the port after its
/// own.
async fn stub_beside(url: &Url) -> Option<Url> {
    let stub = next_port(url)?;
    identify(&client(), &stub).await.map(|_| stub)
}

/// Returns the URL of the same host, one port further.
pub(super) fn next_port(url: &Url) -> Option<Url> {
    let mut next = url.clone();
    next.set_path("");
    next.set_port(Some(url.port()?.checked_add(1)?)).ok()?;
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_cannot_be_tested_are_refused_with_a_reason() {
        for bad in [
            "",
            "http://",
            "/x",
            "ftp://x",
            "file:///x",
            "http://u:p@x",
            "http://x:0",
            "http://x:99999",
            "http://::1",
            "http://x?y",
            "http://x#y",
            "embeded",
        ] {
            assert!(parse_url(bad).is_err(), "{bad}");
        }
        assert_eq!(
            parse_url("http://127.0.0.1:1/api/").unwrap().as_str(),
            "http://127.0.0.1:1/api"
        );
    }

    #[test]
    fn loopback_is_what_it_says() {
        for (url, expected) in [
            ("http://127.0.0.1:1", true),
            ("http://127.9.9.9", true),
            ("http://[::1]:1", true),
            ("http://localhost", true),
            ("http://2130706433", true),
            ("http://localhost.example", false),
            ("http://192.0.2.1", false),
            ("https://api.example.com", false),
            ("http://[::2]", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }

    #[tokio::test]
    async fn a_remote_address_needs_the_flag_and_gets_no_published_signature() {
        let url = Url::parse("http://192.0.2.1").unwrap();
        let refused = find(&url, &TargetOptions::default()).await.unwrap_err();
        assert!(matches!(refused, TargetError::Remote(_)), "{refused:?}");
    }

    #[tokio::test]
    async fn a_closed_port_is_unreachable() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        drop(listener);
        let error = find(&url, &TargetOptions::default()).await.unwrap_err();
        assert!(matches!(error, TargetError::Unreachable { .. }), "{error:?}");
    }
}
