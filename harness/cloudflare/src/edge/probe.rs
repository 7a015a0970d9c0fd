//! Gathers the facts.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    time::{Duration, UNIX_EPOCH},
};

use reqwest::{Certificate, Client, ClientBuilder, Url, tls::TlsInfo};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{
    Domain,
    old_tls::{self, OldTlsError},
};
use crate::{
    http::question,
    model::files::{self, MAX_SETTINGS_BYTES},
};

/// The time limit for one request.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// An origin that no deployment allows.
const STRANGER: &str = "https://stranger.invalid";
/// Asked for with a redirect in view: path and query must survive it.
const REDIRECTED: &str = "health/live?a=b";

/// An answer, without its body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// HTTP status.
    pub status: u16,
    /// The headers by name in lower case; the last value where there are several.
    pub headers: BTreeMap<String, String>,
}

impl Page {
    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// Holds the facts that were gathered about a domain.
#[derive(Debug)]
pub struct Facts {
    /// The answer over plain HTTP.
    pub plain: Result<Page, NoAnswer>,
    /// The address to which that must redirect.
    pub redirect_to: String,
    /// The old version of TLS that the server agreed to, if any.
    pub old_tls: Result<Option<&'static str>, OldTlsError>,
    /// Says that its certificate is trusted and names it, or why not.
    pub trusted: Result<(), NoAnswer>,
    /// The remaining lifetime of the certificate; zero when it has ended.
    pub certificate_left: Option<Duration>,
    /// The answer of `/health/live` to a page of another origin.
    pub live: Result<Page, NoAnswer>,
    /// The answer of a route for one person to a request without a token.
    pub private: Result<Page, NoAnswer>,
    /// The answer of the public catalogue.
    pub catalogue: Result<Page, NoAnswer>,
}

/// A request of the probe has no answer. Its text is that of the innermost cause, which names, for
/// example, the fault of a certificate.
#[derive(Debug, thiserror::Error)]
#[error("{}", innermost(.0))]
pub struct NoAnswer(#[source] reqwest::Error);

fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Says why a file is no authority.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] io::Error),
    /// The file is no PEM.
    #[error(transparent)]
    Pem(#[from] reqwest::Error),
    /// The file holds no certificate.
    #[error("there is none in it")]
    Empty,
}

/// Says why no facts could be gathered.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// The authority's certificate.
    #[error("cannot use {} as an authority: {error}; give a PEM certificate", path.display())]
    Authority {
        /// The path of the file.
        path: PathBuf,
        /// The error in the file.
        error: AuthorityError,
    },
    /// The client cannot be made.
    #[error("no TLS client: {0}")]
    Client(#[source] reqwest::Error),
    /// Nothing answers at the address.
    #[error("{url} cannot be reached: {error}")]
    Unreachable {
        /// The URL that was requested.
        url: Url,
        /// The reason.
        error: NoAnswer,
    },
}

/// Looks at a domain.
///
/// # Errors
/// [`EdgeError`] when there is nothing to look at.
pub async fn probe(domain: &Domain) -> Result<Facts, EdgeError> {
    let strict = authority(domain, base())?.build().map_err(EdgeError::Client)?;
    // What its certificate is worth is a rule of its own; the other rules look past it.
    let lenient = base().tls_danger_accept_invalid_certs(true).tls_info(true);
    let lenient = lenient.build().map_err(EdgeError::Client)?;
    let at = |path: &str| join(&domain.https, path);
    let first = lenient.get(at("health/live")).send().await;
    let first = first.map_err(|error| EdgeError::Unreachable {
        url: domain.https.clone(),
        error: NoAnswer(error),
    })?;
    let host = domain.https.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = domain.https.port_or_known_default().unwrap_or(443);
    Ok(Facts {
        plain: page(&strict, join(&domain.http, REDIRECTED), false).await,
        redirect_to: at(REDIRECTED).to_string(),
        old_tls: old_tls::accepted(host, port, old_tls::ANSWER_WITHIN).await,
        trusted: strict.get(at("health/live")).send().await.map(drop).map_err(NoAnswer),
        certificate_left: first.extensions().get::<TlsInfo>().and_then(left),
        live: page(&lenient, at("health/live"), true).await,
        private: page(&lenient, at("workflows"), false).await,
        catalogue: page(&lenient, at("api/workflows"), false).await,
    })
}

fn base() -> ClientBuilder {
    question::client().timeout(ANSWER_WITHIN)
}

fn authority(domain: &Domain, client: ClientBuilder) -> Result<ClientBuilder, EdgeError> {
    let Some(path) = &domain.authority else { return Ok(client) };
    let certificates = || {
        let bundle = Certificate::from_pem_bundle(&files::read(path, MAX_SETTINGS_BYTES)?)?;
        if bundle.is_empty() { Err(AuthorityError::Empty) } else { Ok(bundle) }
    };
    let bundle =
        certificates().map_err(|error| EdgeError::Authority { path: path.clone(), error })?;
    Ok(client.tls_certs_only(bundle))
}

fn join(base: &Url, path: &str) -> Url {
    // A base with a host takes every relative path.
    base.join(path).unwrap_or_else(|_| base.clone())
}

async fn page(client: &Client, url: Url, from_a_page: bool) -> Result<Page, NoAnswer> {
    let mut request = client.get(url);
    if from_a_page {
        request = request.header("origin", STRANGER);
    }
    let answer = request.send().await.map_err(NoAnswer)?;
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), text(value)));
    Ok(Page { status: answer.status().as_u16(), headers: headers.collect() })
}

fn left(info: &TlsInfo) -> Option<Duration> {
    let (_, certificate) = X509Certificate::from_der(info.peer_certificate()?).ok()?;
    let end = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    #[expect(clippy::disallowed_methods, reason = "certificates end by the calendar")]
    let now = std::time::SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(Duration::from_secs(end).saturating_sub(now))
}
